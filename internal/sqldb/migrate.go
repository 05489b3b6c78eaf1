package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Migrate creates the tables or brings them up to date, in one transaction. A
// concurrent call waits and then finds nothing to do. Each step is a list of
// statements. A released step is never changed; new steps are appended. A statement
// that begins with "SQLITE:" or "POSTGRESQL:" is for that database only. The table
// @schema has the number of steps that were done.
//
// After the steps, in the same transaction, refill fills in what they added, from
// the rows that exist. It sees the tables after the last step. Nil does nothing.
func (db *DB) Migrate(ctx context.Context, steps [][]string, refill func(ctx context.Context, tx *Tx) error) error {
	if err := db.settle(ctx); err != nil {
		return err
	}
	err := db.Write(ctx, func(tx *Tx) error {
		const lock = `INSERT INTO @schema (id, version) VALUES (1, 0)
			ON CONFLICT (id) DO UPDATE SET version = @schema.version RETURNING version`
		var version int
		if _, err := tx.Get(ctx, lock, nil, &version); err != nil {
			return err
		}
		if version > len(steps) {
			return fmt.Errorf("the tables are of version %d, and this program knows them up to %d: use a newer program", version, len(steps))
		}
		for i, statements := range steps[version:] {
			for _, statement := range statements {
				statement, meant := db.meant(statement)
				if !meant {
					continue
				}
				if _, err := tx.Exec(ctx, statement); err != nil {
					return fmt.Errorf("bring the tables to version %d: %w", version+i+1, err)
				}
			}
		}
		if refill != nil && version < len(steps) {
			if err := refill(ctx, tx); err != nil {
				return fmt.Errorf("fill the tables of version %d: %w", len(steps), err)
			}
		}
		_, err := tx.Exec(ctx, `UPDATE @schema SET version = ?`, len(steps))
		return err
	})
	if err == nil && db.dialect == SQLite {
		err = db.withConn(ctx, db.NewWait(), func(conn *sql.Conn) (err error) {
			db.place, err = placeOf(ctx, conn)
			return err
		})
	}
	if err != nil {
		return err
	}
	return db.checkShared(ctx)
}

// meant removes the name of a database from a statement, and reports whether the
// statement is for this database.
func (db *DB) meant(statement string) (string, bool) {
	if rest, found := strings.CutPrefix(statement, "SQLITE:"); found {
		return rest, db.dialect == SQLite
	}
	if rest, found := strings.CutPrefix(statement, "POSTGRESQL:"); found {
		return rest, db.dialect == PostgreSQL
	}
	return statement, true
}

// settle creates what a migration needs: the table with the version, whose row
// serializes migrations, and in SQLite the write-ahead log, which allows reading
// during a write.
func (db *DB) settle(ctx context.Context) error {
	return db.withConn(ctx, db.NewWait(), func(conn *sql.Conn) error {
		create := `CREATE TABLE IF NOT EXISTS @schema (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL)`
		if db.dialect == PostgreSQL { // two concurrent CREATE TABLE statements would fail there
			create = `DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('@schema')); ` + create + `; END $$`
		} else if err := useWAL(ctx, conn); err != nil {
			return err
		}
		_, err := conn.ExecContext(ctx, db.SQL(create))
		return err
	})
}

const (
	walTries = 40
	walPause = 25 * time.Millisecond
)

// useWAL switches the write-ahead log on. SQLite refuses that at once, regardless
// of the busy timeout, while another connection does the same; so useWAL tries for
// a second.
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

// checkShared checks, while one connection is in use, whether another one sees the
// same tables. In a plain in-memory database it does not.
func (db *DB) checkShared(ctx context.Context) error {
	if db.dialect != SQLite || db.pool.Stats().MaxOpenConnections == 1 {
		return nil
	}
	return db.withConn(ctx, db.NewWait(), func(*sql.Conn) error {
		return db.withConn(ctx, db.NewWait(), func(other *sql.Conn) error {
			var tables int
			const query = `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '@schema'`
			if err := other.QueryRowContext(ctx, db.SQL(query)).Scan(&tables); err != nil {
				return err
			}
			if tables == 0 {
				return errors.New("each connection has a database of its own; want a file, cache=shared, or a pool of one connection (SetMaxOpenConns(1))")
			}
			return nil
		})
	})
}
