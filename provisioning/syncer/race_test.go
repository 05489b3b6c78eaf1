package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// slow is a pushed directory that takes time to list its users.
type slow struct {
	*scim.DirectorySource
	takes time.Duration
}

func (s slow) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return func(yield func(sources.User, error) bool) {
		users := slices.Collect(func(yield func(sources.User) bool) {
			for u := range s.DirectorySource.Users(ctx) {
				if !yield(u) {
					return
				}
			}
		})
		time.Sleep(s.takes)
		for _, u := range users {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// S28, S38: a push during a whole run, in the same or another process, is
// decided while the run reads the directory. The older data that the run has
// read does not undo it.
func TestAPushDuringAWholeRun(t *testing.T) {
	for _, other := range []bool{false, true} {
		for _, workers := range []int{0, 1, 2} {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, acme, sources.KindOkta, syncer.Config{PushWait: time.Hour, Workers: workers}, nil)
				ana := h.hire("ana")
				h.change(func(s *syncer.Setup) {
					s.Source = slow{s.Source.(*scim.DirectorySource), time.Minute}
				})
				runner := h.sync
				if other {
					runner = h.replica(syncer.Config{})
				}
				var wait sync.WaitGroup
				wait.Go(func() {
					report, err := runner.Run(context.Background(), acme)
					require.NoError(t, err)
					for _, a := range report.Plan.Actions { // the run may end before the push of bo is decided
						require.Equal(t, "bo@acme.com", a.Member.Email)
					}
				})
				pass(30 * time.Second)
				began := time.Now()
				h.leave(ana)               // the run has already read her as active
				if other || workers != 1 { // otherwise the only worker is busy with reading
					require.Less(t, time.Since(began), time.Second, "the push does not wait for the reading")
				}
				require.False(t, h.members()["ana@acme.com"].Active)
				bo := h.hire("bo")
				wait.Wait()
				require.False(t, h.members()["ana@acme.com"].Active)
				require.True(t, h.members()["bo@acme.com"].Active)
				h.leave(bo)
				require.False(t, h.members()["bo@acme.com"].Active)
			})
		}
	}
}

// S28: while a provider is read, pushes into another connection of the tenant
// are decided. Runs of the connection that is read wait until the read ends.
func TestAPushWhileAProviderIsRead(t *testing.T) {
	for _, workers := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t, acme, sources.KindOkta, syncer.Config{}, nil)
			provider := &api{target: pulled, users: []sources.User{employee("sf")}, takes: time.Minute}
			both, err := syncer.New(syncer.Config{
				Store: h.team, PushWait: time.Hour, Workers: workers, Logger: slog.New(slog.DiscardHandler),
				Setup: func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
					if target == pulled {
						return syncer.Setup{Rules: rules(sources.KindSalesforce), Source: provider}, nil
					}
					return h.setup, nil
				},
			})
			require.NoError(t, err)
			defer both.Close()
			h.sync = both
			var wait sync.WaitGroup
			for range 3 {
				wait.Go(func() {
					_, err := both.Run(context.Background(), pulled)
					require.NoError(t, err)
				})
				pass(time.Second)
			}
			began := time.Now()
			h.hire("ana")
			if workers != 1 {
				require.Less(t, time.Since(began), time.Second)
			}
			wait.Wait()
			require.Greater(t, provider.count(), 1)
			for i := range provider.reads[1:] {
				require.GreaterOrEqual(t, provider.reads[i+1].Sub(provider.reads[i]), time.Minute, "one after another")
			}
			require.Len(t, h.members(), 2)
		})
	}
}

// S28: a due run happens once, although several processes notice it: two
// processes serve a pushed directory and receive pushes meanwhile, and only one
// reads the directory. People who are pushed before the first run wait for it.
func TestOneReadsAPushedDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := syncer.Config{PushWait: time.Hour, Targets: func(context.Context) ([]syncer.Target, error) { return []syncer.Target{acme}, nil }}
		h := newHost(t, acme, sources.KindOkta, cfg, nil)
		h.change(func(s *syncer.Setup) {
			s.Source = slow{s.Source.(*scim.DirectorySource), time.Minute}
		})
		second := h.replica(cfg)
		var wait sync.WaitGroup
		for i := range 5 {
			wait.Go(func() { h.hire(fmt.Sprintf("p%d", i)) })
		}
		wait.Wait()
		require.Len(t, h.members(), 5)
		h.mu.Lock()
		h.events = nil
		h.mu.Unlock()
		stop1, stop2 := serve(t, h.sync), serve(t, second)
		for range 90 {
			h.hire(fmt.Sprintf("q%d", len(h.members())))
			pass(time.Minute)
		}
		stop1()
		stop2()
		require.Len(t, h.members(), 95)
		whole := 0
		for _, e := range h.told(syncer.Read) {
			if e.Op == "list users" {
				whole++
			}
		}
		require.Equal(t, 1, whole)
	})
}

