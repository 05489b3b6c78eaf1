package review

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
)

const (
	// applyWait is how long the answer to an approval waits for the plan to be
	// applied.
	applyWait = time.Second
	// watchFor is how long a page shows progress.
	watchFor = 5 * time.Minute
	// watchEvery is the time between two lines of progress.
	watchEvery = time.Second
	// sampled is the number of actions by which progress is measured.
	sampled = 200
	// maxReason bounds the length of a reason.
	maxReason = 2000
)

// approvePage is the content of the page of one class.
type approvePage struct {
	*provisioning.Plan
	Section    sectionPart
	Ordinary   int
	Typed      bool // the viewer must type the number of people
	Two        bool // a second person must confirm
	Asked      *approval
	Mine       bool // the viewer asked for the approval
	Superseded bool
	Error      string
	Reason     string
}

// held returns the plan and the section of the class that the request names.
func (q *request) held() (*view, *section, error) {
	v, err := q.plan()
	if err != nil {
		return nil, nil, err
	}
	var class provisioning.Class
	if class.UnmarshalText([]byte(q.r.FormValue("class"))) != nil {
		return nil, nil, errNotFound
	}
	for _, s := range v.sections {
		if s.Breaker != nil && s.Breaker.Class == class {
			if !q.access.mayApprove(class) {
				return nil, nil, errForbidden
			}
			return v, s, nil
		}
	}
	return nil, nil, &failure{http.StatusNotFound, "This plan holds nothing of that class."}
}

func (q *request) showApprove() error {
	v, s, err := q.held()
	if err != nil {
		return err
	}
	return q.approvePage(http.StatusOK, v, s, "")
}

func (q *request) approvePage(status int, v *view, s *section, problem string) error {
	target := syncer.Target{Tenant: q.access.Tenant, Connection: v.plan.Connection}
	doc, err := q.load(target)
	if err != nil {
		return err
	}
	superseded, err := q.cfg.Store.Superseded(q.ctx, target.Tenant, v.plan.Hash)
	if err != nil {
		return err
	}
	two, err := q.two(target, s.Breaker.Class)
	if err != nil {
		return err
	}
	data := approvePage{
		Plan: v.plan, Ordinary: len(v.plan.Actions), Typed: s.Breaker.Class == provisioning.ClassDeactivate,
		Two: two, Asked: doc.asked(s.Breaker.Class, s.Breaker.Hash),
		Superseded: superseded, Error: problem, Reason: clip(q.r.PostFormValue("reason"), maxReason),
	}
	data.Mine = data.Asked != nil && data.Asked.By == q.access.Actor
	data.Section = sectionPart{section: s, More: query("plan", "hash", v.plan.Hash, "section", s.ID)}
	for _, g := range s.Groups[:min(pageOfGroups, len(s.Groups))] {
		data.Section.Groups = append(data.Section.Groups, groupPart{
			What: g.What, Number: len(g.Of), Some: g.Of[:min(groupOfPeople, len(g.Of))], All: query("plan", "hash", v.plan.Hash, "group", g.ID),
		})
	}
	data.Section.Rest = len(s.Groups) - len(data.Section.Groups)
	return q.page.send(status, "approve", data)
}

// two reports whether a second person must confirm an approval of a class.
func (q *request) two(target syncer.Target, class provisioning.Class) (bool, error) {
	if q.cfg.TwoPeople == nil {
		return false, nil
	}
	classes, err := q.cfg.TwoPeople(q.ctx, target)
	if err != nil {
		return false, fmt.Errorf("two people: %w", err)
	}
	return slices.Contains(classes, class), nil
}

