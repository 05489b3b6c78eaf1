package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/usher-go/usher/provisioning"
)

// checkFind: after each write, a member is found by each of its present keys, and by
// no other key.
func checkFind(ctx context.Context, b *bench) error {
	w := &watch{bench: b, seen: make(map[provisioning.MemberKey]bool)}
	if err := w.spelling(ctx); err != nil {
		return err
	}
	if err := b.findsMany(ctx); err != nil {
		return err
	}
	b.store = b.h.New(b.t)
	if err := b.history(ctx, w.found); err != nil {
		return err
	}
	b.store = b.h.New(b.t)
	return b.besideOthers(ctx, w.found)
}

// checkCount: after every write, the counters match the team (S14).
func checkCount(ctx context.Context, b *bench) error {
	w := &watch{bench: b}
	if err := b.history(ctx, w.counted); err != nil {
		return err
	}
	b.store = b.h.New(b.t)
	return b.besideOthers(ctx, w.counted)
}

// A watch compares the answers of a Finder with the members that Members yields. It
// keeps the keys that it has seen, to check that a former key finds no member.
type watch struct {
	*bench
	seen map[provisioning.MemberKey]bool
}

// found searches for the members of the team by every key that one of them has or
// had.
func (w *watch) found(ctx context.Context, when string) error {
	team, err := w.team(ctx, tenant)
	if err != nil {
		return err
	}
	named := make(map[provisioning.MemberKey][]string)
	for _, id := range slices.Sorted(maps.Keys(team)) {
		m := team[id]
		for _, key := range m.Keys() {
			w.seen[key] = true
			named[key] = append(named[key], id)
		}
	}
	for key := range w.seen {
		if err := w.finds(ctx, team, []provisioning.MemberKey{key}, named[key]); err != nil {
			return fmt.Errorf("%s: %w", when, err)
		}
	}
	return nil
}

// finds compares the result of FindMembers with the wanted IDs.
func (b *bench) finds(ctx context.Context, team map[string]provisioning.Member, keys []provisioning.MemberKey, want []string) error {
	found, err := b.store.(provisioning.Finder).FindMembers(ctx, tenant, keys, 1000)
	if err != nil {
		return fmt.Errorf("FindMembers: %w", err)
	}
	missing := make(map[string]bool, len(want))
	for _, id := range want {
		missing[id] = true
	}
	by := text(keys[:min(len(keys), 3)])
	for _, m := range found {
		if !missing[m.ID] {
			return fmt.Errorf("FindMembers by %s, %d keys, returned %q, who has none of them or was returned before; want each member that has one, once", by, len(keys), m.ID)
		}
		delete(missing, m.ID)
		if m.Revision != team[m.ID].Revision {
			return fmt.Errorf("FindMembers returned %s in another state than Members: with the revision %q, want %q", m.ID, m.Revision, team[m.ID].Revision)
		}
		if err := sameMember(m, team[m.ID]); err != nil {
			return fmt.Errorf("FindMembers returned %s in another state than Members: %w", m.ID, err)
		}
	}
	for id := range missing {
		return fmt.Errorf("FindMembers by %s, %d keys, returned %d members and not %q, want each member that has one of the keys, once", by, len(keys), len(found), id)
	}
	return nil
}

