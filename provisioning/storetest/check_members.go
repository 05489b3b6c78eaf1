package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
)

// complete returns a member with a value in every field that a plan can write. One
// of its attributes has no owner, and one has an owner and no value (S35).
func complete() provisioning.Member {
	owners := provisioning.Owners{}.
		With(provisioning.FieldConnection, provisioning.OwnerSource).
		With(provisioning.FieldEmail, provisioning.OwnerSource).
		With(provisioning.FieldTimeZone, provisioning.OwnerHand).
		With(provisioning.FieldExtra, provisioning.OwnerHand).
		With(provisioning.Attribute("cost_center"), provisioning.OwnerSource).
		With(provisioning.Attribute("a.b:c 日本"), provisioning.OwnerHand).
		With(provisioning.Attribute("cleared"), provisioning.OwnerHand)
	return provisioning.Member{
		ID: "id-complete", Connection: "okta-prod", ExternalID: "00u1", Managed: true, Active: true,
		Email: "Ana.O'Neil+x@acme.example", OtherEmails: []string{"a@acme.example", "b@acme.example"}, PrivateEmail: "ana@home.example",
		GivenName: "Añá 日本 🎉", FamilyName: `O'Neil "Nell" \ % _ ; --`, Title: "line one\nline two\ttab",
		Phone: "+12125551994", MobilePhone: "+12125551995", PhoneExtension: "0042",
		TimeZone: "America/New_York", Country: "US", State: "New York", Locale: "en-US",
		ManagerID: "id-of-nobody-yet", AssignmentID: "sales",
		Settings: assignment.Settings{
			Seats: []string{"core", "engage"}, Home: "ws1",
			Profiles: map[string]string{"ws1": "standard", "ws2": "", "": "none"},
			Capture:  []string{"email-import", "recording"},
			Extra: map[string]any{
				"text": "x", "empty": "", "digits": "007", "word": "true", "yes": true, "no": false,
				"zero": 0.0, "half": 0.5, "minus": -1.0, "large": math.Pow(2, 53), "huge": 1e21, "tiny": 1e-9,
			},
		},
		Attributes: map[string]string{"cost_center": "0042", "a.b:c 日本": `O'Neil "x" \ %`, "COST_CENTER": "nobody's"},
		Owners:     owners,
	}
}

// checkRoundTrip: a member is read as it was written, in every field.
func checkRoundTrip(ctx context.Context, b *bench) error {
	full := complete()
	if err := b.apply(ctx, tenant, []provisioning.Action{create(full)}, done); err != nil {
		return err
	}
	if err := b.expect(ctx, tenant, full); err != nil {
		return fmt.Errorf("a created member is not read as it was written: %w", err)
	}
	bare := provisioning.Member{
		ID: full.ID, OtherEmails: []string{}, Attributes: map[string]string{},
		Settings: assignment.Settings{Seats: []string{}, Capture: []string{}, Profiles: map[string]string{}, Extra: map[string]any{}},
	}
	for _, next := range []provisioning.Member{bare, full} {
		team, err := b.team(ctx, tenant)
		if err != nil {
			return err
		}
		a := update(team[full.ID], func(m *provisioning.Member) { *m = next.Clone() })
		if err := b.apply(ctx, tenant, []provisioning.Action{a}, done); err != nil {
			return err
		}
		if err := b.expect(ctx, tenant, next); err != nil {
			return fmt.Errorf("an updated member is not read as it was written, empty and absent being one: %w", err)
		}
	}
	return nil
}

// checkOwnsValues: the caller may change the values that it passed and the values
// that were returned.
func checkOwnsValues(ctx context.Context, b *bench) error {
	full, given := complete(), complete()
	if err := b.apply(ctx, tenant, []provisioning.Action{create(given)}, done); err != nil {
		return err
	}
	spoil(&given)
	if err := b.expect(ctx, tenant, full); err != nil {
		return fmt.Errorf("changing a member after it was applied changed the store: %w", err)
	}
	for m, err := range b.store.Members(ctx, tenant) {
		if err != nil {
			return err
		}
		spoil(&m)
	}
	if err := b.expect(ctx, tenant, full); err != nil {
		return fmt.Errorf("changing a member that Members yielded changed the store: %w", err)
	}
	return nil
}

