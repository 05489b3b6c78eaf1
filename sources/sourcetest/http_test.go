package sourcetest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// A naive source reads OneLogin as a client that relies on the network. Each
// flaw is a mistake that was observed in some client.
type naive struct {
	base  string
	rt    http.RoundTripper
	flaws string
	token string
	until time.Time
}

func (n *naive) has(flaw string) bool { return slices.Contains(strings.Fields(n.flaws), flaw) }

func (n *naive) Info() sources.Info {
	return sources.Info{Kind: "onelogin", Connection: "test", Lists: sources.FactAll}
}

// do sends a request, and sends it again after a failure unless the source has
// the flaw hasty.
func (n *naive) do(req *http.Request, body string) (*http.Response, []byte, error) {
	for attempt := 1; ; attempt++ {
		sent := req.Clone(req.Context())
		sent.Body = io.NopCloser(strings.NewReader(body))
		resp, err := n.rt.RoundTrip(sent)
		var data []byte
		if err == nil {
			data, err = io.ReadAll(resp.Body)
			if !n.has("leaky") {
				resp.Body.Close()
			}
			if err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", resp.StatusCode)
				if n.has("indiscreet") {
					err = fmt.Errorf("%w: %s", err, data)
				}
			}
		}
		if err == nil || attempt == 4 || n.has("hasty") || req.Context().Err() != nil {
			return resp, data, err
		}
		time.Sleep(2 * time.Second)
	}
}

func (n *naive) login(ctx context.Context) error {
	if n.token != "" && (time.Now().Before(n.until) || n.has("forgetful")) {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.base+"/auth/oauth2/v2/token", nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth("id", secret)
	_, data, err := n.do(req, `{"grant_type":"client_credentials"}`)
	if err != nil {
		return err
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(data, &answer); err != nil || answer.Token == "" {
		return errors.New("no token")
	}
	n.token, n.until = answer.Token, time.Now().Add(time.Minute)
	return nil
}

// pages reads the pages of a list.
func (n *naive) pages(ctx context.Context, path string, page func([]byte) bool) error {
	seen := map[string]bool{}
	next := "?limit=50&" + path[strings.Index(path, "?")+1:]
	path, _, _ = strings.Cut(path, "?")
	var pages [][]byte
	total, first := -1, next
	for try := 0; next != ""; {
		if err := n.login(ctx); err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.base+path+next, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+n.token)
		resp, data, err := n.do(req, "")
		if err != nil {
			return err
		}
		var rows []json.RawMessage
		if err := json.Unmarshal(data, &rows); err != nil || string(data) == "null" {
			if n.has("gullible") {
				return nil
			}
			return errors.New("not a list")
		}
		if !n.has("uncounted") {
			var count int
			if _, err := fmt.Sscan(resp.Header.Get("Total-Count"), &count); err != nil {
				return err
			}
			if total < 0 {
				total = count
			}
			if count != total { // the list changed: start again
				if try++; try == 3 {
					return errors.New("it changes")
				}
				next, total, pages, seen = first, -1, nil, map[string]bool{}
				continue
			}
		}
		pages = append(pages, data)
		cursor, _ := url.PathUnescape(resp.Header.Get("After-Cursor"))
		if next = ""; cursor != "" {
			next = "?cursor=" + url.QueryEscape(cursor) + "&" + first[len("?limit=50&"):]
			if seen[next] && !n.has("circular") {
				return errors.New("in a circle")
			}
			seen[next] = true
		}
		if n.has("uncounted") || n.has("circular") {
			if !page(data) {
				return nil
			}
			pages = nil
		}
	}
	for _, data := range pages {
		if !page(data) {
			break
		}
	}
	return nil
}

// fail returns the error of a listing, or nil.
func (n *naive) fail(err error) error {
	if err == nil || n.has("quiet") {
		return nil
	}
	return &sources.Error{Kind: "onelogin", Op: "list", Err: err}
}

func (n *naive) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return func(yield func(sources.User, error) bool) {
		stopped := false
		err := n.pages(ctx, "/api/2/users?fields=email,title", func(data []byte) bool {
			var rows []struct {
				ID    json.Number
				Email string
				Title string
			}
			_ = json.Unmarshal(data, &rows)
			for _, row := range rows {
				if stopped = !yield(sources.User{ID: row.ID.String(), Email: row.Email, Title: row.Title}, nil); stopped {
					return false
				}
			}
			return true
		})
		if err = n.fail(err); err != nil && !stopped {
			yield(sources.User{}, err)
		}
	}
}