// counted compares the counters with the team.
func (w *watch) counted(ctx context.Context, when string) error {
	team, err := w.team(ctx, tenant)
	if err != nil {
		return err
	}
	for _, connection := range []string{"okta-prod", "okta-test", "Okta-Prod", "never heard of"} {
		want := provisioning.Counts{Seats: make(map[string]int), Roles: make(map[provisioning.Role]int)}
		for _, m := range team {
			counted := m.Counted(connection)
			want.Population += counted.Population
			for seat, n := range counted.Seats {
				want.Seats[seat] += n
			}
			for role, n := range counted.Roles {
				want.Roles[role] += n
			}
		}
		got, err := w.store.(provisioning.Finder).Count(ctx, tenant, connection)
		if err != nil {
			return fmt.Errorf("Count: %w", err)
		}
		if got.Population != want.Population {
			return fmt.Errorf("%s: Count says that connection %s has a population of %d, want %d", when, connection, got.Population, want.Population)
		}
		maps.DeleteFunc(got.Seats, func(_ string, n int) bool { return n == 0 })
		if !maps.Equal(got.Seats, want.Seats) {
			return fmt.Errorf("%s: Count says that the seats %s are held, want %s", when, text(got.Seats), text(want.Seats))
		}
		maps.DeleteFunc(got.Roles, func(_ provisioning.Role, n int) bool { return n == 0 })
		if !maps.Equal(got.Roles, want.Roles) {
			return fmt.Errorf("%s: Count says that the roles %v are had, want %v", when, got.Roles, want.Roles)
		}
		if got.Roles != nil {
			got.Roles[provisioning.Role{Profile: "spoilt by the caller of Count"}] = 1
		}
		if got.Seats != nil {
			got.Seats["spoilt by the caller of Count"] = 1 // the caller owns what was returned
		}
		if other, err := w.store.(provisioning.Finder).Count(ctx, "a tenant without members", connection); err != nil || other.Population != 0 || len(other.Seats)+len(other.Roles) != 0 {
			return fmt.Errorf("%s: Count of a tenant without members is %s with %s, want nothing", when, text(other), said(err))
		}
	}
	return nil
}

// history writes to the team in every possible way, and calls look after each step.
func (b *bench) history(ctx context.Context, look func(ctx context.Context, when string) error) error {
	if err := look(ctx, "before anything was written"); err != nil {
		return err
	}
	people := []provisioning.Member{person("ana"), person("bob"), person("cyd"), person("dan"), person("eve"), person("fay")}
	for i := range people {
		people[i].ManagerID, people[i].Capture = "id-ana", []string{"recording"}
	}
	people[0].ManagerID, people[1].Seats = "", []string{"core", "core", "plus"}
	people[3].Connection, people[3].ExternalID = "okta-test", "ext-ana"
	people[4].Managed, people[4].Connection, people[4].ExternalID = false, "", ""
	people[5].Active, people[5].Seats = false, []string{"core", "plus"}
	for i := range people {
		people[i].Profiles = map[string]string{"ws/1": []string{"admin", "guest"}[i%2], "ws": "1/admin"}
	}
	var hire []provisioning.Action
	for _, m := range people {
		hire = append(hire, create(m))
	}
	for _, step := range []struct {
		when string
		want outcome
	}{{"after creates", done}, {"after the creates were repeated", repeated}} {
		if err := b.apply(ctx, tenant, hire, step.want); err != nil {
			return err
		}
		if err := look(ctx, step.when); err != nil {
			return err
		}
	}
	leave := func(m *provisioning.Member) { m.Active, m.Capture = false, nil }
	steps := []struct {
		when  string
		edits map[string]func(m *provisioning.Member)
	}{
		{"after updates", map[string]func(m *provisioning.Member){
			"id-ana": func(m *provisioning.Member) { m.Email, m.FamilyName, m.Seats = "new@acme.example", "New", nil },
			"id-bob": func(m *provisioning.Member) { m.ManagerID, m.Seats = "id-cyd", []string{"plus", "third"} },
			"id-cyd": func(m *provisioning.Member) { m.ExternalID, m.Connection = "ext-cyd-2", "okta-test" },
		}},
		{"after people left", map[string]func(m *provisioning.Member){"id-bob": leave, "id-dan": leave, "id-eve": leave}},
		{"after people came back", map[string]func(m *provisioning.Member){
			"id-bob": func(m *provisioning.Member) { m.Active, m.Capture = true, []string{"recording"} },
			"id-fay": func(m *provisioning.Member) { m.Active, m.Seats = true, []string{"core"} },
		}},
		{"after one was adopted, and one taken out of the source", map[string]func(m *provisioning.Member){
			"id-eve": func(m *provisioning.Member) {
				m.Active, m.Managed, m.Connection, m.ExternalID = true, true, "okta-prod", "ext-eve"
			},
			"id-fay": func(m *provisioning.Member) { m.Managed = false },
		}},
	}
	for _, step := range steps {
		team, err := b.team(ctx, tenant)
		if err != nil {
			return err
		}
		var actions []provisioning.Action
		for _, id := range slices.Sorted(maps.Keys(step.edits)) {
			actions = append(actions, update(team[id], step.edits[id]))
		}
		if err := b.apply(ctx, tenant, actions, done); err != nil {
			return err
		}
		if err := look(ctx, step.when); err != nil {
			return err
		}
	}
	if err := b.refusedHistory(ctx, look); err != nil {
		return err
	}
	return b.hostHistory(ctx, look)
}

