package syncer_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// A history is a random life of a tenant with an Okta and an Entra that push, and two
// processes. Everything that can go wrong does: the stores fail, processes end and
// start, clocks jump, deliveries fail and panic, people are changed by hand, rules
// change, connections are paused, plans are applied late and approvals twice.
type history struct {
	*two
	t         *testing.T
	r         *rand.Rand
	team      *mortal
	fails     atomic.Int64 // of 1,000 calls of the store, how many fail
	processes [2]*syncer.Syncer
	skew      [2]atomic.Int64 // of the clocks of the processes
	newer     [2]atomic.Bool  // the processes that have newer rules

	people   map[string]bool // SCIM IDs, each after the first letter of its connection
	plans    []saved
	approves bool            // plans are applied with approvals
	used     map[string]bool // approvals that were accepted

	mu        sync.Mutex
	tries     map[string]int // by kind and key of the effect
	delivered map[string]bool
}

type saved struct {
	target   syncer.Target
	plan     *provisioning.Plan
	approval []provisioning.Approval
}

const leaveLimit = 3 // per window

func newHistory(t *testing.T, seed uint64) *history {
	x := &history{t: t, r: rand.New(rand.NewPCG(seed, 8)), people: make(map[string]bool), used: make(map[string]bool), tries: make(map[string]int), delivered: make(map[string]bool)}
	x.approves = seed%2 == 0
	x.team = &mortal{Memory: new(provisioning.Memory)}
	dice := rand.New(rand.NewPCG(seed, 9))
	x.team.roll = func() (done, lives bool) { // under the lock of mortal
		n := dice.Int64N(1000)
		return n >= x.fails.Load()/2, n >= x.fails.Load()
	}
	okta := newHost(t, acme, sources.KindOkta, syncer.Config{Store: x.team}, nil)
	entra := newHost(t, syncer.Target{Tenant: "acme", Connection: "entra"}, sources.KindEntra, syncer.Config{Store: x.team}, nil)
	okta.team, entra.team = x.team.Memory, x.team.Memory // the test's own look does not fail
	x.two = &two{okta, entra}
	for _, h := range x.hosts() {
		h.sync.Close()
		h.change(func(s *syncer.Setup) {
			limit := leaveLimit
			s.Rules.Breakers.Deactivate = &provisioning.Limit{Count: &limit}
			s.GroupWait = 5 * time.Minute
		})
	}
	for i := range x.processes {
		x.start(i)
	}
	x.pick()
	for _, h := range x.hosts() {
		h.group = h.do("POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sales","members":[]}`, http.StatusCreated)
		h.change(func(s *syncer.Setup) { s.Rules.Assignments = rules(sources.KindOkta, h.group).Assignments })
	}
	return x
}

func (x *history) hosts() []*host { return []*host{x.okta, x.entra} }

// start starts one of the processes.
func (x *history) start(i int) {
	s, err := syncer.New(syncer.Config{
		Store: x.team, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Now().Add(time.Duration(x.skew[i].Load())) },
		Targets: func(context.Context) ([]syncer.Target, error) {
			return []syncer.Target{x.okta.target, x.entra.target}, nil
		},
		Setup: func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
			h := x.of(target)
			h.mu.Lock()
			defer h.mu.Unlock()
			setup := h.setup
			if x.newer[i].Load() {
				giving("new")(&setup)
			}
			return setup, h.failed
		},
		Deliver: x.deliver,
	})
	require.NoError(x.t, err)
	x.processes[i] = s
	ctx, cancel := context.WithCancel(context.Background())
	x.t.Cleanup(func() { cancel(); s.Close() })
	go func() { _ = s.Serve(ctx) }()
}

// pick lets one of the processes receive the next pushes of each connection.
func (x *history) pick() {
	for _, h := range x.hosts() {
		h.sync = x.processes[x.r.IntN(2)]
	}
}

func (x *history) of(target syncer.Target) *host {
	if target == x.entra.target {
		return x.entra
	}
	return x.okta
}

func (x *history) deliver(_ context.Context, _ string, e provisioning.Effect) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	key := string(e.Kind) + " " + e.Key
	x.tries[key]++
	switch n := x.tries[key]; {
	case x.fails.Load() > 0 && n%3 == 1:
		return context.Canceled
	case x.fails.Load() > 0 && n%3 == 2:
		panic("the mail server")
	}
	x.delivered[key] = true
	return nil
}

// try sends a request of a provider. The provider may name records that are gone.
func (x *history) try(h *host, method, path, body string) string {
	id, _, _ := h.send(method, path, body)
	return id
}

func (x *history) somebody(h *host) string {
	var ids []string
	for id := range x.people {
		if id[:1] == h.target.Connection[:1] {
			ids = append(ids, id[1:])
		}
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return "none"
	}
	return ids[x.r.IntN(len(ids))]
}

var given = []string{"ana", "bo", "cy", "di", "ed", "flo", "gus", "hal", "ida", "jo", "kim", "lee", "mia", "ned", "ona", "pia"}

// step does one thing.
func (x *history) step() {
	h := x.hosts()[x.r.IntN(2)]
	name := given[x.r.IntN(len(given))]
	patch := func(path, operations string) {
		x.try(h, "PATCH", path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operations+`]}`)
	}
	switch x.r.IntN(40) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		if id := x.try(h, "POST", "/Users", person(name)); id != "" {
			x.people[h.target.Connection[:1]+id] = true
		}
	case 8, 9, 10, 11, 12:
		patch("/Users/"+x.somebody(h), `{"op":"replace","value":{"active":false}}`)
	case 13, 14:
		patch("/Users/"+x.somebody(h), `{"op":"Replace","path":"active","value":"True"}`)
	case 15:
		x.try(h, "DELETE", "/Users/"+x.somebody(h), "")
	case 16, 17:
		patch("/Users/"+x.somebody(h), fmt.Sprintf(`{"op":"replace","value":{"title":"T%d"}}`, x.r.IntN(100)))
	case 18:
		patch("/Users/"+x.somebody(h), address(name+"@acme.com"))
	case 19, 20:
		patch("/Users/"+x.somebody(h), named(name+"@acme.com"))
	case 21:
		x.try(h, "PUT", "/Users/"+x.somebody(h), person(name))
	case 22, 23, 24:
		patch("/Groups/"+h.group, `{"op":"add","path":"members","value":[{"value":"`+x.somebody(h)+`"}]}`)
	case 25:
		patch("/Groups/"+h.group, `{"op":"remove","path":"members[value eq \"`+x.somebody(h)+`\"]"}`)
	case 26, 27: // by hand
		synctest.Wait() // Put replaces the row
		members := slices.Collect(maps.Values(h.members()))
		slices.SortFunc(members, func(a, b provisioning.Member) int { return cmp.Compare(a.ID, b.ID) })
		if len(members) > 0 {
			m := members[x.r.IntN(len(members))]
			m.Title = fmt.Sprint("hand ", x.r.IntN(100))
			x.team.Put("acme", m)
		}
	case 28:
		_ = x.processes[x.r.IntN(2)].Pause(x.t.Context(), h.target, "")
	case 29:
		_ = x.processes[x.r.IntN(2)].Resume(x.t.Context(), h.target)
	case 30:
		if i := x.r.IntN(4); i < 2 {
			x.newer[i].Store(x.r.IntN(2) == 0)
			break
		}
		h.change(func(s *syncer.Setup) {
			s.Rules.Revision += "1"
			s.Rules.Default = nil
			if x.r.IntN(2) == 0 {
				giving("free")(s)
			}
		})
	case 31:
		i := x.r.IntN(2)
		x.processes[i].Close()
		x.start(i)
		x.pick()
	case 32:
		i := x.r.IntN(2)
		x.skew[i].Store(int64(time.Duration(x.r.IntN(96)-48) * time.Hour))
	case 33:
		ctx, cancel := context.WithTimeout(x.t.Context(), 10*time.Second)
		defer cancel()
		_, _ = x.processes[x.r.IntN(2)].Run(ctx, h.target)
	case 34, 35:
		if plan, err := x.processes[x.r.IntN(2)].Plan(x.t.Context(), h.target); err == nil && plan != nil {
			p := saved{target: h.target, plan: plan}
			if x.approves {
				p.approval = approvals(plan)
			}
			x.plans = append(x.plans, p)
		}
	case 36, 37:
		if len(x.plans) > 0 {
			x.apply(x.plans[x.r.IntN(len(x.plans))])
		}
	case 38:
		x.fails.Store([]int64{0, 10, 100}[x.r.IntN(3)])
	default:
		pass(time.Duration(x.r.IntN(20)) * time.Minute)
	}
}

func approvals(plan *provisioning.Plan) []provisioning.Approval {
	var all []provisioning.Approval
	for _, b := range plan.Breakers {
		all = append(all, plan.Approve(b.Class))
	}
	return all
}

// apply applies a plan with its approvals. An approval that was used is not accepted
// again (S15).
func (x *history) apply(p saved) {
	_, err := x.processes[x.r.IntN(2)].Apply(x.t.Context(), p.target, p.plan, p.approval...)
	for _, a := range p.approval {
		key := p.target.Connection + a.Class.String() + a.Hash + p.plan.Hash
		if err == nil {
			require.False(x.t, x.used[key], "an approval was accepted twice")
			x.used[key] = true
		}
	}
}

// settle ends the troubles, approves what waits, and waits until nothing is left.
func (x *history) settle() {
	x.fails.Store(0)
	for i := range x.skew {
		x.skew[i].Store(0)
		x.newer[i].Store(false)
	}
	pass(3 * time.Minute)
	for _, h := range x.hosts() {
		require.NoError(x.t, h.sync.Resume(x.t.Context(), h.target))
	}
	pass(3 * time.Hour)
	for range 10 {
		more := false
		for _, h := range x.hosts() {
			plan, err := h.sync.Plan(x.t.Context(), h.target)
			require.NoError(x.t, err)
			if len(plan.Breakers) > 0 {
				more = true
				_, err := h.sync.Apply(x.t.Context(), h.target, plan, approvals(plan)...)
				require.True(x.t, err == nil || errors.Is(err, provisioning.ErrPlanChanged), "%v", err)
			}
			pass(70 * time.Minute) // until the other connection had a whole run
		}
		if !more {
			return
		}
	}
	x.t.Fatal("something waits for ever")
}

// check compares the end with the directories and the audit log.
func (x *history) check() {
	t := x.t
	for _, h := range x.hosts() {
		plan, err := h.sync.Plan(t.Context(), h.target)
		require.NoError(t, err)
		if len(plan.Actions) > 0 {
			st, _, _ := x.team.Memory.State(t.Context(), "acme", "connection/"+h.target.Connection)
			t.Logf("%+v\n%s", h.health(), st)
			for i, s := range x.processes {
				rep, err := s.Round(t.Context(), h.target)
				t.Logf("%d: %v %v %v now %v", i, rep.Plan, rep.Next, err, time.Now())
			}
		}
		require.Empty(t, plan.Actions, "L2: %s", plan)
		require.Empty(t, plan.Held, "%s", plan)
		require.Contains(t, []syncer.Status{syncer.StatusOK, syncer.StatusDegraded}, h.health().Status, "%+v", h.health())
		active := make(map[string]bool)
		for u, err := range h.setup.Source.Users(t.Context()) {
			require.NoError(t, err)
			if u.Status == sources.StatusActive {
				active[u.ID] = true
			}
		}
		for _, m := range h.members() {
			if m.Managed && m.Connection == h.target.Connection {
				require.Equal(t, active[m.ExternalID], m.Active, "%s %s", m.ExternalID, m.Email)
			}
		}
	}
	// The audit log tells how every member came to be as it is: nothing was written
	// that no action shows, and no action twice (S45, L7).
	replayed, keys := make(map[string]provisioning.Member), make(map[string]bool)
	ended := make(map[string]bool)
	for r, err := range x.team.Audit(t.Context(), "acme") {
		require.NoError(t, err)
		require.False(t, keys[r.Key], "done twice")
		keys[r.Key] = true
		m := replayed[r.MemberID]
		for _, c := range r.Changes {
			if c.Old == nil && c.Field != provisioning.FieldActive && c.Field != provisioning.FieldSeats {
				c.Old = ""
			}
			switch c.Field {
			case provisioning.FieldActive:
				require.Equal(t, c.Old == true, m.Active)
				if m.Active && c.New != true {
					ended[string(provisioning.AccessEnded)+" "+r.Key] = true
				}
				m.Active = c.New == true
			case provisioning.FieldEmail:
				require.Equal(t, c.Old, m.Email)
				m.Email, _ = c.New.(string)
			case provisioning.FieldExternalID:
				require.Equal(t, c.Old, m.ExternalID)
				m.ExternalID, _ = c.New.(string)
			case provisioning.FieldManager:
				require.Equal(t, c.Old, m.ManagerID)
				m.ManagerID, _ = c.New.(string)
			case provisioning.FieldSeats:
				m.Seats, _ = c.New.([]string)
			}
		}
		replayed[r.MemberID] = m
	}
	members, err := provisioning.Team(t.Context(), x.team, "acme")
	require.NoError(t, err)
	require.Len(t, members, len(replayed))
	addresses := make(map[string]bool)
	for _, m := range members {
		was := replayed[m.ID]
		require.Equal(t, []any{m.Active, m.Email, m.ExternalID, m.ManagerID, len(m.Seats)}, []any{was.Active, was.Email, was.ExternalID, was.ManagerID, len(was.Seats)}, m.ID)
		require.False(t, addresses[m.Email])
		addresses[m.Email] = true
		seen := map[string]bool{}
		for at := m.ID; at != ""; { // no circle
			require.False(t, seen[at], "circle at %s", at)
			seen[at] = true
			next := ""
			for _, other := range members {
				if other.ID == at {
					next = other.ManagerID
				}
			}
			at = next
		}
	}
	for key := range ended {
		require.True(t, x.delivered[key], "an access has ended, and nobody was told: %s", key)
	}
	require.Empty(t, x.okta.effects())
}

// leaves checks that no more people left within a window than the limit allows,
// except with an approval.
func (x *history) leaves() {
	if x.approves {
		return
	}
	at := make(map[string][]time.Time)
	connection := make(map[string]string)
	for r := range x.team.Audit(x.t.Context(), "acme") {
		for _, c := range r.Changes {
			if c.Field == provisioning.FieldConnection {
				connection[r.MemberID] = c.New.(string)
			}
			if c.Field == provisioning.FieldActive && c.Old == true {
				at[connection[r.MemberID]] = append(at[connection[r.MemberID]], r.At)
			}
		}
	}
	for name, times := range at {
		for i := range times {
			n := 0
			for _, other := range times[i:] {
				if other.Sub(times[i]) < 59*time.Minute {
					n++
				}
			}
			require.LessOrEqual(x.t, n, leaveLimit, "%s: left within the window without an approval", name)
		}
	}
}

// S15, S38 to S41, S45, L2, L7: whatever happens to a tenant, in the end every team
// equals its directories, everything that was written was shown, every action was
// done once, every end of an access was told, no manager is above himself, no
// approval was used twice, and no more people left in a window than the limit allows
// without one.
func TestRandomHistories(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newHistory(t, seed)
				for range 250 {
					x.pick()
					x.step()
					if x.r.IntN(3) == 0 {
						pass(time.Duration(x.r.IntN(120)) * time.Second)
					}
				}
				x.leaves()
				x.settle()
				x.check()
			})
		})
	}
}
