package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/usher-go/usher/sources/recording"
)

// The files of a recording besides the answers.
const (
	aboutFile = "recording.json"
	rulesFile = "rules.json"
)

// A folder is a recording: the answers of a directory, and the settings of the
// program that read them, without credentials.
type folder struct {
	Format   int      `json:"format"` // 1
	Source   string   `json:"source"`
	Settings settings `json:"settings"`
	// Secrets are the variables that held credentials.
	Secrets []string `json:"secrets"`

	player *recording.Player
	keys   map[string]string // replacements for the credentials
}

// openFolder reads a recording.
func openFolder(path string) (*folder, error) {
	data, err := os.ReadFile(filepath.Join(path, aboutFile))
	if err != nil {
		return nil, fmt.Errorf("no recording: %w", err)
	}
	f := &folder{keys: map[string]string{}}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(path, aboutFile), err)
	}
	if f.Format != 1 {
		return nil, fmt.Errorf("%s: format: is %d, want 1", filepath.Join(path, aboutFile), f.Format)
	}
	p, err := providerOf(f.Source)
	if err != nil {
		return nil, fmt.Errorf("%s: source: is %q, which is none that this program reads", filepath.Join(path, aboutFile), f.Source)
	}
	for _, v := range p.variables {
		f.keys[v.name] = "removed"
		if v.file {
			if f.keys[v.name], err = anyKey(); err != nil {
				return nil, err
			}
		}
	}
	f.player, err = recording.Open(os.DirFS(path))
	return f, err
}

// env returns the settings of the recording. For a credential it returns a text of
// the same form.
func (f *folder) env(name string) string {
	for _, secret := range f.Secrets {
		if secret == name {
			return f.keys[name]
		}
	}
	return f.Settings[name]
}

// anyKey returns a new key, for a login that is replayed.
func anyKey() (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
}

// transport returns the transport for the source, and a function to call after the
// directory was read: it moves a recording to its place, unless the reading was
// interrupted.
func (opt options) transport(live http.RoundTripper) (http.RoundTripper, func(context.Context) error, error) {
	switch {
	case opt.replay != nil:
		return opt.replay.player, func(context.Context) error { return nil }, nil
	case opt.record == "":
		return live, func(context.Context) error { return nil }, nil
	}
	if _, err := os.Lstat(opt.record); err == nil {
		return nil, nil, fmt.Errorf("-record: %s exists already", opt.record)
	}
	partial, err := os.MkdirTemp(filepath.Dir(opt.record), filepath.Base(opt.record)+".partial-")
	if err != nil {
		return nil, nil, fmt.Errorf("-record: %w", err)
	}
	recorder, err := recording.New(partial, recording.Config{Base: live, Secrets: opt.provider.secrets(opt.settings)})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(partial))
	}
	return recorder, func(ctx context.Context) error {
		err := ctx.Err()
		if err == nil {
			var answers []os.DirEntry
			if answers, err = os.ReadDir(partial); err == nil && len(answers) == 0 {
				err = errors.New("-record: nothing was asked, so there is no recording")
			}
		}
		if err == nil {
			err = opt.describe(partial)
		}
		if err == nil {
			err = os.Rename(partial, opt.record)
		}
		if err != nil {
			return errors.Join(err, os.RemoveAll(partial))
		}
		return nil
	}, nil
}

// describe writes the files of a recording besides the answers.
func (opt options) describe(path string) error {
	about := folder{Format: 1, Source: opt.provider.kind, Settings: settings{}, Secrets: []string{}}
	for _, v := range opt.provider.variables {
		switch value, given := opt.settings[v.name]; {
		case given && v.secret:
			about.Secrets = append(about.Secrets, v.name)
		case given:
			about.Settings[v.name] = bare(value)
		}
	}
	data, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(path, aboutFile), append(data, '\n'), 0o600),
		os.WriteFile(filepath.Join(path, rulesFile), opt.rulesText, 0o600),
	)
}

// bare returns a setting. From an address it removes password and query, which may
// hold a credential. For an address that cannot be parsed it returns "".
func bare(value string) string {
	if !strings.Contains(value, "://") {
		return value
	}
	u, err := url.Parse(value)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