// refusedHistory: a refused action leaves nothing that is found or counted.
func (b *bench) refusedHistory(ctx context.Context, look func(ctx context.Context, when string) error) error {
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	seated := func(m *provisioning.Member) {
		m.Seats, m.Email, m.ManagerID, m.Active = []string{"fourth"}, "seated-"+m.Email, "id-seated", !m.Active
	}
	outdated := keyed("outdated", update(team["id-cyd"], seated))
	outdated.Revision = "outdated"
	needing, hidden := keyed("needing", update(team["id-bob"], seated)), keyed("hidden", update(team["id-bob"], seated))
	needing.Needs, hidden.Changes = []string{"unheard of"}, hidden.Changes[1:]
	taken := person("gil")
	taken.Email = team["id-bob"].Email
	actions := slices.Concat(
		together("rolled back", update(team["id-ana"], seated), create(person("hal")), outdated),
		[]provisioning.Action{needing, hidden, create(taken)},
	)
	if err := b.apply(ctx, tenant, actions, stale, stale, stale, needy, notShown, conflict); err != nil {
		return err
	}
	if err := look(ctx, "after a group and single actions were refused"); err != nil {
		return err
	}
	swap := together("swap", update(team["id-ana"], func(m *provisioning.Member) { m.Email, m.Seats = team["id-bob"].Email, team["id-bob"].Seats }),
		update(team["id-bob"], func(m *provisioning.Member) { m.Email, m.Seats = team["id-ana"].Email, team["id-ana"].Seats }), create(person("ida")))
	if err := b.apply(ctx, tenant, swap, done); err != nil {
		return err
	}
	if err := look(ctx, "after addresses and seats changed hands in a group"); err != nil {
		return err
	}
	// Two actions about one member in one call, as when a plan is resumed.
	twice := creates("kim", "lea")
	if err := b.apply(ctx, tenant, append(twice, twice[0], keyed("again", twice[1])), done, done, repeated, stale); err != nil {
		return err
	}
	return look(ctx, "after actions that stand twice in one call")
}

// hostHistory writes as the host does, if the harness can.
func (b *bench) hostHistory(ctx context.Context, look func(ctx context.Context, when string) error) error {
	protect := func(m *provisioning.Member) { m.Protected = !m.Protected }
	writes := []struct {
		when, id string
		edit     func(m *provisioning.Member)
	}{
		{"after the host protected a member", "id-bob", protect},
		{"after the host protected a member who is inactive", "id-dan", protect},
		{"after the host edited a member", "id-bob", func(m *provisioning.Member) {
			m.Email, m.GivenName, m.Seats, m.ManagerID = "hosted@acme.example", "Hosted", []string{"hosted"}, "id-eve"
		}},
		{"after the host let a member go", "id-cyd", func(m *provisioning.Member) { m.Active = false }},
		{"after the host took the mark away", "id-bob", protect},
		{"after the host made a member", "id-host", func(m *provisioning.Member) {
			*m = person("host")
			m.Managed, m.Connection, m.ExternalID = false, "", ""
		}},
	}
	for _, write := range writes {
		if b.h.Put == nil {
			break
		}
		team, err := b.team(ctx, tenant)
		if err != nil {
			return err
		}
		m := team[write.id].Clone()
		write.edit(&m)
		if err := b.h.Put(ctx, b.store, tenant, m); err != nil {
			return err
		}
		if err := look(ctx, write.when); err != nil {
			return err
		}
		// Protected stays when a plan writes the same member.
		if team, err = b.team(ctx, tenant); err != nil {
			return err
		}
		if err := b.apply(ctx, tenant, []provisioning.Action{update(team[write.id], titled(write.when))}, done); err != nil {
			return err
		}
		if err := look(ctx, write.when+" and a plan updated it"); err != nil {
			return err
		}
	}
	for _, id := range []string{"id-bob", "id-ana"} {
		if b.h.Delete == nil {
			break
		}
		if err := b.h.Delete(ctx, b.store, tenant, id); err != nil {
			return err
		}
		if err := look(ctx, "after the host deleted "+id); err != nil {
			return err
		}
	}
	return nil
}

