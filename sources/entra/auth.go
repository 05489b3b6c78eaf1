package entra

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// tokens puts the tokens of a credential on requests. If Graph refuses a token and
// says which claims it requires (continuous access evaluation), the credential is
// asked for a token with these claims; without them it would answer from its cache.
type tokens struct{ *rest.Tokens }

func newTokens(credential azcore.TokenCredential, scope string) tokens {
	return tokens{rest.NewTokens(kind, func(ctx context.Context) (rest.Token, error) {
		claims, _ := ctx.Value(claimsKey{}).(string)
		token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}, EnableCAE: true, Claims: claims})
		if err != nil {
			return rest.Token{}, noToken(ctx, err)
		}
		t := rest.Token{Value: token.Token}
		if !token.ExpiresOn.IsZero() {
			t.Life = max(time.Until(token.ExpiresOn), time.Second) // a token that has ended is replaced at once
		}
		return t, nil
	})}
}

type claimsKey struct{}

// Renew implements rest.Auth.
func (t tokens) Renew(refused *http.Request, answer *rest.Error) (bool, error) {
	if claims := claimsOf(answer.Challenge); claims != "" {
		refused = refused.WithContext(context.WithValue(refused.Context(), claimsKey{}, claims))
	}
	return t.Tokens.Renew(refused, answer)
}

var (
	claimsForm = regexp.MustCompile(`(?i)\bclaims="([A-Za-z0-9+/_-]*)=*"`)
	aadCode    = regexp.MustCompile(`\bAADSTS[0-9]{3,10}\b`)
	// passing matches the status of a login that may succeed later, as azidentity
	// writes it in its error. azidentity calls every refusal final.
	passing = regexp.MustCompile(`\bRESPONSE (?:429|5[0-9][0-9])\b`)
)

// claimsOf returns the claims of a challenge as JSON.
func claimsOf(challenge string) string {
	found := claimsForm.FindStringSubmatch(challenge)
	if found == nil {
		return ""
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if claims, err := encoding.DecodeString(found[1]); err == nil {
			return string(claims)
		}
	}
	return ""
}

// noToken returns the error of a credential that gave no token. It does not show
// the text of err, which holds Entra's answer and whatever the host's own
// credential adds. Entra's code is enough.
func noToken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &rest.Error{Detail: ctx.Err().Error(), Err: ctx.Err()}
	}
	failure := &rest.Error{Reason: sources.ErrUnavailable, Detail: "the credential gave no token", Err: err}
	var final interface{ NonRetriable() }
	if errors.As(err, &final) && !passing.MatchString(err.Error()) {
		failure.Reason = sources.ErrUnauthorized
	}
	if code := aadCode.FindString(err.Error()); code != "" {
		failure.Detail += " (" + code + ")"
	}
	return failure
}

// scopeOf returns the scope of tokens for an address of Graph.
func scopeOf(base *url.URL) string { return base.Scheme + "://" + base.Host + "/.default" }
