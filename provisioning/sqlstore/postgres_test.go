package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
	"github.com/usher-go/usher/provisioning/storetest"
)

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	cfg := sqlstore.Config{Dialect: sqlstore.PostgreSQL}
	h := harness(func(t *testing.T) provisioning.Store {
		cfg := cfg
		var err error
		cfg.DB, err = sql.Open(pgtest.Driver, server.Schema(t))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, cfg.DB.Close()) })
		store, err := sqlstore.Open(t.Context(), cfg)
		require.NoError(t, err)
		return store
	})
	h.Crash = func(t *testing.T) storetest.Crasher {
		return &cutCrasher{t: t, inner: stdlib.GetDefaultDriver(), cfg: cfg, dsn: server.Schema(t)}
	}
	storetest.Test(t, h)
}
