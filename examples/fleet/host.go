package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
	scimstore "github.com/usher-go/usher/scim/sqlstore"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/onelogin"
)

// tables are the host's own tables: tenants with the time of their next run and
// the revision of their settings, and the mails that it has sent.
const tables = `
	CREATE TABLE fleet_tenants (
		tenant TEXT PRIMARY KEY,
		kind   TEXT NOT NULL,                     -- of its provider, which pushes if it is okta
		due    TIMESTAMPTZ NOT NULL DEFAULT now(), -- when it is to be run next, as the syncer says
		saved  BIGINT NOT NULL DEFAULT 1,          -- counts how often its settings were saved
		woken  BIGINT NOT NULL DEFAULT 0,          -- counts the pushes
		runs   BIGINT NOT NULL DEFAULT 0           -- counts the runs that came to their end
	);
	CREATE INDEX fleet_due ON fleet_tenants (due);
	CREATE TABLE fleet_mails (key TEXT PRIMARY KEY, tenant TEXT NOT NULL);`

// A host is one process of the application. It holds the shared database and
// the syncer that updates the teams in it.
type host struct {
	opt       options
	pool      *pgxpool.Pool
	team      *sqlstore.Store
	directory *scimstore.Store // of the tenants whose providers push
	sync      *syncer.Syncer
	logger    *slog.Logger
	close     []func()
}

// openHost opens the database that the options name.
func openHost(ctx context.Context, opt options, logger *slog.Logger) (_ *host, err error) {
	h := &host{opt: opt, logger: logger}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	config, err := pgxpool.ParseConfig(opt.postgres)
	if err != nil {
		return nil, errors.New("-postgres: want a URL such as postgres://user@host/database")
	}
	config.MaxConns = int32(max(4*opt.jobs, 10))
	if h.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, err
	}
	h.close = append(h.close, h.pool.Close)
	db := stdlib.OpenDBFromPool(h.pool)
	h.close = append(h.close, func() { _ = db.Close() })
	// The lease of a dead worker on a tenant ends before another worker takes
	// over its job.
	lease := min(10*time.Second, opt.timeout/2)
	h.team, err = sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL, Lease: lease})
	if err != nil {
		return nil, err
	}
	if h.directory, err = scimstore.Open(ctx, scimstore.Config{DB: db, Dialect: sqlstore.PostgreSQL}); err != nil {
		return nil, err
	}
	// The syncer works only when a job calls it. River decides when.
	h.sync, err = syncer.New(syncer.Config{Store: h.team, Setup: h.setup, Deliver: h.mail, Workers: opt.jobs, Logger: logger})
	if err != nil {
		return nil, err
	}
	h.close = append(h.close, h.sync.Close)
	return h, nil
}

// Close closes the database.
func (h *host) Close() {
	for i := range h.close {
		h.close[len(h.close)-1-i]()
	}
}

// setup returns the configuration of a connection. A tenant has one connection,
// so its name is the kind of the provider.
func (h *host) setup(ctx context.Context, target syncer.Target) (syncer.Setup, error) {
	domain, revision := target.Tenant+".example", ""
	if err := h.pool.QueryRow(ctx, `SELECT saved::text FROM fleet_tenants WHERE tenant = $1`, target.Tenant).Scan(&revision); err != nil {
		return syncer.Setup{}, err
	}
	setup := syncer.Setup{
		Rules: provisioning.Config{
			Source: target.Connection, Connection: target.Connection, Revision: revision,
			Domains: provisioning.Domains{Primary: domain},
			Assignments: []assignment.Assignment{{
				ID: "team-1", Name: "Team 1", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"500002"}},
				Settings: assignment.Settings{Seats: []string{"core", "plus"}, Capture: []string{assignment.Recording}},
			}},
			Default: &assignment.Assignment{
				ID: "everybody", Name: "Everybody", Mode: assignment.Automatic, Settings: assignment.Settings{Seats: []string{"core"}},
			},
			Managers: provisioning.Managers{Notify: true},
		},
		Interval: h.opt.interval, SilentImport: true,
	}
	if target.Connection == sources.KindOkta {
		setup.Pushed = true
		setup.Source = scim.AsSource(h.directory, target.Tenant, target.Connection, scim.SourceConfig{Kind: sources.KindOkta})
		return setup, nil
	}
	var err error
	setup.Source, err = onelogin.New(onelogin.Config{
		URL: h.opt.provider + "/" + target.Tenant, ClientID: clientID, ClientSecret: clientSecret, Logger: h.logger,
	})
	return setup, err
}

// mail delivers an effect. It is called at least once for each effect. The host
// acts once, because it inserts the key in the same statement.
func (h *host) mail(ctx context.Context, tenant string, e provisioning.Effect) error {
	_, err := h.pool.Exec(ctx, `INSERT INTO fleet_mails (key, tenant) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		fmt.Sprintf("%s %s %s", e.Kind, e.Key, e.To), tenant)
	return err
}

// wake requests a run of a tenant after a push into its directory. If the
// tenant has a job already, River inserts no other: a job that waits for its
// next try starts at once, and a running job sees the count at its end and
// starts again.
func (h *host) wake(ctx context.Context, client *river.Client[pgx.Tx], tenant string) error {
	return pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE fleet_tenants SET woken = woken + 1 WHERE tenant = $1`, tenant); err != nil {
			return err
		}
		inserted, err := client.InsertTx(ctx, tx, runArgs{tenant}, &river.InsertOpts{Priority: priorityPush})
		if err == nil && inserted.UniqueSkippedAsDuplicate {
			_, err = client.JobRetryTx(ctx, tx, inserted.Job.ID) // this does not touch a running job
		}
		return err
	})
}

// schedule inserts a job for every tenant whose next run is due. At its end the
// job sets the time of the next run; until then it is one interval ahead. The
// times are in the table, so that a restart neither forgets a tenant nor runs
// all tenants at once.
func (h *host) schedule(ctx context.Context, client *river.Client[pgx.Tx]) error {
	const most = 1000 // tenants in one transaction
	for inserted := most; inserted == most; {
		err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `UPDATE fleet_tenants SET due = now() + $1::interval WHERE tenant IN (
				SELECT tenant FROM fleet_tenants WHERE due <= now() ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED
			) RETURNING tenant`, h.opt.interval, most)
			if err != nil {
				return err
			}
			tenants, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if inserted = len(tenants); inserted == 0 || err != nil {
				return err
			}
			jobs := make([]river.InsertManyParams, len(tenants))
			for i, tenant := range tenants {
				jobs[i] = river.InsertManyParams{Args: runArgs{tenant}}
			}
			_, err = client.InsertManyTx(ctx, tx, jobs)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hasEffects reports whether undelivered effects of a tenant exist.
func (h *host) hasEffects(ctx context.Context, tenant string) (bool, error) {
	for _, err := range h.team.Effects(ctx, tenant) {
		return err == nil, err
	}
	return false, nil
}

// backOff returns the delay before the next try of a tenant after the given
// number of failures in a row. The delay doubles with each failure, up to
// longest. It is then multiplied by 0.5 + share, where share is random from 0
// to 1, so that tenants differ.
func backOff(failures int, longest time.Duration, share float64) time.Duration {
	delay := min(time.Second<<min(max(failures, 1)-1, 20), longest)
	return time.Duration(float64(delay) * (0.5 + share))
}
