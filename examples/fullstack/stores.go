package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	_ "github.com/jackc/pgx/v5/stdlib" // the program chooses the drivers
	_ "modernc.org/sqlite"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
	scimstore "github.com/usher-go/usher/scim/sqlstore"
)

// stores holds the application's database: the team, the pushed directories,
// and the application's own table of settings.
type stores struct {
	team      *sqlstore.Store
	directory *scimstore.Store
	db        *sql.DB
	dialect   sqlstore.Dialect
}

func openStores(ctx context.Context, opt options) (*stores, error) {
	s := &stores{dialect: sqlstore.SQLite}
	driver, dsn, name := "sqlite", "file:"+(&url.URL{Path: opt.db}).EscapedPath(), opt.db
	if opt.postgres != "" {
		s.dialect, driver, dsn, name = sqlstore.PostgreSQL, "pgx", opt.postgres, "-postgres"
	}
	var err error
	if s.db, err = sql.Open(driver, dsn); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s.db.SetMaxIdleConns(16) // each connection is a process in PostgreSQL, so idle ones are kept
	if s.team, err = sqlstore.Open(ctx, sqlstore.Config{DB: s.db, Dialect: s.dialect, Lease: opt.lease, Now: opt.now}); err == nil {
		s.directory, err = scimstore.Open(ctx, scimstore.Config{DB: s.db, Dialect: s.dialect})
	}
	if err == nil {
		_, err = s.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS host_settings (tenant TEXT PRIMARY KEY, rules TEXT NOT NULL)`)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), s.db.Close())
	}
	return s, nil
}

func (s *stores) Close() error { return s.db.Close() }

// rules returns the customer's saved rules, or the rules that the customer
// starts with.
func (s *stores) rules(ctx context.Context, c *customer) (provisioning.Config, string, error) {
	text := c.rules
	err := s.db.QueryRowContext(ctx, `SELECT rules FROM host_settings WHERE tenant = $1`, c.tenant).Scan(&text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return provisioning.Config{}, "", err
	}
	cfg, err := provisioning.ParseConfig([]byte(text))
	return cfg, text, err
}

// saveRules saves rules. The caller has parsed them before.
func (s *stores) saveRules(ctx context.Context, tenant, text string) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO host_settings (tenant, rules) VALUES ($1, $2)
		ON CONFLICT (tenant) DO UPDATE SET rules = excluded.rules`, tenant, text)
	return err
}
