package provisioning

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// action turns a draft into an action.
func (d *draft) action() Action {
	a := Action{Kind: d.kind, Changes: d.changes(), Effects: d.effects, Reasons: d.reasons, Member: d.after}
	if d.before != nil {
		a.Revision = d.before.Revision
	}
	var fields []string
	for _, c := range a.Changes {
		if sourceFields.Has(c.Field) && c.Owner == Source {
			fields = append(fields, c.Field.String())
		}
	}
	if len(fields) > 0 && (d.kind == KindUpdate || d.kind == KindReactivate) {
		a.Reasons = append(a.Reasons, because(CodeSourceValue, "fields", strings.Join(fields, ", ")))
	}
	a.Key = a.key()
	for i := range a.Effects {
		a.Effects[i].Key = a.Key
	}
	return a
}

// key derives the idempotency key: from who, from which state, and what.
func (a *Action) key() string {
	content, err := json.Marshal(struct {
		Kind     Kind
		Who      [3]string
		Revision Revision
		Changes  []Change
		Effects  []Effect
	}{a.Kind, [3]string{a.Member.Connection, a.Member.ExternalID, a.Member.ID}, a.Revision, a.Changes, a.Effects})
	if err != nil { // only a setting that Validate refuses cannot be written
		content = fmt.Appendf(nil, "%v", a)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// plan assembles the plan from what the pass decided and what waits.
func (p *pass) plan() *Plan {
	plan := &Plan{
		Format: PlanFormat, Source: p.cfg.Source, Connection: p.cfg.Connection, ConfigRevision: p.cfg.Revision,
		Actions: []Action{}, Held: p.waits(), Breakers: p.breakers(),
		Skipped:  slices.Concat(p.work.skipped, p.skips),
		Findings: slices.Concat(p.work.findings, p.findings),
	}
	for _, d := range p.drafts {
		if a := d.action(); len(a.Changes) > 0 {
			plan.Actions = append(plan.Actions, a)
		}
	}
	for _, h := range p.withheld {
		if a := h.action(); len(a.Changes) > 0 {
			plan.Held = append(plan.Held, Held{Action: a, Reasons: h.reasons})
		}
	}
	actions := make([]*Action, len(plan.Actions))
	for i := range plan.Actions {
		actions[i] = &plan.Actions[i]
	}
	p.groups().mark(p, actions)
	plan.sort()
	plan.Unchanged = p.unchanged(plan)
	plan.seal()
	return plan
}

// unchanged counts the managed members of the connection that the plan leaves
// alone.
func (p *pass) unchanged(plan *Plan) int {
	n := 0
	for i := range p.members {
		if p.isLinked(&p.members[i]) {
			n++
		}
	}
	touched := make(map[string]bool)
	touch := func(a *Action) {
		if a.Kind != KindCreate && a.Kind != KindAdopt && !touched[a.Member.ID] {
			touched[a.Member.ID] = true
			n--
		}
	}
	for i := range plan.Actions {
		touch(&plan.Actions[i])
	}
	for i := range plan.Held {
		touch(&plan.Held[i].Action)
	}
	return n
}