// spoil overwrites everything that a copy of m would share with m.
func spoil(m *provisioning.Member) {
	m.OtherEmails[0], m.Seats[0], m.Capture[0] = "spoilt", "spoilt", "spoilt"
	m.Profiles["ws1"], m.Extra["text"], m.Attributes["cost_center"] = "spoilt", "spoilt", "spoilt"
}

// checkMembers: a listing yields every member of one consistent state, and the
// caller may leave it early.
func checkMembers(ctx context.Context, b *bench) error {
	if err := b.expect(ctx, "nobody-yet"); err != nil {
		return fmt.Errorf("a tenant of whom the store never heard has no members, and that is no error: %w", err)
	}
	names := make([]string, 60)
	for i := range names {
		names[i] = fmt.Sprintf("p%02d", i)
	}
	members, err := b.hired(ctx, names...)
	if err != nil {
		return err
	}
	for _, err := range b.store.Members(ctx, tenant) {
		if err != nil {
			return err
		}
		break // after this, the store must not be busy with the listing
	}
	var rename []provisioning.Action
	for _, m := range members {
		rename = append(rename, update(m, titled("after")))
	}
	seen, err := b.listWhileApplying(ctx, together("all", rename...))
	if err != nil {
		return err
	}
	if len(seen) != len(members) {
		return fmt.Errorf("a listing during a write showed %d members of %d, want each once", len(seen), len(members))
	}
	for _, m := range seen {
		if m.Title != seen[0].Title {
			return fmt.Errorf("a listing showed %s before and %s after one group of actions, want one consistent state", seen[0].ID, m.ID)
		}
	}
	return nil
}

// listWhileApplying lists the team, and applies the actions after the first member.
// A store may let the writer wait for the reader, so the listing waits for the
// writer only for a limited time.
func (b *bench) listWhileApplying(ctx context.Context, actions []provisioning.Action) ([]provisioning.Member, error) {
	written := make(chan error, 1)
	var seen []provisioning.Member
	for m, err := range b.store.Members(ctx, tenant) {
		if err != nil {
			return nil, err
		}
		if seen = append(seen, m); len(seen) > 1 {
			continue
		}
		go func() { written <- b.apply(ctx, tenant, actions, done) }()
		select {
		case err := <-written:
			written <- err
		case <-time.After(200 * time.Millisecond):
		}
	}
	if len(seen) == 0 {
		return nil, errors.New("Members yielded nobody of a team that is not empty")
	}
	return seen, <-written
}

// checkTenants: no data of a tenant is visible to another one or changed by it.
func checkTenants(ctx context.Context, b *bench) error {
	tenants := []string{"acme", "Acme", "acme ", "acme%", "o'brien", "", "日本"}
	people := []provisioning.Member{person("ana"), person("bob")}
	for _, name := range tenants {
		if err := b.apply(ctx, name, creates("ana", "bob"), done); err != nil {
			return fmt.Errorf("tenant %q cannot have the IDs, keys and addresses that another tenant has: %w", name, err)
		}
	}
	team, err := b.team(ctx, tenants[0])
	if err != nil {
		return err
	}
	if err := b.apply(ctx, tenants[0], []provisioning.Action{update(team["id-ana"], titled("CEO"))}, done); err != nil {
		return err
	}
	for _, name := range tenants[1:] {
		if err := b.expect(ctx, name, people...); err != nil {
			return fmt.Errorf("a write for tenant %q shows in tenant %q: %w", tenants[0], name, err)
		}
	}
	if err := b.tenantOutbox(ctx, tenants); err != nil {
		return err
	}
	log, ok := b.store.(provisioning.AuditLog)
	if !ok {
		return nil
	}
	records, err := collect(log.Audit(ctx, tenants[1]))
	if err != nil {
		return err
	}
	if len(records) != len(people) {
		return fmt.Errorf("the audit log of tenant %q has %d records, want the %d of its own", tenants[1], len(records), len(people))
	}
	return nil
}

