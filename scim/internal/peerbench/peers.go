package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/internal/elimitytest"
	"github.com/usher-go/usher/scim/sqlstore"
)

const token = "a token of nobody"

// A peer is one server and what the load has made of it.
type peer struct {
	name    string
	only    string       // the one operation that it knows; empty is all
	base    string       // the URL over loopback
	handler http.Handler // the same server in process; nil for another process
	client  *http.Client
	ids     []string       // of the seeded users, in the order of their names
	turns   map[string]int // how often each operation was asked for
}

// answer is what a peer said to one request.
type answer struct {
	status int
	body   []byte
	err    error
}

func (a answer) String() string {
	return fmt.Sprintf("status %d, error %v: %s", a.status, a.err, a.body)
}

// ask sends a request, over loopback or to the handler.
func (p *peer) ask(ctx context.Context, loopback bool, r request) answer {
	req, err := http.NewRequestWithContext(ctx, r.method, p.base+r.path, strings.NewReader(r.body))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if r.body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	if !loopback {
		w := httptest.NewRecorder()
		p.handler.ServeHTTP(w, req)
		return answer{status: w.Code, body: w.Body.Bytes()}
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, body: body, err: err}
}

// newUsher is the handler as a host mounts it, with hashed bearer tokens.
// elimity's server, which has no authentication of its own, asks for the same
// ones; scimmy's compares a header.
func newUsher(store scim.Store) (http.Handler, error) {
	return scim.NewHandler(scim.Config{Store: store, Authenticate: scim.BearerTokens(tokens()), Logger: slog.New(slog.DiscardHandler)})
}

func tokens() func(context.Context, string) (scim.Token, error) {
	return scim.FixedTokens(scim.Token{
		Hash: scim.HashToken(token), Principal: scim.Principal{Tenant: directory.Tenant, Connection: directory.Connection},
	})
}

// serve puts a handler of this process on loopback until ctx is done.
func serve(ctx context.Context, name string, handler http.Handler) (*peer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends when it is closed
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return newPeer(name, "http://"+listener.Addr().String(), handler), nil
}

func newPeer(name, base string, handler http.Handler) *peer {
	return &peer{
		name: name, base: base, handler: handler, turns: map[string]int{},
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
}

// startScimmy runs scimmy.mjs, which lies beside the packages it needs. It ends
// with ctx, or when this program ends and the pipe to it closes.
func startScimmy(ctx context.Context, script string) (*peer, error) {
	cmd := exec.CommandContext(ctx, "node", filepath.Base(script))
	cmd.Dir = filepath.Dir(script)
	cmd.Env = append(os.Environ(), "NODE_ENV=production", "TOKEN="+token)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	base, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("scimmy said no address: %w", err)
	}
	return newPeer("scimmy", strings.TrimSpace(base), nil), nil
}

// startPeers starts this module's handler over its stores, in memory first,
// then its peers, and fills them. Without a script there is no scimmy, and
// without a URL no store on PostgreSQL.
func startPeers(ctx context.Context, dir, script, postgres string) (peers []*peer, err error) {
	stores := []struct{ name, driver, dsn string }{{name: "usher"}, {"usher on SQLite", "sqlite", "file:" + filepath.Join(dir, "scim.db")}}
	if postgres != "" {
		stores = append(stores, struct{ name, driver, dsn string }{"usher on PostgreSQL", "pgx", postgres})
	}
	for _, s := range stores {
		store, err := openStore(ctx, s.driver, s.dsn)
		if err != nil {
			return nil, err
		}
		handler, err := newUsher(store)
		if err != nil {
			return nil, err
		}
		p, err := serve(ctx, s.name, handler)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	theirs, err := elimitytest.NewServer()
	if err != nil {
		return nil, err
	}
	authenticate := scim.BearerTokens(tokens())
	p, err := serve(ctx, "elimity", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := authenticate(r); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		theirs.ServeHTTP(w, r)
	}))
	if err != nil {
		return nil, err
	}
	peers = append(peers, p)
	if script != "" {
		if p, err = startScimmy(ctx, script); err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	for _, p := range peers {
		fmt.Fprintln(os.Stderr, "filling", p.name)
		if err := fill(ctx, p); err != nil {
			return nil, err
		}
	}
	floor, err := newFloor(ctx, peers[0])
	return slices.Insert(peers, 1, floor), err
}

// openStore opens a store that waits for its disk, as a host's would.
func openStore(ctx context.Context, driver, dsn string) (scim.Store, error) {
	if driver == "" {
		return &scim.Memory{}, nil
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = db.Close() })
	db.SetMaxOpenConns(16) // as the documentation of sqlstore advises
	db.SetMaxIdleConns(16)
	cfg := sqlstore.Config{DB: db, Prefix: fmt.Sprintf("peerbench_%08x_", rand.Uint32())}
	if driver == "pgx" {
		cfg.Dialect = sqlstore.PostgreSQL
	}
	return sqlstore.Open(ctx, cfg)
}

// newFloor serves the answers to GET that a peer gave, as fast as net/http lets
// a handler that asks for the same credentials and sends the same headers.
func newFloor(ctx context.Context, p *peer) (*peer, error) {
	authenticate := scim.BearerTokens(tokens())
	type reply struct {
		header http.Header
		body   []byte
	}
	replies := make(map[string]reply, len(p.ids))
	for _, id := range p.ids {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/Users/"+id, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		p.handler.ServeHTTP(w, req)
		replies[req.URL.Path] = reply{w.Header(), w.Body.Bytes()}
	}
	floor, err := serve(ctx, "net/http", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := authenticate(r)
		reply, ok := replies[r.URL.Path]
		if err != nil || !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		header := w.Header()
		for name, values := range reply.header {
			header.Set(name, values[0])
		}
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(reply.body)
	}))
	if err == nil {
		floor.only, floor.ids = get.name, p.ids
	}
	return floor, err
}
