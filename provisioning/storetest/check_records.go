package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// checkOutbox: an effect is stored once, together with its action, and is yielded
// until it is delivered (S27).
func checkOutbox(ctx context.Context, b *bench) error {
	outbox := b.store.(provisioning.Outbox)
	hire := creates("ana", "bob", "cyd")
	second := hire[0].Effects[0]
	second.To = "id-second-boss"
	hire[0].Effects = append(hire[0].Effects, second)
	var want []provisioning.Effect
	for _, a := range hire {
		want = append(want, a.Effects...)
	}
	if err := b.apply(ctx, tenant, hire, done); err != nil {
		return err
	}
	if err := b.due(ctx, want, "after the actions were done"); err != nil {
		return err
	}
	if err := b.apply(ctx, tenant, hire, repeated); err != nil {
		return err
	}
	if err := b.due(ctx, want, "after the actions were repeated"); err != nil {
		return err
	}
	for e, err := range outbox.Effects(ctx, tenant) { // delivers inside the listing, as a host does
		if err != nil {
			return err
		}
		if err := outbox.Delivered(ctx, tenant, e); err != nil {
			return fmt.Errorf("Delivered inside a listing of Effects: %w", err)
		}
		break
	}
	if err := b.due(ctx, want[1:], "after the first was delivered"); err != nil {
		return err
	}
	unknown := provisioning.Effect{Kind: "unknown", Key: "unknown", To: "x", About: "y"}
	for _, e := range []provisioning.Effect{want[0], unknown, want[2]} {
		if err := outbox.Delivered(ctx, tenant, e); err != nil {
			return fmt.Errorf("Delivered of an effect that is not due any more, or never was, is no error: %w", err)
		}
	}
	if err := b.apply(ctx, tenant, hire, repeated); err != nil {
		return err
	}
	return b.due(ctx, []provisioning.Effect{want[1], want[3]}, "after two were delivered and the actions repeated")
}

// due compares the due effects with the wanted ones.
func (b *bench) due(ctx context.Context, want []provisioning.Effect, when string) error {
	effects, err := collect(b.store.(provisioning.Outbox).Effects(ctx, tenant))
	if err != nil {
		return err
	}
	if !slices.Equal(effects, want) {
		return fmt.Errorf("%s the effects %s are due, want each once, oldest first, until it is delivered: %s", when, text(effects), text(want))
	}
	return nil
}

// checkPlans: a plan is stored under its hash, exactly as it was shown.
func checkPlans(ctx context.Context, b *bench) error {
	plans := b.store.(provisioning.PlanStore)
	first, err := plan("ana", "bo<b>&日本")
	if err != nil {
		return err
	}
	second, err := plan("cyd")
	if err != nil {
		return err
	}
	for _, p := range []*provisioning.Plan{first, second, first} {
		if err := plans.SavePlan(ctx, tenant, p); err != nil {
			return fmt.Errorf("SavePlan, also of a plan that is there: %w", err)
		}
	}
	for _, p := range []*provisioning.Plan{first, second} {
		kept, err := plans.Plan(ctx, tenant, p.Hash)
		if err != nil {
			return fmt.Errorf("Plan of one that was saved: %w", err)
		}
		if text(kept) != text(p) {
			return fmt.Errorf("a plan came back as another than was saved: %s, want %s", text(kept), text(p))
		}
	}
	for _, where := range []struct{ tenant, hash string }{{tenant, "0123"}, {tenant, ""}, {"other", first.Hash}} {
		if _, err := plans.Plan(ctx, where.tenant, where.hash); !errors.Is(err, provisioning.ErrNoPlan) {
			return fmt.Errorf("Plan of one that was not saved for the tenant gave %s, want an error that matches ErrNoPlan", said(err))
		}
	}
	return b.forgedPlan(ctx, first)
}

// forgedPlan: a plan that is returned for a hash has this hash. A store may refuse
// to save a plan whose content has another hash, or refuse to return it (S45).
func (b *bench) forgedPlan(ctx context.Context, shown *provisioning.Plan) error {
	plans := b.store.(provisioning.PlanStore)
	unsaved, err := plan("dan")
	if err != nil {
		return err
	}
	for _, p := range []*provisioning.Plan{shown, unsaved} {
		forged := *p
		forged.Actions = creates("mallory")
		_ = plans.SavePlan(ctx, tenant, &forged) // the store may refuse it
		kept, err := plans.Plan(ctx, tenant, p.Hash)
		if err == nil && text(kept) != text(p) {
			return fmt.Errorf("Plan returned %s under the hash of another plan, want an error: what is shown is what is approved", text(kept))
		}
	}
	return nil
}

// plan returns a plan of everybody that creates people, with the hash of its
// content.
func plan(names ...string) (*provisioning.Plan, error) {
	return planWith(func(*provisioning.Plan) {}, names...)
}

// planWith is plan with an edit before the hash is computed.
func planWith(edit func(p *provisioning.Plan), names ...string) (*provisioning.Plan, error) {
	p := &provisioning.Plan{Format: provisioning.PlanFormat, Tenant: tenant, Source: "okta", Connection: "okta-prod", Actions: creates(names...)}
	edit(p)
	var content strings.Builder
	if err := p.WriteJSON(&content); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(content.String()))
	p.Hash = hex.EncodeToString(sum[:])
	return p, nil
}

