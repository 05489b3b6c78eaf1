package syncer_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// R11, R12, R13, R16, R22: what Okta pushes is in the team before Okta has its
// answer.
func TestPushedIsInTheTeamBeforeTheAnswer(t *testing.T) {
	h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
	ana := h.hire("ana")
	require.True(t, h.members()["ana@acme.com"].Active)
	h.patch("/Users/"+ana, `{"op":"replace","value":{"title":"Account Executive"}}`, http.StatusOK)
	require.Equal(t, "Account Executive", h.members()["ana@acme.com"].Title)
	h.leave(ana)
	require.False(t, h.members()["ana@acme.com"].Active)
	h.patch("/Users/"+ana, `{"op":"replace","value":{"active":true}}`, http.StatusOK)
	require.True(t, h.members()["ana@acme.com"].Active)
	require.Equal(t, syncer.StatusOK, h.health().Status)
}

// S39: a hundred people who are deactivated one by one are held at the limit,
// and an approval releases them.
func TestWhatDripsIsHeldAtTheLimit(t *testing.T) {
	h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
	var ids []string
	for i := range 100 {
		ids = append(ids, h.hire(fmt.Sprintf("p%03d", i)))
	}
	require.Equal(t, 100, h.active())
	for _, id := range ids {
		h.leave(id)
	}
	require.Equal(t, 90, h.active(), "%+v", h.health())
	health := h.health()
	require.Equal(t, syncer.StatusHeld, health.Status)
	require.Len(t, health.Waiting, 90)
	plan, err := h.sync.Plan(t.Context(), acme)
	require.NoError(t, err)
	require.Len(t, plan.Held, 90)
	report, err := h.sync.Apply(t.Context(), acme, plan, plan.Approve(provisioning.ClassDeactivate))
	require.NoError(t, err)
	require.Equal(t, 90, report.Outcome.Done)
	require.Zero(t, h.active())
	require.Equal(t, syncer.StatusOK, h.health().Status, "%+v", h.health())
}
