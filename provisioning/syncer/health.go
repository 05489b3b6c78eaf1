package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A Status summarizes the health of a connection.
type Status string

// The statuses, from good to bad.
const (
	StatusOK       Status = "ok"
	StatusDegraded Status = "degraded" // it works, but a problem needs attention
	StatusHeld     Status = "held"     // changes wait for an approval
	StatusFailed   Status = "failed"   // nothing is decided
)

var statusOrder = []Status{StatusOK, StatusDegraded, StatusHeld, StatusFailed}

func (s Status) worse(other Status) bool {
	return slices.Index(statusOrder, s) > slices.Index(statusOrder, other)
}

// The codes of problems. A tripped class has the code breaker.<class>.
const (
	CodeUnauthorized    = "source.unauthorized"
	CodeForbidden       = "source.forbidden"
	CodeRateLimited     = "source.rate_limited"
	CodeUnavailable     = "source.unavailable"
	CodeMalformed       = "source.malformed"
	CodeIncomplete      = "source.incomplete" // a part of the directory could not be read
	CodeTooOld          = "source.too_old"
	CodeBadConfig       = "config.invalid"
	CodeFailed          = "run.failed"
	CodeIdentity        = "approval.identity" // a recycled address or record waits (S4)
	CodeParked          = "person.parked"
	CodeSilent          = "connection.silent"
	CodePaused          = "connection.paused"
	CodeGroupReappeared = "group.reappeared" // a group that an assignment names has a new ID (S40)
	CodeUndelivered     = "effect.undelivered"
)

// A Problem is one reason why the status of a connection is not StatusOK.
type Problem struct {
	Code   string    `json:"code"`
	Status Status    `json:"status"` // the severity
	Since  time.Time `json:"since"`
	Detail string    `json:"detail,omitempty"`
	// Advice says what an admin can do.
	Advice string `json:"advice,omitempty"`
}

// Tripped is a class whose breaker has tripped. Actions of the class are held
// until it is approved, or until a whole run is within the limit (S39).
type Tripped struct {
	Class provisioning.Class `json:"class"`
	Since time.Time          `json:"since"`
}

// Waiting is a person whose decision is not complete (S38).
type Waiting struct {
	ExternalID string `json:"external_id"`
	MemberID   string `json:"member_id,omitempty"`
	// Classes are the classes whose approval the person waits for. None: the person
	// waits for the next try, or for better evidence.
	Classes []provisioning.Class `json:"classes,omitempty"`
	// Reason is a code: a reason of the plan, or refused.<why> if the store refused.
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// Tries counts the rounds in a row in which the store refused the person. Next
	// is when the person is decided again. Parked says that the store refused too
	// often, so that there is no next time.
	Tries  int       `json:"tries,omitempty"`
	Next   time.Time `json:"next,omitzero"`
	Parked bool      `json:"parked,omitempty"`
}

