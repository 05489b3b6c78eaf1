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

	_ "github.com/jackc/pgx/v5/stdlib" // the program chooses the drivers
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
	InMemory bool // the team is not kept

	db       *sql.DB
	progress *terminal.Progress
	done, of int // actions of the plan that is being applied, and their number
}

// Open opens the database of a tenant: an SQLite file, or the URL of a PostgreSQL.
// It creates missing tables. If looks is set and there is no file, it creates none;
// the team is then in memory.
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
		db.SetMaxOpenConns(1) // each connection would have its own database
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: dialect})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), db.Close())
	}
	return &Team{Store: store, Tenant: tenant, InMemory: path == ":memory:", db: db}, nil
}

// Read returns the team of a tenant, or nobody if there is no database yet.
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

// Do saves and applies a plan, and shows the progress. It cannot be interrupted: a
// change that has begun is completed.
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

// Apply implements provisioning.Store. It is called with batches of actions.
func (t *Team) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	results, err := t.Store.Apply(ctx, tenant, actions)
	t.done += len(results)
	if t.of = max(t.of, t.done); t.of >= sources.ProgressEvery { // released actions come in addition
		t.progress.Tell("apply", fmt.Sprintf("apply: %d of %d", t.done, t.of))
	}
	return results, err
}
