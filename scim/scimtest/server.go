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
	// BaseURL is the URL of the server's root, such as
	// "https://app.example.com/scim/v2".
	BaseURL string
	// Token is a bearer token with all permissions in one directory.
	Token string
	// OtherToken is a token for the directory of another tenant. Without it,
	// the separation of tenants is not tested.
	OtherToken string
	// Client sends the requests; nil means http.DefaultClient.
	Client *http.Client
}

//go:embed testdata
var conversations embed.FS

// TestServer runs conversations with a server: the requirements of RFC 7644,
// the requests of the clients of identity providers, concurrent changes, and,
// with Target.OtherToken, attempts to access the data of another tenant. It
// uses only HTTP. It creates users and groups with new names in every run, so
// that the directory need not be empty. The resources that conversations of
// providers create are not deleted.
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
