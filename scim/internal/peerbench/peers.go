package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/internal/elimitytest"
)

const token = "a token of nobody"

// A peer is one server and what the load has made of it.
type peer struct {
	name    string
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

// newUsher is the handler as a host mounts it, with hashed bearer tokens. It
// does more for each request than its peers: elimity's server asks for no
// credential, and scimmy's compares a header.
func newUsher(store scim.Store) (http.Handler, error) {
	lookup := scim.FixedTokens(scim.Token{
		Hash: scim.HashToken(token), Principal: scim.Principal{Tenant: directory.Tenant, Connection: directory.Connection},
	})
	return scim.NewHandler(scim.Config{Store: store, Authenticate: scim.BearerTokens(lookup), Logger: slog.New(slog.DiscardHandler)})
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

// startPeers starts this module's handler first, then its peers. Without a
// script there is no scimmy.
func startPeers(ctx context.Context, script string) ([]*peer, error) {
	handler, err := newUsher(&scim.Memory{})
	if err != nil {
		return nil, err
	}
	usher, err := serve(ctx, "usher", handler)
	if err != nil {
		return nil, err
	}
	handler, err = elimitytest.NewServer()
	if err != nil {
		return nil, err
	}
	elimity, err := serve(ctx, "elimity", handler)
	if err != nil {
		return nil, err
	}
	if script == "" {
		return []*peer{usher, elimity}, nil
	}
	scimmy, err := startScimmy(ctx, script)
	if err != nil {
		return nil, err
	}
	return []*peer{usher, elimity, scimmy}, nil
}
