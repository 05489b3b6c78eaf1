package scim

import (
	"errors"

	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/sources"
)

// stableExternalID says that an external id of the client's names one person
// for good.
func (x *exchange) stableExternalID() bool {
	kind, _ := sources.KindOf(x.principal.Kind)
	return kind.StableExternalID
}

// restore replaces the deactivated user that the key finds and that is the
// person of doc (rule S6). It returns ErrNotFound if there is none. The user is
// taken out of all groups first: what it was in is pushed again, and what is
// not must not come back with it.
func (x *exchange) restore(rt *resourceType, key Key, doc *object) (Record, error) {
	back := Ref{Type: rt.name, ID: key.Name + " " + key.Value} // whoever it is
	return x.retry(back, conditions{}, func() (Record, error) {
		const most = 10 // that have one external id
		page, err := x.cfg.Store.List(x.ctx, x.dir, Query{Type: rt.name, Where: []Key{key}, Limit: most})
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
			if back, err = x.comesBack(rec, doc); err == nil && !back { // changed since it was listed
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

// comesBack reports whether rec is the deactivated record of the person that
// doc describes: by an external id that is stable, or by user name and name
// where no such id says otherwise.
func (x *exchange) comesBack(rec Record, doc *object) (bool, error) {
	old, err := readDoc(rec, x.work)
	if err != nil {
		return false, x.isolate(err) // of a record that cannot be read nobody knows whose it is
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
	return foldText(old.text("userName")) == foldText(doc.text("userName")) && name.Same(fullName(old), fullName(doc)), nil
}

// fullName is the name of a user, by the best attribute that has it.
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

// outOfGroups removes a record from every group and returns it as it then is.
// ErrConflict says that it has joined another one meanwhile.
func (x *exchange) outOfGroups(ref Ref) (Record, error) {
	rec, err := x.cfg.Store.Get(x.ctx, x.dir, ref, true)
	if err != nil || len(rec.Links) == 0 {
		return rec, err
	}
	for _, group := range rec.Links {
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
