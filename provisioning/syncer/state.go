package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// stateFormat is the number in the field "format" of a stored state.
const stateFormat = 1

// maxListed is how many people a state lists by ID. It counts the others; the next
// whole run finds them anyway.
const maxListed = 1000

// maxUsed is how many used approvals a state remembers.
const maxUsed = 500

// A state is what is stored of a connection between rounds. It is written after
// the changes that it describes are committed, under the tenant's lock and by
// compare-and-set, so that a process that lost the lock cannot change it.
type state struct {
	Format int `json:"format"`
	// Rounds counts committed rounds, so that a round that has read the provider
	// detects that another round committed meanwhile (S28).
	Rounds int `json:"rounds"`
	// Cursor is where the next reading of a pushed directory begins. All changes
	// before it are decided.
	Cursor sources.Cursor `json:"cursor,omitempty"`
	// Rules is the fingerprint of the rules under which everybody was last
	// decided.
	Rules string `json:"rules,omitempty"`

	Began      time.Time `json:"began,omitzero"`       // the first round
	LastRun    time.Time `json:"last_run,omitzero"`    // the last whole run
	LastProven time.Time `json:"last_proven,omitzero"` // when the last snapshot with proven users was taken
	LastPush   time.Time `json:"last_push,omitzero"`   // when pushed changes were last read
	// Imported says that the first import is over (A16).
	Imported bool `json:"imported,omitempty"`
	// WholeDue says why everybody has to be decided before the next whole run is due
	// by time.
	WholeDue string `json:"whole_due,omitempty"`
	// Awaited are the people whose settings wait for a group (S40). AwaitedMore is
	// the time since which some such people are not listed. Zero: all are listed.
	Awaited     []awaited `json:"awaited,omitempty"`
	AwaitedMore time.Time `json:"awaited_more,omitzero"`
	// Rivals are the people whose decisions depend on each other: a change of one
	// concerns the others. RivalsKnown says that the list is complete.
	Rivals      []provisioning.Rival `json:"rivals,omitempty"`
	RivalsKnown bool                 `json:"rivals_known,omitempty"`
	// Watching is how many entries the connection's watchList has.
	Watching int `json:"watching,omitempty"`
	// LastPlan is the hash of the plan of the last whole run.
	LastPlan string `json:"last_plan,omitempty"`

	Tripped []Tripped `json:"tripped,omitempty"`
	// Waiting are the people whose decision is not complete: the store refused the
	// action, or it is held (S38). More counts those who are not listed.
	Waiting []Waiting `json:"waiting,omitempty"`
	More    int       `json:"more,omitempty"`

	Paused    *Pause     `json:"paused,omitempty"`
	Retired   *Pause     `json:"retired,omitempty"`
	Approving *approving `json:"approving,omitempty"`
	Used      []string   `json:"used,omitempty"` // used approvals, as class:hash:plan

	// Groups are the last known names of the groups that assignments select by, by
	// group ID.
	Groups map[string]string `json:"groups,omitempty"`

	// Problems are those that do not follow from the other fields.
	Problems    []Problem     `json:"problems,omitempty"`
	Status      Status        `json:"status,omitempty"`
	StatusSince time.Time     `json:"status_since,omitzero"`
	Silence     time.Duration `json:"silence,omitempty"` // as the setup says
	Pushed      bool          `json:"pushed,omitempty"`  // as the setup says

	revision provisioning.Revision
	stored   []byte
	ran      time.Time // LastRun, by this process's clock
	trimmed  bool      // trim changed times of a clock that was ahead
}

// approving is an approved plan that is being applied. After a crash, its remaining
// actions are done before anything else is decided (L7).
type approving struct {
	Plan      string                  `json:"plan"`
	Approvals []provisioning.Approval `json:"approvals"`
	Actor     string                  `json:"actor,omitempty"`
	// Retires says that the plan retires the connection.
	Retires *Pause `json:"retires,omitempty"`
}

// stateName is the name of a connection's state in the store.
func stateName(connection string) string { return "connection/" + connection }

// load reads the state of a connection. If none is stored, it returns an empty
// state.
func (s *Syncer) load(ctx context.Context, target Target) (*state, error) {
	document, revision, err := s.cfg.Store.State(ctx, target.Tenant, stateName(target.Connection))
	if err != nil {
		return nil, fmt.Errorf("syncer: read state: %w", err)
	}
	st := &state{revision: revision, stored: document}
	if document == nil {
		st.Format = stateFormat
		return st, nil
	}
	if err := json.Unmarshal(document, st); err != nil {
		return nil, fmt.Errorf("syncer: state of %s: %w", target.Connection, err)
	}
	if st.Format != stateFormat {
		return nil, fmt.Errorf("syncer: state of %s: format is %d; want %d", target.Connection, st.Format, stateFormat)
	}
	now := s.cfg.Now().UTC()
	st.trim(now)
	var known bool
	if st.ran, known = s.sight(target, st.LastRun, now); !known && st.LastRun.After(now.Add(maxSkew)) {
		st.WholeDue = "a clock was ahead"
	}
	return st, nil
}

