package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

var pulled = syncer.Target{Tenant: "acme", Connection: "salesforce"}

// api is a provider that is read through its API.
type api struct {
	target syncer.Target
	mu     sync.Mutex
	users  []sources.User
	err    error         // the error of every listing
	takes  time.Duration // the duration of each listing of users
	reads  []time.Time   // the times of the listings of users
}

func (a *api) Info() sources.Info {
	return sources.Info{Kind: sources.KindSalesforce, Connection: a.target.Connection, Lists: sources.FactUsers | sources.FactManagers}
}

func (a *api) Users(context.Context) iter.Seq2[sources.User, error] {
	return func(yield func(sources.User, error) bool) {
		a.mu.Lock()
		a.reads = append(a.reads, time.Now())
		users, err, takes := slices.Clone(a.users), a.err, a.takes
		a.mu.Unlock()
		time.Sleep(takes)
		for _, u := range users {
			if !yield(u, nil) {
				return
			}
		}
		if err != nil {
			yield(sources.User{}, err)
		}
	}
}

func (a *api) Groups(context.Context) iter.Seq2[sources.Group, error] {
	return func(func(sources.Group, error) bool) {}
}

func (a *api) change(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	do()
}

func (a *api) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.reads)
}

func employee(id string) sources.User {
	return sources.User{ID: id, Status: sources.StatusActive, Email: id + "@acme.com", GivenName: "Ana", FamilyName: id}
}

// company is a host that reads the people of one tenant from an API.
type company struct {
	*host
	api *api
}

func newCompany(t *testing.T, cfg syncer.Config, people ...string) *company {
	c := &company{api: &api{target: pulled}}
	for _, id := range people {
		c.api.users = append(c.api.users, employee(id))
	}
	h := &host{t: t, target: pulled, team: cfg.Store}
	if h.team == nil {
		h.team = new(provisioning.Memory)
	}
	h.setup = syncer.Setup{Rules: rules(sources.KindSalesforce), Source: c.api}
	c.host = h
	cfg.Targets = func(context.Context) ([]syncer.Target, error) { return []syncer.Target{pulled}, nil }
	h.sync = h.replica(cfg)
	return c
}

// serve runs the schedule of a syncer until the end of the bubble, or until
// stop.
func serve(t *testing.T, s *syncer.Syncer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// R23, R24, R28, R29, S28: a pulled connection is read at its interval, plus or
// minus a tenth. It is read at once on request and after a change of its rules.
func TestScheduledRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana")
		c.change(func(s *syncer.Setup) { s.Interval = 4 * time.Hour })
		defer serve(t, c.sync)()
		pass(time.Minute)
		require.Equal(t, 1, c.api.count(), "the first run comes with the first look")
		require.True(t, c.members()["ana@acme.com"].Active)
		pass(24 * time.Hour)
		runs := c.api.count()
		require.InDelta(t, 7, runs, 1)
		for i := range runs - 1 {
			gap := c.api.reads[i+1].Sub(c.api.reads[i])
			require.InDelta(t, float64(4*time.Hour), float64(gap), float64(24*time.Minute+time.Minute), "run %d", i)
		}
		c.api.change(func() { c.api.users = append(c.api.users, employee("bo")) })
		_, err := c.sync.Run(t.Context(), pulled)
		require.NoError(t, err)
		require.True(t, c.members()["bo@acme.com"].Active, "reimport now (R28)")

		runs = c.api.count()
		c.change(func(s *syncer.Setup) {
			s.Rules.Basic = &provisioning.Basic{Profile: "standard", Mode: assignment.Automatic}
		})
		pass(time.Minute + time.Second)
		require.Equal(t, runs+1, c.api.count(), "changed rules are decided at once (R29)")
		require.Equal(t, "standard", c.members()["bo@acme.com"].Profiles["default"])
	})
}

