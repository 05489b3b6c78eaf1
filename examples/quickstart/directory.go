package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/usher-go/usher/examples/internal/files"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/salesforce"
)

// The variables for the login to a live org.
const (
	loginURL       = "SALESFORCE_LOGIN_URL"
	clientID       = "SALESFORCE_CLIENT_ID"
	clientSecret   = "SALESFORCE_CLIENT_SECRET"
	refreshToken   = "SALESFORCE_REFRESH_TOKEN"
	username       = "SALESFORCE_USERNAME"
	privateKeyFile = "SALESFORCE_PRIVATE_KEY_FILE"
)

const loginUsage = `
With these variables set, and without -users, the live org is read:
  SALESFORCE_LOGIN_URL         where to log in; default https://login.salesforce.com
  SALESFORCE_CLIENT_ID         the consumer key of the external client app
  SALESFORCE_CLIENT_SECRET     its consumer secret, to log in as the app itself
  SALESFORCE_REFRESH_TOKEN     or a refresh token, with the secret if the app wants one
  SALESFORCE_USERNAME          or a user, and
  SALESFORCE_PRIVATE_KEY_FILE  the file with the RSA key in PEM that signs for the user
`

// loginGiven reports whether the environment names a live org.
func loginGiven(env func(string) string) bool {
	for _, name := range []string{loginURL, clientID, clientSecret, refreshToken, username, privateKeyFile} {
		if env(name) != "" {
			return true
		}
	}
	return false
}

// openDirectory returns the source of the users: the live org, a saved answer, or
// the answer of the made-up company.
func openDirectory(opt options, env func(string) string, connection string, stderr io.Writer) (sources.Source, error) {
	if !opt.live {
		cfg := salesforce.FileConfig{Path: opt.users, Connection: connection}
		if opt.users == "" {
			cfg.FS, cfg.Path = demo, "demo/users.json"
		}
		file, err := salesforce.FromFile(cfg)
		if err != nil {
			return nil, files.InFile(cfg.Path, err)
		}
		return file, nil
	}
	cfg := salesforce.Config{
		Connection:   connection,
		LoginURL:     env(loginURL),
		ClientID:     env(clientID),
		ClientSecret: env(clientSecret),
		RefreshToken: env(refreshToken),
		Username:     env(username),
		Logger:       slog.New(slog.NewTextHandler(stderr, nil)),
	}
	if path := env(privateKeyFile); path != "" {
		key, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", privateKeyFile, files.InFile(path, err))
		}
		cfg.PrivateKey = key
	}
	return salesforce.New(cfg)
}

// notWhole returns the error of a directory that was not read completely. It names
// each cause once, since a damaged file makes every filter fail in the same way.
func (opt options) notWhole(err error) error {
	where := cmp.Or(opt.users, "demo/users.json")
	if opt.live {
		where = "the org"
	}
	failures := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // Collect joins them
		failures = joined.Unwrap()
	}
	told := make(map[string]bool)
	var shown []error
	for _, failure := range failures {
		cause := failure
		if failed := (*sources.Error)(nil); errors.As(failure, &failed) {
			cause = errors.Join(failed.Reason, failed.Err)
		}
		if system := (*fs.PathError)(nil); errors.As(failure, &system) {
			cause = system.Err
		}
		text := strings.ReplaceAll(cause.Error(), "\n", ": ")
		switch {
		case told[text]:
		case opt.live:
			shown = append(shown, failure)
		default:
			shown = append(shown, errors.New(text))
		}
		told[text] = true
	}
	return fmt.Errorf("%s: not read whole, and what was not read takes nothing away: %w", where, errors.Join(shown...))
}
