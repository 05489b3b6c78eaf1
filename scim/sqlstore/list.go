package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strconv"
	"unsafe"

	"github.com/usher-go/usher/scim"
)

// List implements scim.Store. It is one statement, and a second one for a total
// that does not follow from the page.
func (s *Store) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	sel, possible := selectionOf(s.db.Dialect(), dir, q)
	if !possible {
		return scim.Page{}, ctx.Err()
	}
	page, err := s.page(ctx, sel, q)
	if err == nil && q.Count {
		page.Total = len(page.Records)
		if q.After != 0 || q.Offset != 0 || len(page.Records) >= q.Limit { // the page may not be the complete result
			page.Total, err = s.total(ctx, sel)
		}
	}
	if err != nil {
		return scim.Page{}, fail("list", err)
	}
	return page, nil
}

// page reads the ordinals of a page from an index only, and then the records.
// If the index belongs to the records and none is skipped, it reads both
// together, which takes half the time.
func (s *Store) page(ctx context.Context, sel selection, q scim.Query) (scim.Page, error) {
	var page scim.Page
	if q.Limit <= 0 {
		return page, nil
	}
	columns, join, scan := s.row(q)
	query := `SELECT ` + columns + ` FROM `
	rows := sel.after(sel.arg(q.After)) + ` LIMIT (SELECT CAST(` + sel.arg(q.Limit) + ` AS BIGINT))`
	if sel.row == "r" && q.Offset == 0 {
		query += `@records r` + join + sel.where + rows
		page.Records = make([]scim.Record, 0, min(q.Limit, maxReserved))
	} else {
		query = `WITH p AS MATERIALIZED (SELECT ` + sel.row + `.directory, ` + sel.row + `.` + sel.ordinal + ` AS ordinal` + sel.from + sel.where + rows +
			` OFFSET ` + sel.arg(q.Offset) + `) ` + query + `p` + joinRecord(s.db.Dialect(), "p", "p.ordinal", "r") + join + ` ORDER BY r.ordinal`
	}
	err := s.query(ctx, sel, query, func(rows *sql.Rows) error {
		rec, err := scan(rows)
		page.Records = append(page.Records, rec)
		return err
	})
	return page, err
}

// maxReserved is the greatest number of records for which page reserves memory.
const maxReserved = 2000

// row returns what a query reads of each record r: the columns, the join of
// what is in another table, and how to scan them. The document is not copied:
// the text that the driver returns never changes, and nobody changes the bytes
// of a record.
func (s *Store) row(q scim.Query) (columns, join string, scan func(*sql.Rows) (scim.Record, error)) {
	var rec scim.Record
	var doc string
	var created, modified int64
	var links sql.RawBytes
	columns, targets := `r.id, r.ordinal`, []any{&rec.ID, &rec.Ordinal}
	read := func(more string, into ...any) { columns, targets = columns+`, `+more, append(targets, into...) }
	if rec.Type = q.Type; q.Type == "" {
		read(`r.type`, &rec.Type)
	}
	if !q.NoDoc {
		read(`r.doc`, &doc)
	}
	if !q.NoMeta {
		read(`v.version, r.created, v.modified, r.display`, &rec.Version, &created, &modified, &rec.Display)
		join = joinVersion(s.db.Dialect())
	}
	if q.Links {
		columns, targets = columns+s.texts.links[linksOf(q.Type)], append(targets, &links)
	}
	return columns, join, func(rows *sql.Rows) (scim.Record, error) {
		err := rows.Scan(targets...)
		rec.Doc = unsafe.Slice(unsafe.StringData(doc), len(doc))
		if !q.NoMeta {
			rec.Created, rec.LastModified = toTime(created), toTime(modified)
		}
		if err == nil {
			rec.Links, err = parseLinks(links)
		}
		return rec, err
	}
}

func (s *Store) total(ctx context.Context, sel selection) (total int, err error) {
	query := sel.total
	if query == "" {
		query = `SELECT COUNT(*)` + sel.from + sel.where + sel.ofType
	}
	err = s.query(ctx, sel, query, func(rows *sql.Rows) error { return rows.Scan(&total) })
	return total, err
}

// query runs a statement. A statement for at most one key is kept prepared.
func (s *Store) query(ctx context.Context, sel selection, query string, scan func(*sql.Rows) error) error {
	if sel.plain {
		if err := s.db.Keep(ctx, query); err != nil {
			return err
		}
	}
	return s.db.Query(ctx, s.db.NewWait(), query, sel.args, scan)
}

// A selection is the part of a query that selects records. It consists of rows
// of a table, in the order of their ordinals, which an index provides.
type selection struct {
	from    string // the query from FROM on, up to where
	where   string
	row     string // the name of the rows: r for records, x for others
	ofType  string // the condition on the type, beginning with AND
	ordinal string // the column that contains the ordinal
	// typed is the column that contains the type. It is set if the index has
	// this column before the ordinal, and if no other condition excludes other
	// indexes.
	typed string
	total string // the statement that reads the total, if a table has it
	plain bool   // the query has at most one key
	args  []any  // ?1 is the tenant, ?2 the connection
	typ   string // the argument of the type
}

// arg adds an argument and returns its placeholder.
func (s *selection) arg(value any) string {
	s.args = append(s.args, value)
	return "?" + strconv.Itoa(len(s.args))
}

