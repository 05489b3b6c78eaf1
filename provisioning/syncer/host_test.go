package syncer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
)

var acme = syncer.Target{Tenant: "acme", Connection: "okta"}

// rules returns the rules of a company that gives seats and recording to the
// people in the given groups.
func rules(kind string, groups ...string) provisioning.Config {
	cfg := provisioning.Config{Source: kind, Domains: provisioning.Domains{Primary: "acme.com"}, Managers: provisioning.Managers{Notify: true}}
	if len(groups) > 0 {
		cfg.Assignments = []assignment.Assignment{{
			ID: "sales", Name: "Sales", Mode: assignment.Automatic, Match: assignment.Match{Groups: groups},
			Settings: assignment.Settings{Seats: []string{"core"}, Capture: []string{assignment.Recording}},
		}}
	}
	return cfg
}

// A host has the parts of a program around a syncer: a SCIM directory that
// receives pushes over HTTP, a team, and settings that may change.
type host struct {
	t         testing.TB
	target    syncer.Target
	directory scim.Store
	team      syncer.Store
	handler   http.Handler
	server    *httptest.Server // nil means that the handler is called directly
	group     string           // ID of a group, if the test has one
	sync      *syncer.Syncer

	mu     sync.Mutex
	setup  syncer.Setup
	events []syncer.Event
	failed error // the error that Setup returns
}

// newHost starts a host with one pushed connection. Its directory and its team
// are in memory if the caller gives none.
func newHost(t testing.TB, target syncer.Target, kind string, cfg syncer.Config, directory scim.Store) *host {
	h := &host{t: t, target: target, directory: directory, team: cfg.Store}
	if h.directory == nil {
		h.directory = new(scim.Memory)
	}
	if h.team == nil {
		h.team = new(provisioning.Memory)
	}
	h.setup = syncer.Setup{
		Rules: rules(kind), Pushed: true,
		Source: scim.AsSource(h.directory, target.Tenant, target.Connection, scim.SourceConfig{Kind: kind}),
	}
	h.setup.Rules.Connection = target.Connection
	cfg.Store = h.team
	h.sync = h.replica(cfg)
	handler, err := scim.NewHandler(scim.Config{
		Store: h.directory, Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(*http.Request) (scim.Principal, error) {
			return scim.Principal{Tenant: target.Tenant, Connection: target.Connection, Kind: kind}, nil
		},
		OnChange: func(ctx context.Context, e scim.Event) { _ = h.sync.Push(ctx, syncer.Target(e.Directory)) },
	})
	require.NoError(t, err)
	h.handler = scim.Mount("/scim/v2", handler, nil)
	return h
}

// serve makes requests go over HTTP.
func (h *host) serve() *host {
	h.server = httptest.NewServer(h.handler)
	h.t.Cleanup(h.server.Close)
	return h
}

// replica returns a syncer of another process of the host.
func (h *host) replica(cfg syncer.Config) *syncer.Syncer {
	if cfg.Store == nil {
		cfg.Store = h.team
	}
	cfg.Setup = func(context.Context, syncer.Target) (syncer.Setup, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.setup, h.failed
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	observe := cfg.Observe
	cfg.Observe = func(ctx context.Context, e syncer.Event) {
		h.mu.Lock()
		h.events = append(h.events, e)
		h.mu.Unlock()
		if observe != nil {
			observe(ctx, e)
		}
	}
	s, err := syncer.New(cfg)
	require.NoError(h.t, err)
	h.t.Cleanup(s.Close)
	return s
}

// change changes the settings of the connection.
func (h *host) change(do func(*syncer.Setup)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do(&h.setup)
}

// told returns the events of one kind.
func (h *host) told(kind syncer.EventKind) []syncer.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.events), func(e syncer.Event) bool { return e.Kind != kind })
}

// do sends a request as a provider does, and returns the id in the answer.
func (h *host) do(method, path, body string, status int) string {
	h.t.Helper()
	id, got, text := h.send(method, path, body)
	require.Equal(h.t, status, got, "%s %s: %s", method, path, text)
	return id
}

// send sends a request, and returns the id in the answer, the status and the body.
func (h *host) send(method, path, body string) (id string, status int, text []byte) {
	h.t.Helper()
	var resp *http.Response
	if h.server == nil {
		req := httptest.NewRequest(method, "/scim/v2"+path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/scim+json")
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, req)
		resp = w.Result()
	} else {
		req, err := http.NewRequest(method, h.server.URL+"/scim/v2"+path, strings.NewReader(body))
		require.NoError(h.t, err)
		req.Header.Set("Content-Type", "application/scim+json")
		resp, err = h.server.Client().Do(req)
		require.NoError(h.t, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	var answer struct{ ID string }
	if len(bytes.TrimSpace(text)) > 0 {
		require.NoError(h.t, json.Unmarshal(text, &answer))
	}
	return answer.ID, resp.StatusCode, text
}

// person returns the body of a POST for a person with the given name, as Okta
// sends it.
func person(name string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `@acme.com",
		"name":{"givenName":"` + strings.ToUpper(name[:1]) + name[1:] + `","familyName":"Young"},
		"emails":[{"primary":true,"value":"` + name + `@acme.com","type":"work"}],"displayName":"` + name + `",
		"locale":"en-US","externalId":"00u-` + name + `","groups":[],"password":"1mz050nq","active":true}`
}

// hire pushes a new person and returns the ID.
func (h *host) hire(name string) string {
	h.t.Helper()
	return h.do("POST", "/Users", person(name), http.StatusCreated)
}

// patch sends the operations of a PATCH.
func (h *host) patch(path, operations string, status int) {
	h.t.Helper()
	h.do("PATCH", path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operations+`]}`, status)
}

// leave deactivates a person as Okta does.
func (h *host) leave(id string) {
	h.t.Helper()
	h.patch("/Users/"+id, `{"op":"replace","value":{"active":false}}`, http.StatusOK)
}

// members returns the tenant's members by address.
func (h *host) members() map[string]provisioning.Member {
	h.t.Helper()
	team, err := provisioning.Team(context.Background(), h.team, h.target.Tenant)
	require.NoError(h.t, err)
	members := make(map[string]provisioning.Member)
	for _, m := range team {
		members[m.Email] = m
	}
	return members
}

func (h *host) active() int {
	n := 0
	for _, m := range h.members() {
		if m.Active {
			n++
		}
	}
	return n
}

func (h *host) health() syncer.Health {
	h.t.Helper()
	health, err := h.sync.Health(context.Background(), h.target)
	require.NoError(h.t, err)
	return health
}

// deliver delivers the effects in the outbox, and returns the time of the next
// retry.
func (h *host) deliver(s *syncer.Syncer) time.Time {
	h.t.Helper()
	next, err := s.Deliver(context.Background(), h.target.Tenant)
	require.NoError(h.t, err)
	return next
}

// pass advances the time in a bubble, and waits until all goroutines are
// blocked.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// eventually waits for a condition that background work fulfils.
func eventually(t testing.TB, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, time.Minute, 5*time.Millisecond, what)
}
