package scimtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

func changeChecks() []check {
	return []check{
		{name: "changes", core: true, run: (*bench).changesAreListed,
			rule: "Changes lists each record once as it is now, by Version: groups with links, deleted ones with Type, ID and Version only"},
		{name: "expired cursor", core: true, run: (*bench).expired,
			rule: "after a number that was never given out, Changes answers sources.ErrCursorExpired"},
	}
}

func (b *bench) changesAreListed() error {
	if none, err := b.Changes(b.ctx, b.dir, 0, 10); err != nil || len(none) != 0 {
		return fmt.Errorf("changes of a new directory: want none, got %d and: %w", len(none), orNone(err))
	}
	if err := errors.Join(b.have("u1", "u2", "u3", "g1"), b.all(
		scim.Write{Op: scim.Update, Ref: userRef("u1"), At: b.at(), Doc: []byte(`{"now":1}`), Keys: userKeys("u1")},
		b.members("g1", adding("u1", "u2")),
		scim.Write{Op: scim.Update, Ref: userRef("u2"), At: b.at(), Doc: []byte(`{"now":1}`), Keys: userKeys("u2")},
		scim.Write{Op: scim.Update, Ref: groupRef("g1"), At: b.at(), Doc: []byte(`{}`), Display: "Group g1"},
		scim.Write{Op: scim.Delete, Ref: userRef("u3"), At: b.at()},
		scim.Write{Op: scim.Update, Ref: userRef("u1"), At: b.at(), Doc: []byte(`{"now":2}`), Keys: userKeys("u1")})); err != nil {
		return err
	}
	want := []string{"u2", "g1", "u3", "u1"}
	var all []scim.Record
	for limit := 5; limit > 0; limit-- {
		var err error
		if all, err = b.changes(0, limit); err != nil {
			return err
		}
		if got := ids(all); !slices.Equal(got, want) {
			return fmt.Errorf("changes, %d at a time: %q, want %q", limit, got, want)
		}
	}
	for i, rec := range all {
		if i > 0 {
			later, err := b.changes(all[i-1].Version, 10)
			if err != nil {
				return err
			}
			if got := ids(later); !slices.Equal(got, want[i:]) {
				return fmt.Errorf("changes after the one of %q: %q, want %q", want[i-1], got, want[i:])
			}
		}
		switch rec.ID {
		case "u3":
			bare := scim.Record{Ref: rec.Ref, Version: rec.Version, Deleted: true}
			if !rec.Deleted || rec.Ref != userRef("u3") || rec.Doc != nil || rec.Links != nil || rec.Display != "" || rec.Ordinal != 0 {
				return fmt.Errorf("the change of a deleted user is %+v, want %+v", rec, bare)
			}
			continue
		case "g1":
			if err := sameLinks("the change of a group", rec, "User/u1/Display of u1", "User/u2/Display of u2"); err != nil {
				return err
			}
		}
		if err := b.stored(rec); err != nil {
			return fmt.Errorf("a change: %w", err)
		}
	}
	return b.unchanged(all[len(all)-1].Version, "nothing")
}

func (b *bench) expired() error {
	if err := b.have("u1"); err != nil {
		return err
	}
	last, err := b.last()
	if err != nil {
		return err
	}
	for _, after := range []int64{last + 1, last + 1_000_000_000_000, -1} {
		if _, err := b.Changes(b.ctx, b.dir, after, 10); !errors.Is(err, sources.ErrCursorExpired) {
			return fmt.Errorf("changes after %d, where the last is %d: want an error that matches sources.ErrCursorExpired, got: %w", after, last, orNone(err))
		}
	}
	return nil
}
