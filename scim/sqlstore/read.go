package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

const (
	// theDirectory is the id of a directory; its arguments are tenant and
	// connection.
	theDirectory = `(SELECT id FROM @directories WHERE tenant = ? AND connection = ?)`
	// columns are those of a record, as scanRecord reads them.
	columns = `r.type, r.id, r.version, r.ordinal, r.created, r.modified, r.display, r.doc`
	// batch is how many rows a statement is about at most.
	batch = 500
)

func scanRecord(scan func(...any) error) (scim.Record, error) {
	var rec scim.Record
	var created, modified int64
	err := scan(&rec.Type, &rec.ID, &rec.Version, &rec.Ordinal, &created, &modified, &rec.Display, &rec.Doc)
	rec.Created, rec.LastModified = toTime(created), toTime(modified)
	return rec, err
}

// A reader is a transaction that reads from one directory.
type reader struct {
	tx  *sqldb.Tx
	dir scim.Directory
}

func (s *Store) read(ctx context.Context, dir scim.Directory, work func(*reader) error) error {
	return s.db.Read(ctx, func(tx *sqldb.Tx) error { return work(&reader{tx, dir}) })
}

// Get implements scim.Store.
func (s *Store) Get(ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
	if !isText(ref.ID) || !isText(ref.Type) {
		return scim.Record{}, scim.ErrNotFound
	}
	var records []scim.Record
	err := s.read(ctx, dir, func(r *reader) error {
		const query = `SELECT ` + columns + ` FROM @records r WHERE r.directory = ` + theDirectory + ` AND r.id = ? AND r.type = ?`
		var err error
		if records, err = r.records(ctx, query, dir.Tenant, dir.Connection, ref.ID, ref.Type); err != nil || !links {
			return err
		}
		return r.links(ctx, records)
	})
	if err == nil && len(records) == 0 {
		err = scim.ErrNotFound
	}
	if err != nil {
		return scim.Record{}, fail("get", err)
	}
	return records[0], nil
}

// List implements scim.Store.
func (s *Store) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	var page scim.Page
	sel, possible := selectionOf(dir, q)
	if !possible {
		return page, ctx.Err()
	}
	err := s.read(ctx, dir, func(r *reader) error {
		var err error
		if page.Records, err = r.page(ctx, sel, q); err != nil {
			return err
		}
		if q.Count {
			if q.After == 0 && q.Offset == 0 && len(page.Records) < q.Limit {
				page.Total = len(page.Records) // the page holds everything
			} else if _, err := r.tx.Get(ctx, `SELECT COUNT(*)`+sel.sql, sel.args, &page.Total); err != nil {
				return err
			}
		}
		if !q.Links {
			return nil
		}
		return r.links(ctx, page.Records)
	})
	if err != nil {
		return scim.Page{}, fail("list", err)
	}
	return page, nil
}

// page reads the records of a page: first their ordinals from an index alone,
// then the rows. So no database has a choice of what to go by, and is as fast
// on the day that it has no statistics of the tables yet.
func (r *reader) page(ctx context.Context, sel selection, q scim.Query) ([]scim.Record, error) {
	if q.Limit <= 0 {
		return nil, nil
	}
	var ordinals []any
	query := `SELECT ` + sel.place + sel.sql + ` AND ` + sel.place + ` > ? ORDER BY ` + sel.place + ` LIMIT ? OFFSET ?`
	err := r.tx.Each(ctx, query, append(slices.Clone(sel.args), q.After, q.Limit, q.Offset), func(rows *sql.Rows) error {
		var ordinal int64
		err := rows.Scan(&ordinal)
		ordinals = append(ordinals, ordinal)
		return err
	})
	if err != nil {
		return nil, err
	}
	var records []scim.Record
	for some := range slices.Chunk(ordinals, batch) {
		query := `SELECT ` + columns + ` FROM @records r WHERE r.directory = ` + theDirectory + ` AND r.ordinal IN (` +
			sqldb.Marks("?", len(some)) + `) ORDER BY r.ordinal`
		found, err := r.records(ctx, query, append([]any{r.dir.Tenant, r.dir.Connection}, some...)...)
		if err != nil {
			return nil, err
		}
		records = append(records, found...)
	}
	return records, nil
}

