// Command scimserver serves SCIM 2.0 for one directory, to try an identity
// provider against: point Okta, Entra or another client at it, and see each
// request in a line.
//
//	SCIM_TOKEN=T go run ./examples/scimserver -addr 127.0.0.1:8080 [-db FILE] [-schema FILE]
//
// It serves http://ADDR/scim/v2. Without -db everything is kept in memory and
// gone when it stops. -schema declares one more extension of the user from a
// SCIM schema document (RFC 7643 section 7), as GET /Schemas/{urn} answers it.
// The token is taken from the environment, where other users of the machine do
// not see it, or from -token.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/elimity-com/scim/schema"
	_ "modernc.org/sqlite" // the driver of -db

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "scimserver:", err)
		os.Exit(1)
	}
}

const (
	base     = "/scim/v2"
	tokenEnv = "SCIM_TOKEN"
)

func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("scimserver", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen on")
	token := flags.String("token", "", "bearer token that clients must send; better in the environment, as "+tokenEnv)
	db := flags.String("db", "", "SQLite file to keep the directory in; empty keeps it in memory")
	kind := flags.String("kind", "", "kind of provider that pushes (okta, entra, onelogin, rippling); empty is any other")
	extension := flags.String("extension", scim.DefaultUserExtension, "URN of the user extension")
	document := flags.String("schema", "", "file with a SCIM schema document that declares one more extension of the user")
	skip := flags.Bool("skip-unknown-members", false, "leave members out that are not there, instead of refusing the change")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil // the usage has been printed
	} else if err != nil {
		return err
	}
	if *token == "" {
		*token = getenv(tokenEnv)
	}
	if *token == "" {
		return errors.New("no token: set " + tokenEnv + " in the environment, or -token")
	}
	cfg := scim.Config{
		Authenticate: scim.BearerTokens(scim.FixedTokens(scim.Token{
			Hash:      scim.HashToken(*token),
			Principal: scim.Principal{Tenant: "example", Connection: "scim", Kind: *kind},
		})),
		UserExtension:      *extension,
		PublicDiscovery:    true,
		SkipUnknownMembers: *skip,
	}
	if *document != "" {
		declared, err := readSchema(*document)
		if err != nil {
			return fmt.Errorf("-schema: %w", err)
		}
		cfg.UserExtensions = []schema.Schema{declared}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()

	store, closeStore, err := openStore(ctx, *db)
	if err != nil {
		return err
	}
	cfg.Store = store
	return errors.Join(listen(ctx, cfg, *addr, out), closeStore())
}

// readSchema reads a schema document.
func readSchema(file string) (schema.Schema, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return schema.Schema{}, err
	}
	var declared schema.Schema
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &declared); err != nil {
		return declared, fmt.Errorf("%s: want a schema document: %w", file, err)
	}
	if declared.ID == "" || len(declared.Attributes) == 0 {
		return declared, fmt.Errorf("%s: want a schema document with an id and attributes", file)
	}
	return declared, nil
}

// listen serves what cfg describes at addr until ctx ends.
func listen(ctx context.Context, cfg scim.Config, addr string, out io.Writer) error {
	handler, err := scim.NewHandler(cfg)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprint(out, guide("http://"+listener.Addr().String()+base))
	server := &http.Server{
		Handler:           logged(scim.Mount(base, handler, nil), out),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	return serve(ctx, server, listener)
}

// serve runs until ctx ends, then lets the requests in progress finish.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}

// openStore opens the store that the flags ask for.
func openStore(ctx context.Context, file string) (scim.Store, func() error, error) {
	if file == "" {
		return &scim.Memory{}, func() error { return nil }, nil
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath())
	if err != nil {
		return nil, nil, fmt.Errorf("-db: %w", err)
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		return nil, nil, fmt.Errorf("-db: %w", errors.Join(err, db.Close()))
	}
	return store, db.Close, nil
}

// guide says how to point a provider at the server.
func guide(url string) string {
	return fmt.Sprintf(`Serving SCIM 2.0 at %[1]s

Okta: Applications, your app, Provisioning, Configure API Integration
  SCIM connector base URL   %[1]s
  Unique identifier field   userName
  Authentication mode       HTTP Header, with the token

Entra ID: Enterprise applications, your app, Provisioning
  Tenant URL                %[1]s/?aadOptscim062020
  Secret token              the token

Providers reach this machine only through a public address; a tunnel will do.

`, url)
}

// logged writes a line for each request: never a query or a body, which hold
// personal data, nor a header.
func logged(next http.Handler, out io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		record := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(record, r)
		fmt.Fprintf(out, "%s %-6s %s %d %s\n", start.Format(time.TimeOnly), r.Method, r.URL.EscapedPath(),
			record.status, time.Since(start).Round(10*time.Microsecond))
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