// spelling: addresses and names are found in different spellings, and IDs only in
// their exact spelling (S7, S36).
func (w *watch) spelling(ctx context.Context) error {
	ana, upper, padded, accent := person("ana"), person("upper"), person("padded"), person("accent")
	ana.Email, ana.GivenName, ana.FamilyName = "Ana.Ruiz@Acme.Example", "Jos\u00e9 Luis", "O'Neil-Stra\u00dfe"
	upper.ID, upper.ExternalID, upper.Email = "ID-ANA", "EXT-ANA", "kim@b\u00fccher.example"
	padded.ID, padded.ExternalID, padded.Email = "id-ana ", "ext-ana ", "lea@xn--bcher-kva.example"
	accent.ID, accent.ExternalID, accent.Email = "id-\u00e1na", "ext-\u00e1na", "jos\u00e9@acme.example"
	accent.GivenName, accent.FamilyName = "Jose", "Luis O'Neil-Strasse"
	reports := []provisioning.Member{person("r1"), person("r2"), person("r3"), person("r4")}
	for i, manager := range []string{ana.ID, upper.ID, padded.ID, accent.ID} {
		reports[i].ManagerID, reports[i].Capture = manager, []string{"recording"}
	}
	var hire []provisioning.Action
	for _, m := range append(reports, ana, upper, padded, accent) {
		hire = append(hire, create(m))
	}
	if err := w.apply(ctx, tenant, hire, done); err != nil {
		return fmt.Errorf("IDs that are not equal byte for byte are those of different people: %w", err)
	}
	if err := w.found(ctx, "when people's keys are alike"); err != nil {
		return err
	}
	team, err := w.team(ctx, tenant)
	if err != nil {
		return err
	}
	for _, probe := range []struct {
		member provisioning.Member
		by     provisioning.MemberKeyKind
		want   []string
	}{
		{provisioning.Member{Email: " ANA.RUIZ@acme.EXAMPLE"}, provisioning.MemberByEmail, []string{ana.ID}},
		{provisioning.Member{Email: "KIM@xn--bcher-kva.example"}, provisioning.MemberByEmail, []string{upper.ID}},
		{provisioning.Member{Email: "lea@BU\u0308CHER.example"}, provisioning.MemberByEmail, []string{padded.ID}},
		{provisioning.Member{Email: "JOS\u00c9@acme.example"}, provisioning.MemberByEmail, nil}, // only ASCII is folded
		{provisioning.Member{Email: "jose@acme.example"}, provisioning.MemberByEmail, nil},
		{provisioning.Member{GivenName: "JOSE\u0301", FamilyName: "luis  o\u2019neil\u2011STRASSE"}, provisioning.MemberByName, []string{ana.ID}},
		{provisioning.Member{GivenName: "jose luis", FamilyName: "O`NEIL-stra\u00dfe"}, provisioning.MemberByName, []string{accent.ID}},
	} {
		keys := slices.DeleteFunc(probe.member.Keys(), func(key provisioning.MemberKey) bool { return key.By != probe.by })
		if len(keys) != 1 {
			return fmt.Errorf("a member with the address %q and the name %q has no key by %s", probe.member.Email, probe.member.Name(), probe.by)
		}
		if err := w.finds(ctx, team, keys, probe.want); err != nil {
			return fmt.Errorf("by the address %q or the name %q: %w", probe.member.Email, probe.member.Name(), err)
		}
	}
	return nil
}

