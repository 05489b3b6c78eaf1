package scimtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/usher-go/usher/scim"
)

func memberChecks() []check {
	return []check{
		{name: "members", core: true, run: (*bench).memberships,
			rule: "a MemberChange adds, removes or replaces memberships; it is a change of the group and of who joins or leaves, and one that changes no row takes no sequence number; one that skips who is unknown does the rest"},
		{name: "links", core: true, run: (*bench).linksAreSeen,
			rule: "a group links to its members, with the text sent, and any other record to its groups, with their names at present"},
		{name: "ended memberships", core: true, run: (*bench).endedMemberships,
			rule: "deleting a record deletes its memberships on both sides and counts as a change of every group it was in and of every member it had"},
		{name: "many members", core: true, run: (*bench).manyMembers,
			rule: "a group may have any number of members"},
	}
}

func (b *bench) memberships() error {
	if err := errors.Join(b.have("u1", "u2", "u3"), b.all(b.newGroup("g1", "u1", "u2"))); err != nil {
		return err
	}
	group := groupRef("g1")
	const one, two, three = "User/u1/Display of u1", "User/u2/Display of u2", "User/u3/Display of u3"
	silent := &scim.MemberChange{Add: []scim.Link{{Ref: scim.Ref{ID: "u1"}}}}
	for _, step := range []struct {
		what    string
		change  *scim.MemberChange
		changed []string // the group, if it changes, and the records that join or leave
		want    []string
	}{
		{"add one", adding("u3"), []string{"g1", "u3"}, []string{one, two, three}},
		{"add who is there", adding("u1", "u3"), nil, []string{one, two, three}},
		{"add who is there, without a text", silent, nil, []string{one, two, three}},
		{"add who is there, with another text", &scim.MemberChange{Add: []scim.Link{{Ref: scim.Ref{ID: "u1"}, Display: "Ana"}}}, []string{"g1"},
			[]string{"User/u1/Ana", two, three}},
		{"change it back", adding("u1"), []string{"g1"}, []string{one, two, three}},
		{"remove one, named twice", &scim.MemberChange{Remove: []string{"u2", "u2"}}, []string{"g1", "u2"}, []string{one, three}},
		{"remove who is not there", &scim.MemberChange{Remove: []string{"u2", "nobody", "", "\x00", "\xff"}}, nil, []string{one, three}},
		{"change nothing", &scim.MemberChange{}, nil, []string{one, three}},
		{"replace by the same", &scim.MemberChange{Replace: true, Add: adding("u3", "u1").Add}, nil, []string{one, three}},
		{"replace by the same, without texts", &scim.MemberChange{Replace: true, Add: append(silent.Add, adding("u3").Add...)}, nil, []string{one, three}},
		{"replace by others", &scim.MemberChange{Replace: true, Add: adding("u2", "u3").Add}, []string{"g1", "u1", "u2"}, []string{two, three}},
		{"remove and add", &scim.MemberChange{Remove: []string{"u3"}, Add: adding("u1").Add}, []string{"g1", "u1", "u3"}, []string{one, two}},
		{"add one twice", adding("u3", "u3"), []string{"g1", "u3"}, []string{one, two, three}},
		{"replace by nobody", &scim.MemberChange{Replace: true}, []string{"g1", "u1", "u2", "u3"}, nil},
		{"replace nobody by nobody", &scim.MemberChange{Replace: true}, nil, nil},
	} {
		before, err := b.Get(b.ctx, b.dir, group, false)
		if err != nil {
			return err
		}
		since, err := b.last()
		if err != nil {
			return err
		}
		w := b.members("g1", step.change)
		got, err := b.do(w)
		if err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		if step.changed == nil {
			err = errors.Join(same("no change", got, before), b.unchanged(since, "no change"))
		} else {
			err = b.changed(since, w, step.changed...)
		}
		if err = errors.Join(err, b.stored(got), b.linked(group, slices.Clone(step.want)...)); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		page, err := b.List(b.ctx, b.dir, scim.Query{Where: []scim.Key{{Name: scim.KeyGroup, Value: "g1"}}, Count: true})
		if err != nil || page.Total != len(step.want) {
			return fmt.Errorf("%s: Total of the members is %d, want %d: %w", step.what, page.Total, len(step.want), orNone(err))
		}
	}
	for _, id := range []string{"nobody", "", "\x00", "\xff"} {
		if err := b.noMember(b.members("g1", adding("u1", id)), id); err != nil {
			return err
		}
	}
	skip := adding("u1", "nobody", "", "\x00", "\xff")
	skip.SkipUnknown = true
	if _, err := b.do(b.members("g1", skip)); err != nil {
		return fmt.Errorf("leave out who is unknown: %w", err)
	}
	if err := b.linked(group, one); err != nil {
		return fmt.Errorf("leave out who is unknown: %w", err)
	}
	skip.Add, skip.Replace = adding("nobody").Add, true
	if _, err := b.do(b.members("g1", skip)); err != nil {
		return fmt.Errorf("leave out all: %w", err)
	}
	return b.linked(group)
}