// maxSkew is the largest difference between the clocks of two processes that has no
// effect.
const maxSkew = time.Minute

// A memory is what this process remembers of a connection.
type memory struct {
	// The last whole run: stored is LastRun in the store, by the clock of the process
	// that ran it; ran is when it was by this process's clock, and never in its
	// future; looked is when sight was last called.
	stored, ran, looked time.Time
	// rules is the fingerprint of the rules that Setup returned last. inForce says
	// that they have been in force since then (state.Rules). left is when this
	// process first left a round to a process with newer rules (leaveToNewer), and
	// rounds is state.Rounds at that time.
	rules   string
	inForce bool
	left    time.Time
	rounds  int
	// freedNext is when findFreed may be called for another connection's change.
	// freedSoon says that a timer waits for that time.
	freedNext time.Time
	freedSoon bool
}

// memoryLocked returns what this process remembers of a connection, and whether it
// has seen the connection before.
func (s *Syncer) memoryLocked(target Target) (m *memory, known bool) {
	if m, known = s.memories[target.Tenant][target.Connection]; known {
		return m, true
	}
	if s.memories[target.Tenant] == nil {
		s.memories[target.Tenant] = make(map[string]*memory)
	}
	m = new(memory)
	s.memories[target.Tenant][target.Connection] = m
	return m, false
}

// sight returns when the last whole run was, by this process's clock. If the stored
// time has changed since the last look and is before that look, the time of that
// look is used, because the run came after it. A time in the future becomes now. So
// processes whose clocks are hours apart do not start runs again and again. For a
// connection that this process has not seen before, the stored time is used.
func (s *Syncer) sight(target Target, stored, now time.Time) (ran time.Time, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, known := s.memoryLocked(target)
	if !known || !seen.stored.Equal(stored) {
		if seen.stored, seen.ran = stored, stored; known && stored.Before(seen.looked) {
			seen.ran = seen.looked
		}
	}
	if seen.ran.After(now) {
		seen.ran = now
	}
	seen.looked = now
	return seen.ran, known
}

// trim sets times that are more than maxSkew in the future to now, so that nothing
// waits for them. They came from a clock that was ahead.
func (st *state) trim(now time.Time) {
	times := []*time.Time{&st.LastPush, &st.LastProven, &st.Began, &st.AwaitedMore}
	for i := range st.Awaited {
		times = append(times, &st.Awaited[i].Since)
	}
	for _, at := range times {
		if at.After(now.Add(maxSkew)) {
			*at, st.trimmed = now, true
		}
	}
}

// errOvertaken says that another process has changed the state meanwhile.
var errOvertaken = errors.New("another process came first")

// save stores the state, if it differs from what is stored.
func (s *Syncer) save(ctx context.Context, target Target, st *state) error {
	document, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("syncer: state of %s: %w", target.Connection, err)
	}
	if slices.Equal(document, st.stored) {
		return nil
	}
	revision, err := s.cfg.Store.SetState(ctx, target.Tenant, stateName(target.Connection), st.revision, document)
	if errors.Is(err, provisioning.ErrStale) {
		return fmt.Errorf("syncer: save state: %w", errOvertaken)
	}
	if err != nil {
		return fmt.Errorf("syncer: save state: %w", err)
	}
	st.revision, st.stored = revision, document
	return nil
}

// use marks approvals as used for a plan, which is given by its hash.
func (st *state) use(approvals []provisioning.Approval, plan string) {
	for _, a := range approvals {
		st.Used = append(st.Used, used(a)+plan)
	}
	st.Used = st.Used[max(0, len(st.Used)-maxUsed):]
}

// unuse takes back what use marked, for approvals whose plan was not done.
func (st *state) unuse(approvals []provisioning.Approval, plan string) {
	st.Used = slices.DeleteFunc(st.Used, func(entry string) bool {
		return slices.ContainsFunc(approvals, func(a provisioning.Approval) bool { return entry == used(a)+plan })
	})
}

func used(a provisioning.Approval) string { return a.Class.String() + ":" + a.Hash + ":" }

// checkUnused returns an error if one of the approvals was used before for the plan,
// or if plan is "", for any plan (S15). The same people may wait for the same again
// after they were approved and have come back. That needs a new approval, whose hash
// is equal. An approval that is given for the plan in which they wait now is new,
// since an action of an old plan is refused as stale.
func (st *state) checkUnused(approvals []provisioning.Approval, plan string) error {
	for _, a := range approvals {
		if slices.ContainsFunc(st.Used, func(entry string) bool { return strings.HasPrefix(entry, used(a)+plan) }) {
			return fmt.Errorf("syncer: approval of class %s: %w", a.Class, ErrApprovalUsed)
		}
	}
	return nil
}

