package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/usher-go/usher/internal/pgtest"
)

func TestSQL(t *testing.T) {
	pool, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer pool.Close()
	const query = `SELECT a EXACT_TEXT FROM @t WHERE b = ? AND c IN (` + `?, ?)`
	for dialect, want := range map[Dialect]string{
		SQLite:     `SELECT a TEXT FROM my_t WHERE b = ? AND c IN (?, ?)`,
		PostgreSQL: `SELECT a TEXT COLLATE "C" FROM my_t WHERE b = $1 AND c IN ($2, $3)`,
	} {
		db, err := New(pool, dialect, "my_")
		require.NoError(t, err)
		assert.Equal(t, want, db.SQL(query))
	}
	assert.Equal(t, "(?, ?), (?, ?)", Marks("(?, ?)", 2))
	_, err = New(nil, 9, "No")
	for _, field := range []string{"Config.DB", "Config.Dialect", "Config.Prefix"} {
		assert.ErrorContains(t, err, field)
	}
}

// onBoth runs test on an empty database of each kind.
func onBoth(t *testing.T, test func(t *testing.T, db *DB)) {
	open := func(t *testing.T, driver, dsn string, dialect Dialect) {
		pool, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		defer pool.Close()
		db, err := New(pool, dialect, "x_")
		require.NoError(t, err)
		test(t, db)
	}
	t.Run("SQLite", func(t *testing.T) { open(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "x.db"), SQLite) })
	t.Run("PostgreSQL", func(t *testing.T) { open(t, pgtest.Driver, pgtest.Start(t).Schema(t), PostgreSQL) })
}

// A migration that fails leaves nothing of itself, and the next program goes on
// where the last good one ended.
func TestMigrate(t *testing.T) {
	onBoth(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		one := []string{`CREATE TABLE @t (a BIGINT)`, `INSERT INTO @t VALUES (1)`}
		require.NoError(t, db.Migrate(ctx, [][]string{one}))
		require.NoError(t, db.Migrate(ctx, [][]string{one}), "done before")
		bad := [][]string{one, {`INSERT INTO @t VALUES (2)`, `CREATE TABLE @u (a BIGINT)`}, {`INSERT INTO @nowhere VALUES (1)`}}
		require.ErrorContains(t, db.Migrate(ctx, bad), "bring the tables to version 3")
		assert.Equal(t, 1, count(t, db), "all steps or none")
		require.NoError(t, db.Migrate(ctx, bad[:2]))
		assert.Equal(t, 2, count(t, db))
		assert.ErrorContains(t, db.Migrate(ctx, [][]string{one}), "version 2, and this program knows them up to 1")
	})
}

func count(t *testing.T, db *DB) (n int) {
	require.NoError(t, db.Read(t.Context(), func(tx *Tx) error {
		_, err := tx.Get(t.Context(), `SELECT COUNT(*) FROM @t`, nil, &n)
		return err
	}))
	return n
}

// An error of the work undoes it; a reader sees one state to its end.
func TestTransactions(t *testing.T) {
	onBoth(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		require.NoError(t, db.Migrate(ctx, [][]string{{`CREATE TABLE @t (a BIGINT)`}}))
		insert := func(tx *Tx) error {
			changed, err := tx.Exec(ctx, `INSERT INTO @t VALUES (?)`, 1)
			assert.EqualValues(t, 1, changed)
			return err
		}
		mistake := errors.New("mistake")
		assert.ErrorIs(t, db.Write(ctx, func(tx *Tx) error { return errors.Join(insert(tx), mistake) }), mistake)
		assert.Zero(t, count(t, db))
		require.NoError(t, db.Read(ctx, func(tx *Tx) error {
			for range 2 {
				var n int
				found, err := tx.Get(ctx, `SELECT COUNT(*) FROM @t`, nil, &n)
				require.NoError(t, err)
				assert.True(t, found)
				assert.Zero(t, n, "also after another has written")
				require.NoError(t, db.Write(ctx, insert))
			}
			return nil
		}))
		assert.Equal(t, 2, count(t, db))
	})
}

// Who waits for a turn to write can give up.
func TestWriterGivesUp(t *testing.T) {
	pool, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	defer pool.Close()
	db, err := New(pool, SQLite, "x_")
	require.NoError(t, err)
	require.NoError(t, db.Write(t.Context(), func(*Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		assert.ErrorIs(t, db.Write(ctx, func(*Tx) error { return nil }), context.DeadlineExceeded)
		return nil
	}))
}

// A statement for one database is not run in the other.
func TestMigrateOneDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		require.NoError(t, db.Migrate(ctx, [][]string{{
			`CREATE TABLE @t (a TEXT)`, `SQLITE:INSERT INTO @t VALUES (sqlite_version())`, `POSTGRESQL:INSERT INTO @t VALUES (version())`,
		}}))
		require.NoError(t, db.Read(ctx, func(tx *Tx) error {
			var rows int
			_, err := tx.Get(ctx, `SELECT COUNT(*) FROM @t`, nil, &rows)
			assert.Equal(t, 1, rows)
			return err
		}))
	})
}
