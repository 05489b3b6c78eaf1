package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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
	db, err := New(pool, PostgreSQL, "my_")
	require.NoError(t, err)
	assert.Equal(t, `SELECT json_agg(a) FROM my_t WHERE b = $2 AND c = $1 AND d = $12`, db.SQL(`SELECT JSON_LIST(a) FROM @t WHERE b = ?2 AND c = ?1 AND d = ?12`))
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

// A migration that fails leaves nothing behind, and the next program continues
// after the last migration that succeeded.
func TestMigrate(t *testing.T) {
	onBoth(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		one := []string{`CREATE TABLE @t (a BIGINT)`, `INSERT INTO @t VALUES (1)`}
		require.NoError(t, db.Migrate(ctx, [][]string{one}, nil))
		require.NoError(t, db.Migrate(ctx, [][]string{one}, nil), "done before")
		bad := [][]string{one, {`INSERT INTO @t VALUES (2)`, `CREATE TABLE @u (a BIGINT)`}, {`INSERT INTO @nowhere VALUES (1)`}}
		require.ErrorContains(t, db.Migrate(ctx, bad, nil), "bring the tables to version 3")
		assert.Equal(t, 1, count(t, db), "all steps or none")
		require.NoError(t, db.Migrate(ctx, bad[:2], nil))
		assert.Equal(t, 2, count(t, db))
		assert.ErrorContains(t, db.Migrate(ctx, [][]string{one}, nil), "version 2, and this program knows them up to 1")
	})
}

func count(t *testing.T, db *DB) (n int) {
	require.NoError(t, db.Read(t.Context(), func(tx *Tx) error {
		_, err := tx.Get(t.Context(), `SELECT COUNT(*) FROM @t`, nil, &n)
		return err
	}))
	return n
}

// An error of the work undoes the transaction; a reader sees one state until
// its end.
func TestTransactions(t *testing.T) {
	onBoth(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		require.NoError(t, db.Migrate(ctx, [][]string{{`CREATE TABLE @t (a BIGINT)`}}, nil))
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

// A writer that waits for its turn gives up when its context ends, or after a
// limit that all its waits share.
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
		db.Patience = time.Millisecond
		assert.ErrorIs(t, db.Write(t.Context(), func(*Tx) error { return nil }), ErrBusy)
		return nil
	}))
	db.Patience = time.Minute
	spent := Wait{time.Now()} // another wait used up the time
	require.NoError(t, db.WriteWithin(t.Context(), db.NewWait(), func(*Tx) error {
		assert.ErrorIs(t, db.WriteWithin(t.Context(), spent, func(*Tx) error { return nil }), ErrBusy)
		return nil
	}))
	for left, want := range map[time.Duration]int64{time.Hour: 3_600_000, -time.Hour: 1} {
		value, err := Wait{time.Now().Add(left)}.Value()
		require.NoError(t, err)
		assert.InDelta(t, want, value, 600_000)
	}
}

// A connection waits for other processes no longer than its writer has time
// left. When the connection is returned, its previous timeout applies again.
func TestBusyTimeout(t *testing.T) {
	for options, want := range map[string]time.Duration{"": patience, "?_pragma=busy_timeout(2000)": 2 * time.Second} {
		pool, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "x.db")+options)
		require.NoError(t, err)
		defer pool.Close()
		pool.SetMaxOpenConns(1)
		db, err := New(pool, SQLite, "x_")
		require.NoError(t, err)
		timeout := func(wait Wait) (got time.Duration) {
			require.NoError(t, db.withConn(t.Context(), wait, func(conn *sql.Conn) error {
				var ms int64
				err := conn.QueryRowContext(t.Context(), "PRAGMA busy_timeout").Scan(&ms)
				got = time.Duration(ms) * time.Millisecond
				return err
			}))
			return got
		}
		for range 2 {
			assert.Equal(t, want, timeout(db.NewWait()))
			assert.Equal(t, want, timeout(Wait{time.Now().Add(time.Hour)}))
			left := timeout(Wait{time.Now().Add(time.Second)})
			assert.Positive(t, left)
			assert.LessOrEqual(t, left, time.Second)
		}
	}
}

// A write that may be lost if the machine fails does not wait for the disk. The
// next write on its connection waits as before.
func TestWriteUnsynced(t *testing.T) {
	for options, want := range map[string][2]int{"": {1, 2}, "?_pragma=synchronous(extra)": {1, 3}, "?_pragma=synchronous(off)": {0, 0}} {
		pool, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "x.db")+options)
		require.NoError(t, err)
		defer pool.Close()
		pool.SetMaxOpenConns(1)
		db, err := New(pool, SQLite, "x_")
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), [][]string{{`CREATE TABLE @t (a BIGINT)`}}, nil))
		for range 2 {
			var got [2]int
			work := func(into *int) func(tx *Tx) error {
				return func(tx *Tx) error {
					if _, err := tx.Exec(t.Context(), `INSERT INTO @t VALUES (1)`); err != nil {
						return err
					}
					return tx.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(into)
				}
			}
			require.NoError(t, db.WriteUnsynced(t.Context(), work(&got[0])))
			require.NoError(t, db.Write(t.Context(), work(&got[1])))
			assert.Equal(t, want, got, options)
		}
	}
}

