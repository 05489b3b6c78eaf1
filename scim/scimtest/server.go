package scimtest

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/usher-go/usher/scim/internal/clienttest"
)

// A Target is a SCIM server to be tested. BaseURL and Token are required.
type Target struct {
	// BaseURL is the URL below which the endpoints are, such as
	// "https://app.example.com/scim/v2".
	BaseURL string
	// Token is a bearer token that may do everything in one directory.
	Token string
	// OtherToken is one for another tenant's directory. Without it nothing is
	// said about tenants.
	OtherToken string
	// Client sends the requests; nil is http.DefaultClient.
	Client *http.Client
}

//go:embed testdata
var conversations embed.FS

// TestServer holds conversations with a server: what RFC 7644 asks of it, what
// the clients of identity providers send, changes that race, and, with
// Target.OtherToken, attempts to reach what another tenant has. It knows
// nothing but HTTP, makes users and groups with names that are new in every
// run, and does not need the directory to be empty. What conversations of
// providers make they leave behind.
func TestServer(t *testing.T, target Target) {
	if target.BaseURL == "" || target.Token == "" {
		t.Fatal("Target.BaseURL and Target.Token are required")
	}
	target.BaseURL = strings.TrimRight(target.BaseURL, "/")
	err := fs.WalkDir(conversations, "testdata", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := conversations.ReadFile(name)
		if err != nil {
			return err
		}
		t.Run(strings.TrimSuffix(path.Base(name), path.Ext(name)), func(t *testing.T) {
			clienttest.Run(t, clienttest.Target{Base: target.BaseURL, Token: target.Token, Client: target.Client}, string(text))
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range serverChecks() {
		t.Run(c.name, func(t *testing.T) {
			if c.tenants && target.OtherToken == "" {
				t.Skip("Target.OtherToken is empty")
			}
			if err := c.run(t.Context(), target); err != nil {
				t.Errorf("%v\nThe rule: %s", err, c.rule)
			}
		})
	}
}