// A selection is the part of a query that says which records are meant.
type selection struct {
	sql   string // from FROM on
	args  []any
	place string // the ordinal of a record, and the end of the index to go by
}

// selectionOf finds the index to go by: that of the key which few records have.
// It reports false if no record can be meant.
func selectionOf(dir scim.Directory, q scim.Query) (selection, bool) {
	if !isText(q.Type) || slices.ContainsFunc(q.Where, func(k scim.Key) bool { return !isText(k.Name) || !isText(k.Value) }) {
		return selection{}, false
	}
	where := slices.Clone(q.Where)
	slices.SortStableFunc(where, func(a, b scim.Key) int { return cmp.Compare(rank(a), rank(b)) })
	by := match{table: "@records", ordinal: "ordinal", typ: "type"}
	if len(where) > 0 {
		by, where = matchOf(dir, where[0]), where[1:]
	}
	s := selection{
		sql:   ` FROM ` + by.table + ` x WHERE x.directory = ` + theDirectory + by.condition,
		args:  append([]any{dir.Tenant, dir.Connection}, by.args...),
		place: "x." + by.ordinal,
	}
	if by.typ != "" && q.Type != "" {
		s.sql += ` AND x.` + by.typ + ` = ?`
		s.args = append(s.args, q.Type)
	}
	for _, key := range where {
		m := matchOf(dir, key)
		s.sql += ` AND EXISTS (SELECT 1 FROM ` + m.table + ` y WHERE y.directory = x.directory AND y.` + m.ordinal + ` = ` + s.place +
			m.condition + `)`
		s.args = append(s.args, m.args...)
	}
	return s, by.typ != "" || q.Type == "" || q.Type == scim.TypeGroup
}

// rank orders keys by how many records one value may have.
func rank(key scim.Key) int {
	order := [...]string{scim.KeyID, scim.KeyUserName, scim.KeyExternalID, scim.KeyEmail, scim.KeyMember}
	if at := slices.Index(order[:], key.Name); at >= 0 {
		return at
	}
	if key.Name == scim.KeyGroup {
		return len(order) + 1
	}
	return len(order)
}

// A match is how a table tells which records have a key.
type match struct {
	table     string
	ordinal   string // the column that names the record
	typ       string // the column with its type; empty where only groups are named
	condition string // begins with AND
	args      []any
}

func matchOf(dir scim.Directory, key scim.Key) match {
	const other = `(SELECT o.ordinal FROM @records o WHERE o.directory = ` + theDirectory + ` AND o.id = ?)`
	switch key.Name {
	case scim.KeyID:
		return match{"@records", "ordinal", "type", " AND id = ?", []any{key.Value}}
	case scim.KeyMember:
		return match{"@members", "grp", "", " AND member = " + other, []any{dir.Tenant, dir.Connection, key.Value}}
	case scim.KeyGroup:
		return match{"@members", "member", "member_type", " AND grp = " + other, []any{dir.Tenant, dir.Connection, key.Value}}
	}
	return match{"@keys", "ordinal", "type", " AND name = ? AND value = ?", []any{key.Name, key.Value}}
}

// Changes implements scim.Store. Deletions are never forgotten.
func (s *Store) Changes(ctx context.Context, dir scim.Directory, after int64, limit int) ([]scim.Record, error) {
	var changes []scim.Record
	err := s.read(ctx, dir, func(r *reader) error {
		var first, seq int64
		const bounds = `SELECT first, seq FROM @directories WHERE tenant = ? AND connection = ?`
		if _, err := r.tx.Get(ctx, bounds, []any{dir.Tenant, dir.Connection}, &first, &seq); err != nil {
			return err
		}
		if after != 0 && after < first || after > seq {
			return sources.ErrCursorExpired
		}
		var err error
		changes, err = r.changes(ctx, after, limit)
		return err
	})
	if err != nil {
		return nil, fail("list changes", err)
	}
	return changes, nil
}

