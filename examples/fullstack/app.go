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

// A customer is one tenant of the application, with one connection.
type customer struct {
	tenant     string
	kind       string // of the provider
	connection string
	pushes     bool
	rules      string // those that the customer begins with
}

func (c *customer) target() syncer.Target {
	return syncer.Target{Tenant: c.tenant, Connection: c.connection}
}

// customers are those of the application. In an application with sign-up they
// are rows of a table.
var customers = []*customer{
	{tenant: "acme", kind: sources.KindOkta, connection: "okta", pushes: true},
	{tenant: "globex", kind: sources.KindEntra, connection: "entra", pushes: true},
	{tenant: "initech", kind: sources.KindSalesforce, connection: "salesforce"},
}

type appConfig struct {
	tokens   map[string]string // by tenant
	password string
	users    string
	interval time.Duration
	logger   *slog.Logger
	observe  func(context.Context, syncer.Event)
	mail     func(line string) // nil: to the log
	now      func() time.Time  // nil: time.Now
}

// app is the application.
type app struct {
	*stores
	cfg       appConfig
	customers map[string]*customer // by tenant
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
	// What the providers ask and are told is shown with the plans.
	if a.requests, err = scim.NewRequestLog(scim.RequestLogConfig{Store: s.directory, Logger: cfg.logger}); err != nil {
		a.sync.Close()
		return nil, err
	}
	push, err := scim.NewHandler(scim.Config{
		Store: s.directory, Requests: a.requests, Authenticate: scim.BearerTokens(scim.FixedTokens(a.tokens()...)), PublicDiscovery: true, Logger: cfg.logger, Now: cfg.now,
		// The decision is usually made before the provider has its answer. If it is
		// not, it is made later, by whichever process comes first.
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

// tokens are those of the customers that may push. A token says whose it is, and
// of what kind the provider is (S33).
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

// setup is how a connection is kept: it is asked before every round, so that
// saved settings hold from the next one on.
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

// deliver does what an effect asks for. An application that sends real mail
// gives the effect's key to its mail service, which drops what it has seen: an
// effect comes at least once.
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

// asAdmin lets in who knows the password. A real application has its own
// sign-in here.
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
