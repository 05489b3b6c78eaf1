package syncer

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// An EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	RunBegan        EventKind = "run_began"
	RunEnded        EventKind = "run_ended"        // with Duration, Plan, Count of done actions, and Err
	Read            EventKind = "read"             // pages were read: Op is the operation, Count its items so far
	Locked          EventKind = "locked"           // Duration is the wait for the tenant's lock
	Overtaken       EventKind = "overtaken"        // another process decided meanwhile; the provider is read anew
	BackedOff       EventKind = "backed_off"       // Duration until the next try, after Err
	ClassTripped    EventKind = "class_tripped"    // Class, and Count people who wait for its approval (S39)
	ClassReleased   EventKind = "class_released"   // Class is no longer tripped
	ActionDone      EventKind = "action_done"      // Action, MemberID, Code of its first reason
	ActionRefused   EventKind = "action_refused"   // Action, MemberID, Err
	PersonHeld      EventKind = "person_held"      // Action, MemberID, Code: waits for an approval, or for evidence
	PersonParked    EventKind = "person_parked"    // MemberID, Code: refused too often
	EffectDelivered EventKind = "effect_delivered" // Effect, MemberID
	EffectFailed    EventKind = "effect_failed"    // Effect, MemberID, Duration until the next try, Err
	StatusChanged   EventKind = "status_changed"   // Status, and Code of the worst problem: mail it to an admin (R138)
)

// An Event is one thing that happened. Fields that do not concern its kind are
// zero. It holds IDs and no addresses, names or secrets.
type Event struct {
	Kind EventKind
	Target
	At         time.Time
	Run        string // ID of the round, the same in all its events
	Plan       string // the plan's hash
	Op         string
	Class      provisioning.Class
	Action     provisioning.Kind
	Effect     provisioning.EffectKind
	MemberID   string
	ExternalID string
	Code       string
	Status     Status
	Count      int
	Duration   time.Duration
	Err        error
}

func newID() string { return rand.Text()[:12] }

// emit reports an event of the round.
func (r *round) emit(ctx context.Context, e Event) {
	e.Target, e.Run = r.target, r.id
	r.Syncer.emit(ctx, e)
}

// emit reports an event to Config.Observe and to the log.
func (s *Syncer) emit(ctx context.Context, e Event) {
	e.At = s.cfg.Now()
	if s.cfg.Observe != nil {
		_ = s.guard(ctx, e.Target, func() error { s.cfg.Observe(ctx, e); return nil }) // guard has logged a panic
	}
	level := slog.LevelDebug
	switch e.Kind {
	case ClassTripped, ActionRefused, PersonParked, BackedOff, EffectFailed:
		level = slog.LevelWarn
	case ClassReleased, StatusChanged:
		level = slog.LevelInfo
	case RunEnded:
		if e.Count > 0 || e.Err != nil {
			level = slog.LevelInfo
		}
	default: // a detail
	}
	if !s.cfg.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("tenant", e.Tenant), slog.String("connection", e.Connection)}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("run", e.Run)
	text("plan", e.Plan)
	text("op", e.Op)
	if e.Class != 0 {
		text("class", e.Class.String())
	}
	if e.Action != 0 {
		text("action", e.Action.String())
	}
	text("effect", string(e.Effect))
	text("member", e.MemberID)
	text("external_id", e.ExternalID)
	text("code", e.Code)
	text("status", string(e.Status))
	if e.Count != 0 {
		attrs = append(attrs, slog.Int("count", e.Count))
	}
	if e.Duration != 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	s.cfg.Logger.LogAttrs(ctx, level, "syncer: "+string(e.Kind), attrs...)
}

