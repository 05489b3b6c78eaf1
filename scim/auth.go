package scim

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// An Authenticator decides whom a request speaks for: the type of
// Config.Authenticate.
type Authenticator = func(*http.Request) (Principal, error)

// errNoToken says that a request has no bearer token at all.
var errNoToken = errors.New("no bearer token")

// errUnknownToken says that a token is nobody's.
var errUnknownToken = errors.New("unknown bearer token")

// A Token is a bearer token as it is kept: its hash and whom it speaks for.
// Several tokens for one principal may be valid at once, so that one can be
// rotated without a gap: issue the new one, let the administrator change over,
// then drop the old one or let it expire.
type Token struct {
	// Hash is HashToken of the token, which itself is kept nowhere.
	Hash      string
	Principal Principal
	// NotAfter is when the token stops being valid; zero is never.
	NotAfter time.Time
}

// NewToken returns a new random token (256 bits, URL-safe) to show to the
// administrator once, and the hash to keep.
func NewToken() (token, hash string) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, HashToken(token)
}

// HashToken returns the hash of a token, as Token keeps it: SHA-256 in
// hexadecimal. Tokens are random and long, so that no salt or slow hash is
// called for; do not use it for passwords.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// BearerTokens authenticates requests by the token in their Authorization
// header. lookup finds a token by its hash, for instance in the host's
// database, where an index on the hash also makes the comparison safe against
// timing; it returns ErrNotFound for an unknown one and an error that matches
// ErrUnavailable if it cannot tell. A token whose Principal.Token is empty is
// named by the first 8 digits of its hash.
func BearerTokens(lookup func(ctx context.Context, hash string) (Token, error)) Authenticator {
	return func(r *http.Request) (Principal, error) {
		token, err := bearer(r)
		if err != nil {
			return Principal{}, err
		}
		hash := HashToken(token)
		found, err := lookup(r.Context(), hash)
		switch {
		case errors.Is(err, ErrNotFound):
			return Principal{}, errUnknownToken
		case err != nil:
			return Principal{}, fmt.Errorf("looking up a token: %w", err)
		}
		if found.Principal.Token == "" {
			found.Principal.Token = hash[:8]
		}
		if !found.NotAfter.IsZero() && time.Now().After(found.NotAfter) {
			return Principal{}, refusedOf(found.Principal, "bearer token expired")
		}
		return found.Principal, nil
	}
}

// FixedTokens is a lookup for BearerTokens over a fixed set.
func FixedTokens(tokens ...Token) func(context.Context, string) (Token, error) {
	byHash := make(map[string]Token, len(tokens))
	for _, token := range tokens {
		byHash[strings.ToLower(token.Hash)] = token
	}
	return func(_ context.Context, hash string) (Token, error) {
		if token, ok := byHash[hash]; ok {
			return token, nil
		}
		return Token{}, ErrNotFound
	}
}

// FirstOf authenticates by the first of several ways that accepts a request.
// One that is unavailable decides, if none accepts.
func FirstOf(ways ...Authenticator) Authenticator {
	return func(r *http.Request) (Principal, error) {
		var errs []error
		for _, way := range ways {
			principal, err := way(r)
			if err == nil {
				return principal, nil
			}
			errs = append(errs, err)
		}
		return Principal{}, errors.Join(errs...)
	}
}

// bearer returns the token of the Authorization header (RFC 6750 section 2.1).
func bearer(r *http.Request) (string, error) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoToken
	}
	return token, nil
}