// S12, R138: a failing provider is tried again with growing delays. The health
// has the failure and the advice, and no person counts as gone. The host is
// notified once.
func TestAFailingProviderIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana", "bo")
		defer serve(t, c.sync)()
		pass(2 * time.Minute)
		require.Equal(t, syncer.StatusOK, c.health().Status)
		c.api.change(func() {
			c.api.users, c.api.err = nil, &sources.Error{Kind: "salesforce", Op: "list users", Reason: sources.ErrUnauthorized}
		})
		began := time.Now()
		pass(12 * time.Hour)
		tries := len(slices.DeleteFunc(slices.Clone(c.api.reads), func(at time.Time) bool { return at.Before(began) }))
		require.Less(t, tries, 12*6*2+10, "a try in ten minutes at most, give or take")
		require.Greater(t, tries, 12*6/2)
		health := c.health()
		require.Equal(t, syncer.StatusFailed, health.Status)
		require.Equal(t, syncer.CodeUnauthorized, health.Problems[0].Code)
		require.Contains(t, health.Problems[0].Advice, "credentials")
		require.WithinDuration(t, began.Add(time.Hour), health.Since, 10*time.Minute, "since the first failure")
		require.True(t, c.members()["ana@acme.com"].Active)
		require.Len(t, c.told(syncer.StatusChanged), 2, "ok, and failed")

		c.api.change(func() { c.api.users, c.api.err = []sources.User{employee("ana"), employee("bo")}, nil })
		pass(20 * time.Minute)
		require.Equal(t, syncer.StatusOK, c.health().Status)

		c.api.change(func() {
			c.api.users, c.api.err = []sources.User{employee("ana"), employee("cy")}, &sources.Error{Kind: "salesforce", Op: "list users", Reason: sources.ErrUnavailable}
		})
		_, err := c.sync.Run(t.Context(), pulled)
		require.ErrorIs(t, err, sources.ErrUnavailable)
		require.True(t, c.members()["bo@acme.com"].Active, "who is not listed by half a listing is not gone")
		require.Equal(t, syncer.CodeIncomplete, c.health().Problems[0].Code)
		require.Equal(t, syncer.StatusDegraded, c.health().Status)
	})
}

// withDeltas is an API that also lists changes.
type withDeltas struct {
	*api
	rounds []sources.Cursor // the cursors of its requests
	gone   []string
}

func (w *withDeltas) Changes(ctx context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	return func(yield func(sources.Change, error) bool) {
		w.rounds = append(w.rounds, after)
		switch after {
		case "expired":
			yield(sources.Change{}, sources.ErrCursorExpired)
			return
		case "":
			for u := range w.Users(ctx) {
				yield(sources.Change{User: &u}, nil)
			}
		default: // change of the last user
			if n := len(w.users); n > 0 {
				yield(sources.Change{User: &w.users[n-1]}, nil)
			}
			for _, id := range w.gone {
				yield(sources.Change{UserRemoved: id}, nil)
			}
		}
		yield(sources.Change{Next: sources.Cursor(fmt.Sprint(len(w.rounds)))}, nil)
	}
}

// A pulled source with deltas is asked for its changes after the stored cursor,
// and the changes are merged into the stored snapshot. It is read completely
// once a day, and after its cursor has expired.
func TestDeltasOfAPulledSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana", "bo")
		d := &withDeltas{api: c.api}
		c.change(func(s *syncer.Setup) { s.Source, s.Deltas = d, true })
		run := func() {
			t.Helper()
			_, err := c.sync.Run(t.Context(), pulled)
			require.NoError(t, err)
			c.sync.Close()
			c.sync = c.replica(syncer.Config{}) // the next process continues
		}
		run()
		c.api.users = append(c.api.users, employee("cy"))
		run()
		require.Contains(t, c.members(), "cy@acme.com")
		require.True(t, c.members()["ana@acme.com"].Active, "who is not in the delta is as before")
		d.gone = []string{"ana"}
		run()
		require.False(t, c.members()["ana@acme.com"].Active)
		require.Equal(t, []sources.Cursor{"", "1", "2"}, d.rounds)
		require.Equal(t, 1, c.api.count())

		pass(25 * time.Hour)
		run()
		require.Equal(t, 2, c.api.count(), "everything once a day")
		require.True(t, c.members()["ana@acme.com"].Active)
		for _, document := range []string{"", "damaged"} {
			team := c.team.(*provisioning.Memory)
			_, revision, err := team.State(t.Context(), "acme", "snapshot/salesforce")
			require.NoError(t, err)
			if document == "" {
				_, err = team.SetState(t.Context(), "acme", "snapshot/salesforce", revision, nil)
				require.NoError(t, err)
				run()
				continue
			}
			_, err = team.SetState(t.Context(), "acme", "snapshot/salesforce", revision, []byte(document))
			require.NoError(t, err)
			run()
		}
		require.Equal(t, 4, c.api.count(), "a snapshot that is lost or damaged is read anew")
	})
}

