package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// migrations are the steps from an empty database to the tables of today, each
// a list of statements. A step that was released is never changed; a new one
// goes to the end.
var migrations = [][]string{
	{
		`CREATE TABLE @tenants (
			tenant   TEXT NOT NULL PRIMARY KEY,
			revision BIGINT NOT NULL
		)`,
		`CREATE TABLE @members (
			tenant          TEXT NOT NULL,
			id              TEXT NOT NULL,
			revision        BIGINT NOT NULL,
			protected       BOOLEAN NOT NULL DEFAULT FALSE,
			connection      TEXT NOT NULL,
			external_id     TEXT NOT NULL,
			managed         BOOLEAN NOT NULL,
			active          BOOLEAN NOT NULL,
			email           TEXT NOT NULL,
			email_key       TEXT,
			other_emails    JSON_TYPE,
			private_email   TEXT NOT NULL,
			given_name      TEXT NOT NULL,
			family_name     TEXT NOT NULL,
			title           TEXT NOT NULL,
			phone           TEXT NOT NULL,
			mobile_phone    TEXT NOT NULL,
			phone_extension TEXT NOT NULL,
			timezone        TEXT NOT NULL,
			country         TEXT NOT NULL,
			state           TEXT NOT NULL,
			locale          TEXT NOT NULL,
			manager_id      TEXT NOT NULL,
			assignment_id   TEXT NOT NULL,
			seats           JSON_TYPE,
			home            TEXT NOT NULL,
			profiles        JSON_TYPE,
			capture         JSON_TYPE,
			extra           JSON_TYPE,
			owners          JSON_TYPE,
			PRIMARY KEY (tenant, id)
		)`,
		`CREATE UNIQUE INDEX @members_email ON @members (tenant, email_key)`,
		`CREATE UNIQUE INDEX @members_identity ON @members (tenant, connection, external_id)
			WHERE managed AND external_id <> ''`,
		`CREATE TABLE @keys (
			tenant     TEXT NOT NULL,
			action_key TEXT NOT NULL,
			member_id  TEXT NOT NULL,
			PRIMARY KEY (tenant, action_key),
			FOREIGN KEY (tenant, member_id) REFERENCES @members (tenant, id) ON DELETE CASCADE
		)`,
		`CREATE INDEX @keys_member ON @keys (tenant, member_id)`,
		`CREATE TABLE @effects (
			seq        SERIAL_KEY,
			tenant     TEXT NOT NULL,
			kind       TEXT NOT NULL,
			action_key TEXT NOT NULL,
			to_id      TEXT NOT NULL,
			about_id   TEXT NOT NULL
		)`,
		`CREATE INDEX @effects_tenant ON @effects (tenant, seq)`,
		`CREATE INDEX @effects_key ON @effects (tenant, action_key)`,
		`CREATE TABLE @plans (
			tenant   TEXT NOT NULL,
			hash     TEXT NOT NULL,
			saved_at TEXT NOT NULL,
			plan     TEXT NOT NULL,
			PRIMARY KEY (tenant, hash)
		)`,
		`CREATE TABLE @audit (
			seq          SERIAL_KEY,
			tenant       TEXT NOT NULL,
			committed_at TEXT NOT NULL,
			action_key   TEXT NOT NULL,
			kind         TEXT NOT NULL,
			member_id    TEXT NOT NULL,
			email        TEXT NOT NULL,
			actor        TEXT NOT NULL,
			changes      JSON_TYPE NOT NULL,
			reasons      JSON_TYPE NOT NULL
		)`,
		`CREATE INDEX @audit_tenant ON @audit (tenant, seq)`,
		`CREATE TABLE @locks (
			tenant     TEXT NOT NULL PRIMARY KEY,
			owner      TEXT NOT NULL,
			expires_ms BIGINT NOT NULL
		)`,
	},
}

// timeLayout is the form of times in the tables: UTC, of one length, so that
// they sort as text.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// migrate makes the tables, or brings them up to date, in one transaction. Who
// comes second waits for the first and finds nothing to do.
func (s *Store) migrate(ctx context.Context) error {
	return s.withConn(ctx, func(conn *sql.Conn) error {
		if err := s.dialect.settle(ctx, conn); err != nil {
			return err
		}
		if err := s.inTx(ctx, conn, func(tx *sql.Tx) error { return s.step(ctx, tx) }); err != nil {
			return err
		}
		return s.checkShared(ctx)
	})
}

// step does the migrations that are still to be done.
func (s *Store) step(ctx context.Context, tx *sql.Tx) error {
	const lock = `INSERT INTO @schema (id, version) VALUES (1, 0)
		ON CONFLICT (id) DO UPDATE SET version = @schema.version RETURNING version`
	var version int
	if err := tx.QueryRowContext(ctx, s.dialect.sql(lock)).Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("the tables are of version %d, and this program knows them up to %d: use a newer program", version, len(migrations))
	}
	for i, statements := range migrations[version:] {
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, s.dialect.sql(statement)); err != nil {
				return fmt.Errorf("bring the tables to version %d: %w", version+i+1, err)
			}
		}
	}
	_, err := tx.ExecContext(ctx, s.dialect.sql(`UPDATE @schema SET version = ?`), len(migrations))
	return err
}

// checkShared finds out, while one connection is in use, whether another sees
// the same tables. In a plain database in memory it does not.
func (s *Store) checkShared(ctx context.Context) error {
	if s.dialect.kind != SQLite || s.db.Stats().MaxOpenConnections == 1 {
		return nil
	}
	return s.withConn(ctx, func(conn *sql.Conn) error {
		var tables int
		const query = `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '@schema'`
		if err := conn.QueryRowContext(ctx, s.dialect.sql(query)).Scan(&tables); err != nil {
			return err
		}
		if tables == 0 {
			return errors.New("each connection has a database of its own; want a file, cache=shared, or a pool of one connection (SetMaxOpenConns(1))")
		}
		return nil
	})
}

// settle makes what a migration needs to begin: the table with the version,
// whose row migrations take turns on, and in SQLite the write-ahead log.
func (d *dialect) settle(ctx context.Context, conn *sql.Conn) error {
	create := `CREATE TABLE IF NOT EXISTS @schema (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL)`
	if d.kind == PostgreSQL { // where two that create one table at a time would fail
		create = `DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('@schema')); ` + create + `; END $$`
	} else {
		if err := useWAL(ctx, conn); err != nil {
			return err
		}
	}
	_, err := conn.ExecContext(ctx, d.sql(create))
	return err
}

const (
	walTries = 40
	walPause = 25 * time.Millisecond
)

// useWAL turns the write-ahead log on. While another connection does so, SQLite
// refuses it at once, whatever the busy timeout, so it is tried for a second.
func useWAL(ctx context.Context, conn *sql.Conn) error {
	var mode string
	for try := 1; ; try++ {
		err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil {
			break
		}
		if try == walTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(walPause):
		}
	}
	if mode != "wal" && mode != "memory" {
		return fmt.Errorf("journal mode is %q; want a database that can have a write-ahead log (wal), or one in memory", mode)
	}
	return nil
}