// approve handles an approval of one class with one hash.
func (q *request) approve() error {
	v, s, err := q.held()
	if err != nil {
		return err
	}
	b := s.Breaker
	refuse := func(format string, args ...any) error {
		return q.approvePage(http.StatusUnprocessableEntity, v, s, fmt.Sprintf(format, args...))
	}
	if q.r.PostFormValue("waits") != b.Hash {
		return refuse("What was approved is not what this plan holds. Look at it again.")
	}
	typed := strings.ReplaceAll(strings.TrimSpace(q.r.PostFormValue("number")), ",", "")
	if b.Class == provisioning.ClassDeactivate && typed != strconv.Itoa(b.Count) {
		return refuse("Type the number of people who would lose access, %d, to show that you have seen it.", b.Count)
	}
	reason := strings.TrimSpace(q.r.PostFormValue("reason"))
	if reason == "" || len(reason) > maxReason {
		return refuse("A reason is required, of at most %d characters.", maxReason)
	}
	target := syncer.Target{Tenant: q.access.Tenant, Connection: v.whole.Connection}
	two, err := q.two(target, b.Class)
	if err != nil {
		return err
	}
	a := approval{
		Class: b.Class, Hash: b.Hash, Plan: v.whole.Hash, People: b.Count, Reason: reason, By: q.access.Actor, At: time.Now().UTC(),
		Step: stepApplying,
	}
	if two {
		a.Step = stepAsked
	}
	problem := ""
	err = q.change(target, func(doc *document) error {
		problem = ""
		asked := doc.asked(b.Class, b.Hash)
		switch {
		case !two || asked == nil:
			fresh := a
			doc.approve(&fresh)
			a.ID = fresh.ID
		case asked.By == q.access.Actor:
			problem = "You asked for this approval. Somebody else has to confirm it."
			return errRefused
		default:
			asked.Second, asked.Step, asked.Plan = q.access.Actor, stepApplying, v.whole.Hash
			asked.Reason = clip(asked.Reason+" / "+reason, 2*maxReason)
			a = *asked
		}
		return nil
	})
	if problem != "" {
		return refuse("%s", problem)
	}
	if err != nil {
		return err
	}
	q.cfg.Logger.InfoContext(q.ctx, "review: approved", "tenant", target.Tenant, "connection", target.Connection, "actor", q.access.Actor,
		"class", b.Class.String(), "plan", v.whole.Hash, "people", b.Count, "step", a.Step)
	if a.Step == stepAsked {
		return q.redirect(query("outcome", "connection", target.Connection, "id", a.ID))
	}
	return q.begin(target, v.whole, a, provisioning.Approval{Class: b.Class, Hash: b.Hash})
}

var errRefused = errors.New("refused")

// apply applies the actions of a plan that need no approval.
func (q *request) apply() error {
	v, err := q.plan()
	if err != nil {
		return err
	}
	if len(v.whole.Actions) == 0 {
		return invalid("This plan has nothing to do that needs no approval.")
	}
	target := syncer.Target{Tenant: q.access.Tenant, Connection: v.whole.Connection}
	a := &approval{Plan: v.whole.Hash, People: len(v.whole.Actions), By: q.access.Actor, At: time.Now().UTC(), Step: stepApplying}
	if err := q.change(target, func(doc *document) error { doc.approve(a); return nil }); err != nil {
		return err
	}
	q.cfg.Logger.InfoContext(q.ctx, "review: applied", "tenant", target.Tenant, "connection", target.Connection, "actor", q.access.Actor, "plan", v.whole.Hash)
	return q.begin(target, v.whole, *a)
}

// begin applies a plan and waits a short time for it to complete. The work
// continues without the sender of the request. If the process dies, the syncer
// completes the work in another process (L7).
func (q *request) begin(target syncer.Target, plan *provisioning.Plan, a approval, approvals ...provisioning.Approval) error {
	work := *q
	work.ctx = context.WithoutCancel(q.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		work.finish(target, plan, a, approvals)
	}()
	select {
	case <-done:
	case <-q.ctx.Done():
	case <-time.After(applyWait):
	}
	return q.redirect(query("outcome", "connection", target.Connection, "id", a.ID))
}

