package scim

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
)

const (
	scanPage  = 500     // records read at once where the store cannot filter
	maxSorted = 100_000 // resources that one request may sort
)

// A selection is a filter for one of the types that a query is about.
type selection struct {
	rt      *resourceType
	filter  *filter // nil selects everything
	where   []Key
	covered bool // where says all that filter says
}

// A found record is one that a query selects.
type found struct {
	rt  *resourceType
	rec Record
	key sortKey
}

// list answers a query (RFC 7644 section 3.4.2, RFC 9865).
func (x *exchange) list(types []*resourceType, q listing) error {
	selections, err := x.selections(types, q.filter)
	if err != nil {
		return err
	}
	// Where the store can find and count by itself, it also does the paging.
	direct := q.sortBy == "" && len(selections) == 1 && selections[0].covered
	byOrdinal := q.sortBy == "" && len(selections) == 1
	var mark [8]byte
	var place int64
	if q.cursors {
		mark = x.cursorMark(types, q)
		if place, err = x.decodeCursor(mark, q.cursor); err != nil {
			return err
		}
	}
	after, offset := int64(0), q.startIndex-1
	if q.cursors {
		after, offset = place, 0
		if !byOrdinal {
			after, offset = 0, int(place)
		}
	}
	var results []found
	var total int
	if direct {
		results, total, err = x.direct(selections[0], q, after, offset)
	} else {
		results, total, err = x.scan(selections, q, after, offset)
	}
	if err != nil {
		return err
	}
	next := ""
	if len(results) > q.count { // one more than asked for: there is a next page
		results = results[:q.count]
		if q.cursors && q.count > 0 {
			place := int64(offset + q.count)
			if byOrdinal {
				place = results[q.count-1].rec.Ordinal
			}
			next = x.encodeCursor(mark, place)
		}
	}
	return x.respondList(results, total, q, next)
}

// selections parses the filter for each type.
func (x *exchange) selections(types []*resourceType, text string) ([]selection, error) {
	out := make([]selection, 0, len(types))
	for _, rt := range types {
		s := selection{rt: rt, covered: true}
		if text != "" {
			var err error
			if s.filter, err = rt.parseFilter(text); err != nil {
				return nil, err
			}
			s.where, s.covered = s.filter.hint(rt)
		}
		out = append(out, s)
	}
	return out, nil
}

// direct lets the store do everything. Like scan it returns up to one result
// more than the page holds.
func (x *exchange) direct(s selection, q listing, after int64, offset int) ([]found, int, error) {
	page, err := x.cfg.Store.List(x.ctx, x.dir, Query{
		Type: s.rt.name, Where: s.where, After: after, Offset: offset, Limit: q.count + 1,
		Links: q.projection.links(s.rt) && q.count > 0, Count: true,
	})
	results := make([]found, 0, len(page.Records))
	for _, rec := range page.Records {
		results = append(results, found{rt: s.rt, rec: rec})
	}
	return results, page.Total, err
}

