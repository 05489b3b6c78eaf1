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

// tokens puts the tokens of a credential on requests. Where Graph refuses one
// and says which claims it wants instead (continuous access evaluation), the
// credential is asked for a token with those; without the claims it would answer
// from its cache.
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
			t.Life = max(time.Until(token.ExpiresOn), time.Second) // what has ended is asked for again
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
	// passing is how azidentity writes the status of a login that may go well
	// later. It calls every refusal final.
	passing = regexp.MustCompile(`\bRESPONSE (?:429|5[0-9][0-9])\b`)
)

// claimsOf returns the claims of a challenge, in JSON.
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

// noToken is the error of a credential that gave no token. Its text is not
// shown: it holds what Entra answered, on many lines, and what a host's own
// credential puts in. Entra's code says enough.
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

// scopeOf is what a token for an address of Graph is asked for.
func scopeOf(base *url.URL) string { return base.Scheme + "://" + base.Host + "/.default" }
