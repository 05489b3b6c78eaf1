package provisioning

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/set"
	"github.com/usher-go/usher/sources"
)

// action turns a draft into an action with its changes.
func (c *chart) action(d *draft) Action {
	before := d.before
	if before == nil {
		before = new(Member)
	}
	a := Action{
		Kind: d.kind, Revision: before.Revision, Changes: Difference(before, &d.after),
		Effects: d.effects, Reasons: d.reasons, Classes: d.classes().list(), Member: d.after,
	}
	if d.kind == KindUpdate || d.kind == KindReactivate {
		var values, owned []string
		for i := range a.Changes {
			switch change := &a.Changes[i]; {
			case !followsSource(change.Field) || change.Owner != OwnerSource:
			case change.IsValue():
				values = append(values, change.Field.String())
			default:
				owned = append(owned, change.Field.String())
			}
		}
		switch {
		case len(values) > 0:
			a.Reasons = append(a.Reasons, c.reader.because(CodeSourceValue, "fields", strings.Join(values, ", ")))
		case len(owned) > 0:
			a.Reasons = append(a.Reasons, c.reader.because(CodeOwnershipMoved, "fields", strings.Join(owned, ", ")))
		}
	}
	if d.recycled && d.before.Active { // an approval gives the record to the newcomer instead of deactivating it
		a.Effects = append(a.Effects, Effect{Kind: AccessEnded, About: d.after.ID})
	} else {
		a.Effects = append(a.Effects, accessEffects(d.before, &d.after)...)
	}
	a.Key = a.key(c.snapshot)
	for i := range a.Effects {
		a.Effects[i].Key = a.Key
	}
	return a
}

// followsSource reports whether a field follows the directory.
func followsSource(f Field) bool {
	at, ok := fieldPositions[f]
	_, attribute := f.attribute()
	return attribute || ok && sourceFields.has(at)
}

// accessEffects returns what the host has to do if access ends or shrinks (S41).
func accessEffects(before, after *Member) []Effect {
	if before == nil || !before.Active {
		return nil
	}
	was := before.Settings.Clone()
	was.Normalize()
	switch {
	case !after.Active:
		return []Effect{{Kind: AccessEnded, About: after.ID}}
	case was.Loses(&after.Settings):
		return []Effect{{Kind: AccessReduced, About: after.ID}}
	}
	return nil
}

// releases reports whether a draft gives up an address or a seat.
func (d *draft) releases() bool {
	return d.before != nil && !address.Same(d.before.Email, d.after.Email) || len(d.releasedSeats()) > 0
}

// releasedSeats returns the seats that a draft gives back.
func (d *draft) releasedSeats() []string {
	return set.Without(d.before.heldSeats(), d.after.heldSeats())
}

// gainedSeats returns the seats that a draft takes.
func (d *draft) gainedSeats() []string {
	return set.Without(d.after.heldSeats(), d.before.heldSeats())
}

// heldSeats returns the seats that the member holds: none if the member is inactive
// or nil.
func (m *Member) heldSeats() []string {
	if m == nil || !m.Active {
		return nil
	}
	return set.Of(m.Seats)
}