// finish applies a plan and records the outcome.
func (q *request) finish(target syncer.Target, plan *provisioning.Plan, a approval, approvals []provisioning.Approval) {
	report, err := q.cfg.Syncer.Apply(q.ctx, target, plan, approvals...)
	end := a
	end.Ended, end.Step = time.Now().UTC(), stepDone
	end.Done, end.Refused, end.Held = report.Outcome.Done+report.Outcome.Repeated, report.Outcome.Refused, report.Outcome.Held
	if report.Plan != nil && report.Plan.Hash != plan.Hash {
		end.Now = report.Plan.Hash
	}
	switch {
	case errors.Is(err, provisioning.ErrPlanChanged), errors.Is(err, provisioning.ErrSuperseded):
		end.Step = stepVoid
	case errors.Is(err, syncer.ErrApprovalUsed):
		end.Step, end.Failure = stepVoid, "this approval was used before"
	case err != nil:
		end.Step, end.Failure = stepFailed, clip(err.Error(), 500)
	}
	if err := q.change(target, func(doc *document) error {
		if kept := doc.approval(a.ID); kept != nil {
			*kept = end
		}
		return nil
	}); err != nil {
		q.cfg.Logger.ErrorContext(q.ctx, "review: outcome not kept", "tenant", target.Tenant, "connection", target.Connection, "plan", plan.Hash, "error", err)
	}
	q.cfg.Logger.InfoContext(q.ctx, "review: ended", "tenant", target.Tenant, "connection", target.Connection, "actor", q.access.Actor,
		"plan", plan.Hash, "step", end.Step, "done", end.Done, "refused", end.Refused)
}

// outcomePage is the content of the page of an approval's outcome.
type outcomePage struct {
	*approval
	Connection string
	Failed     string
	Change     *changed // the difference between what waits now and what was approved
	Again      string   // the URL of this page
	Lines      <-chan string
	MayConfirm bool
}

func (q *request) showOutcome() error {
	target, err := q.target()
	if err != nil {
		return err
	}
	doc, err := q.load(target)
	if err != nil {
		return err
	}
	a := doc.approval(q.r.FormValue("id"))
	if a == nil {
		return errNotFound
	}
	data := outcomePage{
		approval: a, Connection: target.Connection, Failed: q.hiddenIf(a.Failure),
		Again: query("outcome", "connection", target.Connection, "id", a.ID),
	}
	data.MayConfirm = a.Step == stepAsked && a.By != q.access.Actor && q.access.mayApprove(a.Class)
	switch a.Step {
	case stepVoid:
		if data.Change, err = q.compare(target, a); err != nil {
			return err
		}
	case stepApplying:
		v, err := q.planOf(a.Plan)
		if err != nil {
			return err
		}
		q.page.live = true
		data.Lines = q.progress(target, v.whole, a)
	}
	return q.page.show("outcome", data)
}

func (q *request) hiddenIf(text string) string {
	if text == "" {
		return ""
	}
	return q.hidden(text)
}

// progress sends a line whenever the state of an approval in progress changes,
// until the approval ends.
func (q *request) progress(target syncer.Target, plan *provisioning.Plan, a *approval) <-chan string {
	lines := make(chan string)
	actions := sample(plan, a.Class)
	go func() {
		defer close(lines)
		deadline := time.After(watchFor)
		last := ""
		for {
			line, ended := q.progressLine(target, actions, a.ID)
			if line != last {
				select {
				case lines <- line:
				case <-q.r.Context().Done():
					return
				}
				last = line
			}
			if ended {
				return
			}
			select {
			case <-time.After(watchEvery):
			case <-deadline:
				return
			case <-q.r.Context().Done():
				return
			}
		}
	}()
	return lines
}

func (q *request) progressLine(target syncer.Target, actions []*provisioning.Action, id string) (line string, ended bool) {
	doc, err := q.load(target)
	if err != nil {
		return "The progress cannot be read.", true
	}
	if a := doc.approval(id); a == nil || a.Step != stepApplying {
		return "It has ended.", true
	}
	done, err := q.written(target.Tenant, actions)
	if err != nil {
		return "The progress cannot be read.", true
	}
	if done == len(actions) {
		return "Everything is written, as the team shows. The outcome is entered next; if it is not, the process that did it ended before it could.", false
	}
	if len(actions) == sampled {
		return fmt.Sprintf("About %d %% is done.", done*100/len(actions)), false
	}
	return fmt.Sprintf("%d of %d are done.", done, len(actions)), false
}

