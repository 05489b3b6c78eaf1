package scim

import (
	"cmp"
	"container/heap"
	"errors"
	"math/bits"
	"net/http"
	"slices"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
)

const (
	scanPage  = 500     // records read at once if their links are not requested
	maxOffset = 1 << 30 // greatest number of skipped records; no listing is longer
	maxSorted = 100_000 // resources that one request may hold in memory to sort them
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
	rt    *resourceType
	rec   Record
	key   sortKey
	place int // index among all found records
}

// list answers a query (RFC 7644 section 3.4.2, RFC 9865).
func (x *exchange) list(types []*resourceType, q listing) error {
	x.work.query = true
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

// A reader reads the records of a query in batches. If the records come with
// links, a batch is small enough to keep the number of links low.
type reader struct {
	x     *exchange
	query Query
	batch int
	total int // Page.Total, if the query requests it
	done  bool
}

// linksAtOnce is the desired number of links in a batch. The first batch has
// firstBatch records, or firstGroups groups.
const (
	linksAtOnce = 50_000
	firstBatch  = 128
	firstGroups = 4
	mostGroups  = 32
)

func (x *exchange) reader(q Query) *reader {
	r := &reader{x: x, query: q, batch: scanPage}
	switch {
	case q.Links && q.Type == TypeGroup:
		r.batch = firstGroups
	case q.Links:
		r.batch = firstBatch
	}
	return r
}

// read returns up to most further records; it returns none at the end.
func (r *reader) read(most int) ([]Record, error) {
	if r.done {
		return nil, nil
	}
	q := r.query
	q.Limit = min(r.batch, most)
	if q.Limit > freeRecords && len(q.Where) == 0 || q.Links && q.Type == TypeGroup && q.Limit > 0 {
		if err := r.x.work.long(); err != nil {
			return nil, err
		}
	}
	page, err := r.x.cfg.Store.List(r.x.ctx, r.x.dir, q)
	if err != nil {
		return nil, err
	}
	if q.Count {
		r.total = page.Total
	}
	r.query.Count, r.query.Offset = false, 0
	r.done = len(page.Records) < q.Limit || q.Limit == 0
	longest, size := 0, 0
	for _, rec := range page.Records {
		r.query.After = rec.Ordinal
		longest = max(longest, len(rec.Links))
		size += memoryOf(rec)
	}
	r.x.work.hold(size)
	if q.Links {
		most := scanPage
		if q.Type == TypeGroup {
			most = mostGroups
		}
		r.batch = max(1, min(2*r.batch, most, linksAtOnce/(longest+1)))
	}
	return page.Records, nil
}

// scan evaluates the filter on every candidate of the store.
func (x *exchange) scan(selections []selection, q listing, after int64, offset int) (*results, error) {
	r := &results{}
	passed := 0
	ranked := ranking{keep: offset + q.count + 1, descending: q.descending, work: x.work}
	for _, s := range selections {
		sortBy, err := s.rt.sortPath(q.sortBy)
		if err != nil {
			return nil, err
		}
		err = x.candidates(s, sortBy, func(res *resource) error {
			r.total++
			switch {
			case q.sortBy != "":
				key, err := res.sortKey(sortBy, x.work)
				if err != nil {
					return err
				}
				return ranked.add(found{s.rt, res.rec, key, r.total})
			case res.rec.Ordinal <= after:
			case passed < offset:
				passed++
			case len(r.ready) <= q.count:
				r.ready = append(r.ready, found{rt: s.rt, rec: res.rec})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if q.sortBy != "" {
		if err := ranked.sort(); err != nil {
			return nil, err
		}
		r.ready = ranked.list[min(offset, len(ranked.list)):]
	}
	x.fillLinks(r, q)
	return r, nil
}

// fillLinks makes the results read the links of each record when it is written.
func (x *exchange) fillLinks(r *results, q listing) {
	rest := r.ready
	r.ready = nil
	held := 0
	for _, f := range rest {
		held += memoryOf(f.rec)
	}
	x.work.hold(held)
	r.more = func() ([]found, error) {
		if len(rest) == 0 {
			return nil, nil
		}
		f := rest[0]
		rest = rest[1:]
		if f.rec.Links == nil && q.projection.links(f.rt) && q.count > 0 {
			rec, err := x.read(f.rec.Ref, true)
			x.work.hold(held + memoryOf(rec))
			if err == nil {
				f.rec = rec
			} else if !errors.Is(err, ErrNotFound) { // if the record was deleted since, it is still listed as found
				return nil, err
			}
		}
		return []found{f}, nil
	}
}

// candidates calls visit for each resource that the selection's filter matches.
// All calls use the same *resource. It has only the fields that the filter and
// the sorting read, and links only if these read them.
func (x *exchange) candidates(s selection, sortBy attrPath, visit func(*resource) error) error {
	var names nameSet
	links := false
	if s.filter != nil && !s.covered {
		s.filter.names(&names)
		links = s.filter.needsLinks(s.rt)
	}
	if name := cmp.Or(sortBy.urn, sortBy.attr); name != "" {
		names.add(name)
		links = links || sortBy.urn == "" && sortBy.attr == s.rt.links
	}
	in := x.reader(Query{Type: s.rt.name, Where: s.where, Links: links})
	r := &resource{rt: s.rt, doc: &object{}, locate: x.location}
	for {
		records, err := in.read(scanPage)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, rec := range records {
			r.rec = rec
			if err := x.work.spend(len(rec.Links) * unitsPerReadLink); err != nil {
				return err
			}
			if err := readFields(r.doc, rec, &names, x.work); err != nil {
				if err = x.isolate(err); err != nil {
					return err
				}
				r.doc.fields = r.doc.fields[:0] // the form in which it is listed
			}
			matched := s.filter == nil || s.covered || s.filter.matches(r)
			if err := x.work.failed(); err != nil {
				return err
			}
			if !matched {
				continue
			}
			if err := visit(r); err != nil {
				return err
			}
		}
	}
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

// A ranking keeps the first resources in an order, as a heap with the last of
// them at the top.
type ranking struct {
	list       []found
	keep       int
	descending bool
	work       *work
}

func (r *ranking) Len() int           { return len(r.list) }
func (r *ranking) Less(i, j int) bool { return r.compare(r.list[i], r.list[j]) > 0 }
func (r *ranking) Swap(i, j int)      { r.list[i], r.list[j] = r.list[j], r.list[i] }
func (r *ranking) Push(v any)         { r.list = append(r.list, v.(found)) }
func (r *ranking) Pop() any           { panic("unused") }

func (r *ranking) compare(a, b found) int {
	order := a.key.compare(b.key)
	if r.descending {
		order = -order
	}
	return cmp.Or(order, cmp.Compare(a.place, b.place))
}

func (r *ranking) add(f found) error {
	switch {
	case len(r.list) < min(r.keep, maxSorted):
		heap.Push(r, f)
	case r.keep > maxSorted:
		return fail(http.StatusBadRequest, scimerrors.ScimTypeTooMany, "more than %d resources to sort; use a filter", maxSorted)
	case r.compare(f, r.list[0]) < 0:
		r.list[0] = f
		heap.Fix(r, 0)
	default:
		return r.work.spend(1)
	}
	return r.work.spend(1 + bits.Len(uint(len(r.list)))/2)
}

// sort sorts the list in its order.
func (r *ranking) sort() error {
	slices.SortFunc(r.list, r.compare)
	return r.work.spend(len(r.list) * bits.Len(uint(len(r.list))) / 4)
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
	for {
		f, ok, err := page.next()
		if err != nil {
			return out.end(err)
		}
		if !ok || shown == q.count || shown > 0 && x.pageFull(&out, f, q.projection) {
			tail := &object{fields: []field{{"itemsPerPage", itoa(shown)}}}
			if ok && q.cursors && q.count > 0 {
				tail.set("nextCursor", cursor(shown, last))
			}
			out.buf = append(out.buf, ']', ',')
			out.buf = append(out.buf, appendJSON(nil, tail)[1:]...)
			return out.end(nil)
		}
		if shown > 0 {
			out.buf = append(out.buf, ',')
		}
		if err := out.listed(f, q.projection); err != nil {
			return out.end(err)
		}
		shown, last = shown+1, f.rec
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
