package syncer_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// R11, R12, R13, R16, R22: a change that Okta pushes is in the team before Okta
// gets its answer.
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

// S45: a member whom the host deleted is created again by the next push about
// the person, with a new key.
func TestADeletedMemberComesAgain(t *testing.T) {
	team := new(provisioning.Memory)
	h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team}, nil)
	h.hire("bo")
	ana := h.hire("ana")
	team.Delete(acme.Tenant, h.members()["ana@acme.com"].ID)
	h.patch("/Users/"+ana, `{"op":"replace","value":{"nickName":"An"}}`, http.StatusOK)
	require.Contains(t, h.members(), "ana@acme.com")
}

// Errors in a config or a setup name the field.
func TestBadSettingsAreNamed(t *testing.T) {
	for field, cfg := range map[string]syncer.Config{
		"Store":   {},
		"Setup":   {Store: new(provisioning.Memory)},
		"Workers": {Store: new(provisioning.Memory), Setup: func(context.Context, syncer.Target) (syncer.Setup, error) { return syncer.Setup{}, nil }, Workers: -1},
	} {
		_, err := syncer.New(cfg)
		require.ErrorContains(t, err, field)
	}
	h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
	good := h.setup
	for want, change := range map[string]func(*syncer.Setup){
		"Interval":       func(s *syncer.Setup) { s.Interval = -1 },
		"Window":         func(s *syncer.Setup) { s.Window = 25 * time.Hour },
		"Source is nil":  func(s *syncer.Setup) { s.Source = nil },
		"DeltaSource":    func(s *syncer.Setup) { s.Source = new(staff) },
		`"other"`:        func(s *syncer.Setup) { s.Rules.Connection = "other" },
		"domains":        func(s *syncer.Setup) { s.Rules.Domains.Primary = "" },
		"domains.primar": func(s *syncer.Setup) { s.Rules.Domains.Primary = "no domain" },
	} {
		h.change(func(s *syncer.Setup) { *s = good; change(s) })
		_, err := h.sync.Run(t.Context(), acme)
		require.ErrorContains(t, err, want)
		require.Equal(t, syncer.StatusFailed, h.health().Status, want)
	}
	h.change(func(s *syncer.Setup) { *s = good })
	_, err := h.sync.Run(t.Context(), acme)
	require.NoError(t, err)
	require.Equal(t, syncer.StatusOK, h.health().Status)
}