// scan evaluates the filter on every candidate that the store has.
func (x *exchange) scan(selections []selection, q listing, after int64, offset int) ([]found, int, error) {
	var results []found
	total, passed := 0, 0
	for _, s := range selections {
		sortBy, err := s.rt.sortPath(q.sortBy)
		if err != nil {
			return nil, 0, err
		}
		links := s.filter != nil && s.filter.needsLinks(s.rt) || q.sortBy != "" && sortBy.urn == "" && sortBy.attr == s.rt.links
		err = x.candidates(s, links, func(r *resource) error {
			total++
			switch {
			case q.sortBy != "":
				if len(results) == maxSorted {
					return fail(http.StatusBadRequest, scimerrors.ScimTypeTooMany, "more than %d resources to sort; use a filter", maxSorted)
				}
				results = append(results, found{s.rt, r.rec, r.sortKey(sortBy)})
			case r.rec.Ordinal <= after:
			case passed < offset:
				passed++
			case len(results) <= q.count:
				results = append(results, found{rt: s.rt, rec: r.rec})
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	if q.sortBy != "" {
		slices.SortStableFunc(results, func(a, b found) int {
			if order := a.key.compare(b.key); q.descending {
				return -order
			} else {
				return order
			}
		})
		results = results[min(offset, len(results)):]
		results = results[:min(q.count+1, len(results))]
	}
	for i, f := range results {
		if i < q.count && q.projection.links(f.rt) && f.rec.Links == nil {
			rec, err := x.cfg.Store.Get(x.ctx, x.dir, f.rec.Ref, true)
			if err == nil {
				results[i].rec = rec
			} else if !errors.Is(err, ErrNotFound) {
				return nil, 0, err
			}
		}
	}
	return results, total, nil
}

// candidates visits the resources that the selection's filter holds for.
func (x *exchange) candidates(s selection, links bool, visit func(*resource) error) error {
	for after := int64(0); ; {
		page, err := x.cfg.Store.List(x.ctx, x.dir, Query{
			Type: s.rt.name, Where: s.where, After: after, Limit: scanPage, Links: links,
		})
		if err != nil {
			return err
		}
		for _, rec := range page.Records {
			after = rec.Ordinal
			r, err := s.rt.parse(rec, x.location)
			if err != nil {
				return err
			}
			if s.filter != nil && !s.covered && !s.filter.matches(r) {
				continue
			}
			if err := visit(r); err != nil {
				return err
			}
		}
		if len(page.Records) < scanPage {
			return nil
		}
	}
}

// A sortKey is the value that a resource sorts by.
type sortKey struct {
	absent bool
	number string // a JSON number, or empty
	text   string
}

// compare puts absent values last (RFC 7644 section 3.4.2.3), numbers before
// texts.
func (k sortKey) compare(other sortKey) int {
	switch {
	case k.absent || other.absent:
		return cmp.Compare(boolRank(k.absent), boolRank(other.absent))
	case k.number != "" && other.number != "":
		return compareNumbers(k.number, other.number)
	case k.number != "" || other.number != "":
		return cmp.Compare(boolRank(k.number == ""), boolRank(other.number == ""))
	}
	return strings.Compare(k.text, other.text)
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sortPath resolves sortBy; a complex attribute sorts by its value.
func (rt *resourceType) sortPath(sortBy string) (attrPath, error) {
	if sortBy == "" {
		return attrPath{}, nil
	}
	path, ok := rt.resolve(sortBy)
	if !ok || path.attr == "" || len(sortBy) > rt.maxFilter {
		return path, badPath("sortBy: %q is not the name of an attribute", clip(sortBy))
	}
	if path.leaf().hidden() {
		return path, sensitive("sortBy: %s cannot be sorted by", path)
	}
	if def := path.leaf(); def != nil && def.kind == "complex" && path.sub == "" {
		if path.subDef = def.sub("value"); path.subDef == nil {
			return path, badPath("sortBy: %s: name one of its sub-attributes", path)
		}
		path.sub = path.subDef.name
	}
	return path, nil
}

// sortKey is the resource's value at path: of a list, the primary one or else
// the first.
func (r *resource) sortKey(path attrPath) sortKey {
	if list, ok := r.primary(path); ok {
		return keyOf(list, path)
	}
	key := sortKey{absent: true}
	r.values(path, func(v any) bool {
		key = keyOf(v, path)
		return true
	})
	return key
}

// primary returns the sub-attribute of the element marked as primary.
func (r *resource) primary(path attrPath) (any, bool) {
	if path.urn != "" || path.sub == "" {
		return nil, false
	}
	list, _ := r.doc.get(path.attr).([]any)
	for _, e := range list {
		if o, ok := e.(*object); ok && o.get("primary") == true && o.get(path.sub) != nil {
			return o.get(path.sub), true
		}
	}
	return nil, false
}

func keyOf(v any, path attrPath) sortKey {
	switch v := v.(type) {
	case string:
		def := path.leaf()
		if def != nil && def.kind == "dateTime" {
			if t, ok := parseTime(v); ok {
				return sortKey{text: t.UTC().Format("2006-01-02T15:04:05.000000000")}
			}
		}
		if def != nil && def.caseExact {
			return sortKey{text: v}
		}
		return sortKey{text: fold(v)}
	case number:
		return sortKey{number: string(v)}
	case bool:
		return sortKey{number: [...]string{"0", "1"}[boolRank(v)]}
	}
	return sortKey{absent: true}
}

// respondList writes a ListResponse; itemsPerPage is what the page holds.
func (x *exchange) respondList(results []found, total int, q listing, next string) error {
	size := 256
	for _, f := range results {
		size += len(f.rec.Doc) + 512
	}
	head := &object{fields: []field{
		{"schemas", []any{messageMark + "ListResponse"}},
		{"totalResults", itoa(total)},
		{"itemsPerPage", itoa(len(results))},
	}}
	if !q.cursors {
		head.set("startIndex", itoa(q.startIndex))
	}
	if next != "" {
		head.set("nextCursor", next)
	}
	body := appendJSON(make([]byte, 0, size), head)
	body = append(body[:len(body)-1], `,"Resources":[`...)
	for i, f := range results {
		if i > 0 {
			body = append(body, ',')
		}
		var err error
		if body, err = x.appendResource(body, f.rt, f.rec, q.projection); err != nil {
			return err
		}
	}
	x.respond(http.StatusOK, append(body, `]}`...))
	return nil
}
