package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

// A turnCounter counts the round trips of connections: a write after a read
// starts the next one.
type turnCounter struct{ turns atomic.Int64 }

func (c *turnCounter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return &countedConn{Conn: conn, counter: c}, err
}

type countedConn struct {
	net.Conn
	counter *turnCounter
	writes  atomic.Bool
}

func (c *countedConn) Write(b []byte) (int, error) {
	if !c.writes.Swap(true) {
		c.counter.turns.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.writes.Store(false)
	return n, err
}

// A single change costs a PostgreSQL store at most 4 round trips, and an action
// among many at most 0.1. A refused action does not make the others more
// expensive.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(pgtest.Start(t).Schema(t))
	require.NoError(t, err)
	counter := new(turnCounter)
	config.DialFunc = counter.dial
	// Without this, pgx would ping a connection that was idle for a second.
	db := stdlib.OpenDB(*config, stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }))
	defer db.Close()
	db.SetMaxOpenConns(1)
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
	require.NoError(t, err)
	apply(t, store, hires(1)...) // the driver prepares each statement once for each connection
	turns := func(actions []provisioning.Action, refused int) float64 {
		before := counter.turns.Load()
		results, err := store.Apply(t.Context(), tenant, actions)
		require.NoError(t, err)
		for _, r := range results {
			if r.Err != nil {
				refused--
			}
		}
		require.Zero(t, refused)
		return float64(counter.turns.Load() - before)
	}
	many := hires(2001)[1:]
	assert.LessOrEqual(t, turns(many[:1], 0), 4.0, "create one")
	assert.LessOrEqual(t, turns(many[1:1000], 0), 0.02*999, "create many")
	assert.LessOrEqual(t, turns(many[:1000], 0), 0.02*1000, "repeat many")
	team := teamOf(t, store)
	changes := make([]provisioning.Action, 0, 1000)
	for _, a := range many[:1000] {
		changes = append(changes, retitle(team[a.Member.ID], "Senior"))
	}
	assert.LessOrEqual(t, turns(changes[:1], 0), 4.0, "change one")
	assert.LessOrEqual(t, turns(changes[1:], 0), 0.02*999, "change many")

	mixed := many[1000:]
	for i := 100; i < 1000; i += 250 {
		amend(&mixed[i], func(m *provisioning.Member) { m.Email = mixed[i-1].Member.Email })                  // the action before it takes this address
		mixed[i+1].Kind, mixed[i+1].Revision = provisioning.KindUpdate, "7"                                   // of a member who does not exist
		amend(&mixed[i+2], func(m *provisioning.Member) { m.Title = "a\x00b" })                               // a NUL, which PostgreSQL cannot store
		amend(&mixed[i+3], func(m *provisioning.Member) { m.Email = strings.ToUpper(many[10].Member.Email) }) // an earlier action has taken this address
		mixed[i+4].With, mixed[i+5].With = fmt.Sprint("pair", i), fmt.Sprint("pair", i)                       // this pair can be done
	}
	assert.LessOrEqual(t, turns(mixed, 4*4), 0.4*1000, "many of which some are refused")
}

// The same by the number of calls to a driver, on both databases. On
// PostgreSQL, the number of statements does not grow with the number of
// actions. On SQLite, one call has several statements.
func TestStatements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialect sqlstore.Dialect
		most    float64 // calls for each of 1,000 actions
	}{{sqlstore.SQLite, 1.5}, {sqlstore.PostgreSQL, 0.02}} {
		t.Run(fmt.Sprint(c.dialect), func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			count := func(c call) error {
				if c.query != "COMMITTED" {
					calls.Add(1)
				}
				return nil
			}
			inner, dsn := driver.Driver(new(sqlite.Driver)), fileDSN(t)
			if c.dialect == sqlstore.PostgreSQL {
				inner, dsn = stdlib.GetDefaultDriver(), pgtest.Start(t).Schema(t)
			}
			db := openWatched(inner, dsn, count)
			defer db.Close()
			store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: c.dialect})
			require.NoError(t, err)
			const many = 1000
			calls.Store(0)
			apply(t, store, hires(many)...)
			assert.LessOrEqual(t, float64(calls.Load()), c.most*many)
			if c.dialect == sqlstore.PostgreSQL {
				calls.Store(0)
				apply(t, store, hires(many + 1)[many])
				assert.LessOrEqual(t, calls.Load(), int64(4))
			}
		})
	}
}
