package sqlstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

// S39: a clock was ahead and is right again. What it counted continues to count
// for as long as the clock may have gone back since, and not for as long as the
// clock was wrong.
func TestWindowAfterAWrongClock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wrong time.Duration
		want  int
	}{
		"right": {0, 3}, "an hour ahead": {time.Hour, 3}, "a year ahead": {365 * 24 * time.Hour, 0}, "two hours late": {-2 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, now := openDB(t, fileDSN(t)), time.Now()
			open := func(at time.Time) *sqlstore.Store {
				store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Now: func() time.Time { return at }})
				require.NoError(t, err)
				return store
			}
			actions := hires(3)
			for i := range actions {
				actions[i].Classes = []provisioning.Class{provisioning.ClassGrant}
			}
			apply(t, open(now.Add(c.wrong)), actions...)
			store := open(now)
			window, err := store.Window(t.Context(), tenant, "okta-prod", time.Hour)
			require.NoError(t, err)
			assert.Equal(t, c.want, window.Done[provisioning.ClassGrant])
			assert.Equal(t, c.want, window.Grown)

			for i := range 65 { // old rows are removed only from time to time
				resolver, err := provisioning.New(provisioning.Config{Source: "okta", Revision: fmt.Sprint(i), Domains: provisioning.Domains{Primary: "acme.example"}})
				require.NoError(t, err)
				require.NoError(t, store.SavePlan(t.Context(), tenant, resolver.Resolve(provisioning.Input{Tenant: tenant})))
			}
			var rows int
			require.NoError(t, db.QueryRow(`SELECT count(*) FROM usher_windows`).Scan(&rows))
			assert.Equal(t, c.wrong < 24*time.Hour, rows > 0)
		})
	}
}
