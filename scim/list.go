package scim

import (
	"cmp"
	"errors"
	"math/bits"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
)

const (
	maxOffset = 1 << 30 // greatest number of skipped records; no listing is longer
	maxSorted = 100_000 // resources that one request may keep to sort them; it holds up to twice as many
)

// A selection is the filter of a query for one type.
type selection struct {
	rt      *resourceType
	filter  *filter // nil selects every resource
	where   []Key
	covered bool // where expresses the whole filter
}

// A found record is a record that a query selects.
type found struct {
	rt  *resourceType
	rec Record
}

// list answers a query (RFC 7644 section 3.4.2, RFC 9865).
func (x *exchange) list(types []*resourceType, q listing) error {
	x.work.query, x.work.reads = true, true
	selections, err := x.selections(types, q.filter)
	if err != nil {
		return err
	}
	// If the store can find and count by itself, it also does the paging.
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
			after, offset = 0, int(min(place, maxOffset))
		}
	}
	offset = min(offset, maxOffset)
	var page *results
	if direct {
		page, err = x.direct(selections[0], q, after, offset)
	} else {
		page, err = x.scan(selections, q, after, offset)
	}
	if err != nil {
		return err
	}
	return x.respondList(page, q, func(shown int, last Record) string {
		place := int64(offset + shown)
		if byOrdinal {
			place = last.Ordinal
		}
		return x.encodeCursor(mark, place)
	})
}

// selections parses the filter for each type.
func (x *exchange) selections(types []*resourceType, text string) ([]selection, error) {
	out := make([]selection, 0, len(types))
	for _, rt := range types {
		s := selection{rt: rt, covered: true}
		if text != "" {
			f, err := rt.parseFilter(text)
			if err != nil {
				return nil, err
			}
			s.filter = f.bound(x.work)
			x.sight.filtered(f)
			s.where, s.covered = s.filter.hint(rt)
		}
		out = append(out, s)
	}
	return out, nil
}

// results are the resources of a page in order, and up to one more than the
// page may hold.
type results struct {
	total int
	ready []found
	more  func() ([]found, error) // returns the next ones, none at the end; may be nil
}

// next returns the next resource, or false at the end.
func (r *results) next() (found, bool, error) {
	if len(r.ready) == 0 && r.more != nil {
		var err error
		if r.ready, err = r.more(); err != nil {
			return found{}, false, err
		}
	}
	if len(r.ready) == 0 {
		return found{}, false, nil
	}
	f := r.ready[0]
	r.ready = r.ready[1:]
	return f, true, nil
}

// direct lets the store find, count and page.
func (x *exchange) direct(s selection, q listing, after int64, offset int) (*results, error) {
	left := q.count + 1
	if q.count == 0 {
		left = 0
	}
	in := x.reader(Query{
		Type: s.rt.name, Where: s.where, After: after, Offset: offset, Count: true,
		Links: q.projection.links(s.rt) && q.count > 0,
	})
	r := &results{}
	r.more = func() ([]found, error) {
		records, err := in.read(left)
		left -= len(records)
		batch := make([]found, 0, len(records))
		for _, rec := range records {
			batch = append(batch, found{rt: s.rt, rec: rec})
		}
		return batch, err
	}
	var err error
	r.ready, err = r.more()
	r.total = in.total
	return r, err
}

// isolate logs that a record cannot be read and returns any other error. Such a
// record is listed without attributes, because a record that is not listed
// would look deleted.
func (x *exchange) isolate(err error) error {
	var bad *unreadableError
	if !errors.As(err, &bad) {
		return err
	}
	const told = 10 // log entries of one request
	if x.unread++; x.unread <= told {
		x.logFailure(err)
	}
	return nil
}

// A ranking keeps the first resources in an order.
type ranking struct {
	list       []ranked // in any order, up to twice as many as are kept
	keep       int
	bounded    bool // the list was cut, and list[keep-1] is the last one of those kept
	descending bool
	work       *work
}

// A ranked is a resource with its place in the order.
type ranked struct {
	rt      *resourceType
	id      string
	ordinal int64
	key     sortKey
	place   int // index among all resources; it decides between equal keys
}

func (r *ranking) compare(a, b *ranked) int {
	order := a.key.compare(b.key)
	if r.descending {
		order = -order
	}
	return cmp.Or(order, cmp.Compare(a.place, b.place))
}

func (r *ranking) add(f ranked) error {
	if r.bounded && r.compare(&f, &r.list[r.keep-1]) > 0 {
		return r.work.spend(1)
	}
	if r.keep > maxSorted && len(r.list) == maxSorted {
		return fail(http.StatusBadRequest, scimerrors.ScimTypeTooMany, "more than %d resources to sort; use a filter", maxSorted)
	}
	f.key.text = strings.Clone(f.key.text) // it may be a part of the document
	if f.key.number != nil {
		f.key.number.digits = strings.Clone(f.key.number.digits) // and so may these
	}
	if r.list = append(r.list, f); len(r.list) == 2*r.keep {
		return r.cut()
	}
	return r.work.spend(1)
}

// cut removes what is not kept.
func (r *ranking) cut() error {
	if len(r.list) <= r.keep {
		return nil
	}
	err := cmp.Or(r.split(r.list, r.keep-1), r.split(r.list[r.keep-1:], 1))
	clear(r.list[r.keep:])
	r.list, r.bounded = r.list[:r.keep], true
	return err
}

// from returns those that are kept, without the first offset ones, in their
// order.
func (r *ranking) from(offset int) ([]ranked, error) {
	if err := r.cut(); err != nil {
		return nil, err
	}
	offset = min(offset, len(r.list))
	if err := r.split(r.list, offset); err != nil {
		return nil, err
	}
	rest := r.list[offset:]
	slices.SortFunc(rest, func(a, b ranked) int { return r.compare(&a, &b) })
	return rest, r.work.spend(len(rest) * bits.Len(uint(len(rest))) / 2)
}

