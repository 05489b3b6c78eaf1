package syncer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// R23, R28, R29, S38: a host with its own queue maintains a connection with
// Round only. Round returns the time of its next call, and does no work after
// it returns.
func TestRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{Deliver: newMailer().deliver}, "ana", "bo", "cy")
		round := func() syncer.Report {
			t.Helper()
			report, err := c.sync.Round(t.Context(), pulled)
			require.NoError(t, err)
			require.True(t, report.Next.After(time.Now()))
			return report
		}
		report := round()
		require.Len(t, c.members(), 3)
		require.Equal(t, 3, report.Outcome.Done)
		require.False(t, report.Effects)
		require.InDelta(t, time.Hour, time.Until(report.Next), float64(6*time.Minute))
		require.Nil(t, round().Plan, "nothing is due")
		require.Equal(t, 1, c.api.count())

		c.api.change(func() { c.api.users = c.api.users[:2] })
		time.Sleep(time.Until(report.Next))
		report = round()
		require.Equal(t, 2, c.active())
		require.True(t, report.Effects, "access has ended")
		pass(time.Hour)
		require.Len(t, c.effects(), 1, "nothing is delivered by itself")
		require.Zero(t, c.deliver(c.sync))
		require.False(t, round().Effects)

		c.api.change(func() {
			c.api.users, c.api.err = nil, &sources.Error{Kind: "salesforce", Op: "list users", Reason: sources.ErrUnavailable}
		})
		pass(2 * time.Hour)
		began, wait := c.api.count(), time.Duration(0)
		for i := range 15 {
			report, err := c.sync.Round(t.Context(), pulled)
			require.ErrorIs(t, err, sources.ErrUnavailable)
			wait = time.Until(report.Next)
			require.Greater(t, wait, min(time.Second<<i, 10*time.Minute)/2-1, "later each time")
			require.Less(t, wait, 15*time.Minute)
			time.Sleep(wait)
		}
		require.Greater(t, wait, 5*time.Minute)
		pass(2 * time.Hour)
		require.Equal(t, began+15, c.api.count(), "nothing is tried by itself")

		c.api.change(func() {
			c.api.err = &sources.Error{Kind: "salesforce", Op: "list users", Reason: sources.ErrRateLimited, RetryAfter: 40 * time.Minute}
		})
		report, err := c.sync.Round(t.Context(), pulled)
		require.ErrorIs(t, err, sources.ErrRateLimited)
		require.InDelta(t, 40*time.Minute, time.Until(report.Next), float64(time.Second))

		require.NoError(t, c.sync.Pause(t.Context(), pulled, ""))
		report, err = c.sync.Round(t.Context(), pulled)
		require.ErrorIs(t, err, syncer.ErrPaused)
		require.Zero(t, report.Next)
		c.sync.Close()
		_, err = c.sync.Round(t.Context(), pulled)
		require.ErrorIs(t, err, syncer.ErrClosed)
	})
}

// S38, S40: in a pushed connection, Round asks to be called again for people
// whose groups did not arrive, for people whom the store refused, and for a
// connection that becomes silent.
func TestRoundOfAPushedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		h.change(func(s *syncer.Setup) { s.Interval, s.Silence = 30*24*time.Hour, 3*time.Hour })
		h.hire("ana")
		for comes, end := 0, time.Now().Add(4*time.Hour); ; comes++ {
			report, err := h.sync.Round(t.Context(), acme)
			require.NoError(t, err)
			if report.Next.After(end) {
				require.Less(t, comes, 4)
				break
			}
			time.Sleep(time.Until(report.Next) + time.Second)
		}
		require.Equal(t, syncer.CodeSilent, h.health().Problems[0].Code)
		told := h.told(syncer.StatusChanged)
		require.Equal(t, syncer.StatusDegraded, told[len(told)-1].Status)
	})
}

// S28: rounds of one tenant wait for each other, for any callers. A round whose
// caller has gone does not start.
func TestRoundsWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana")
		c.api.change(func() { c.api.takes = time.Minute })
		results := make(chan error, 4)
		for range 3 {
			go func() {
				_, err := c.sync.Round(context.Background(), pulled)
				results <- err
			}()
		}
		synctest.Wait()
		gone, leave := context.WithCancel(t.Context())
		leave()
		_, err := c.sync.Round(gone, pulled)
		require.True(t, errors.Is(err, syncer.ErrPending) || errors.Is(err, context.Canceled), "%v", err)
		for range 3 {
			require.NoError(t, <-results)
		}
		require.Equal(t, 1, c.api.count(), "the others find nothing due")
	})
}
