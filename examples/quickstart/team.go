package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the drivers are the program's choice
	_ "modernc.org/sqlite"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

// A teamStore is the application's database.
type teamStore struct {
	*sqlstore.Store
	io.Closer // the database
}

// openTeam opens the database, and makes its tables if there are none. What only
// looks makes no file of SQLite: it has its team in memory instead.
func openTeam(ctx context.Context, opt options) (*teamStore, error) {
	path, looks := opt.db, opt.dryRun || opt.explain != ""
	name, driver, dialect := path, "pgx", sqlstore.PostgreSQL
	if server, err := url.Parse(path); err == nil && strings.HasPrefix(server.Scheme, "postgres") {
		name = server.Redacted()
	} else {
		driver, dialect = "sqlite", sqlstore.SQLite
		if _, err := os.Stat(path); looks && errors.Is(err, fs.ErrNotExist) {
			path, looks = ":memory:", false
		}
	}
	db, err := sql.Open(driver, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if path == ":memory:" {
		db.SetMaxOpenConns(1) // each connection would be a database of its own
	}
	s := &teamStore{Closer: db}
	s.Store, err = sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: dialect})
	if err == nil && opt.config == "" && !looks {
		err = s.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), db.Close())
	}
	return s, nil
}

// team reads the whole team.
func (s *teamStore) team(ctx context.Context) ([]provisioning.Member, error) {
	return provisioning.Team(ctx, s, tenant)
}

// prepare puts the made-up company's people into its team, as far as they are
// not in it: some were made by hand and wait to be adopted, the others came
// with earlier runs, or left with them. A program of your own has no such step.
func (s *teamStore) prepare(ctx context.Context) error {
	data, err := demo.ReadFile("demo/team.json")
	if err != nil {
		return err
	}
	before, err := provisioning.ReadMembers(data)
	if err != nil {
		return err
	}
	team, err := s.team(ctx)
	if err != nil {
		return err
	}
	in := make(map[string]bool, len(team))
	for i := range team {
		in[team[i].ID] = true
	}
	for _, m := range before {
		if in[m.ID] {
			continue
		}
		if _, err := s.Put(ctx, tenant, m); err != nil {
			return err
		}
	}
	return nil
}