// after returns the condition and the order of the rows after an ordinal.
func (s *selection) after(ordinal string) string {
	at := s.row + `.` + s.ordinal
	if s.typed == "" {
		return s.ofType + ` AND ` + at + ` > ` + ordinal + ` ORDER BY ` + at
	}
	typed := s.row + `.` + s.typed
	of := typed + `, ` + at
	return ` AND (` + of + `) > (` + s.typ + `, ` + ordinal + `) AND ` + typed + ` <= ` + s.typ + ` ORDER BY ` + of
}

// selectionOf chooses the index to use: that of the key that the fewest records
// have. It reports false if no record can match.
func selectionOf(dialect Dialect, dir scim.Directory, q scim.Query) (selection, bool) {
	s := selection{row: "x", args: []any{dir.Tenant, dir.Connection}, plain: len(q.Where) == 0 || len(q.Where) == 1 && len(q.Any) == 0}
	if !isText(q.Type) || slices.ContainsFunc(q.Where, func(k scim.Key) bool { return !isText(k.Name) || !isText(k.Value) }) {
		return s, false
	}
	where := slices.Clone(q.Where)
	slices.SortStableFunc(where, func(a, b scim.Key) int { return cmp.Compare(rank(a), rank(b)) })
	possible := true
	switch {
	case len(q.Any) > 0:
		possible = s.any(dialect, q.Any, q.Type)
	case len(where) == 0:
		s.all(q.Type)
	default:
		possible, where = s.by(where[0], q.Type), where[1:]
	}
	if len(where) > 0 {
		s.total = ""
	}
	for _, key := range where {
		s.and(key)
	}
	return s, possible
}

// rank orders keys by the number of records that one value may have.
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

// all selects all records of the type, or of all types.
func (s *selection) all(typ string) {
	s.from, s.where, s.row, s.ordinal = ` FROM @records r`, ` WHERE r.directory = `+theDirectory, "r", "ordinal"
	s.restrict("type", typ)
	if typ != "" {
		s.typed = "type"
	}
	s.total = s.counted("0")
}

// restrict adds the condition that column has the type; "" means all types.
func (s *selection) restrict(column, typ string) {
	if typ != "" {
		s.typ = s.arg(typ)
		s.ofType = ` AND ` + s.row + `.` + column + ` = ` + s.typ
	}
}

// by selects the records that have a key. It reports false if no record of the
// type can have it.
func (s *selection) by(key scim.Key, typ string) bool {
	value := s.arg(key.Value)
	switch key.Name {
	case scim.KeyID:
		s.from, s.ordinal = ` FROM (SELECT directory, ordinal, type FROM @records WHERE directory = `+theDirectory+` AND id = `+value+
			` LIMIT 1) x WHERE TRUE`, "ordinal"
		s.restrict("type", typ)
	case scim.KeyMember:
		s.from, s.ordinal = ` FROM @members x WHERE x.member = `+ordinalOf(value)+` AND x.directory = `+theDirectory, "grp"
		return typ == "" || typ == scim.TypeGroup
	case scim.KeyGroup:
		s.from, s.ordinal = ` FROM @members x WHERE x.grp = `+ordinalOf(value)+` AND x.directory = `+theDirectory, "member"
		s.restrict("member_type", typ)
		s.total = s.counted(ordinalOf(value))
		if typ != "" && typ != scim.TypeUser { // use the index of members that are not users
			s.from += ` AND x.member_type <> 'User'`
			s.typed = "member_type"
		}
	default:
		s.from, s.ordinal = ` FROM @keys x WHERE x.value = `+value+` AND x.name = `+s.arg(key.Name)+` AND x.directory = `+theDirectory, "ordinal"
		s.restrict("type", typ)
	}
	return true
}

// and adds the condition that each selected row has another key. A column with
// which another index begins is compared as an expression, so that the database
// uses the index of the row's ordinal.
func (s *selection) and(key scim.Key) {
	value, of := s.arg(key.Value), `x.`+s.ordinal
	var from string
	switch key.Name {
	case scim.KeyID:
		from = `@records y WHERE y.ordinal = ` + of + ` AND y.id || '' = ` + value
	case scim.KeyMember:
		from = `@members y WHERE y.grp = ` + of + ` AND y.member = ` + ordinalOf(value)
	case scim.KeyGroup:
		from = `@members y WHERE y.member = ` + of + ` AND y.grp = ` + ordinalOf(value)
	default:
		from = `@keys y WHERE y.ordinal = ` + of + ` AND y.name = ` + s.arg(key.Name) + ` AND y.value || '' = ` + value
	}
	s.where += ` AND (SELECT 1 FROM ` + from + ` AND y.directory = x.directory LIMIT 1) = 1`
}

// ordinalOf returns a query for the ordinal of the record with an id.
func ordinalOf(id string) string {
	return `(SELECT o.ordinal FROM @records o WHERE o.directory = ` + theDirectory + ` AND o.id = ` + id + `)`
}

// counted returns the statement that reads a total from the table of totals: the
// members of a group, or all records if the group is 0.
func (s *selection) counted(group string) string {
	query := `SELECT CAST(COALESCE(SUM(t.total), 0) AS BIGINT) FROM @totals t WHERE t.directory = ` + theDirectory + ` AND t.grp = ` + group
	if s.typ != "" {
		query += ` AND t.type = ` + s.typ
	}
	return query
}