// edited is a team in which a manual edit changes a member just before some
// actions are done.
type edited struct {
	*provisioning.Memory
	before func()
}

func (e *edited) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	if do := e.before; do != nil {
		e.before = nil
		do()
	}
	return e.Memory.Apply(ctx, tenant, actions)
}

// S28, R37: if a manual edit comes between, only the action about that member
// is refused. It is decided again shortly after, both for a push and for a run.
func TestAHandEditMeanwhile(t *testing.T) {
	for _, push := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			team := &edited{Memory: new(provisioning.Memory)}
			h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team}, nil)
			ana, bo := h.hire("ana"), h.hire("bo")
			if !push {
				require.NoError(t, h.sync.Pause(t.Context(), acme, ""))
			}
			team.before = func() {
				m := h.members()["ana@acme.com"]
				m.MobilePhone = "+33 1"
				team.Put(acme.Tenant, m)
			}
			title := `{"op":"replace","value":{"title":"Lead"}}`
			if push {
				group := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"G","members":[{"value":"`+ana+`"},{"value":"`+bo+`"}]}`, http.StatusCreated)
				require.Empty(t, h.told(syncer.ActionRefused), "a group that no assignment selects by")
				h.do("DELETE", "/Groups/"+group, "", http.StatusNoContent)
				h.patch("/Users/"+ana, title, http.StatusOK)
				require.Empty(t, h.members()["ana@acme.com"].Title)
			} else {
				h.patch("/Users/"+ana, title, http.StatusOK)
				h.patch("/Users/"+bo, title, http.StatusOK)
				report, err := h.sync.Run(t.Context(), acme)
				require.NoError(t, err)
				require.Equal(t, 1, report.Outcome.Done)
				require.Equal(t, 1, report.Outcome.Refused)
				require.Equal(t, "Lead", h.members()["bo@acme.com"].Title)
				require.NoError(t, h.sync.Resume(t.Context(), acme))
			}
			require.Len(t, h.told(syncer.ActionRefused), 1)
			require.Equal(t, "refused.stale", h.health().Waiting[0].Reason)
			pass(2 * time.Second)
			require.Equal(t, "Lead", h.members()["ana@acme.com"].Title)
			require.Equal(t, "+33 1", h.members()["ana@acme.com"].MobilePhone)
			require.Empty(t, h.health().Waiting)
		})
	}
}

// refusing is a team whose database refuses one member.
type refusing struct {
	*provisioning.Memory
	mu    sync.Mutex
	email string
	fails bool // by an error of the database for every call with the member
}

func (r *refusing) refuse(email string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.email = email
}

func (r *refusing) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	r.mu.Lock()
	email := r.email
	r.mu.Unlock()
	var all []provisioning.Result
	for group := range provisioning.CommitGroups(actions) {
		if group[0].Member.Email == email && r.fails {
			return all, errors.New("value out of range")
		}
		if group[0].Member.Email == email {
			for i := range group {
				all = append(all, provisioning.Result{Key: group[i].Key, Kind: group[i].Kind, MemberID: group[i].Member.ID, Err: fmt.Errorf("constraint: %w", provisioning.ErrConflict)})
			}
			continue
		}
		results, err := r.Memory.Apply(ctx, tenant, group)
		if all = append(all, results...); err != nil {
			return all, err
		}
	}
	return all, nil
}

// A person whom the store refuses in five rounds in a row is parked with the
// reason, and delays no other person. A change of the person or a whole run
// tries again.
func TestAPersonIsParked(t *testing.T) {
	t.Run("refused", func(t *testing.T) { testParking(t, false, "refused.conflict") })
	t.Run("the database fails", func(t *testing.T) { testParking(t, true, "refused.failed") })
}

func testParking(t *testing.T, fails bool, reason string) {
	synctest.Test(t, func(t *testing.T) {
		team := &refusing{Memory: new(provisioning.Memory), email: "ana@acme.com", fails: fails}
		h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team}, nil)
		h.hire("bo")
		ana := h.hire("ana")
		h.hire("cy")
		require.Len(t, h.members(), 2)
		pass(time.Hour)
		require.Len(t, h.told(syncer.ActionRefused), 5)
		parked := h.told(syncer.PersonParked)
		require.Len(t, parked, 1)
		require.Equal(t, ana, parked[0].ExternalID)
		health := h.health()
		require.Equal(t, syncer.CodeParked, health.Problems[0].Code)
		require.Equal(t, syncer.StatusDegraded, health.Status)
		require.True(t, health.Waiting[0].Parked)
		require.Equal(t, reason, health.Waiting[0].Reason)

		team.refuse("")
		h.hire("di")
		require.NotContains(t, h.members(), "ana@acme.com", "others' pushes do not try again")
		h.patch("/Users/"+ana, `{"op":"replace","value":{"title":"Lead"}}`, http.StatusOK)
		require.Contains(t, h.members(), "ana@acme.com")
		require.Equal(t, syncer.StatusOK, h.health().Status)
	})
}

// S38, L6: many parallel pushes over several processes, with runs, manual edits
// and plans between them, end in the team that one run from the beginning
// gives.
func TestRacesEndInTheSameTeam(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) { testRaces(t, w) })
	}
}

func testRaces(t *testing.T, w world) {
	const people, pushers = 40, 4
	open := w.make(t)
	directory, team := open()
	h := newHost(t, acme, sources.KindOkta, syncer.Config{Store: team, PushWait: 50 * time.Millisecond}, directory)
	never := &provisioning.Limit{}
	h.change(func(s *syncer.Setup) {
		s.Rules.Breakers = provisioning.Breakers{Deactivate: never, Downgrade: never, Grant: never, Reparent: never, RewriteIdentity: never}
	})
	_, again := open()
	replicas := []*syncer.Syncer{h.sync, h.replica(syncer.Config{Store: again, PushWait: 50 * time.Millisecond})}
	group := h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sales","members":[]}`, http.StatusCreated)
	h.change(func(s *syncer.Setup) {
		breakers := s.Rules.Breakers
		s.Rules = rules(sources.KindOkta, group)
		s.Rules.Breakers = breakers
	})
	ids := make([]string, people)
	for i := range ids {
		ids[i] = h.hire(fmt.Sprintf("p%02d", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var wait sync.WaitGroup
	for pusher := range pushers {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(uint64(pusher), 1))
			for ctx.Err() == nil {
				id := ids[pusher+pushers*r.IntN(people/pushers)]
				switch r.IntN(4) {
				case 0:
					h.patch("/Users/"+id, fmt.Sprintf(`{"op":"replace","value":{"title":"T%d"}}`, r.IntN(1000)), http.StatusOK)
				case 1:
					h.patch("/Users/"+id, fmt.Sprintf(`{"op":"replace","value":{"active":%t}}`, r.IntN(3) > 0), http.StatusOK)
				case 2:
					h.patch("/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`, http.StatusNoContent)
				case 3:
					h.patch("/Groups/"+group, `{"op":"remove","path":"members[value eq \"`+id+`\"]"}`, http.StatusNoContent)
				}
			}
		})
	}
	wait.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			s := replicas[i%2]
			if _, err := s.Run(ctx, acme); err != nil {
				require.True(t, errors.Is(err, context.DeadlineExceeded), "%v", err)
			}
			plan, err := replicas[1-i%2].Plan(ctx, acme)
			if err == nil {
				_, err = s.Apply(ctx, acme, plan)
			}
			if err != nil {
				require.True(t, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, provisioning.ErrSuperseded), "%v", err)
			}
		}
	})
	wait.Wait()
	for _, s := range replicas {
		eventually(t, func() bool { return s.Push(t.Context(), acme) == nil }, "the last push is decided")
	}
	h.change(func(s *syncer.Setup) { s.GroupWait = time.Nanosecond })
	eventually(t, func() bool { return len(h.health().Waiting) == 0 }, "nobody waits")
	_, err := h.sync.Run(t.Context(), acme)
	require.NoError(t, err)

	fresh := newHost(t, acme, sources.KindOkta, syncer.Config{}, h.directory)
	fresh.change(func(s *syncer.Setup) { s.Rules, s.GroupWait = h.setup.Rules, time.Nanosecond })
	_, err = fresh.sync.Run(t.Context(), acme)
	require.NoError(t, err)
	want := fresh.members()
	for email, m := range h.members() {
		require.Equal(t, h.directoryHas(email), m.Active, email)
		if m.Active {
			require.Equal(t, want[email].Title, m.Title, email)
			require.Equal(t, want[email].AssignmentID, m.AssignmentID, email)
			require.Equal(t, want[email].Settings, m.Settings, email)
		}
	}
	require.Equal(t, h.active(), fresh.active())
}

// directoryHas reports whether the directory has an active user with an
// address.
func (h *host) directoryHas(email string) bool {
	for u, err := range h.setup.Source.Users(h.t.Context()) {
		require.NoError(h.t, err)
		if u.Email == email {
			return u.Status == sources.StatusActive
		}
	}
	return false
}