func (n *naive) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return func(yield func(sources.Group, error) bool) {
		stopped := false
		err := n.pages(ctx, "/api/2/roles?fields=users", func(data []byte) bool {
			var rows []struct {
				ID    json.Number
				Name  string
				Users []json.Number
			}
			_ = json.Unmarshal(data, &rows)
			for _, row := range rows {
				g := sources.Group{ID: row.ID.String(), Name: row.Name}
				for _, user := range row.Users {
					g.Members = append(g.Members, user.String())
				}
				if stopped = !yield(g, nil); stopped {
					return false
				}
			}
			return true
		})
		if err = n.fail(err); err != nil && !stopped {
			yield(sources.Group{}, err)
		}
	}
}

// naiveHarness returns the harness of a source with flaws over a made-up
// account.
func naiveHarness(flaws string) HTTPHarness {
	var users []sources.User
	for i := range 5 {
		users = append(users, sources.User{ID: fmt.Sprint(101 + i), Email: fmt.Sprintf("p%d@example.com", i), Title: "Clerk"})
	}
	return HTTPHarness{
		Provider: func(d *fake.Directory) http.Handler {
			return &fake.OneLogin{Directory: d, ClientID: "id", ClientSecret: secret, PageUsers: 2, PageRoles: 2, TokenLife: 2 * time.Minute, PerHour: -1}
		},
		New: func(_ testing.TB, address string, transport http.RoundTripper) sources.Source {
			return &naive{base: address, rt: transport, flaws: flaws}
		},
		Users:   users,
		Groups:  []sources.Group{{ID: "7", Name: "A", Members: []string{"101", "103"}}, {ID: "8", Name: "B", Members: []string{"105"}}, {ID: "9", Name: "C"}},
		Secrets: []string{secret, base64.StdEncoding.EncodeToString([]byte("id:" + secret))},
		Links:   []string{"After-Cursor"},
	}
}

// Every chaos check passes for a source that handles it, and fails for a source
// that makes the mistake that the check is about.
func TestChaosChecksCanFail(t *testing.T) {
	run := func(t *testing.T, name, flaws string) (err error) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			for _, c := range naiveHarness(flaws).chaosChecks() {
				if c.name == name {
					err = c.run(t)
					return
				}
			}
			t.Fatalf("there is no check %q", name)
		})
		return err
	}
	for name, c := range map[string]struct{ flaws, want string }{
		"cut body":        {"quiet hasty", `is not listed`},
		"429":             {"hasty", "want no error"},
		"bare 429":        {"hasty", "want no error"},
		"500":             {"quiet", `is not listed`},
		"502":             {"quiet", `is not listed`},
		"503":             {"quiet", `is not listed`},
		"lost connection": {"hasty", "want no error"},
		"slow bytes":      {"leaky", "were not closed"},
		"empty answer":    {"gullible", `is not listed`},
		"no content":      {"quiet", `is not listed`},
		"another shape":   {"gullible", `is not listed`},
		"null":            {"gullible", `is not listed`},
		"login page":      {"gullible", `is not listed`},
		"redirect":        {"quiet", `is not listed`},
		"401":             {"indiscreet", "shows a secret"},
		"repeated answer": {"circular uncounted", "is listed twice"},
		"repeated link":   {"circular uncounted", "is listed twice"},
		"tokens revoked":  {"quiet", `is not listed`},
		"slow provider":   {"forgetful", "want no error"},
		"drift":           {"uncounted", "was in the directory all the time and is not listed"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, run(t, name, c.flaws), c.want)
			if name != "drift" && name != "slow bytes" { // these two need more than naive does
				require.NoError(t, run(t, name, ""))
			}
		})
	}
}

