package sqlstore

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// Writers of one directory take turns, and those of others do not wait for them.
func TestTurns(t *testing.T) {
	var queue turns
	one, another := scim.Directory{Tenant: "one"}, scim.Directory{Tenant: "another"}
	first, err := queue.take(t.Context(), new(sqldb.DB).NewWait(), one)
	require.NoError(t, err)
	other, err := queue.take(t.Context(), new(sqldb.DB).NewWait(), another)
	require.NoError(t, err)
	other()

	impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = queue.take(impatient, new(sqldb.DB).NewWait(), one)
	require.ErrorIs(t, err, context.DeadlineExceeded, "one has the turn, and who waits may give up")

	first()
	second, err := queue.take(t.Context(), new(sqldb.DB).NewWait(), one)
	require.NoError(t, err)
	second()
	assert.Empty(t, queue.queues, "nothing is kept of who has left")
}
