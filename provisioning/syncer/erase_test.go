package syncer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// dump returns every value of every table of a database, with compressed values
// unpacked.
func dump(t *testing.T, db database) string {
	t.Helper()
	list := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if db.isPostgres {
		list = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`
	}
	query := func(query string, each func(values []any)) {
		rows, err := db.QueryContext(t.Context(), query)
		require.NoError(t, err)
		defer rows.Close()
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			require.NoError(t, rows.Scan(into...))
			each(values)
		}
		require.NoError(t, rows.Err())
	}
	var tables []string
	query(list, func(values []any) { tables = append(tables, fmt.Sprintf("%s", values[0])) })
	var all strings.Builder
	for _, table := range tables {
		query("SELECT * FROM "+table, func(values []any) {
			for _, value := range values {
				raw, ok := value.([]byte)
				if unzip, err := gzip.NewReader(bytes.NewReader(raw)); ok && err == nil {
					raw, err = io.ReadAll(unzip)
					require.NoError(t, err)
				}
				if ok {
					value = string(raw)
				}
				fmt.Fprintln(&all, table, value)
			}
		})
	}
	return strings.ToLower(all.String())
}

// One call erases a person from both stores, with every identity that the
// person had: only IDs and the facts of the actions remain. No other person
// changes, and what this person occupied becomes free for others.
func TestErase(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			directory, team := w.open(t)
			failing := errors.New("zelda@acme.com cannot be reached")
			cfg := syncer.Config{Store: team, Deliver: func(context.Context, string, provisioning.Effect) error { return failing }}
			h := newHost(t, acme, sources.KindOkta, cfg, directory)
			boss := h.hire("boss")
			zelda := h.hire("zelda")
			group := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"G","members":[{"value":"`+zelda+`"},{"value":"`+boss+`"}]}`, http.StatusCreated)
			_, err := h.sync.Run(t.Context(), acme)
			require.NoError(t, err)

			// The person moves to a connection that is read, and is stored in
			// its snapshot.
			api := &withDeltas{api: &api{target: pulled, users: []sources.User{employee("other"), {ID: "z-2", Status: sources.StatusActive, Email: "zelda@acme.com", GivenName: "Zelda", FamilyName: "Young"}}}}
			pushed := h.setup
			h.change(func(s *syncer.Setup) {
				*s = syncer.Setup{Rules: rules(sources.KindSalesforce), Source: api, Deltas: true}
				s.Rules.MigrateFrom = "okta"
			})
			_, err = h.sync.Run(t.Context(), pulled)
			require.NoError(t, err)
			member := h.members()["zelda@acme.com"]
			require.Equal(t, "salesforce", member.Connection)
			api.gone = []string{"z-2"}
			api.users = api.users[:1]
			_, err = h.sync.Run(t.Context(), pulled)
			require.NoError(t, err)
			require.False(t, h.members()["zelda@acme.com"].Active)
			eventually(t, func() bool { return h.health().Undelivered != nil }, "the effect fails")
			db, kept := databases.Load(directory)
			if kept {
				require.Contains(t, dump(t, db.(database)), "zelda")
			}

			other := h.replica(syncer.Config{})
			h.sync.Close()
			h.sync = other
			setups := map[string]syncer.Setup{"okta": pushed, "salesforce": h.setup}
			keeper, err := syncer.New(syncer.Config{Store: team, Setup: func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
				return setups[target.Connection], nil
			}})
			require.NoError(t, err)
			defer keeper.Close()
			before := len(h.members())
			for range 2 {
				require.NoError(t, keeper.Erase(t.Context(), acme.Tenant, member.ID))
			}
			require.Len(t, h.members(), before-1)
			if kept {
				require.NotContains(t, dump(t, db.(database)), "zelda")
				require.Contains(t, dump(t, db.(database)), member.ID, "the facts remain")
			}
			document, _, err := team.State(t.Context(), acme.Tenant, "snapshot/salesforce")
			require.NoError(t, err)
			require.Nil(t, document)
			source := scim.AsSource(directory, acme.Tenant, acme.Connection)
			_, err = source.User(t.Context(), zelda)
			require.ErrorIs(t, err, sources.ErrNotFound)
			for g, err := range source.Groups(t.Context()) {
				require.NoError(t, err)
				require.Equal(t, group, g.ID)
				require.Equal(t, []string{boss}, g.Members)
			}

			h.change(func(s *syncer.Setup) { *s = pushed })
			h.setup.Rules.Revision = "2"
			h.hire("zelda")
			require.True(t, h.members()["zelda@acme.com"].Active, "who comes again is somebody new")
			require.NotEqual(t, member.ID, h.members()["zelda@acme.com"].ID)
		})
	}
}

// What is kept of people who wait contains the addresses and names of those for whom
// they wait. Erase removes them, also while the connection is paused and nobody is
// decided anew. What others wait for stays.
func TestEraseAmongThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		ana, bo, cy, di := h.hire("ana"), h.hire("bo"), h.hire("cy"), h.hire("di")
		h.patch("/Users/"+ana, named("boss@acme.com"), http.StatusOK)
		h.patch("/Users/"+bo, `{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:usher:2.0:User:managerFullName","value":"Boss Young"}`, http.StatusOK)
		h.patch("/Users/"+cy, named("chief@acme.com"), http.StatusOK)
		h.patch("/Users/"+di, named("other@acme.com"), http.StatusOK)
		watched := func() string {
			document, _, err := h.team.State(t.Context(), "acme", "watched/okta")
			require.NoError(t, err)
			return strings.ToLower(string(document))
		}
		for _, known := range []string{"boss@acme.com", "young", "chief@acme.com", "other@acme.com", cy} {
			require.Contains(t, watched(), strings.ToLower(known))
		}
		require.NoError(t, h.sync.Pause(t.Context(), acme, ""))
		h.team.(*provisioning.Memory).Put("acme", provisioning.Member{ID: "m", Email: "Boss@acme.com", GivenName: "Boss", FamilyName: "Young"})
		require.NoError(t, h.sync.Erase(t.Context(), "acme", "m"))
		require.NotContains(t, watched(), "boss")
		require.NotContains(t, watched(), "young")
		require.NoError(t, h.sync.Erase(t.Context(), "acme", h.members()["cy@acme.com"].ID))
		require.NotContains(t, watched(), strings.ToLower(cy))
		require.NotContains(t, watched(), "chief@acme.com")
		require.Contains(t, watched(), "other@acme.com")
	})
}

// halfErasing is a team without the ability to erase.
type halfErasing struct{ syncer.Store }

// The error of Erase names the missing ability.
func TestEraseNeedsAStoreThatForgets(t *testing.T) {
	h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: halfErasing{new(provisioning.Memory)}}, nil)
	require.ErrorContains(t, h.sync.Erase(t.Context(), acme.Tenant, "m"), "provisioning.Eraser")
}