func (r *reader) changes(ctx context.Context, after int64, limit int) ([]scim.Record, error) {
	if limit <= 0 {
		return nil, nil
	}
	const query = `SELECT ` + columns + ` FROM @records r WHERE r.directory = ` + theDirectory + ` AND r.version > ? ORDER BY r.version LIMIT ?`
	changes, err := r.records(ctx, query, r.dir.Tenant, r.dir.Connection, after, limit)
	if err != nil {
		return nil, err
	}
	const deletions = `SELECT type, id, version FROM @deletions WHERE directory = ` + theDirectory + ` AND version > ? ORDER BY version LIMIT ?`
	err = r.tx.Each(ctx, deletions, []any{r.dir.Tenant, r.dir.Connection, after, limit}, func(rows *sql.Rows) error {
		gone := scim.Record{Deleted: true}
		err := rows.Scan(&gone.Type, &gone.ID, &gone.Version)
		changes = append(changes, gone)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(changes, func(a, b scim.Record) int { return cmp.Compare(a.Version, b.Version) })
	changes = changes[:min(limit, len(changes))]
	return changes, r.members(ctx, changes)
}

func (r *reader) records(ctx context.Context, query string, args ...any) ([]scim.Record, error) {
	var records []scim.Record
	err := r.tx.Each(ctx, query, args, func(rows *sql.Rows) error {
		rec, err := scanRecord(rows.Scan)
		records = append(records, rec)
		return err
	})
	return records, err
}

// links fills in the members of groups and the groups of other records.
func (r *reader) links(ctx context.Context, records []scim.Record) error {
	if err := r.members(ctx, records); err != nil {
		return err
	}
	const groups = `SELECT m.member, o.type, o.id, o.display FROM @members m JOIN @records o ON o.directory = m.directory AND o.ordinal = m.grp
		WHERE m.directory = ` + theDirectory + ` AND m.member IN (`
	return r.linksOf(ctx, records, groups, func(rec scim.Record) bool { return rec.Type != scim.TypeGroup })
}

// members fills in the members of groups.
func (r *reader) members(ctx context.Context, records []scim.Record) error {
	const members = `SELECT m.grp, o.type, o.id, m.display FROM @members m JOIN @records o ON o.directory = m.directory AND o.ordinal = m.member
		WHERE m.directory = ` + theDirectory + ` AND m.grp IN (`
	return r.linksOf(ctx, records, members, func(rec scim.Record) bool { return rec.Type == scim.TypeGroup && !rec.Deleted })
}

// linksOf fills in the links of those records that are meant. The query ends
// where the list of their ordinals begins.
func (r *reader) linksOf(ctx context.Context, records []scim.Record, query string, meant func(scim.Record) bool) error {
	byOrdinal := make(map[int64]*scim.Record)
	var ordinals []any
	for i := range records {
		if meant(records[i]) {
			byOrdinal[records[i].Ordinal] = &records[i]
			ordinals = append(ordinals, records[i].Ordinal)
		}
	}
	for some := range slices.Chunk(ordinals, batch) {
		args := append([]any{r.dir.Tenant, r.dir.Connection}, some...)
		err := r.tx.Each(ctx, query+sqldb.Marks("?", len(some))+`)`, args, func(rows *sql.Rows) error {
			var of int64
			var link scim.Link
			err := rows.Scan(&of, &link.Type, &link.ID, &link.Display)
			if rec := byOrdinal[of]; rec != nil {
				rec.Links = append(rec.Links, link)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
