package scim

// A reader reads the records of a query in batches. The size of a batch follows
// from the records before it, so a batch is larger than desired if its records are
// larger than those.
type reader struct {
	x     *exchange
	query Query
	batch int
	total int // Page.Total, if the query requests it
	done  bool
}

// linksAtOnce and bytesAtOnce are the desired numbers of links and of bytes of
// documents in a batch. The first batch has scanPage records, with links
// firstBatch records or firstGroups groups. Nothing says how large the next
// record is, so a batch of documents stays at scanPage, and one of groups small;
// only records without both may be mostScanned.
const (
	linksAtOnce = 50_000
	bytesAtOnce = 4 << 20
	scanPage    = 500
	mostScanned = 2_000
	firstBatch  = 16
	mostLinked  = 500
	firstGroups = 1
	mostGroups  = 8
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
	if q.Limit > freeRecords && len(q.Where) == 0 || q.Links && q.Type == TypeGroup && q.Limit > 0 || r.x.work.held > 0 {
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
	links, bytes, size := 0, 0, 0 // the most of one record, and the sum
	for _, rec := range page.Records {
		r.query.After = rec.Ordinal
		links, bytes = max(links, len(rec.Links)), max(bytes, len(rec.Doc))
		size += memoryOf(rec)
	}
	r.x.work.hold(size)
	largest, growth := scanPage, 2
	switch {
	case q.Links && q.Type == TypeGroup:
		largest = mostGroups
	case q.Links:
		largest, growth = mostLinked, 8 // a page of users in few groups is read in two reads
	case q.NoDoc:
		largest = mostScanned
	}
	r.batch = max(1, min(growth*r.batch, largest, linksAtOnce/(links+1), bytesAtOnce/(bytes+1)))
	return page.Records, nil
}

// scan evaluates the filter on every candidate of the store.
func (x *exchange) scan(selections []selection, q listing, after int64, offset int) (*results, error) {
	r := &results{}
	passed := 0
	ranking := ranking{keep: offset + q.count + 1, descending: q.descending, work: x.work}
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
				return ranking.add(ranked{s.rt, res.rec.ID, res.rec.Ordinal, key, r.total})
			case res.rec.Ordinal <= after:
			case passed < offset:
				passed++
			case len(r.ready) <= q.count:
				r.ready = append(r.ready, seen(s.rt, res.rec.ID, res.rec.Ordinal))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if q.sortBy != "" {
		page, err := ranking.from(offset)
		if err != nil {
			return nil, err
		}
		for _, f := range page {
			r.ready = append(r.ready, seen(f.rt, f.id, f.ordinal))
		}
	}
	x.reread(r, q)
	return r, nil
}

// seen returns what scan keeps of a record.
func seen(rt *resourceType, id string, ordinal int64) found {
	return found{rt, Record{Ref: Ref{rt.name, id}, Ordinal: ordinal}}
}

// reread makes the results read the records of the page when they are written,
// because a scan does not read all of a record. A record that was deleted since
// is marked as such.
func (x *exchange) reread(r *results, q listing) {
	page := r.ready[:min(q.count, len(r.ready))]
	beyond := r.ready[len(page):]
	in := &reader{}
	r.ready, r.more = nil, func() ([]found, error) {
		if len(page) == 0 {
			last := beyond
			beyond = nil
			return last, nil
		}
		rt := page[0].rt
		if in.query.Type != rt.name {
			in = x.reader(Query{Type: rt.name, Links: q.projection.links(rt)})
		}
		n := 1
		for n < min(in.batch, len(page), findKeys) && page[n].rt == rt {
			n++
		}
		batch := page[:n]
		page = page[n:]
		return batch, in.again(batch)
	}
}

// again reads the records of a batch.
func (r *reader) again(batch []found) error {
	r.query.Any, r.query.After, r.done = make([]Key, len(batch)), 0, false
	places := make(map[string]int, len(batch))
	for i, f := range batch {
		r.query.Any[i] = Key{Name: KeyID, Value: f.rec.ID}
		places[f.rec.ID] = i
		batch[i].rec.Deleted = true
	}
	records, err := r.read(len(batch))
	for _, rec := range records {
		if i, ok := places[rec.ID]; ok {
			batch[i].rec = rec
		}
	}
	return err
}

// candidates calls visit for each resource that the selection's filter matches.
// All calls use the same *resource. It has only what the filter and the sorting
// read, and ID and ordinal.
func (x *exchange) candidates(s selection, sortBy attrPath, visit func(*resource) error) error {
	var reads reads
	if s.filter != nil && !s.covered {
		s.filter.reads(s.rt, &reads)
	}
	reads.add(s.rt, sortBy)
	in := x.reader(Query{Type: s.rt.name, Where: s.where, Links: reads.links, NoDoc: reads.fields.count == 0, NoMeta: !reads.meta})
	record := unitsPerRecord
	if reads.meta {
		record += unitsPerMeta
	}
	r := &resource{rt: s.rt, doc: &object{}, locate: x.location}
	for {
		records, err := in.read(mostScanned)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, rec := range records {
			r.rec = rec
			if err := x.work.spend(record + len(rec.Links)*unitsPerReadLink); err != nil {
				return err
			}
			if err := readFields(r.doc, rec, &reads.fields, x.work); err != nil {
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
