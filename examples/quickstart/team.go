package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	_ "modernc.org/sqlite" // the driver is the program's choice

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

// A teamStore is the application's database.
type teamStore struct {
	*sqlstore.Store
	io.Closer // the database
}

// openTeam opens the SQLite file, and makes it if there is none. What only
// looks makes no file: it has its team in memory instead.
func openTeam(ctx context.Context, opt options) (*teamStore, error) {
	path, looks := opt.db, opt.dryRun || opt.explain != ""
	if _, err := os.Stat(path); looks && errors.Is(err, fs.ErrNotExist) {
		path, looks = ":memory:", false
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if path == ":memory:" {
		db.SetMaxOpenConns(1) // each connection would be a database of its own
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	s := &teamStore{Store: store, Closer: db}
	team, err := s.team(ctx)
	if err == nil && opt.config == "" && !looks {
		err = s.prepare(ctx, team)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
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
func (s *teamStore) prepare(ctx context.Context, team []provisioning.Member) error {
	data, err := demo.ReadFile("demo/team.json")
	if err != nil {
		return err
	}
	before, err := provisioning.ReadMembers(data)
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