// tenantOutbox: an effect delivered for one tenant stays due for the others.
func (b *bench) tenantOutbox(ctx context.Context, tenants []string) error {
	outbox, ok := b.store.(provisioning.Outbox)
	if !ok {
		return nil
	}
	for due := range tenants {
		for i, name := range tenants {
			effects, err := collect(outbox.Effects(ctx, name))
			if err != nil {
				return err
			}
			if want := 2; i >= due && len(effects) != want {
				return fmt.Errorf("tenant %q has %d effects to deliver, want %d: those of other tenants are not its own", name, len(effects), want)
			}
			if i != due {
				continue
			}
			for _, e := range effects {
				if err := outbox.Delivered(ctx, name, e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// checkCancelled: after the context has ended, a listing stops with the context's
// error, and Apply does nothing more.
func checkCancelled(ctx context.Context, b *bench) error {
	if _, err := b.hired(ctx, "ana", "bob", "cyd"); err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := listing(b.store.Members(ended, tenant), 0); err != nil {
		return fmt.Errorf("with a context that had ended: %w", err)
	}
	halfway, cancel := context.WithCancel(ctx)
	defer cancel()
	listed := b.store.Members(halfway, tenant)
	if err := listing(func(yield func(provisioning.Member, error) bool) {
		for m, err := range listed {
			more := yield(m, err)
			cancel()
			if !more {
				return
			}
		}
	}, 3); err != nil {
		return fmt.Errorf("with a context that ended after the first member: %w", err)
	}
	results, err := b.store.Apply(ended, tenant, creates("dan", "eve"))
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("Apply with a context that had ended gave %s, want an error that matches the context's", said(err))
	}
	if len(results) != 0 {
		return fmt.Errorf("Apply with a context that had ended gave %d results, want none: nothing was done", len(results))
	}
	if err := b.expect(ctx, tenant, person("ana"), person("bob"), person("cyd")); err != nil {
		return err
	}
	for wait := time.Duration(0); wait < 5*time.Millisecond; wait += time.Millisecond {
		if err := b.cancelApply(ctx, wait); err != nil {
			return fmt.Errorf("with a context that ended during Apply: %w", err)
		}
	}
	return nil
}

// cancelApply ends the context after wait, possibly in the middle of Apply. The
// actions that have a result are done, and applying again does the others.
func (b *bench) cancelApply(ctx context.Context, wait time.Duration) error {
	const name = "cancelled"
	names := make([]string, 300)
	for i := range names {
		names[i] = fmt.Sprintf("p%03d in %v", i, wait)
	}
	actions := creates(names...)
	short, cancel := context.WithCancel(ctx)
	defer time.AfterFunc(wait, cancel).Stop()
	results, err := b.store.Apply(short, name, actions)
	cancel()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("it gave the error %w, want one that matches the context's", err)
	}
	if err == nil && len(results) < len(actions) {
		return fmt.Errorf("it gave %d results for %d actions and no error, want the context's", len(results), len(actions))
	}
	if err := compareResults(actions[:len(results)], results, []outcome{done}); err != nil {
		return err
	}
	team, err := b.team(ctx, name)
	if err != nil {
		return err
	}
	for _, r := range results {
		if _, ok := team[r.MemberID]; !ok {
			return fmt.Errorf("action %s has the result that it is done, and its member is not in the team", r.Key)
		}
	}
	results, err = b.store.Apply(ctx, name, actions)
	if err != nil {
		return err
	}
	for i, r := range results {
		if _, before := team[actions[i].Member.ID]; r.Err != nil || r.Repeated != before {
			return fmt.Errorf("action %s was %s when applied again, want it done if it was not and Repeated if it was", r.Key, outcomeOf(r))
		}
	}
	return nil
}

// listing checks a listing whose context ended. It must end with one error that
// matches the context's error, or have yielded all members before. whole is the
// number of all members, or 0 if the listing must end with the error.
func listing(members func(yield func(provisioning.Member, error) bool), whole int) error {
	count, failed := 0, error(nil)
	for _, err := range members {
		switch {
		case failed != nil:
			return errors.New("Members went on after an error, want the error last")
		case err == nil:
			count++
		case !errors.Is(err, context.Canceled):
			return fmt.Errorf("Members gave the error %w, want one that matches the context's", err)
		default:
			failed = err
		}
	}
	if failed == nil && (whole == 0 || count < whole) {
		return fmt.Errorf("Members ended after %d members without an error, want the context's: a part must not pass for the whole", count)
	}
	return nil
}
