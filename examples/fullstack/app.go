package main

import (
	"context"
	"crypto/subtle"
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/salesforce"
)

//go:embed demo
var demo embed.FS

// A customer is one tenant of the application. It has one connection.
type customer struct {
	tenant     string
	kind       string // the kind of the provider
	connection string
	pushes     bool
	rules      string // the rules that the customer starts with
}

func (c *customer) target() syncer.Target {
	return syncer.Target{Tenant: c.tenant, Connection: c.connection}
}

// customers are the customers of the application. In an application with
// sign-up they are rows of a table.
var customers = []*customer{
	{tenant: "acme", kind: sources.KindOkta, connection: "okta", pushes: true},
	{tenant: "globex", kind: sources.KindEntra, connection: "entra", pushes: true},
	{tenant: "initech", kind: sources.KindSalesforce, connection: "salesforce"},
}

type appConfig struct {
	tokens   map[string]string // keyed by tenant
	password string
	users    string
	interval time.Duration
	logger   *slog.Logger
	observe  func(context.Context, syncer.Event)
	mail     func(line string) // nil means: write to the log
	now      func() time.Time  // nil means time.Now
}

// app is the application.
type app struct {
	*stores
	cfg       appConfig
	customers map[string]*customer // keyed by tenant
	sync      *syncer.Syncer
	requests  *scim.RequestLog
	handler   http.Handler
}

func newApp(s *stores, cfg appConfig) (*app, error) {
	a := &app{stores: s, cfg: cfg, customers: make(map[string]*customer)}
	for _, listed := range customers {
		c := *listed
		rules, err := demo.ReadFile("demo/" + c.tenant + ".json")
		if err != nil {
			return nil, err
		}
		c.rules = string(rules)
		a.customers[c.tenant] = &c
	}
	var err error
	a.sync, err = syncer.New(syncer.Config{
		Store: s.team, Setup: a.setup, Targets: a.targets, Deliver: a.deliver, Observe: cfg.observe, Logger: cfg.logger,
		Poll: 10 * time.Second, Now: cfg.now,
	})
	if err != nil {
		return nil, err
	}
	// The plan pages show the requests of the providers and their answers.
	if a.requests, err = scim.NewRequestLog(scim.RequestLogConfig{Store: s.directory, Logger: cfg.logger}); err != nil {
		a.sync.Close()
		return nil, err
	}
	push, err := scim.NewHandler(scim.Config{
		Store: s.directory, Requests: a.requests, Authenticate: scim.BearerTokens(scim.FixedTokens(a.tokens()...)), PublicDiscovery: true, Logger: cfg.logger, Now: cfg.now,
		// The decision is usually made before the provider gets its answer.
		// Otherwise the first process that is free makes it later.
		OnChange: func(ctx context.Context, e scim.Event) {
			if err := a.sync.Push(ctx, syncer.Target(e.Directory)); err != nil {
				cfg.logger.WarnContext(ctx, "a push is decided later", "tenant", e.Directory.Tenant, "error", err)
			}
		},
	})
	var reviewed http.Handler
	if err == nil {
		reviewed, err = a.reviewPages()
	}
	if err != nil {
		a.Close()
		return nil, err
	}
	a.handler = scim.Mount("/scim/v2", push, a.pages(reviewed))
	return a, nil
}

func (a *app) Close() {
	a.sync.Close()
	if err := a.requests.Close(); err != nil {
		a.cfg.logger.Warn("requests are not remembered", "error", err)
	}
}

// tokens returns the tokens of the customers that may push. A token determines
// the tenant and the kind of the provider (S33).
func (a *app) tokens() []scim.Token {
	var tokens []scim.Token
	for tenant, token := range a.cfg.tokens {
		if c := a.customers[tenant]; token != "" {
			tokens = append(tokens, scim.Token{
				Hash: scim.HashToken(token), Principal: scim.Principal{Tenant: tenant, Connection: c.connection, Kind: c.kind, Token: c.kind + "-1"},
			})
		}
	}
	return tokens
}

func (a *app) targets(context.Context) ([]syncer.Target, error) {
	var targets []syncer.Target
	for _, c := range a.customers {
		targets = append(targets, c.target())
	}
	return targets, nil
}

// setup returns the configuration of a connection. The syncer calls it before
// every round, so saved settings apply from the next round on.
func (a *app) setup(ctx context.Context, target syncer.Target) (syncer.Setup, error) {
	c := a.customers[target.Tenant]
	if c == nil || c.connection != target.Connection {
		return syncer.Setup{}, fmt.Errorf("no customer %q with a connection %q", target.Tenant, target.Connection)
	}
	rules, _, err := a.rules(ctx, c)
	if err != nil {
		return syncer.Setup{}, err
	}
	setup := syncer.Setup{Rules: rules, Interval: a.cfg.interval, SilentImport: true}
	if c.pushes {
		setup.Pushed, setup.SilentImport = true, false
		setup.Source = scim.AsSource(a.directory, c.tenant, c.connection, scim.SourceConfig{Kind: c.kind})
		return setup, nil
	}
	file := salesforce.FileConfig{Path: a.cfg.users, Connection: c.connection}
	if file.Path == "" {
		file.FS, file.Path = demo, "demo/"+c.tenant+"-users.json"
	}
	setup.Source, err = salesforce.FromFile(file)
	return setup, err
}

// deliver executes an effect. An effect is delivered at least once. An
// application that sends real mail therefore passes the key of the effect to
// its mail service, which drops keys that it has seen before.
func (a *app) deliver(ctx context.Context, tenant string, e provisioning.Effect) error {
	found, err := a.team.FindMembers(ctx, tenant, []provisioning.MemberKey{
		{By: provisioning.MemberByID, Value: e.About}, {By: provisioning.MemberByID, Value: e.To},
	}, 2)
	if err != nil {
		return err
	}
	var about, to provisioning.Member
	for _, m := range found {
		if m.ID == e.About {
			about = m
		} else {
			to = m
		}
	}
	line := ""
	switch e.Kind {
	case provisioning.NotifyManager:
		line = fmt.Sprintf("mail to %s: %s has joined your team", to.Email, about.Name())
	case provisioning.AccessEnded:
		line = fmt.Sprintf("sessions and keys of %s are revoked", about.Email)
	case provisioning.AccessReduced:
		line = fmt.Sprintf("sessions of %s are renewed with fewer rights", about.Email)
	}
	if a.cfg.mail != nil {
		a.cfg.mail(line)
	} else {
		a.cfg.logger.InfoContext(ctx, "effect", "tenant", tenant, "kind", e.Kind, "about", e.About, "key", e.Key)
	}
	return nil
}

// asAdmin allows only requests with the admin password. A real application uses
// its own sign-in here.
func (a *app) asAdmin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "admin" || subtle.ConstantTimeCompare([]byte(password), []byte(a.cfg.password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="fullstack"`)
			http.Error(w, "user admin, and the password of ADMIN_PASSWORD", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(provisioning.WithActor(r.Context(), user)))
	})
}