// sample returns the actions that an approval releases, or a sample of them
// that is large enough to measure progress.
func sample(plan *provisioning.Plan, class provisioning.Class) []*provisioning.Action {
	var actions []*provisioning.Action
	for i := range plan.Actions {
		actions = append(actions, &plan.Actions[i])
	}
	for i := range plan.Held {
		if h := &plan.Held[i]; len(h.Classes) == 1 && h.Classes[0] == class {
			actions = append(actions, &h.Action)
		}
	}
	if len(actions) > sampled {
		some := make([]*provisioning.Action, sampled)
		for i := range some {
			some[i] = actions[i*len(actions)/sampled]
		}
		return some
	}
	return actions
}

// written counts the actions whose member already has the resulting state in
// the team.
func (q *request) written(tenant string, actions []*provisioning.Action) (int, error) {
	keys := make([]provisioning.MemberKey, len(actions))
	for i, a := range actions {
		keys[i] = provisioning.MemberKey{By: provisioning.MemberByID, Value: a.Member.ID}
	}
	if len(keys) == 0 {
		return 0, nil
	}
	rows, err := q.cfg.Store.FindMembers(q.ctx, tenant, keys, len(keys))
	if err != nil {
		return 0, err
	}
	now := make(map[string]*provisioning.Member, len(rows))
	for i := range rows {
		now[rows[i].ID] = &rows[i]
	}
	done := 0
	for _, a := range actions {
		if row := now[a.Member.ID]; row != nil && len(provisioning.Difference(row, &a.Member)) == 0 {
			done++
		}
	}
	return done, nil
}

// A changed is the difference between what waits in a class now and what was
// approved.
type changed struct {
	Now                *provisioning.Plan // the present plan; nil: unknown
	Class              provisioning.Class
	More, Less, Others []string // people who wait only now, who waited only before, and who wait for a different change
	Holds              bool     // what waits is unchanged and can be approved again
	Waits              int
}

// compare explains why an approval is void: it returns the difference between
// what waits now and what was approved.
func (q *request) compare(target syncer.Target, a *approval) (*changed, error) {
	c := &changed{Class: a.Class}
	if a.Now == "" || a.Class == 0 {
		return c, nil
	}
	was, err := q.planOf(a.Plan)
	if err != nil {
		return nil, err
	}
	now, err := q.planOf(a.Now)
	if err != nil {
		return nil, err
	}
	c.Now = now.plan
	before, after := was.waiting(a.Class), now.waiting(a.Class)
	c.Waits = len(after)
	c.Holds = len(after) > 0 && now.whole.Approve(a.Class).Hash == a.Hash
	for id, e := range after {
		switch other := before[id]; {
		case other == nil:
			c.More = append(c.More, e.Who)
		case other.action.Kind != e.action.Kind || len(provisioning.Difference(&other.action.Member, &e.action.Member)) > 0:
			c.Others = append(c.Others, e.Who)
		}
	}
	for id, e := range before {
		if after[id] == nil {
			c.Less = append(c.Less, e.Who)
		}
	}
	for _, list := range []*[]string{&c.More, &c.Less, &c.Others} {
		slices.Sort(*list)
	}
	return c, nil
}

// waiting returns the people who wait in a class, by their ID in the team.
func (v *view) waiting(class provisioning.Class) map[string]*entry {
	people := make(map[string]*entry)
	for _, s := range v.sections {
		if s.Breaker == nil || s.Breaker.Class != class {
			continue
		}
		for _, g := range s.Groups {
			for _, e := range g.Of {
				people[e.action.Member.ID] = e
			}
		}
	}
	return people
}
