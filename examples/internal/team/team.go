// Package team is the database of the example programs that apply plans.
package team

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the drivers are the program's choice
	_ "modernc.org/sqlite"

	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/sources"
)

// A Team is the application's database, with the team of one tenant.
type Team struct {
	*sqlstore.Store
	Tenant   string
	InMemory bool // it is gone with the program

	db       *sql.DB
	progress *terminal.Progress
	done, of int // actions of the plan that is being applied
}

// Open opens the database of a tenant: a file of SQLite, or the URL of a
// PostgreSQL. It makes the tables if there are none. Whoever only looks makes no
// file: the team is in memory instead.
func Open(ctx context.Context, tenant, path string, looks bool) (*Team, error) {
	name, driver, dialect := path, "pgx", sqlstore.PostgreSQL
	if server, err := url.Parse(path); err == nil && strings.HasPrefix(server.Scheme, "postgres") {
		name = server.Redacted()
	} else {
		driver, dialect = "sqlite", sqlstore.SQLite
		if _, err := os.Stat(path); looks && errors.Is(err, fs.ErrNotExist) {
			path = ":memory:"
		}
	}
	db, err := sql.Open(driver, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if path == ":memory:" {
		db.SetMaxOpenConns(1) // each connection would be a database of its own
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: dialect})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), db.Close())
	}
	return &Team{Store: store, Tenant: tenant, InMemory: path == ":memory:", db: db}, nil
}

// Read returns the team of a tenant, nobody if there is no database yet.
func Read(ctx context.Context, tenant, path string) ([]provisioning.Member, error) {
	t, err := Open(ctx, tenant, path, true)
	if err != nil {
		return nil, err
	}
	members, err := t.All(ctx)
	return members, errors.Join(err, t.Close())
}

// Close closes the database.
func (t *Team) Close() error { return t.db.Close() }

// All reads the whole team.
func (t *Team) All(ctx context.Context) ([]provisioning.Member, error) {
	return provisioning.Team(ctx, t, t.Tenant)
}

// Do saves a plan and applies it, and tells how far it has come. It is not
// interrupted: a change that has begun is finished.
func (t *Team) Do(ctx context.Context, actor string, plan *provisioning.Plan, approvals []provisioning.Approval, progress *terminal.Progress) (provisioning.Outcome, error) {
	defer context.AfterFunc(ctx, func() {
		progress.Tell("interrupted", "finishing the change that has begun; ctrl-C again ends the program at once")
	})()
	ctx = provisioning.WithActor(context.WithoutCancel(ctx), actor) // for the audit log
	if err := t.SavePlan(ctx, t.Tenant, plan); err != nil {
		return provisioning.Outcome{}, err
	}
	t.progress, t.done, t.of = progress, 0, len(plan.Actions)
	defer progress.End()
	return provisioning.Apply(ctx, t, t.Tenant, plan, approvals...)
}

// Apply implements provisioning.Store. It is given the actions in batches.
func (t *Team) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	results, err := t.Store.Apply(ctx, tenant, actions)
	t.done += len(results)
	if t.of = max(t.of, t.done); t.of >= sources.ProgressEvery { // approved ones come on top
		t.progress.Tell("apply", fmt.Sprintf("apply: %d of %d", t.done, t.of))
	}
	return results, err
}
