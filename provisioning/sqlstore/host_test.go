package sqlstore_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/sqlstore"
)

// R30: a member who is created by hand needs no directory.
func TestPutByHand(t *testing.T) {
	t.Parallel()
	store := openStore(t, fileDSN(t))
	made, err := store.Put(t.Context(), tenant, provisioning.Member{
		ID: "hand-1", Active: true, Email: "Ana@acme.example", GivenName: "Ana", Protected: true,
		Settings: assignment.Settings{Seats: []string{"engage", "core", "core"}},
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"core", "engage"}, made.Seats, "sets are brought into order")
	assert.Equal(t, map[string]provisioning.Member{made.ID: made}, teamOf(t, store))

	edited := made.Clone()
	edited.Title, edited.Protected = "CEO", false
	edited, err = store.Put(t.Context(), tenant, edited)
	require.NoError(t, err)
	assert.NotEqual(t, made.Revision, edited.Revision)
	assert.Equal(t, map[string]provisioning.Member{made.ID: edited}, teamOf(t, store))

	made.Title = "CTO"
	_, err = store.Put(t.Context(), tenant, made)
	assert.ErrorIs(t, err, provisioning.ErrStale, "the second of two edits of one state")
	again := made
	again.Revision = ""
	_, err = store.Put(t.Context(), tenant, again)
	assert.ErrorIs(t, err, provisioning.ErrStale, "who exists is not made again")
	_, err = store.Put(t.Context(), tenant, provisioning.Member{ID: "hand-2", Email: "ANA@acme.example"})
	assert.ErrorIs(t, err, provisioning.ErrConflict)
	_, err = store.Put(t.Context(), tenant, provisioning.Member{Email: "nobody@acme.example"})
	assert.ErrorContains(t, err, "ID is empty")
	assert.Equal(t, map[string]provisioning.Member{made.ID: edited}, teamOf(t, store), "what was refused changed nothing")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	store := openStore(t, fileDSN(t))
	apply(t, store, hires(2)...)
	require.NoError(t, store.Delete(t.Context(), tenant, person(0).ID))
	require.NoError(t, store.Delete(t.Context(), tenant, person(0).ID), "who is not there is no error")
	require.NoError(t, store.Delete(t.Context(), "other", person(1).ID))
	assert.Len(t, teamOf(t, store), 1)
}

// The store does not override the program's settings of a connection.
func TestBusyTimeoutOfTheProgram(t *testing.T) {
	t.Parallel()
	db := openDB(t, fileDSN(t)+"?_pragma=busy_timeout(1234)")
	db.SetMaxOpenConns(1)
	_, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db})
	require.NoError(t, err)
	var timeout, foreignKeys int
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA busy_timeout").Scan(&timeout))
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA foreign_keys").Scan(&foreignKeys))
	assert.Equal(t, 1234, timeout)
	assert.Equal(t, 1, foreignKeys)
}
