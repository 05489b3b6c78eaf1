package onelogin

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/usher-go/usher/sources/internal/rest"
)

// newAuth returns an Auth that logs in with client credentials: HTTP Basic, as in
// OneLogin's own clients, and a body in JSON.
func newAuth(cfg Config, base *url.URL, speak rest.Config) rest.Auth {
	address := base.JoinPath("auth/oauth2/v2/token").String()
	return rest.LogIn(kind, speak, func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(`{"grant_type":"client_credentials"}`))
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(cfg.ClientID, cfg.ClientSecret)
		req.Header.Set("Content-Type", "application/json")
		return req, nil
	}, readToken)
}

// readToken reads a token. Some accounts wrap it as version 1 of the endpoint does.
func readToken(resp *http.Response) (rest.Token, error) {
	var answer struct {
		rest.TokenAnswer
		Data []rest.TokenAnswer `json:"data"`
	}
	err := rest.Decode(resp, &answer)
	if answer.AccessToken == "" && len(answer.Data) > 0 {
		answer.TokenAnswer = answer.Data[0]
	}
	return answer.Token(), err
}
