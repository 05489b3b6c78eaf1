package scim

import (
	"errors"

	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/sources"
)

// stableExternalID reports whether an external id of the client identifies one
// person permanently.
func (x *exchange) stableExternalID() bool {
	kind, _ := sources.KindOf(x.principal.Kind)
	return kind.StableExternalID
}

// restore replaces the deactivated user that has the key and is the person in
// doc (rule S6). It returns ErrNotFound if there is none. It first removes the
// user from all groups: the provider pushes the present memberships again, and
// old ones must not return with the user.
func (x *exchange) restore(rt *resourceType, key Key, doc *object) (Record, error) {
	back := Ref{Type: rt.name, ID: key.Name + " " + key.Value} // the user is not known yet
	return x.retry(back, conditions{}, func() (Record, error) {
		page, err := x.cfg.Store.List(x.ctx, x.dir, Query{Type: rt.name, Where: []Key{key}, Limit: mostSame})
		if err != nil {
			return Record{}, err
		}
		for _, rec := range page.Records {
			back, err := x.comesBack(rec, doc)
			if err != nil {
				return Record{}, err
			}
			if !back {
				continue
			}
			if rec, err = x.outOfGroups(rec.Ref); err != nil {
				return Record{}, err
			}
			if back, err = x.comesBack(rec, doc); err == nil && !back { // it changed after it was listed
				err = ErrConflict
			}
			if err != nil {
				return Record{}, err
			}
			w := rt.write(Update, rec.ID, doc, x.now())
			w.IfVersion = rec.Version
			return x.commit(w, rec.Version)
		}
		return Record{}, ErrNotFound
	})
}

// comesBack reports whether rec is the deactivated record of the person in doc.
// A stable external id decides, if both have one; otherwise user name and name
// must be equal.
func (x *exchange) comesBack(rec Record, doc *object) (bool, error) {
	old, err := readDoc(rec, x.work)
	if err != nil {
		return false, x.isolate(err) // an unreadable record identifies no person
	}
	if old.get("active") != false {
		return false, nil
	}
	if x.stableExternalID() {
		was, is := old.text("externalId"), doc.text("externalId")
		if was != "" && is != "" {
			return was == is, nil
		}
	}
	was, is := fullName(old), fullName(doc)
	if err := x.work.spend(2 * (folding(was) + folding(is))); err != nil {
		return false, err
	}
	return foldText(old.text("userName")) == foldText(doc.text("userName")) && name.Same(was, is), nil
}

// fullName returns the name of a user, from the best attribute that has it.
func fullName(doc *object) string {
	if o, ok := doc.get("name").(*object); ok {
		if full := name.Full(o.text("givenName"), o.text("familyName")); !blank(full) {
			return full
		}
		if formatted := o.text("formatted"); !blank(formatted) {
			return formatted
		}
	}
	return doc.text("displayName")
}

// outOfGroups removes a record from every group and returns it as it is
// afterwards. It returns ErrConflict if the record has joined another group
// meanwhile.
func (x *exchange) outOfGroups(ref Ref) (Record, error) {
	rec, err := x.cfg.Store.Get(x.ctx, x.dir, ref, true)
	if err != nil || len(rec.Links) == 0 {
		return rec, err
	}
	for _, group := range rec.Links {
		if err := x.work.spend(unitsPerWrite); err != nil { // with what commit counts, as much as SQLite takes
			return rec, err
		}
		w := Write{Op: Update, Ref: group.Ref, At: x.now(), Members: &MemberChange{Remove: []string{ref.ID}}}
		if _, err := x.commit(w, 0); err != nil && !errors.Is(err, ErrNotFound) {
			return rec, err
		}
	}
	if rec, err = x.cfg.Store.Get(x.ctx, x.dir, ref, true); err == nil && len(rec.Links) > 0 {
		err = ErrConflict
	}
	return rec, err
}