func (b *bench) linksAreSeen() error {
	if err := errors.Join(b.have("u1", "u2"), b.all(b.newGroup("g1", "u1"), b.newGroup("g2", "u1", "g1"), b.newGroup("g3", "g3"))); err != nil {
		return err
	}
	rename := scim.Write{Op: scim.Update, Ref: groupRef("g1"), At: b.at(), Doc: []byte(`{}`), Display: "Renamed"}
	if _, err := b.do(rename); err != nil {
		return err
	}
	want := map[string][]string{
		"u1": {"Group/g1/Renamed", "Group/g2/Group g2"},
		"u2": nil,
		"g1": {"User/u1/Display of u1"},
		"g2": {"User/u1/Display of u1", "Group/g1/Display of g1"},
		"g3": {"Group/g3/Display of g3"},
	}
	page, err := b.List(b.ctx, b.dir, scim.Query{Limit: 10, Links: true})
	if err != nil {
		return err
	}
	if len(page.Records) != len(want) {
		return fmt.Errorf("list with links: lists %q, want %d records", ids(page.Records), len(want))
	}
	for _, rec := range page.Records {
		links := want[rec.ID]
		if err := errors.Join(sameLinks("list: "+rec.ID, rec, slices.Clone(links)...), b.linked(rec.Ref, slices.Clone(links)...)); err != nil {
			return err
		}
		bare, err := b.Get(b.ctx, b.dir, rec.Ref, false)
		if err != nil {
			return err
		}
		if bare.Links != nil {
			return fmt.Errorf("get %q without links: it has %d Links, want none", rec.ID, len(bare.Links))
		}
	}
	return nil
}

func (b *bench) endedMemberships() error {
	if err := errors.Join(b.have("u1", "u2"),
		b.all(b.newGroup("g1", "u1", "u2"), b.newGroup("g2", "u1", "g1"), b.newGroup("g3", "u2"), b.newGroup("g4", "u1", "g4"))); err != nil {
		return err
	}
	since, err := b.last()
	if err != nil {
		return err
	}
	gone := scim.Write{Op: scim.Delete, Ref: userRef("u1"), At: b.at()}
	if _, err := b.do(gone); err != nil {
		return err
	}
	err = errors.Join(b.changed(since, gone, "g1", "g2", "g4", "u1"), b.linked(groupRef("g1"), "User/u2/Display of u2"), b.linked(groupRef("g2"), "Group/g1/Display of g1"),
		b.linked(groupRef("g4"), "Group/g4/Display of g4"), b.finds(scim.TypeGroup, scim.KeyMember, "u1"))
	if err != nil {
		return err
	}
	end := func(id string) scim.Write { return scim.Write{Op: scim.Delete, Ref: groupRef(id), At: b.at()} }
	if since, err = b.last(); err != nil {
		return err
	}
	gone = end("g1")
	if err := errors.Join(b.all(gone), b.changed(since, gone, "g1", "g2", "u2"), b.all(end("g4")), b.have("u1", "g1")); err != nil {
		return err
	}
	return errors.Join(b.linked(userRef("u1")), b.linked(groupRef("g1")), b.linked(groupRef("g2")), b.linked(userRef("u2"), "Group/g3/Group g3"))
}

func (b *bench) manyMembers() error {
	const many = 2345
	var all []string
	for i := range many {
		id := fmt.Sprintf("u%d", i)
		all = append(all, id)
		if _, err := b.do(scim.Write{Op: scim.Create, Ref: userRef(id), At: b.at(), Doc: []byte(`{}`)}); err != nil {
			return err
		}
	}
	count := func(what string, want int) error {
		rec, err := b.Get(b.ctx, b.dir, groupRef("g1"), true)
		if err == nil && len(rec.Links) != want {
			err = fmt.Errorf("%s: the group has %d members, want %d", what, len(rec.Links), want)
		}
		return err
	}
	if err := errors.Join(b.all(b.newGroup("g1", all...)), count("created with all", many)); err != nil {
		return err
	}
	page, err := b.List(b.ctx, b.dir, scim.Query{
		Type: scim.TypeUser, Where: []scim.Key{{Name: scim.KeyGroup, Value: "g1"}}, Offset: many - 2, Limit: 5, Count: true,
	})
	if err != nil || len(page.Records) != 2 || page.Total != many {
		return fmt.Errorf("list the end of the members: got %d records of %d, want 2 of %d: %w", len(page.Records), page.Total, many, orNone(err))
	}
	return errors.Join(
		b.all(b.members("g1", &scim.MemberChange{Remove: all[:1000]})), count("1,000 removed", many-1000),
		b.all(b.members("g1", &scim.MemberChange{Replace: true, Add: adding(all[:1100]...).Add})), count("replaced by 1,100", 1100),
		b.all(b.members("g1", adding(all...))), count("all added", many),
		b.all(b.members("g1", &scim.MemberChange{Replace: true})), count("emptied", 0))
}

// changed checks which records a write has changed. Each must have its own
// number and the time of the write.
func (b *bench) changed(since int64, w scim.Write, want ...string) error {
	records, err := b.changes(since, 100)
	if err != nil {
		return err
	}
	got := ids(records)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: changed are %q, want %q", describe(w), got, want)
	}
	for _, rec := range records {
		if !rec.Deleted && !rec.LastModified.Equal(w.At) {
			return fmt.Errorf("%s: %q has LastModified %v, want %v", describe(w), rec.ID, rec.LastModified, w.At)
		}
	}
	return nil
}
