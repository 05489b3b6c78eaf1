package sqldb

import (
	"context"
	"database/sql"
	"fmt"
)

// Migrate makes the tables, or brings them up to date, in one transaction. Who
// comes second waits for the first and finds nothing to do. Each step is a list
// of statements; a step that was released is never changed, and a new one goes
// to the end. The table @schema holds how many of them were done.
func (db *DB) Migrate(ctx context.Context, steps [][]string) error {
	if err := db.settle(ctx); err != nil {
		return err
	}
	return db.Write(ctx, func(tx *Tx) error {
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
				if _, err := tx.Exec(ctx, statement); err != nil {
					return fmt.Errorf("bring the tables to version %d: %w", version+i+1, err)
				}
			}
		}
		_, err := tx.Exec(ctx, `UPDATE @schema SET version = ?`, len(steps))
		return err
	})
}

// settle makes what a migration needs to begin: the table with the version,
// whose row migrations take turns on, and in SQLite the write-ahead log, which
// lets others read while one writes.
func (db *DB) settle(ctx context.Context) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	create := `CREATE TABLE IF NOT EXISTS @schema (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL)`
	if db.dialect == PostgreSQL { // where two that create one table at a time would fail
		create = `DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('@schema')); ` + create + `; END $$`
	} else if err := walMode(ctx, conn); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, db.SQL(create))
	return err
}

func walMode(ctx context.Context, conn *sql.Conn) error {
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" && mode != "memory" {
		return fmt.Errorf("journal mode is %q; want a database that can have a write-ahead log (wal), or one in memory", mode)
	}
	return nil
}