// A trusting source follows every link, whatever its target.
type trusting struct {
	naive
	first string
}

func (s *trusting) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return func(yield func(sources.User, error) bool) {
		for next := s.first; next != ""; {
			base, err := url.Parse(s.base)
			if err == nil {
				base, err = base.Parse(next)
			}
			var req *http.Request
			if err == nil {
				req, err = http.NewRequestWithContext(ctx, http.MethodGet, base.String(), nil)
			}
			var data []byte
			if err == nil {
				req.Header.Set("Authorization", "Bearer "+secret)
				_, data, err = s.do(req, "")
			}
			var answer struct {
				Results []struct {
					ID    string
					Email string `json:"work_email"`
					Title string
				}
				Next string `json:"next_link"`
			}
			if err == nil {
				err = json.Unmarshal(data, &answer)
			}
			if err != nil {
				yield(sources.User{}, s.fail(err))
				return
			}
			for _, row := range answer.Results {
				if !yield(sources.User{ID: row.ID, Email: row.Email, Title: row.Title}, nil) {
					return
				}
			}
			next = answer.Next
		}
	}
}

func (s *trusting) Groups(context.Context) iter.Seq2[sources.Group, error] {
	return func(func(sources.Group, error) bool) {}
}

func TestForeignLinksAreSeen(t *testing.T) {
	h := naiveHarness("")
	h.Groups, h.Links = nil, []string{"next_link"}
	h.Provider = func(d *fake.Directory) http.Handler { return &fake.Rippling{Directory: d, Token: secret, PageRows: 2} }
	h.New = func(_ testing.TB, address string, transport http.RoundTripper) sources.Source {
		return &trusting{naive{base: address, rt: transport}, "/workers"}
	}
	synctest.Test(t, func(t *testing.T) {
		for _, c := range h.chaosChecks() {
			if c.name == "foreign link" {
				require.ErrorContains(t, c.run(t), "a request went to another host, 127.0.0.1:6666")
			}
		}
	})
}

func TestForeign(t *testing.T) {
	for link, want := range map[string]string{
		"/x?a=b":                      "http://127.0.0.1:6666/x?a=b",
		"http://127.0.0.1:7777/x?a=b": "http://127.0.0.1:6666/x?a=b",
		"bGltaXQ9MTAw":                "bGltaXQ9MTAw",
		"%zz":                         "%zz",
	} {
		require.Equal(t, want, foreign("next_link", link))
	}
	require.Equal(t, `<http://127.0.0.1:6666/x>; rel="next"`, foreign("Link", `<http://127.0.0.1:7777/x>; rel="next"`))
}

// The wire detects bodies that a source does not close, and changes the links
// of an answer in every form in which they arrive.
func TestMergedLinks(t *testing.T) {
	w := &wire{base: fake.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Link", `<http://127.0.0.1:7777/a>; rel="self"`)
		w.Header().Add("Link", `<http://127.0.0.1:7777/b>; rel="next"`)
		_, _ = io.WriteString(w, "{}")
	})), to: forever, harm: harms["merged links"]}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	resp, err := w.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, []string{`<http://127.0.0.1:7777/a>; rel="self", <http://127.0.0.1:7777/b>; rel="next"`}, resp.Header.Values("Link"))
	require.EqualError(t, w.left(), "1 answers were not closed")
	require.NoError(t, resp.Body.Close())
	require.NoError(t, resp.Body.Close())
	require.NoError(t, w.left())
}