// split moves the first n of a list to its beginning, in any order
// (quickselect).
func (r *ranking) split(list []ranked, n int) error {
	units := 0
	for n > 0 && n < len(list) {
		units += len(list)
		last := len(list) - 1
		pivot := rand.IntN(len(list))
		list[pivot], list[last] = list[last], list[pivot]
		at := 0
		for i := range list[:last] {
			if r.compare(&list[i], &list[last]) < 0 {
				list[i], list[at] = list[at], list[i]
				at++
			}
		}
		list[at], list[last] = list[last], list[at]
		if at < n {
			list, n = list[at+1:], n-at-1
		} else {
			list = list[:at]
		}
	}
	return r.work.spend(units)
}

// A sortKey is the value by which a resource is sorted.
type sortKey struct {
	absent bool
	number *decimal // nil if the value is no number
	text   string
}

// compare orders absent values last (RFC 7644 section 3.4.2.3), and numbers
// before texts.
func (k sortKey) compare(other sortKey) int {
	switch {
	case k.absent || other.absent:
		return cmp.Compare(boolRank(k.absent), boolRank(other.absent))
	case k.number != nil && other.number != nil:
		return k.number.compare(*other.number)
	case k.number != nil || other.number != nil:
		return cmp.Compare(boolRank(k.number == nil), boolRank(other.number == nil))
	}
	return strings.Compare(k.text, other.text)
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sortPath resolves sortBy; a complex attribute sorts by its "value".
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

// sortKey returns the resource's value at path; for a list, the primary value
// or else the first.
func (r *resource) sortKey(path attrPath, w *work) (sortKey, error) {
	value, ok := r.primary(path)
	if !ok {
		r.values(path, w, func(v any) bool {
			value = v
			return true
		})
	}
	if text, ok := value.(string); ok && len(text) > scannedPerUnit { // the ranking counts a short one
		if err := w.spend(folding(text)); err != nil {
			return sortKey{}, err
		}
	}
	return keyOf(value, path), nil
}

// primary returns the sub-attribute of the element that is marked as primary.
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
		return sortKey{text: foldText(v)}
	case number:
		d := decimalOf(string(v))
		return sortKey{number: &d}
	case bool:
		d := decimalOf(strconv.Itoa(boolRank(v)))
		return sortKey{number: &d}
	}
	return sortKey{absent: true}
}

// respondList writes a ListResponse. The page ends before the resource that
// would exceed Config.MaxAnswer or, with its work, Config.MaxWork. It has at
// least one resource. RFC 7644 section 3.4.2.4 allows a page with fewer
// resources than requested, but a resource must have all its values.
// itemsPerPage is the number of resources in the page. cursor returns the
// cursor after the last of the resources shown.
func (x *exchange) respondList(page *results, q listing, cursor func(shown int, last Record) string) error {
	head := &object{fields: []field{
		{"schemas", []any{messageMark + "ListResponse"}},
		{"totalResults", itoa(page.total)},
	}}
	if !q.cursors {
		head.set("startIndex", itoa(q.startIndex))
	}
	size := 256
	for _, f := range page.ready[:min(q.count, len(page.ready))] {
		size += len(f.rec.Doc) + 512
	}
	out := output{exchange: x, status: http.StatusOK, buf: appendJSON(make([]byte, 0, min(size, outputBlock)), head)}
	out.buf = append(out.buf[:len(out.buf)-1], `,"Resources":[`...)
	shown := 0
	var last Record
	for taken := 0; ; taken++ {
		f, ok, err := page.next()
		if err != nil {
			return out.end(err)
		}
		if !ok || taken == q.count || shown > 0 && x.pageFull(&out, f, q.projection) {
			tail := &object{fields: []field{{"itemsPerPage", itoa(shown)}}}
			if ok && q.cursors && q.count > 0 {
				tail.set("nextCursor", cursor(shown, last))
			}
			out.buf = append(out.buf, ']', ',')
			out.buf = append(out.buf, appendJSON(nil, tail)[1:]...)
			return out.end(nil)
		}
		last = f.rec
		if f.rec.Deleted {
			continue
		}
		if shown > 0 {
			out.buf = append(out.buf, ',')
		}
		if err := out.listed(f, q.projection); err != nil {
			return out.end(err)
		}
		shown++
	}
}

// pageFull reports whether a further resource would exceed the bounds of a
// page.
func (x *exchange) pageFull(out *output, next found, p *projection) bool {
	return out.size()+x.servedSize(next.rec) > x.cfg.MaxAnswer ||
		!p.trivial(next.rt) && !x.work.affords(len(next.rec.Doc)) // at least the number of its values
}

// listed appends one resource of a page. A record that cannot be read is listed
// with id, meta and links.
func (o *output) listed(f found, p *projection) error {
	err := o.resource(f.rt, f.rec, p)
	if err == nil {
		return o.spill()
	}
	if err := o.isolate(err); err != nil {
		return err
	}
	f.rec.Doc = appendJSON(nil, &object{fields: []field{{"schemas", []any{f.rt.core.urn}}}})
	return o.resource(f.rt, f.rec, p)
}

// servedSize returns the approximate size in bytes of a record that is served
// whole.
func (x *exchange) servedSize(rec Record) int64 {
	size := len(rec.Doc) + 512
	for _, link := range rec.Links {
		size += len(`{"value":"","$ref":"/Groups/","display":"","type":"direct"},`) + len(x.base) + 2*len(link.ID) + len(link.Display)
	}
	return int64(size)
}
