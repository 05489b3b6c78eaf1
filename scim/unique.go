package scim

import (
	"iter"
	"slices"
)

// maxUnique bounds the values of declared unique attributes of one resource,
// and so its keys in a store's index.
const maxUnique = 100

// uniqueKeys yields a key for each value that no other resource of the type may
// have, besides the user name (RFC 7643 section 7, uniqueness).
func (rt *resourceType) uniqueKeys(doc *object) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		for _, path := range rt.unique {
			in := doc
			if path.urn != "" {
				in, _ = doc.get(path.urn).(*object)
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
				return value != "" && !yield(Key{Name: path.String(), Value: value, Unique: true})
			})
			if done {
				return
			}
		}
	}
}

// checkUnique refuses values that cannot be keys of a store.
func (rt *resourceType) checkUnique(doc *object) error {
	values := 0
	for key := range rt.uniqueKeys(doc) {
		if values++; values > maxUnique {
			return badValue("%s: more than %d unique values", key.Name, maxUnique)
		}
		if len(key.Value) > MaxKeyBytes {
			return badValue("%s: the value is longer than %d bytes", key.Name, MaxKeyBytes)
		}
	}
	return nil
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