// A Pause says who paused a connection, and why.
type Pause struct {
	Actor  string    `json:"actor,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// Health describes the condition of a connection.
type Health struct {
	Target
	Status Status
	Since  time.Time
	// Problems are the reasons of the status, worst first.
	Problems []Problem
	// LastRun is when everybody was last decided, LastProven when the last
	// snapshot that proved its users was taken, and LastPush when pushed changes
	// were last read.
	LastRun, LastProven, LastPush time.Time
	// LastPlan is the hash of the plan of the last run of everybody.
	LastPlan string
	Tripped  []Tripped
	// Waiting are people whose decision is not complete, at most 1,000. More counts
	// the others.
	Waiting []Waiting
	More    int
	// Paused is nil unless the connection is paused.
	Paused *Pause
	// Retired says since when the connection is retired. Nil: it is not.
	Retired *Pause
	// Effects is how many effects of the tenant wait in the outbox, whether or not
	// they were tried; at most 1,000 are counted. EffectsSince is when the action of
	// the oldest effect was done. It is zero if there is no effect, or if the store
	// is not a provisioning.MemberLog. Effects that wait for minutes mean that no
	// process delivers.
	Effects      int
	EffectsSince time.Time
	// Undelivered is the effect whose delivery has failed for the longest time. Nil:
	// no delivery failed.
	Undelivered *Undelivered
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Health returns the condition of a connection. It comes from the store, and is
// the same in every process.
func (s *Syncer) Health(ctx context.Context, target Target) (Health, error) {
	st, err := s.load(ctx, target)
	if err != nil {
		return Health{}, err
	}
	now := s.cfg.Now().UTC()
	h := Health{
		Target: target, Since: st.StatusSince, LastRun: earlier(st.LastRun, now), LastProven: st.LastProven, LastPush: st.LastPush, LastPlan: st.LastPlan,
		Tripped: st.Tripped, Waiting: st.Waiting, More: st.More, Paused: st.Paused, Retired: st.Retired,
	}
	h.Problems = st.problems(now)
	if err := s.outbox(ctx, &h); err != nil {
		return Health{}, err
	}
	if u := h.Undelivered; u != nil {
		h.Problems = append(h.Problems, newProblem(CodeUndelivered, u.Since,
			fmt.Sprintf("%s about %s failed %d times: %s; %d wait", u.Effect.Kind, u.Effect.About, u.Tries, u.Failure, h.Effects)))
	}
	slices.SortStableFunc(h.Problems, func(a, b Problem) int {
		return cmp.Compare(slices.Index(statusOrder, b.Status), slices.Index(statusOrder, a.Status))
	})
	h.Status = StatusOK
	if len(h.Problems) > 0 {
		h.Status = h.Problems[0].Status
	}
	if h.Status != st.Status { // the stored status is not up to date
		h.Since = now
		if len(h.Problems) > 0 {
			h.Since = h.Problems[0].Since
		}
	}
	return h, nil
}

// outbox sets the fields of h about effects that wait for delivery.
func (s *Syncer) outbox(ctx context.Context, h *Health) error {
	d, err := s.loadDeliveries(ctx, h.Tenant)
	if err != nil {
		return err
	}
	h.Undelivered = d.oldest()
	var oldest provisioning.Effect
	for e, err := range s.cfg.Store.Effects(ctx, h.Tenant) {
		if err != nil {
			return fmt.Errorf("syncer: read effects: %w", err)
		}
		if h.Effects == 0 {
			oldest = e
		}
		if h.Effects++; h.Effects == maxListed {
			break
		}
	}
	log, ok := s.cfg.Store.(provisioning.MemberLog)
	if h.Effects == 0 || !ok {
		return nil
	}
	records, err := log.MemberAudit(ctx, h.Tenant, oldest.About, maxListed)
	if err != nil {
		return fmt.Errorf("syncer: since when an effect waits: %w", err)
	}
	if i := slices.IndexFunc(records, func(r provisioning.Record) bool { return r.Key == oldest.Key }); i >= 0 {
		h.EffectsSince = records[i].At
	}
	return nil
}

// advice holds the severity of each problem, and what an admin can do.
var advice = map[string]struct {
	status Status
	text   string
}{
	CodeUnauthorized:    {StatusFailed, "Give the connection new credentials."},
	CodeForbidden:       {StatusFailed, "Give the connection's account the permission that the provider names."},
	CodeRateLimited:     {StatusDegraded, "Nothing: it is tried again. If it stays, run less often or ask the provider for a larger allowance."},
	CodeUnavailable:     {StatusFailed, "Nothing: it is tried again. If it stays, look at the provider's status page."},
	CodeMalformed:       {StatusFailed, "Look at the detail: the provider answers otherwise than it documents."},
	CodeIncomplete:      {StatusDegraded, "Nothing: it is tried again, and nobody is taken to be gone meanwhile. If it stays, look at the detail."},
	CodeTooOld:          {StatusFailed, "Read the provider anew, or save its answer anew."},
	CodeBadConfig:       {StatusFailed, "Mend the rules of the connection."},
	CodeFailed:          {StatusFailed, "Nothing: it is tried again. If it stays, look at the log of the detail's run."},
	CodeIdentity:        {StatusHeld, "Say whether the people who wait are those who had the address before: approve the class identity, or change an address."},
	CodeParked:          {StatusDegraded, "Look at the people who are parked and at what the store says of each; after that, run anew."},
	CodeSilent:          {StatusDegraded, "See whether provisioning is still on at the provider, and whether its token still holds."},
	CodePaused:          {StatusDegraded, "Resume the connection."},
	CodeGroupReappeared: {StatusDegraded, "Let the assignment select by the new group."},
	CodeUndelivered:     {StatusDegraded, "Mend what the detail says; it is tried again."},
}

const adviceBreaker = "Look at the plan. If it is right, approve the class; if not, mend the directory or the rules."

func newProblem(code string, since time.Time, detail string) Problem {
	p := Problem{Code: code, Since: since, Detail: detail, Status: StatusHeld, Advice: adviceBreaker}
	if a, ok := advice[code]; ok {
		p.Status, p.Advice = a.status, a.text
	}
	return p
}

// maxDetail is how many bytes of an error's text a state keeps.
const maxDetail = 500

// problem adds a problem. A problem that is present already keeps its time, and
// gets the new detail.
func (st *state) problem(code, detail string, now time.Time) {
	if len(detail) > maxDetail {
		detail = detail[:maxDetail]
	}
	for i := range st.Problems {
		if p := &st.Problems[i]; p.Code == code {
			p.Detail = detail
			return
		}
	}
	st.Problems = append(st.Problems, newProblem(code, now.UTC(), detail))
}

// clear removes a problem.
func (st *state) clear(code string) {
	st.Problems = slices.DeleteFunc(st.Problems, func(p Problem) bool { return p.Code == code })
}

// fail records the failure of a round, or with nil its success. It removes the
// problems of earlier rounds, except CodeGroupReappeared, which only a whole run
// can clear.
func (st *state) fail(failure error, now time.Time) {
	code := ""
	if failure != nil {
		code = failureCode(failure)
		st.problem(code, failure.Error(), now)
	}
	st.Problems = slices.DeleteFunc(st.Problems, func(p Problem) bool {
		return p.Code != code && p.Code != CodeGroupReappeared
	})
}

func failureCode(err error) string {
	var invalid *provisioning.ConfigError
	if errors.As(err, &invalid) {
		return CodeBadConfig
	}
	for _, known := range []struct {
		err  error
		code string
	}{
		{errIncomplete, CodeIncomplete}, {ErrTooOld, CodeTooOld}, {sources.ErrUnauthorized, CodeUnauthorized},
		{sources.ErrForbidden, CodeForbidden}, {sources.ErrRateLimited, CodeRateLimited}, {sources.ErrBadQuery, CodeBadConfig},
		{sources.ErrUnavailable, CodeUnavailable}, {sources.ErrMalformed, CodeMalformed}, {sources.ErrTooLarge, CodeMalformed},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return CodeFailed
}

// problems returns all problems of the connection that follow from the state.
func (st *state) problems(now time.Time) []Problem {
	if st.Retired != nil { // a retired connection has no problems
		return nil
	}
	problems := slices.Clone(st.Problems)
	for _, t := range st.Tripped {
		n := 0
		for _, w := range st.Waiting {
			if slices.Contains(w.Classes, t.Class) {
				n++
			}
		}
		problems = append(problems, newProblem(provisioning.CodeFamilyBreaker+t.Class.String(), t.Since, fmt.Sprintf("%d people wait", n)))
	}
	for _, some := range []struct {
		code  string
		among func(Waiting) bool
	}{
		{CodeParked, func(w Waiting) bool { return w.Parked }},
		{CodeIdentity, func(w Waiting) bool { return slices.Contains(w.Classes, provisioning.ClassIdentity) }},
	} {
		n, since := 0, now
		for _, w := range st.Waiting {
			if some.among(w) {
				n++
				if w.Since.Before(since) {
					since = w.Since
				}
			}
		}
		if n > 0 {
			problems = append(problems, newProblem(some.code, since, fmt.Sprintf("%d people", n)))
		}
	}
	if st.Paused != nil {
		problems = append(problems, newProblem(CodePaused, st.Paused.Since, st.Paused.Reason))
	}
	if silent := st.silentFrom(); !silent.IsZero() && now.After(silent) {
		problems = append(problems, newProblem(CodeSilent, silent, fmt.Sprintf("nothing since %s", silent.Add(-st.Silence).Format(time.RFC3339))))
	}
	return problems
}

// silentFrom returns the time from which the connection counts as silent, unless a
// snapshot or a push comes before. Zero: never.
func (st *state) silentFrom() time.Time {
	heard := st.LastProven
	if st.LastPush.After(heard) || st.Pushed {
		heard = st.LastPush
	}
	if st.Silence <= 0 || heard.IsZero() {
		return time.Time{}
	}
	return heard.Add(st.Silence)
}

// sum updates the status, and returns the problem that decides it, or nil if there
// is none. The result changed reports whether the status is different now.
func (st *state) sum(now time.Time) (worst *Problem, changed bool) {
	status := StatusOK
	problems := st.problems(now)
	for i := range problems {
		if problems[i].Status.worse(status) {
			status, worst = problems[i].Status, &problems[i]
		}
	}
	if changed = status != st.Status; changed {
		st.Status, st.StatusSince = status, now.UTC()
	}
	return worst, changed
}

func (st *state) parked() map[string]bool {
	parked := make(map[string]bool)
	for _, w := range st.Waiting {
		if w.Parked {
			parked[w.ExternalID] = true
		}
	}
	return parked
}

// Pause stops the decisions of a connection until Resume. What is pushed or due
// meanwhile waits. Plan, Run and Apply still work.
func (s *Syncer) Pause(ctx context.Context, target Target, reason string) error {
	return s.change(ctx, target, func(st *state) {
		if st.Paused == nil {
			st.Paused = &Pause{Actor: provisioning.ActorFrom(ctx), Reason: reason, Since: s.cfg.Now().UTC()}
		}
	})
}

// Resume ends a pause, and begins a round.
func (s *Syncer) Resume(ctx context.Context, target Target) error {
	err := s.change(ctx, target, func(st *state) { st.Paused = nil })
	if err == nil {
		s.enqueue(target, job{}, true)
	}
	return err
}

// change changes the state of a connection outside of a round.
func (s *Syncer) change(ctx context.Context, target Target, do func(*state)) error {
	unlock, err := s.cfg.Store.Lock(ctx, target.Tenant)
	if err != nil {
		return fmt.Errorf("syncer: %w", err)
	}
	defer unlock()
	r := &round{Syncer: s, target: target}
	if r.st, err = s.load(ctx, target); err != nil {
		return err
	}
	do(r.st)
	return r.store(ctx)
}

// store updates the status and saves the round's state. It emits StatusChanged if
// the status is different.
func (r *round) store(ctx context.Context) error {
	worst, changed := r.st.sum(r.cfg.Now())
	if err := r.save(ctx, r.target, r.st); err != nil {
		return err
	}
	if changed {
		e := Event{Kind: StatusChanged, Status: r.st.Status}
		if worst != nil {
			e.Code, e.Err = worst.Code, errors.New(worst.Detail)
		}
		r.emit(ctx, e)
	}
	return nil
}
