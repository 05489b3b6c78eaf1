package rippling

import "github.com/usher-go/usher/sources/internal/rest"

// newAuth returns the Auth of the token or of the token source.
func newAuth(cfg Config) rest.Auth {
	if cfg.TokenSource != nil {
		return rest.TokenSource(kind, cfg.TokenSource)
	}
	return rest.Bearer(cfg.Token)
}
