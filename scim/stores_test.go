package scim_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
)

// stores are the stores of the benchmarks of attacks. PostgreSQL is used only
// if USHER_TEST_POSTGRES names a database.
var (
	storeKinds = []string{"memory", "sqlite", "postgres"}
	stores     = map[string]func(tb testing.TB) scim.Store{
		"memory": func(testing.TB) scim.Store { return &scim.Memory{} },
		"sqlite": func(tb testing.TB) scim.Store {
			return sqlStore(tb, "sqlite", "file:"+filepath.Join(tb.TempDir(), "scim.db"), sqlstore.Config{})
		},
		"postgres": func(tb testing.TB) scim.Store {
			url := os.Getenv("USHER_TEST_POSTGRES")
			if url == "" {
				tb.Skip("USHER_TEST_POSTGRES is not set")
			}
			return sqlStore(tb, "pgx", url, sqlstore.Config{Dialect: sqlstore.PostgreSQL, Prefix: fmt.Sprintf("attack_%d_", time.Now().UnixNano())})
		},
	}
)

// An openStore is a store with its database.
type openStore struct {
	scim.Store
	cfg sqlstore.Config
}

func sqlStore(tb testing.TB, driver, dsn string, cfg sqlstore.Config) scim.Store {
	db, err := sql.Open(driver, dsn)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(16) // the value that the documentation of sqlstore recommends
	db.SetMaxIdleConns(16)
	cfg.DB = db
	store, err := sqlstore.Open(tb.Context(), cfg)
	require.NoError(tb, err)
	return openStore{store, cfg}
}

// serverCPU returns the CPU time that the processes of the store's connections
// have used so far. It is 0 if the store is not on PostgreSQL, or if the server
// runs on another machine or another system than Linux.
func serverCPU(tb testing.TB, store scim.Store) (used time.Duration) {
	open, ok := store.(openStore)
	if !ok || open.cfg.Dialect != sqlstore.PostgreSQL {
		return 0
	}
	rows, err := open.cfg.DB.Query("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'")
	require.NoError(tb, err)
	defer rows.Close()
	for rows.Next() {
		var pid, nanoseconds int
		require.NoError(tb, rows.Scan(&pid))
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid)); err == nil {
			_, err = fmt.Sscan(string(text), &nanoseconds)
			require.NoError(tb, err)
			used += time.Duration(nanoseconds)
		}
	}
	require.NoError(tb, rows.Err())
	return used
}