// checkSuperseded: a plan of everybody is superseded by a later saved plan of
// everybody of the same connection, and by nothing else (S45).
func checkSuperseded(ctx context.Context, b *bench) error {
	var plans []*provisioning.Plan
	for i, edit := range []func(p *provisioning.Plan){
		func(*provisioning.Plan) {},
		func(*provisioning.Plan) {},
		func(p *provisioning.Plan) { p.About = []string{"ext-ana"} },
		func(p *provisioning.Plan) { p.About = []string{"ext-ana"} },
		func(p *provisioning.Plan) { p.Connection = "okta-test" },
		func(p *provisioning.Plan) { p.Connection = "OKTA-PROD" },
	} {
		p, err := planWith(edit, fmt.Sprintf("p%d", i))
		if err != nil {
			return err
		}
		plans = append(plans, p)
	}
	const first, second, part, laterPart, connection, upper = 0, 1, 2, 3, 4, 5
	steps := []struct {
		rule       string
		tenant     string
		save       int
		superseded []int
	}{
		{"the only one is the newest", tenant, first, nil},
		{"a part supersedes nothing", tenant, part, nil},
		{"a part is not superseded, by a part", tenant, laterPart, nil},
		{"another connection's supersedes nothing", tenant, connection, nil},
		{"a connection's name is compared exactly", tenant, upper, nil},
		{"another tenant's supersedes nothing", "other", second, nil},
		{"a newer plan of everybody supersedes the older, and no part", tenant, second, []int{first}},
		{"saving one again that is the newest changes nothing", tenant, second, []int{first}},
		{"saving an older plan again makes it the newest", tenant, first, []int{second}},
		{"a part that is saved again supersedes nothing", tenant, part, []int{second}},
		{"what was the newest is superseded again", tenant, second, []int{first}},
	}
	store := b.store.(provisioning.PlanStore)
	for _, step := range steps {
		if err := store.SavePlan(ctx, step.tenant, plans[step.save]); err != nil {
			return fmt.Errorf("SavePlan: %w", err)
		}
		for i, p := range plans {
			got, err := store.Superseded(ctx, tenant, p.Hash)
			if err != nil {
				return fmt.Errorf("Superseded, also of a plan that was not saved: %w", err)
			}
			if want := slices.Contains(step.superseded, i); got != want {
				return fmt.Errorf("plan %d of connection %s, about %v, is superseded: %t, want %t: %s", i, p.Connection, p.About, got, want, step.rule)
			}
		}
	}
	if got, err := store.Superseded(ctx, tenant, "no such hash"); got || err != nil {
		return fmt.Errorf("Superseded of a plan that was never saved is %t with %s, want false and no error", got, said(err))
	}
	return nil
}

// checkAudit: every done action has one record, which says who, when, what and why
// (R4).
func checkAudit(ctx context.Context, b *bench) error {
	log := b.store.(provisioning.AuditLog)
	hire := creates("ana", "bob")
	if err := b.apply(provisioning.WithActor(ctx, "schedule"), tenant, hire, done); err != nil {
		return err
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	promote := update(team["id-ana"], titled("VP"))
	refused := create(person("bob"))
	refused.Key = "again"
	if err := b.apply(ctx, tenant, []provisioning.Action{promote, refused}, done, stale); err != nil {
		return err
	}
	if err := b.apply(provisioning.WithActor(ctx, "other"), tenant, hire, repeated); err != nil {
		return err
	}
	records, err := collect(log.Audit(ctx, tenant))
	if err != nil {
		return err
	}
	if len(records) != 3 {
		return fmt.Errorf("the audit log has %d records, want 3: one for each action that was done, none for refused and repeated ones", len(records))
	}
	for i, a := range []provisioning.Action{hire[0], hire[1], promote} {
		got, want := records[i], provisioning.Record{
			At: records[i].At, Key: a.Key, Kind: a.Kind, MemberID: a.Member.ID, Email: a.Member.Email,
			Actor: []string{"schedule", "schedule", ""}[i], Changes: a.Changes, Reasons: a.Reasons,
		}
		if text(got) != text(want) {
			return fmt.Errorf("audit record %d is %s, want %s", i, text(got), text(want))
		}
		if got.At.IsZero() || got.At.Location() != time.UTC {
			return fmt.Errorf("audit record %d is of %v, want the time of the commit in UTC", i, got.At)
		}
		if i > 0 && got.At.Before(records[i-1].At) {
			return fmt.Errorf("audit record %d is older than the one before it, want the oldest first", i)
		}
	}
	if err := checkMemberAudit(ctx, log, records); err != nil {
		return err
	}
	for _, err := range log.Audit(ctx, tenant) {
		return err // leaves the listing early
	}
	return nil
}

// checkMemberAudit: MemberAudit returns the records of one member that are in the
// log, latest first, and no records of other members.
func checkMemberAudit(ctx context.Context, log provisioning.AuditLog, all []provisioning.Record) error {
	byMember, ok := log.(provisioning.MemberLog)
	if !ok {
		return nil
	}
	for _, of := range []struct {
		tenant, member string
		most           int
		want           []provisioning.Record
	}{
		{tenant, "id-ana", 10, []provisioning.Record{all[2], all[0]}}, {tenant, "id-ana", 1, all[2:3]}, {tenant, "id-bob", 10, all[1:2]},
		{tenant, "id-ana", 0, nil}, {tenant, "nobody", 10, nil}, {"other tenant", "id-ana", 10, nil},
	} {
		got, err := byMember.MemberAudit(ctx, of.tenant, of.member, of.most)
		if err != nil {
			return fmt.Errorf("MemberAudit: %w", err)
		}
		if len(got) != len(of.want) || len(got) > 0 && text(got) != text(of.want) {
			return fmt.Errorf("MemberAudit(%q, %q, %d) is %s, want %s", of.tenant, of.member, of.most, text(got), text(of.want))
		}
	}
	return nil
}
