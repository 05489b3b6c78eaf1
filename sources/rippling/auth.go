package rippling

import (
	"context"

	"github.com/usher-go/usher/sources/internal/rest"
)

// newAuth returns what puts the token on requests.
func newAuth(cfg Config) rest.Auth {
	if cfg.TokenSource == nil {
		return rest.Bearer(cfg.Token)
	}
	return rest.NewTokens(kind, func(ctx context.Context) (rest.Token, error) {
		token, err := cfg.TokenSource(ctx)
		return rest.Token{Value: token}, err
	})
}