// findsMany: FindMembers takes any number of keys of one tenant, and returns each
// member once, up to the limit.
func (b *bench) findsMany(ctx context.Context) error {
	b.store = b.h.New(b.t)
	finder := b.store.(provisioning.Finder)
	const people = 300
	hire := make([]provisioning.Action, people)
	for i := range hire {
		m := person(fmt.Sprintf("p%03d", i))
		m.ManagerID = "id-boss"
		hire[i] = create(m)
	}
	if err := b.apply(ctx, tenant, hire, done); err != nil {
		return err
	}
	if err := b.apply(ctx, "other", hire[:1], done); err != nil {
		return err
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(team))
	if err := b.finds(ctx, team, nil, nil); err != nil {
		return fmt.Errorf("without a key: %w", err)
	}
	manager := []provisioning.MemberKey{{By: provisioning.MemberByManager, Value: "id-boss"}}
	if err := b.finds(ctx, team, manager, ids); err != nil {
		return fmt.Errorf("by one key that many have: %w", err)
	}
	var keys []provisioning.MemberKey
	for _, id := range ids {
		m := team[id]
		keys = append(keys, m.Keys()...)
	}
	keys = slices.DeleteFunc(keys, func(key provisioning.MemberKey) bool { return key == manager[0] })
	all := slices.Concat(keys, keys)
	for i := range 3000 {
		all = append(all, provisioning.MemberKey{By: provisioning.MemberByID, Value: fmt.Sprintf("nobody %d", i)})
	}
	slices.Reverse(all)
	if err := b.finds(ctx, team, all, ids); err != nil {
		return fmt.Errorf("by %d keys of %d people, each in several ways and twice: %w", len(all), people, err)
	}
	for _, limit := range []int{1, 7, people} {
		for _, keys := range [][]provisioning.MemberKey{keys, manager} {
			found, err := finder.FindMembers(ctx, tenant, keys, limit)
			if err != nil {
				return fmt.Errorf("FindMembers: %w", err)
			}
			seen := make(map[string]bool)
			for _, m := range found {
				seen[m.ID] = team[m.ID].ID != ""
			}
			if len(seen) != len(found) || len(found) < limit || slices.Contains(slices.Collect(maps.Values(seen)), false) {
				return fmt.Errorf("FindMembers of %d people with the limit %d returned %d, want at least so many, each once", people, limit, len(found))
			}
		}
	}
	found, err := finder.FindMembers(ctx, tenant, keys[:1], 1)
	if err != nil || len(found) != 1 {
		return fmt.Errorf("FindMembers by one ID returned %d members and %s, want one", len(found), said(err))
	}
	found[0].Seats[0] = "spoilt"
	if err := b.finds(ctx, team, keys[:1], []string{found[0].ID}); err != nil {
		return fmt.Errorf("after a member that FindMembers returned was changed: %w", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := finder.FindMembers(ended, tenant, keys, people); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("FindMembers with a context that had ended gave %s, want an error that matches the context's", said(err))
	}
	if _, err := finder.Count(ended, tenant, "okta-prod"); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("Count with a context that had ended gave %s, want an error that matches the context's", said(err))
	}
	return nil
}

// besideOthers lets writers work in parallel, and calls look when all are done.
func (b *bench) besideOthers(ctx context.Context, look func(ctx context.Context, when string) error) error {
	const writers, each = 4, 6
	shared := creates("s1", "s2", "s3", "s4", "s5", "s6")
	err := inParallel(writers, func(worker int) error {
		if _, err := b.store.Apply(ctx, tenant, shared); err != nil {
			return fmt.Errorf("Apply beside others: %w", err)
		}
		for turn := range each {
			id := fmt.Sprintf("w%d-%d", worker, turn)
			if err := b.apply(ctx, tenant, creates(id), done); err != nil {
				return err
			}
			team, err := b.team(ctx, tenant)
			if err != nil {
				return err
			}
			leave := update(team["id-"+id], func(m *provisioning.Member) {
				m.Active, m.Seats = turn%2 == 0, append(m.Seats, "plus")
			})
			if err := b.apply(ctx, tenant, []provisioning.Action{leave}, done); err != nil {
				return err
			}
			if b.h.Put == nil || turn%3 != 0 {
				continue
			}
			if team, err = b.team(ctx, tenant); err != nil {
				return err
			}
			guarded := team["id-"+id].Clone()
			guarded.Protected = true
			if err := b.h.Put(ctx, b.store, tenant, guarded); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return look(ctx, "after writers side by side")
}
