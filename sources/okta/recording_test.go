package okta

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/resttest"
	"github.com/usher-go/usher/sources/recording"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// A recording of an org has no credential. A source that reads it with any
// credential reads the same people.
func TestRecording(t *testing.T) {
	key := pemOf(t, ecKey)
	for name, cfg := range map[string]Config{"token": {Token: token}, "service app": {ClientID: clientID, PrivateKey: key}} {
		t.Run(name, func(t *testing.T) {
			o := acme()
			o.ClientKey, o.DPoP, o.PageRows = &ecKey.PublicKey, true, 0
			dir := filepath.Join(t.TempDir(), "recording")
			var canaries []string
			recorder, err := recording.New(dir, recording.Config{Secrets: []string{cfg.Token}, Base: resttest.RoundTripper(func(req *http.Request) (*http.Response, error) {
				_, sent, _ := strings.Cut(req.Header.Get("Authorization"), " ")
				canaries = append(canaries, sent, req.Header.Get("DPoP"))
				return fake.Transport(o).RoundTrip(req)
			})})
			require.NoError(t, err)
			cfg.URL, cfg.Transport = "http://127.0.0.1:1", recorder
			read := func(cfg Config, between func()) [2]*sources.Snapshot {
				src := configured(t, cfg)
				first, at, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
				require.NoError(t, err)
				between()
				second, _, err := sources.Refresh(t.Context(), src, first, at, sources.CollectConfig{})
				require.NoError(t, err)
				return [2]*sources.Snapshot{first, second}
			}
			want := read(cfg, func() { o.Directory.RemoveUsers("00u1cagurdhtxqBdf4x1") })
			assert.Len(t, want[1].Users, 4)

			files, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			require.NotEmpty(t, files)
			canaries = append(canaries, token, strings.Split(string(key), "\n")[1])
			for _, file := range files {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				for _, canary := range canaries {
					if len(canary) > 8 {
						require.False(t, strings.Contains(string(text), canary), "%s: %.40s", file, canary)
					}
				}
			}

			player, err := recording.Open(os.DirFS(dir))
			require.NoError(t, err)
			cfg.Transport = player
			if cfg.Token != "" {
				cfg.Token = "another"
			}
			assert.Equal(t, want, read(cfg, func() {}))
		})
	}
}
