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

// tables are the host's own: its tenants with the time of their next run and the
// revision of their settings, and the mails that it has sent.
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

// A host is one process of the application: the database that all of them share,
// and what keeps teams true in it.
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
	// The tenant of a worker that died is free again before its job is taken over.
	lease := min(10*time.Second, opt.timeout/2)
	h.team, err = sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL, Lease: lease})
	if err != nil {
		return nil, err
	}
	if h.directory, err = scimstore.Open(ctx, scimstore.Config{DB: db, Dialect: sqlstore.PostgreSQL}); err != nil {
		return nil, err
	}
	// It does what a job asks for, and nothing by itself: when is River's.
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

// setup is how a connection is kept. A connection is named after the kind of its
// provider, as a tenant has one.
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

// mail delivers an effect. It comes at least once; what the host does about it
// happens once, because the key is inserted with it.
func (h *host) mail(ctx context.Context, tenant string, e provisioning.Effect) error {
	_, err := h.pool.Exec(ctx, `INSERT INTO fleet_mails (key, tenant) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		fmt.Sprintf("%s %s %s", e.Kind, e.Key, e.To), tenant)
	return err
}

// wake asks for a run of a tenant into whose directory something was pushed. If
// the tenant has a job already, River inserts no other: one that waits for its
// next try begins at once, and one that is at work sees the count at its end and
// begins anew.
func (h *host) wake(ctx context.Context, client *river.Client[pgx.Tx], tenant string) error {
	return pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE fleet_tenants SET woken = woken + 1 WHERE tenant = $1`, tenant); err != nil {
			return err
		}
		inserted, err := client.InsertTx(ctx, tx, runArgs{tenant}, &river.InsertOpts{Priority: priorityPush})
		if err == nil && inserted.UniqueSkippedAsDuplicate {
			_, err = client.JobRetryTx(ctx, tx, inserted.Job.ID) // which leaves alone what is at work
		}
		return err
	})
}

// schedule inserts a job for every tenant whose time has come. Its end sets the
// next time; until then it is an interval away. It is kept in the table, so that a
// restart forgets nobody, and does not run everybody at once.
func (h *host) schedule(ctx context.Context, client *river.Client[pgx.Tx]) error {
	const most = 1000 // in one transaction
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

// hasEffects reports whether effects of a tenant wait for their delivery.
func (h *host) hasEffects(ctx context.Context, tenant string) (bool, error) {
	for _, err := range h.team.Effects(ctx, tenant) {
		return err == nil, err
	}
	return false, nil
}

// backOff is the time until a tenant that failed so often in a row is tried
// again: twice as long each time, and no two tenants the same. Share is random,
// from 0 to 1.
func backOff(failures int, longest time.Duration, share float64) time.Duration {
	delay := min(time.Second<<min(max(failures, 1)-1, 20), longest)
	return time.Duration(float64(delay) * (0.5 + share))
}
