package scimclient

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	elimity "github.com/elimity-com/scim"
	elimityerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// A mirror serves a made-up directory through this module's own SCIM handler.
// Before each request it updates the handler's store from the directory.
type mirror struct {
	from    *fake.Directory
	face    http.RoundTripper // renders users
	store   *scim.Memory
	handler http.Handler

	mu     sync.Mutex
	stored map[string]string // ID: the document, or the members
}

var mirrored = scim.Directory{Tenant: "acme", Connection: "idp"}

func newMirror(d *fake.Directory) *mirror {
	m := &mirror{from: d, face: fake.Transport(&fake.SCIM{Directory: d, Token: token}), store: &scim.Memory{}, stored: map[string]string{}}
	var err error
	m.handler, err = scim.NewHandler(scim.Config{
		Store: m.store, PageSize: 2, MaxPageSize: 2, BaseURL: "http://127.0.0.1:7777",
		Authenticate: func(r *http.Request) (scim.Principal, error) {
			if r.Header.Get("Authorization") != "Bearer "+token {
				return scim.Principal{}, scim.ErrUnavailable
			}
			return scim.Principal{Tenant: mirrored.Tenant, Connection: mirrored.Connection}, nil
		},
	})
	if err != nil {
		panic(err)
	}
	return m
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.sync(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	m.handler.ServeHTTP(w, r)
}

func (m *mirror) sync() error {
	users, groups := m.from.Users(), m.from.Groups()
	now := map[string]bool{}
	for _, u := range users {
		now[u.ID] = true
		doc, err := m.render(u.ID)
		if err == nil {
			err = m.put(scim.Ref{Type: scim.TypeUser, ID: u.ID}, doc, "", nil)
		}
		if err != nil {
			return err
		}
	}
	for _, g := range groups { // first, as any of them may be in another
		if _, known := m.stored[g.ID]; !known {
			if err := m.put(scim.Ref{Type: scim.TypeGroup, ID: g.ID}, "{}", g.Name, nil); err != nil {
				return err
			}
		}
	}
	for _, g := range groups {
		now[g.ID] = true
		change := &scim.MemberChange{Replace: true}
		for _, id := range g.Members {
			change.Add = append(change.Add, scim.Link{Ref: scim.Ref{ID: id}})
		}
		doc, err := json.Marshal(map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": g.Name})
		if err == nil {
			err = m.put(scim.Ref{Type: scim.TypeGroup, ID: g.ID}, string(doc), g.Name, change)
		}
		if err != nil {
			return err
		}
	}
	for id := range m.stored {
		if !now[id] {
			kind := scim.TypeUser
			if strings.HasPrefix(id, "g") {
				kind = scim.TypeGroup
			}
			if _, err := m.store.Apply(context.Background(), mirrored, scim.Write{Op: scim.Delete, Ref: scim.Ref{Type: kind, ID: id}, At: time.Now()}); err != nil {
				return err
			}
			delete(m.stored, id)
		}
	}
	return nil
}

// render returns the document of a user, without the attributes that the handler
// adds.
func (m *mirror) render(id string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:1/Users/"+id, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := m.face.RoundTrip(req)
	if err != nil {
		return "", err
	}
	var doc map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		return "", err
	}
	delete(doc, "id")
	delete(doc, "meta")
	text, err := json.Marshal(doc)
	return string(text), err
}

func (m *mirror) put(ref scim.Ref, doc, display string, members *scim.MemberChange) error {
	text := doc
	if members != nil {
		ids, err := json.Marshal(members.Add)
		if err != nil {
			return err
		}
		text += string(ids)
	}
	known, ok := m.stored[ref.ID]
	if known == text && ok {
		return nil
	}
	op := scim.Create
	if ok {
		op = scim.Update
	}
	_, err := m.store.Apply(context.Background(), mirrored, scim.Write{Op: op, Ref: ref, At: time.Now(), Doc: []byte(doc), Display: display, Members: members})
	if err == nil {
		m.stored[ref.ID] = text
	}
	return err
}

// Our own client reads our own handler, by cursor and by position.
func TestOurHandler(t *testing.T) {
	for name, paging := range map[string]Paging{"by cursor": PageAuto, "by position": PageIndex} {
		t.Run(name, func(t *testing.T) {
			h := harness(nil, func(cfg *Config) { cfg.Paging = paging })
			h.Provider = func(d *fake.Directory) http.Handler { return newMirror(d) }
			sourcetest.TestHTTP(t, h)
		})
	}
}

// S33: a pushed user is the same, whether read from the store or over HTTP.
func TestPushedAndPulledAreTheSame(t *testing.T) {
	users, groups := company()
	d := fake.NewDirectory()
	d.PutUsers(users...)
	groups = append(groups, sources.Group{ID: "g-4", Name: "Both", Members: []string{"g-2", "u-1", "g-5"}}, sources.Group{ID: "g-5", Name: "Circle", Members: []string{"g-4", "u-2"}})
	d.PutGroups(groups...)
	m := newMirror(d)
	for _, kind := range []string{sources.KindSCIM, sources.KindOkta} {
		src := source(t, "http://127.0.0.1:1", fake.Transport(m), func(cfg *Config) { cfg.Kind, cfg.Connection = kind, "idp" })
		pulled, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.NoError(t, err)
		pushed, err := sources.Collect(t.Context(), scim.AsSource(m.store, "acme", "idp", scim.SourceConfig{Kind: kind}), sources.CollectConfig{})
		require.NoError(t, err)
		for _, s := range []*sources.Snapshot{pulled, pushed} {
			for i := range s.Groups {
				slices.Sort(s.Groups[i].Members)
			}
		}
		assert.Equal(t, pushed, pulled)
		assert.Equal(t, []string{"u-1", "u-2", "u-5"}, pulled.Groups[3].Members, "groups in groups")
	}
}

// peers pushes people and groups to a server of others, reads it, and compares the
// result.
func peers(t *testing.T, base string, httpClient *http.Client) {
	t.Helper()
	const people = 25
	push := func(path, body string) (id string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/scim+json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := httpClient.Do(req)
		require.NoError(t, err)
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 201, resp.StatusCode, string(answer))
		var created struct{ ID string }
		require.NoError(t, json.Unmarshal(answer, &created))
		require.NotEmpty(t, created.ID)
		return created.ID
	}
	var ids []string
	for i := range people {
		ids = append(ids, push("/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
			"userName": "p`+strconv.Itoa(i)+`@acme.com", "active": `+strconv.FormatBool(i%2 == 0)+`, "title": "Clerk",
			"name": {"givenName": "Given", "familyName": "Family`+strconv.Itoa(i)+`"},
			"emails": [{"type": "work", "value": "p`+strconv.Itoa(i)+`@acme.com", "primary": true}],
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales"}}`))
	}
	group := func(name string, members ...string) string {
		return push("/Groups", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "`+name+`", "members": [`+strings.Join(members, ",")+`]}`)
	}
	user := func(id string) string { return `{"value": "` + id + `", "type": "User"}` }
	var members []string
	for _, id := range ids {
		members = append(members, user(id))
	}
	want := []sources.Group{
		{Name: "Everybody", Members: ids}, {Name: "Two", Members: ids[:2]}, {Name: "Three", Members: []string{ids[2], ids[0], ids[1]}}, {Name: "Nobody"},
	}
	want[0].ID = group("Everybody", members...)
	want[1].ID = group("Two", members[:2]...)
	want[2].ID = group("Three", members[2], `{"value": "`+want[1].ID+`", "type": "Group"}`)
	want[3].ID = group("Nobody")
	for _, size := range []int{10, 5, 100, 2} { // with and without a page that is not full
		readBack(t, base, size, people, want)
	}
}

func readBack(t *testing.T, base string, size, people int, groups []sources.Group) {
	t.Helper()
	src := source(t, base, nil, func(cfg *Config) { cfg.PageSize = size })
	require.NoError(t, src.Check(t.Context()))
	snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.NoError(t, err)
	require.Len(t, snapshot.Users, people)
	for _, u := range snapshot.Users {
		i, err := strconv.Atoi(strings.TrimPrefix(u.FamilyName, "Family"))
		require.NoError(t, err)
		want := sources.User{
			ID: u.ID, UserName: "p" + strconv.Itoa(i) + "@acme.com", Email: "p" + strconv.Itoa(i) + "@acme.com", Status: sources.StatusInactive,
			GivenName: "Given", FamilyName: u.FamilyName, Title: "Clerk", Attributes: map[string]sources.Values{"department": values("Sales")},
		}
		if i%2 == 0 {
			want.Status = sources.StatusActive
		}
		assert.Equal(t, want, u)
	}
	assert.Equal(t, groups, snapshot.Groups)
	assert.Equal(t, sources.FactAll, snapshot.Proven)
}

// The server of elimity-com/scim.
func TestElimity(t *testing.T) {
	handler, err := elimity.NewServer(&elimity.ServerArgs{
		ServiceProviderConfig: &elimity.ServiceProviderConfig{},
		ResourceTypes: []elimity.ResourceType{{
			ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: schema.CoreUserSchema(),
			SchemaExtensions: []elimity.SchemaExtension{{Schema: schema.ExtensionEnterpriseUser()}}, Handler: &resources{},
		}, {
			ID: optional.NewString("Group"), Name: "Group", Endpoint: "/Groups", Schema: schema.CoreGroupSchema(), Handler: &resources{},
		}},
	})
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	defer server.Close()
	peers(t, server.URL, server.Client())
}

// resources stores what is pushed to elimity's server, as its documentation shows.
type resources struct {
	mu  sync.Mutex
	all []elimity.Resource
}

func (r *resources) Create(_ *http.Request, attributes elimity.ResourceAttributes) (elimity.Resource, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	created := elimity.Resource{ID: strconv.Itoa(len(r.all) + 1), Attributes: attributes, Meta: elimity.Meta{Created: &now, LastModified: &now}}
	r.all = append(r.all, created)
	return created, nil
}

func (r *resources) GetAll(_ *http.Request, params elimity.ListRequestParams) (elimity.Page, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := min(params.StartIndex-1, len(r.all))
	return elimity.Page{TotalResults: len(r.all), Resources: r.all[first:min(first+params.Count, len(r.all))]}, nil
}

func (r *resources) Get(_ *http.Request, id string) (elimity.Resource, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, err := strconv.Atoi(id); err == nil && i > 0 && i <= len(r.all) {
		return r.all[i-1], nil
	}
	return elimity.Resource{}, elimityerrors.ScimErrorResourceNotFound(id)
}

func (*resources) Replace(_ *http.Request, id string, _ elimity.ResourceAttributes) (elimity.Resource, error) {
	return elimity.Resource{}, elimityerrors.ScimErrorResourceNotFound(id)
}

func (*resources) Delete(_ *http.Request, id string) error {
	return elimityerrors.ScimErrorResourceNotFound(id)
}

func (*resources) Patch(_ *http.Request, id string, _ []elimity.PatchOperation) (elimity.Resource, error) {
	return elimity.Resource{}, elimityerrors.ScimErrorResourceNotFound(id)
}

// scimmyEnv names the script of a server made with scimmy, which lies beside the
// packages it needs (scimmy 1.3.5, scimmy-routers 1.3.2, express 4: with express
// 5 it pays no heed to startIndex and count). scim/internal/peerbench has it.
const scimmyEnv = "USHER_SCIMMY"

// The server of scimmy, on Node.
func TestScimmy(t *testing.T) {
	script := os.Getenv(scimmyEnv)
	if script == "" {
		t.Skip(scimmyEnv + " names no script; .ci/peers installs one and runs this test")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node on this machine")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", script)
	node.Env = append(os.Environ(), "TOKEN="+token)
	stdin, err := node.StdinPipe()
	require.NoError(t, err)
	stdout, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	defer func() {
		_ = stdin.Close() // the script ends when its input does
		_ = node.Wait()
	}()
	line := make([]byte, 200)
	n, err := stdout.Read(line)
	require.NoError(t, err)
	peers(t, strings.TrimSpace(string(line[:n])), http.DefaultClient)
}
