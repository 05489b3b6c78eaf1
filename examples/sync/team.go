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

// openTeam opens the SQLite file, and makes it if there is none.
func openTeam(ctx context.Context, path string) (*teamStore, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	return &teamStore{store, db}, nil
}

// readTeam returns the team of an SQLite file: nobody, if there is none.
func readTeam(ctx context.Context, path string) ([]provisioning.Member, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	store, err := openTeam(ctx, path)
	if err != nil {
		return nil, err
	}
	team, err := provisioning.Team(ctx, store, tenant)
	return team, errors.Join(err, store.Close())
}