// settle records the outcome of a plan: who waits now, and which classes are
// tripped. If everybody is true, the plan was made in this round for everybody, and
// the whole list of waiting people is replaced. Otherwise only the entries of the
// people whom the plan names are replaced.
func (st *state) settle(plan *provisioning.Plan, everybody bool, outcome *provisioning.Outcome, approvals []provisioning.Approval, parkAfter int, now time.Time) {
	before := make(map[string]Waiting, len(st.Waiting))
	for _, w := range st.Waiting {
		before[w.ExternalID] = w
	}
	whom := make(map[string]*provisioning.Action, len(plan.Actions)+len(plan.Held))
	about := make(map[string]bool)
	for _, id := range plan.About {
		about[id] = true
	}
	enter := func(a *provisioning.Action) { whom[a.Key], about[a.Member.ExternalID] = a, true }
	for i := range plan.Actions {
		enter(&plan.Actions[i])
	}
	for i := range plan.Held {
		enter(&plan.Held[i].Action)
	}
	if plan.About == nil {
		st.More = 0 // the plan names these people, too
	}
	if everybody {
		st.Waiting = nil
	} else {
		st.Waiting = slices.DeleteFunc(st.Waiting, func(w Waiting) bool { return about[w.ExternalID] })
	}
	done := make(map[string]bool)
	for _, result := range outcome.Results {
		done[result.Key] = true
		a := whom[result.Key]
		if result.Err == nil || a == nil {
			continue
		}
		w := Waiting{ExternalID: a.Member.ExternalID, MemberID: a.Member.ID, Reason: refusal(result.Err), Since: now, Tries: 1}
		if was, again := before[w.ExternalID]; again && was.Tries > 0 {
			w.Since, w.Tries = was.Since, was.Tries+1
		}
		if w.Parked = w.Tries >= parkAfter; !w.Parked {
			w.Next = now.Add(st.retryAfter(w.Tries))
		}
		st.wait(w)
	}
	for i := range plan.Held {
		h := &plan.Held[i]
		if done[h.Action.Key] {
			continue
		}
		w := Waiting{ExternalID: h.Action.Member.ExternalID, MemberID: h.Action.Member.ID, Classes: h.Classes, Since: now}
		if len(h.Reasons) > 0 {
			w.Reason = string(h.Reasons[0].Code)
		}
		if was, again := before[w.ExternalID]; again && was.Tries == 0 {
			w.Since = was.Since
		}
		st.wait(w)
	}
	st.trip(plan, everybody, approvals, now)
}

func (st *state) wait(w Waiting) {
	if len(st.Waiting) == maxListed {
		st.More++
		return
	}
	st.Waiting = append(st.Waiting, w)
}

// trip records which classes are tripped after a plan. A plan of a part only adds
// classes. A whole run or an approval can also remove one (S39).
func (st *state) trip(plan *provisioning.Plan, everybody bool, approvals []provisioning.Approval, now time.Time) {
	before := st.Tripped
	if everybody {
		st.Tripped = nil
	}
	st.Tripped = slices.DeleteFunc(slices.Clone(st.Tripped), func(t Tripped) bool { return isApproved(t.Class, approvals) })
	for _, b := range plan.Breakers {
		if b.Class == provisioning.ClassIdentity || isApproved(b.Class, approvals) { // identity is always held, and never tripped (S14)
			continue
		}
		t := Tripped{Class: b.Class, Since: now}
		if i := slices.IndexFunc(before, func(t Tripped) bool { return t.Class == b.Class }); i >= 0 {
			t.Since = before[i].Since
		}
		if !slices.ContainsFunc(st.Tripped, func(t Tripped) bool { return t.Class == b.Class }) {
			st.Tripped = append(st.Tripped, t)
		}
	}
}

func isApproved(class provisioning.Class, approvals []provisioning.Approval) bool {
	return slices.ContainsFunc(approvals, func(a provisioning.Approval) bool { return a.Class == class })
}

// refusal returns a code that says why the store refused an action.
func refusal(err error) string {
	for _, known := range []struct {
		err  error
		word string
	}{
		{provisioning.ErrStale, "refused.stale"}, {provisioning.ErrConflict, "refused.conflict"},
		{provisioning.ErrNeeds, "refused.needs"}, {provisioning.ErrNotShown, "refused.not_shown"},
		{errIsolated, "refused.failed"},
	} {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	return "refused"
}

// retryAfter returns how long a person waits after a number of refusals. The wait
// is at least a minute if the directory is not pushed, because the next try reads
// the provider.
func (st *state) retryAfter(tries int) time.Duration {
	delay := firstRetry << min(tries-1, 20)
	if !st.Pushed {
		delay = max(delay, time.Minute)
	}
	return min(delay, lastRead)
}
