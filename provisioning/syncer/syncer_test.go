package syncer_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// R11, R12, R13, R16, R22: what Okta pushes is in the team before Okta has its
// answer.
func TestPushedIsInTheTeamBeforeTheAnswer(t *testing.T) {
	h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil).serve()
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