// tell emits the events of a plan that was applied. The values tripped and parked
// are those of the state before the plan.
func (r *round) tell(ctx context.Context, plan *provisioning.Plan, outcome provisioning.Outcome, tripped []Tripped, parked map[string]bool) {
	actions := make(map[string]*provisioning.Action, len(plan.Actions))
	for i := range plan.Actions {
		actions[plan.Actions[i].Key] = &plan.Actions[i]
	}
	for i := range plan.Held {
		actions[plan.Held[i].Action.Key] = &plan.Held[i].Action
	}
	of := func(kind EventKind, a *provisioning.Action, reasons []provisioning.Reason) Event {
		e := Event{Kind: kind, Plan: plan.Hash, Action: a.Kind, MemberID: a.Member.ID, ExternalID: a.Member.ExternalID}
		if len(reasons) > 0 {
			e.Code = string(reasons[0].Code)
		}
		return e
	}
	tried := make(map[string]bool, len(outcome.Results))
	for _, result := range outcome.Results {
		tried[result.Key] = true
		a := actions[result.Key]
		if a == nil || result.Repeated {
			continue
		}
		e := of(ActionDone, a, a.Reasons)
		if result.Err != nil {
			e.Kind, e.Code, e.Err = ActionRefused, refusal(result.Err), result.Err
		}
		r.emit(ctx, e)
	}
	for i := range plan.Held {
		if h := &plan.Held[i]; !tried[h.Action.Key] {
			r.emit(ctx, of(PersonHeld, &h.Action, h.Reasons))
		}
	}
	for _, t := range r.st.Tripped {
		if !hasClass(tripped, t.Class) {
			i := slices.IndexFunc(plan.Breakers, func(b provisioning.Breaker) bool { return b.Class == t.Class })
			r.emit(ctx, Event{Kind: ClassTripped, Plan: plan.Hash, Class: t.Class, Count: plan.Breakers[i].Count})
		}
	}
	for _, t := range tripped {
		if !hasClass(r.st.Tripped, t.Class) {
			r.emit(ctx, Event{Kind: ClassReleased, Plan: plan.Hash, Class: t.Class})
		}
	}
	for _, w := range r.st.Waiting {
		if w.Parked && !parked[w.ExternalID] {
			r.emit(ctx, Event{Kind: PersonParked, MemberID: w.MemberID, ExternalID: w.ExternalID, Code: w.Reason, Count: w.Tries})
		}
	}
}

func hasClass(tripped []Tripped, class provisioning.Class) bool {
	return slices.ContainsFunc(tripped, func(t Tripped) bool { return t.Class == class })
}

// finish emits the end of a round, and records a failure in the state.
func (r *round) finish(ctx context.Context, err error) {
	if r.st != nil {
		_, r.report.again = r.st.retries(r.setup.GroupWait, r.cfg.Now())
	}
	switch {
	case r.st != nil && err == nil && r.setup.Source != nil:
		r.report.Next = r.next()
	case errors.Is(err, errReplaced):
		r.report.Next = r.cfg.Now().Add(r.cfg.Poll)
	}
	e := Event{Kind: RunEnded, Duration: r.cfg.Now().Sub(r.began), Count: r.report.Outcome.Done, Err: err}
	if r.report.Plan != nil {
		e.Plan = r.report.Plan.Hash
	}
	if r.started || err != nil && !isRefusal(err) {
		r.emit(ctx, e)
	}
	if r.job.dry || ctx.Err() != nil || isRefusal(err) || slices.ContainsFunc(noFailures, func(refusal error) bool { return errors.Is(err, refusal) }) {
		return
	}
	if err == nil || errors.Is(err, errIncomplete) { // the state has it already
		return
	}
	noting, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	if err := r.change(noting, r.target, func(st *state) { st.fail(err, r.cfg.Now()) }); err != nil {
		r.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "syncer: a failure could not be noted", slog.String("tenant", r.target.Tenant),
			slog.String("connection", r.target.Connection), slog.String("run", r.id), slog.String("error", err.Error()))
	}
}

// noFailures are errors that are not recorded as problems of the connection, as
// refusals are not either.
var noFailures = []error{
	errOvertaken, ErrApprovalUsed, provisioning.ErrPlanChanged, provisioning.ErrSuperseded, provisioning.ErrNoPlan,
}

// noteTimeout is the time limit for recording a failure in the store, and for
// removing a lease.
const noteTimeout = 5 * time.Second