// A single statement, prepared or not, on both databases.
func TestQuery(t *testing.T) {
	onBoth(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		require.NoError(t, db.Migrate(ctx, [][]string{{`CREATE TABLE @t (a BIGINT, b EXACT_TEXT)`, `INSERT INTO @t VALUES (1, 'x'), (2, 'y')`}}, nil))
		const query = `SELECT a, b FROM @t WHERE a >= ?2 AND b >= ?1 ORDER BY a`
		for range 3 {
			var got []string
			scan := func(rows *sql.Rows) error {
				var a int
				var b string
				err := rows.Scan(&a, &b)
				got = append(got, b)
				return err
			}
			require.NoError(t, db.Query(ctx, db.NewWait(), query, []any{"a", 1}, scan))
			assert.Equal(t, []string{"x", "y"}, got)
			require.NoError(t, db.Write(ctx, func(tx *Tx) error {
				if _, err := tx.Exec(ctx, `INSERT INTO @t VALUES (0, 'z')`); err != nil {
					return err
				}
				return tx.Each(ctx, query, []any{"y", 2}, scan)
			}))
			assert.Equal(t, []string{"x", "y", "y"}, got)
			mistake := errors.New("mistake")
			assert.ErrorIs(t, db.Query(ctx, db.NewWait(), query, []any{"a", 1}, func(*sql.Rows) error { return mistake }), mistake)
			require.NoError(t, db.Keep(ctx, query))
		}
	})
}

// A coded error has the form of the errors of PostgreSQL drivers.
type coded string

func (c coded) Error() string    { return "ERROR" }
func (c coded) SQLState() string { return string(c) }

func TestOutage(t *testing.T) {
	for _, c := range []struct {
		err   error
		retry time.Duration
	}{
		{nil, 0},
		{errors.New("a mistake"), 0},
		{context.Canceled, 0},
		{fmt.Errorf("%w: %w", context.DeadlineExceeded, io.EOF), 0},
		{ErrBusy, retryBusy},
		{errors.New("database is locked (5) (SQLITE_BUSY)"), retryBusy},
		{errors.New("database or disk is full (13)"), retryFull},
		{errors.New("attempt to write a readonly database (8)"), retryFull},
		{errors.New("disk I/O error (4874)"), retryFull},
		{errors.New("constraint failed: UNIQUE constraint failed"), 0},
		{errors.New("database disk image is malformed (11)"), 0},
		{errors.New("sql: database is closed"), retryDown},
		{fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), retryDown},
		{driver.ErrBadConn, retryDown},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), retryDown},
		{coded("55P03"), retryBusy},
		{fmt.Errorf("apply: %w", coded("40P01")), retryBusy},
		{coded("53100"), retryFull},
		{coded("53300"), retryDown},
		{coded("57P01"), retryDown},
		{coded("08006"), retryDown},
		{coded("25006"), retryDown},
		{coded("23505"), 0},
		{coded("42P01"), 0},
	} {
		retry, ok := Outage(c.err)
		assert.Equal(t, c.retry, retry, "%v", c.err)
		assert.Equal(t, c.retry > 0, ok, "%v", c.err)
	}
	assert.True(t, Serialization(fmt.Errorf("apply: %w", coded("40001"))))
	assert.False(t, Serialization(coded("40P01")))
}

// A call on a connection that was lost earlier fails with pgx's own error text.
func TestOutageOfALostConnection(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), pgtest.Start(t).Schema(t))
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	_, err = conn.Exec(t.Context(), "SELECT 1")
	require.Error(t, err)
	retry, ok := Outage(fmt.Errorf("count: %w", err))
	assert.True(t, ok, "%v", err)
	assert.Equal(t, retryDown, retry)
}

// A statement for one database is not run in the other one.
func TestMigrateOneDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		require.NoError(t, db.Migrate(ctx, [][]string{{
			`CREATE TABLE @t (a TEXT)`, `SQLITE:INSERT INTO @t VALUES (sqlite_version())`, `POSTGRESQL:INSERT INTO @t VALUES (version())`,
		}}, nil))
		require.NoError(t, db.Read(ctx, func(tx *Tx) error {
			var rows int
			_, err := tx.Get(ctx, `SELECT COUNT(*) FROM @t`, nil, &rows)
			assert.Equal(t, 1, rows)
			return err
		}))
	})
}
