package onelogin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/usher-go/usher/sources/internal/rest"
)

const maxToken = 1 << 20 // bytes of a token answer

// newTokens returns what logs in with client credentials: HTTP Basic, as
// OneLogin's own clients send them, and a body in JSON.
func newTokens(cfg Config, base *url.URL) *rest.Tokens {
	transport := rest.New(rest.Config{
		Base: cfg.Transport, Origin: base, MaxBody: maxToken, Attempts: cfg.Attempts, MaxWait: cfg.MaxWait,
		Limit: budget.Wait, Explain: explain, Secrets: []string{cfg.ClientSecret}, Logger: cfg.Logger,
	})
	address := base.JoinPath("auth/oauth2/v2/token").String()
	return rest.NewTokens(kind, func(ctx context.Context) (rest.Token, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(`{"grant_type":"client_credentials"}`))
		if err != nil {
			return rest.Token{}, err
		}
		req.SetBasicAuth(cfg.ClientID, cfg.ClientSecret)
		req.Header.Set("Content-Type", "application/json")
		req.Header["Idempotency-Key"] = nil // asking twice gives two tokens, which hurts nobody
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return rest.Token{}, err
		}
		// Some accounts wrap the token as version 1 of the endpoint did.
		var answer struct {
			token
			Data []token `json:"data"`
		}
		if err := rest.Decode(resp, &answer); err != nil {
			return rest.Token{}, err
		}
		if answer.AccessToken == "" && len(answer.Data) > 0 {
			answer.token = answer.Data[0]
		}
		return rest.Token{Value: answer.AccessToken, Life: time.Duration(max(answer.ExpiresIn, 0)) * time.Second}, nil
	})
}

type token struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int32  `json:"expires_in"` // seconds
}