// The runs of many tenants are spread over time, also after a restart. No more
// of them run at a time than there are workers, and a failing tenant delays no
// other.
func TestManyTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants, workers = 500, 4
		team := new(provisioning.Memory)
		var targets []syncer.Target
		sourcesOf := make(map[syncer.Target]*api)
		for i := range tenants {
			target := syncer.Target{Tenant: fmt.Sprintf("t%03d", i), Connection: "salesforce"}
			targets = append(targets, target)
			sourcesOf[target] = &api{target: target, users: []sources.User{employee("ana")}, takes: 50 * time.Millisecond}
		}
		broken := targets[0]
		sourcesOf[broken].err = errors.New("broken")
		sourcesOf[broken].users = nil
		var mu sync.Mutex
		atWork, most := 0, 0
		perSecond := make(map[int64]int)
		cfg := syncer.Config{
			Store: team, Workers: workers, Logger: slog.New(slog.DiscardHandler),
			Targets: func(context.Context) ([]syncer.Target, error) { return targets, nil },
			Setup: func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
				return syncer.Setup{Rules: rules(sources.KindSalesforce), Source: sourcesOf[target]}, nil
			},
			Observe: func(_ context.Context, e syncer.Event) {
				mu.Lock()
				defer mu.Unlock()
				switch e.Kind {
				case syncer.RunBegan:
					atWork++
					most = max(most, atWork)
					perSecond[e.At.Unix()]++
				case syncer.RunEnded:
					atWork--
				}
			},
		}
		for range 2 {
			clear(perSecond)
			s, err := syncer.New(cfg)
			require.NoError(t, err)
			stop := serve(t, s)
			pass(70 * time.Second)
			stop()
			s.Close()
			require.LessOrEqual(t, most, workers)
			for second, n := range perSecond {
				require.Less(t, n, tenants/10, "second %d", second)
			}
		}
		for _, target := range targets[1:] {
			members, err := provisioning.Team(t.Context(), team, target.Tenant)
			require.NoError(t, err)
			require.Len(t, members, 1, target.Tenant)
			require.Equal(t, 1, sourcesOf[target].count(), "a restart runs nobody again who is not due")
		}
	})
}

// S38: a push does not wait for slow providers, even if they occupy all
// workers, nor for slow mails.
func TestAPushWaitsForNoOtherTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		slow := &api{target: pulled, users: []sources.User{employee("ana")}, takes: 10 * time.Minute}
		team := h.team.(*provisioning.Memory)
		targets := []syncer.Target{acme}
		for i := range 20 {
			targets = append(targets, syncer.Target{Tenant: fmt.Sprint("t", i), Connection: "salesforce"})
		}
		s, err := syncer.New(syncer.Config{
			Store: team, Workers: 2, Logger: slog.New(slog.DiscardHandler),
			Targets: func(context.Context) ([]syncer.Target, error) { return targets, nil },
			Setup: func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
				if target == acme {
					return h.setup, nil
				}
				return syncer.Setup{Rules: rules(sources.KindSalesforce), Source: slow}, nil
			},
			Deliver: func(ctx context.Context, _ string, _ provisioning.Effect) error {
				<-ctx.Done()
				return ctx.Err()
			},
		})
		require.NoError(t, err)
		defer s.Close()
		h.sync = s
		defer serve(t, s)()
		pass(5 * time.Second)
		require.Equal(t, 2, slow.count(), "the workers read")
		for i := range 5 {
			began := time.Now()
			h.leave(h.hire(fmt.Sprint("p", i)))
			require.Zero(t, time.Since(began))
			require.False(t, h.members()[fmt.Sprint("p", i, "@acme.com")].Active)
			pass(time.Minute)
		}
	})
}