// key computes the idempotency key from the identity, the state at the start, and
// the changes. For a create, the time of the snapshot takes the place of the state:
// so an older plan cannot create a member again that was deleted, and a newer one
// can (S45).
func (a *Action) key(snapshot *sources.Snapshot) string {
	state := string(a.Revision)
	if a.Kind == KindCreate && !snapshot.Taken.IsZero() {
		state = snapshot.Taken.UTC().Format("2006-01-02T15:04:05.000000000Z")
	}
	content, err := json.Marshal(struct {
		Kind    Kind
		Who     [3]string
		State   string
		Changes []Change
		Effects []Effect
	}{a.Kind, [3]string{a.Member.Connection, a.Member.ExternalID, a.Member.ID}, state, a.Changes, a.Effects})
	if err != nil { // only a setting that Validate refuses has no JSON
		content = fmt.Appendf(nil, "%v", a)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// emptyPlan returns a plan with the survey's findings and no actions.
func (s *survey) emptyPlan() *Plan {
	p := &Plan{
		Format: PlanFormat, Tenant: s.tenant, Source: s.r.cfg.Source, Connection: s.r.cfg.Connection, ConfigRevision: s.r.cfg.Revision,
		Actions: []Action{}, Findings: s.findings, Skipped: s.skipped,
	}
	if s.about != nil { // also if it is empty
		p.About = slices.AppendSeq([]string{}, maps.Keys(s.about))
		slices.Sort(p.About)
	}
	p.seal()
	return p
}

// plan is the last stage: it turns what was decided and what waits into a plan.
func (c *chart) plan() *Plan {
	plan := c.survey.emptyPlan()
	plan.Held = c.waits()
	plan.Skipped = slices.Concat(c.survey.skipped, c.standing.skipped, c.drafts.skipped)
	plan.Findings = slices.Concat(c.survey.findings, c.standing.findings, c.drafts.findings)
	done, held := make(map[int32]string), make(map[int32]string) // keys by person
	for i := range c.holds.held {
		held[c.holds.held[i].draft.person] = c.holds.held[i].action.Key
	}
	plan.Actions = make([]Action, 0, len(c.list))
	var drafted []*draft
	for _, d := range c.list {
		if a := c.action(d); len(a.Changes) > 0 {
			plan.Actions, drafted = append(plan.Actions, a), append(drafted, d)
			done[d.person] = a.Key
		}
	}
	actions := make([]*Action, len(plan.Actions))
	for i := range plan.Actions {
		actions[i] = &plan.Actions[i]
	}
	c.groups().mark(c, actions)
	for i, d := range drafted {
		actions[i].Needs = needs(d, done, held)
	}
	for i := range c.holds.held {
		plan.Held[i].Action.Needs = needs(c.holds.held[i].draft, held, done)
	}
	for _, h := range c.withheld {
		if a := c.action(h.draft); len(a.Changes) > 0 {
			plan.Held = append(plan.Held, Held{Action: a, Reasons: h.reasons})
		}
	}
	plan.dropNeedsWithin()
	plan.sort()
	plan.Breakers = c.breakers(plan)
	plan.Unchanged = c.countUnchanged(plan)
	plan.world = c.survey // the later stages are not kept
	plan.seal()
	return plan
}

// needs returns the sorted keys of the actions that a draft's action needs. For a
// person with two actions, the key in the first map counts, since a waiting action
// depends on waiting actions.
func needs(d *draft, first, second map[int32]string) []string {
	var needed []string
	for _, person := range d.needs {
		if key := cmp.Or(first[person], second[person]); key != "" {
			needed = append(needed, key)
		}
	}
	slices.Sort(needed)
	return slices.Compact(needed)
}

// dropNeedsWithin removes needs between actions that commit together.
func (p *Plan) dropNeedsWithin() {
	with := make(map[string]string)
	for a := range p.all() {
		with[a.Key] = a.With
	}
	for a := range p.all() {
		a.Needs = slices.DeleteFunc(a.Needs, func(key string) bool { return a.With != "" && with[key] == a.With })
		if len(a.Needs) == 0 {
			a.Needs = nil
		}
	}
}

// countUnchanged counts the managed members of the connection that the plan does
// not change.
func (c *chart) countUnchanged(plan *Plan) int {
	n := 0
	for i := range c.members {
		if m := &c.members[i]; c.r.isLinked(m) && c.concerns(m.ExternalID) {
			n++
		}
	}
	touched := make(map[string]bool)
	for a := range plan.all() {
		if a.Kind != KindCreate && a.Kind != KindAdopt && a.Kind != KindClaim && !touched[a.Member.ID] {
			touched[a.Member.ID] = true
			n--
		}
	}
	return n
}
