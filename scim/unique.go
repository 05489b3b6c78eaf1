package scim

import (
	"cmp"
	"iter"
	"slices"
)

// maxUnique bounds the values of declared unique attributes of one resource,
// and so its keys in a store's index.
const maxUnique = 100

// uniqueKeys yields a key for each value that no other resource of the type may
// have, besides the user name (RFC 7643 section 7, uniqueness). The name of such
// a key has a URN, so that it is none of the keys that filters use.
func (rt *resourceType) uniqueKeys(doc *object) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		for _, path := range rt.unique {
			in, name := doc, path
			if path.urn != "" {
				in, _ = doc.get(path.urn).(*object)
			} else {
				name.urn = rt.core.urn
			}
			if in == nil {
				continue
			}
			done := visitValues(in.get(path.attr), path.sub, func(v any) bool {
				value := textOf(v)
				if n, ok := v.(number); ok {
					value = canonicalNumber(string(n))
				}
				if !path.leaf().caseExact {
					value = foldText(value)
				}
				return value != "" && !yield(Key{Name: name.String(), Value: value, Unique: true})
			})
			if done {
				return
			}
		}
	}
}

// storedUnique yields the unique keys that a store can keep. Only values that
// were stored before their attribute was declared as unique have no key.
func (rt *resourceType) storedUnique(doc *object) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		left := maxUnique
		for key := range rt.uniqueKeys(doc) {
			if left == 0 {
				return
			}
			if len(key.Value) > MaxKeyBytes {
				continue
			}
			if left--; !yield(key) {
				return
			}
		}
	}
}

// checkUnique refuses values that cannot be keys of a store, except those that
// the stored document has.
func (rt *resourceType) checkUnique(doc *object, stored storedDoc) error {
	var had map[Key]bool
	values := 0
	for key := range rt.uniqueKeys(doc) {
		values++
		long := len(key.Value) > MaxKeyBytes
		if values <= maxUnique && !long {
			continue
		}
		if had == nil {
			old, err := stored()
			if err != nil {
				return err
			}
			had = map[Key]bool{}
			if old == nil {
				old = &object{}
			}
			for key := range rt.uniqueKeys(old) {
				had[key] = true
			}
		}
		switch {
		case had[key]:
		case long:
			return badValue("%s: the value is longer than %d bytes", key.Name, MaxKeyBytes)
		default:
			return badValue("%s: more than %d unique values", key.Name, maxUnique)
		}
	}
	return nil
}

// keepTaken repeats a change of rec that was refused as a duplicate, if unique
// values that rec has already are also those of another record. Their attribute
// was declared as unique after both records got them, and neither record may
// become unchangeable for it. So their keys are then not unique. Otherwise it
// returns the refusal.
func (x *exchange) keepTaken(rt *resourceType, rec Record, w Write, refusal error) (Record, error) {
	old, err := readDoc(rec, x.work)
	if err != nil {
		return Record{}, err
	}
	kept := false
	for key := range rt.storedUnique(old) {
		at := slices.Index(w.Keys, key)
		if at < 0 {
			continue
		}
		page, err := x.cfg.Store.List(x.ctx, x.dir, Query{Type: rt.name, Where: []Key{key}, Limit: 2, NoDoc: true, NoMeta: true})
		if err := cmp.Or(err, x.work.spend(unitsPerKey)); err != nil {
			return Record{}, err
		}
		if slices.ContainsFunc(page.Records, func(other Record) bool { return other.ID != rec.ID }) {
			w.Keys[at].Unique, kept = false, true
		}
	}
	if !kept {
		return Record{}, refusal
	}
	return x.commit(w, rec.Version)
}

// A duplicateError is an ErrDuplicate that names the attribute.
type duplicateError struct{ name string }

func (e *duplicateError) Error() string { return e.name + ": " + ErrDuplicate.Error() }

func (e *duplicateError) Unwrap() error { return ErrDuplicate }

// duplicate returns the error for a write of a unique value that another record
// has. It names the attribute.
func (x *exchange) duplicate(w Write) error {
	unique := slices.DeleteFunc(slices.Clone(w.Keys), func(key Key) bool { return !key.Unique })
	rt := x.typeOf(w.Ref.Type)
	if len(unique) < 2 || rt == nil {
		if len(unique) == 1 {
			return &duplicateError{unique[0].Name}
		}
		return ErrDuplicate
	}
	page, err := x.cfg.Store.List(x.ctx, x.dir, Query{Type: w.Ref.Type, Any: unique, Limit: 2})
	if err != nil {
		return ErrDuplicate
	}
	for _, rec := range page.Records {
		if doc, err := readDoc(rec, x.work); err == nil && rec.ID != w.Ref.ID {
			theirs := rt.keys(doc)
			if i := slices.IndexFunc(unique, func(key Key) bool { return slices.Contains(theirs, key) }); i >= 0 {
				return &duplicateError{unique[i].Name}
			}
		}
	}
	return ErrDuplicate // the other record has changed since
}