// S28: two processes start the same run, and one of them decides. The other one
// notices this and decides nothing from the data that it read before. An
// explicitly requested run reads again.
func TestTwoProcessesStartOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana")
		second := c.replica(syncer.Config{Targets: func(context.Context) ([]syncer.Target, error) { return []syncer.Target{pulled}, nil }})
		_, err := c.sync.Run(t.Context(), pulled)
		require.NoError(t, err)
		c.api.change(func() { c.api.takes = time.Minute })
		var wait sync.WaitGroup
		wait.Go(func() {
			_, err := c.sync.Run(context.Background(), pulled)
			require.NoError(t, err)
		})
		pass(30 * time.Second)
		c.api.change(func() { c.api.users = append(c.api.users, employee("bo")) })
		wait.Go(func() { // has read bo, and would decide too late with this data
			_, err := second.Run(context.Background(), pulled)
			require.NoError(t, err)
		})
		pass(25 * time.Second)
		c.api.change(func() { c.api.users = []sources.User{employee("ana"), employee("cy")} })
		wait.Wait()
		require.Len(t, c.told(syncer.Overtaken), 1)
		require.Contains(t, c.members(), "cy@acme.com")
		require.NotContains(t, c.members(), "bo@acme.com", "what was read before another decision is read anew")

		runs := c.api.count()
		pass(2 * time.Hour)
		stop1, stop2 := serve(t, c.sync), serve(t, second)
		pass(10 * time.Minute)
		stop1()
		stop2()
		require.LessOrEqual(t, c.api.count(), runs+2, "the interval's run is one, though both may have begun it")
		require.Equal(t, 2, len(c.members()))
	})
}

// S45: the syncer does not decide from a saved answer that is older than the
// setup allows.
func TestAnOldAnswerIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana")
		c.change(func(s *syncer.Setup) { s.Taken, s.MaxAge = time.Now().Add(-2*time.Hour), time.Hour })
		_, err := c.sync.Run(t.Context(), pulled)
		require.ErrorIs(t, err, syncer.ErrTooOld)
		require.Empty(t, c.members())
		require.Equal(t, syncer.CodeTooOld, c.health().Problems[0].Code)
	})
}

// A16, R128: people who come with a silent first import are not announced to
// their managers. People who come later are.
func TestTheFirstImportCanBeSilent(t *testing.T) {
	for _, silent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCompany(t, syncer.Config{}, "boss")
			c.change(func(s *syncer.Setup) { s.SilentImport = silent })
			under := func(id string) sources.User {
				u := employee(id)
				u.Manager.ID = "boss"
				return u
			}
			boss, report := c.team.(*provisioning.Memory).Put("acme", provisioning.Member{ID: "hand-made", Email: "boss@acme.com", GivenName: "Ana", FamilyName: "boss", Active: true}), provisioning.Member{
				ID: "report", Email: "report@acme.com", GivenName: "R", FamilyName: "R", Active: true,
			}
			report.ManagerID, report.Capture = boss.ID, []string{"recording"}
			c.team.(*provisioning.Memory).Put("acme", report)
			c.api.change(func() { c.api.users = append(c.api.users, under("ana")) })
			_, err := c.sync.Run(t.Context(), pulled)
			require.NoError(t, err)
			first := slices.Contains(c.effects(), provisioning.NotifyManager)
			require.Equal(t, !silent, first)
			c.api.change(func() { c.api.users = append(c.api.users, under("bo")) })
			_, err = c.sync.Run(t.Context(), pulled)
			require.NoError(t, err)
			require.True(t, slices.Contains(c.effects(), provisioning.NotifyManager))
		})
	}
}

