package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/provisioning/storetest"
)

// postgresVariable names a PostgreSQL database for the tests, which make tables
// in it and remove them.
const postgresVariable = "USHER_TEST_POSTGRES"

// postgresTables are the tables of a store, those that refer to others first.
var postgresTables = []string{"keys", "members", "tenants", "effects", "plans", "audit", "locks", "schema"}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	dsn := os.Getenv(postgresVariable)
	if dsn == "" {
		t.Skip(postgresVariable + " names no server")
	}
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	var stores atomic.Int32
	h := harness(func(t *testing.T) provisioning.Store {
		prefix := fmt.Sprintf("usher_test%d_%d_", time.Now().Unix(), stores.Add(1))
		store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL, Prefix: prefix})
		require.NoError(t, err)
		t.Cleanup(func() {
			for _, table := range postgresTables {
				_, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP TABLE "+prefix+table)
				assert.NoError(t, err)
			}
		})
		return store
	})
	h.Unsupported = map[string]string{"Crash": "cut off at every write in the tests of SQLite, which runs the same statements"}
	storetest.Test(t, h)
}
