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

// An Authenticator returns the principal of a request: the type of
// Config.Authenticate.
type Authenticator = func(*http.Request) (Principal, error)

// errNoToken reports that a request has no bearer token.
var errNoToken = errors.New("no bearer token")

// errTwoCredentials reports that a request has more than one Authorization
// header. A proxy may have checked another one than this package would.
var errTwoCredentials = errors.New("more than one Authorization header")

// errUnknownToken reports that no principal has the token.
var errUnknownToken = errors.New("unknown bearer token")

// A Token is a bearer token as it is stored: its hash and its principal.
// Several tokens of one principal may be valid at the same time, so that a
// token can be rotated without a gap: issue the new one, let the administrator
// change over, then delete the old one or let it expire.
type Token struct {
	// Hash is HashToken of the token. The token itself is not stored.
	Hash      string
	Principal Principal
	// NotAfter is the time at which the token expires; zero means never.
	NotAfter time.Time
}

// NewToken returns a new random token (256 bits, URL-safe), to show to the
// administrator once, and its hash, to store.
func NewToken() (token, hash string) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, HashToken(token)
}

// HashToken returns the hash that Token stores: SHA-256 in hexadecimal. Tokens
// are long and random, so they need no salt or slow hash; do not use it for
// passwords.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// BearerTokens authenticates requests by the token in their Authorization
// header. lookup finds a token by its hash, for instance in the host's
// database, where an index on the hash also protects the comparison against
// timing attacks. It returns ErrNotFound for an unknown token, which is answered
// with 401. Any other error means that the lookup is not possible at present: the
// Authenticator's error then matches ErrUnavailable. If Principal.Token of a token
// is empty, it is set to the first 8 digits of the hash.
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
			return Principal{}, fmt.Errorf("%w: looking up a token: %w", ErrUnavailable, err)
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

// FixedTokens returns a lookup for BearerTokens over a fixed set of tokens.
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

// FirstOf authenticates by the first of several ways that accepts a request. If
// none accepts it and one is unavailable, the error is that one's.
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