// A paused connection is not decided until it is resumed. Pushes during the
// pause are then found. A silent connection is reported.
func TestPauseAndSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Targets: func(context.Context) ([]syncer.Target, error) { return []syncer.Target{acme}, nil }}, nil)
		h.hire("ana")
		defer serve(t, h.sync)()
		require.NoError(t, h.sync.Pause(provisioning.WithActor(t.Context(), "admin-7"), acme, "migration"))
		h.hire("bo")
		require.ErrorIs(t, h.sync.Push(t.Context(), acme), syncer.ErrPaused)
		pass(3 * time.Hour)
		require.Len(t, h.members(), 1)
		require.Equal(t, "admin-7", h.health().Paused.Actor)
		require.Equal(t, syncer.CodePaused, h.health().Problems[0].Code)
		require.NoError(t, h.sync.Resume(t.Context(), acme))
		synctest.Wait()
		require.Len(t, h.members(), 2)
		require.Equal(t, syncer.StatusOK, h.health().Status)

		h.change(func(s *syncer.Setup) { s.Silence = 6 * time.Hour })
		h.hire("cy")
		pass(8 * time.Hour)
		require.Equal(t, syncer.CodeSilent, h.health().Problems[0].Code)
		told := h.told(syncer.StatusChanged)
		require.Equal(t, syncer.StatusDegraded, told[len(told)-1].Status, "without anybody asking for the health")
		h.hire("di")
		require.Equal(t, syncer.StatusOK, h.health().Status)
	})
}

// A connection that fails and is paused meanwhile is decided again after another
// process has resumed it.
func TestAPauseDuringAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompany(t, syncer.Config{}, "ana")
		c.api.change(func() { c.api.err, c.api.users = sources.ErrUnavailable, nil })
		defer serve(t, c.sync)()
		pass(30 * time.Minute)
		require.Equal(t, syncer.StatusFailed, c.health().Status)
		require.NoError(t, c.sync.Pause(t.Context(), pulled, "until it works"))
		pass(30 * time.Minute)
		other := c.replica(syncer.Config{})
		require.NoError(t, other.Resume(t.Context(), pulled)) // fails in this process, too
		synctest.Wait()
		other.Close()
		c.api.change(func() { c.api.err, c.api.users = nil, []sources.User{employee("ana")} })
		pass(15 * time.Minute)
		require.Len(t, c.members(), 1)
		require.Equal(t, syncer.StatusOK, c.health().Status)
	})
}

// The next process finds a push that no process could decide (S38).
func TestAPushThatNobodyDecidedIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
		h.hire("ana")
		h.sync.Close()
		h.hire("bo")
		require.Len(t, h.members(), 1)
		h.sync = h.replica(syncer.Config{Targets: func(context.Context) ([]syncer.Target, error) { return []syncer.Target{acme}, nil }})
		defer serve(t, h.sync)()
		pass(time.Minute)
		require.Len(t, h.members(), 2)
	})
}

// S28, R23: processes whose clocks differ by hours, or jump, still decide
// everybody once in an interval, each process alone and both together.
func TestClocksThatDiffer(t *testing.T) {
	for _, skew := range []time.Duration{3 * time.Hour, -3 * time.Hour, 300 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := newCompany(t, syncer.Config{}, "ana")
			wrong := new(atomic.Int64)
			wrong.Store(int64(skew))
			second := c.replica(syncer.Config{
				Targets: func(context.Context) ([]syncer.Target, error) { return []syncer.Target{pulled}, nil },
				Now:     func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) },
			})
			defer serve(t, c.sync)()
			stop := serve(t, second)
			defer stop()
			pass(10 * time.Minute)
			require.LessOrEqual(t, c.api.count(), 4, "a process that begins may believe that a run is due")
			began := c.api.count()
			pass(24 * time.Hour)
			inADay := func(runs int) { // both processes may read at the same time
				t.Helper()
				require.GreaterOrEqual(t, runs, 22, "skew %s", skew)
				require.LessOrEqual(t, runs, 2*27, "skew %s", skew)
			}
			inADay(c.api.count() - began)
			require.False(t, c.health().LastRun.After(time.Now()))
			before := c.api.count()
			wrong.Store(0) // corrects the clock
			pass(5 * time.Minute)
			require.LessOrEqual(t, c.api.count()-before, 2)
			stop()
			before = c.api.count()
			pass(24 * time.Hour)
			inADay(c.api.count() - before)
		})
	}
}
