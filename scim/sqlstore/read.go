package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// A read is one statement, which sees one state of the database. The query
// plans must not depend on statistics. Therefore a statement reads a table
// through the only index that begins with the known columns, or in an order
// that only one index has, and joins other tables row by row:
//
//   - a subquery with LIMIT, or a scalar subquery, prevents any other way of
//     joining;
//   - (type, ordinal) > (?, ?) AND type <= ? means type = ? AND ordinal > ?,
//     but has the order of the index of types, which the primary key does not
//     have.
const (
	// theDirectory selects the id of the directory with tenant ?1 and
	// connection ?2.
	theDirectory = `(SELECT d.id FROM @directories d WHERE d.tenant = ?1 AND d.connection = ?2)`
	// columns are the columns of a record r and its version v that scanRecord
	// reads.
	columns = `r.type, r.id, v.version, r.ordinal, r.created, v.modified, r.display, r.doc`
)

func scanRecord(rows *sql.Rows, more ...any) (scim.Record, error) {
	var rec scim.Record
	var created, modified int64
	err := rows.Scan(append([]any{&rec.Type, &rec.ID, &rec.Version, &rec.Ordinal, &created, &modified, &rec.Display, &rec.Doc}, more...)...)
	rec.Created, rec.LastModified = toTime(created), toTime(modified)
	return rec, err
}

// joinRecord joins the record with an ordinal by the primary key, under the
// name as. The named table has a directory column.
func joinRecord(dialect Dialect, table, ordinal, as string) string {
	if dialect == PostgreSQL {
		return fmt.Sprintf(` CROSS JOIN LATERAL (SELECT * FROM @records WHERE directory = %s.directory AND ordinal = %s LIMIT 1) %s`, table, ordinal, as)
	}
	return fmt.Sprintf(` CROSS JOIN @records %[3]s ON %[3]s.directory = %[1]s.directory AND %[3]s.ordinal = %[2]s`, table, ordinal, as)
}

// joinVersion joins the version v of each record r.
func joinVersion(dialect Dialect) string {
	if dialect == PostgreSQL {
		return ` CROSS JOIN LATERAL (SELECT * FROM @versions WHERE ordinal = r.ordinal AND directory = r.directory LIMIT 1) v`
	}
	return liteVersionOf
}

const liteVersionOf = ` CROSS JOIN @versions v ON v.ordinal = r.ordinal AND v.directory = r.directory`

// A linked is the kind of links that a statement reads with a record r.
type linked uint8

const (
	noLinks linked = iota
	membersOfGroup
	groupsOfMember
	linksOfAny
)

// linksOf returns the kind of links that records of a type have; "" means all
// types.
func linksOf(typ string) linked {
	switch typ {
	case "":
		return linksOfAny
	case scim.TypeGroup:
		return membersOfGroup
	}
	return groupsOfMember
}

// linkColumns returns the column of each linked, with a comma before it: a JSON
// list of type, id and display.
func linkColumns(dialect Dialect) [4]string {
	members := `(SELECT JSON_LIST(JSON_ROW(o.type, o.id, m.display)) FROM @members m` + joinRecord(dialect, "m", "m.member", "o") +
		` WHERE m.grp = r.ordinal AND m.directory = r.directory)`
	groups := `(SELECT JSON_LIST(JSON_ROW(o.type, o.id, o.display)) FROM @members m` + joinRecord(dialect, "m", "m.grp", "o") +
		` WHERE m.member = r.ordinal AND m.directory = r.directory)`
	return [...]string{
		noLinks: ``, membersOfGroup: `, ` + members, groupsOfMember: `, ` + groups,
		linksOfAny: `, CASE WHEN r.type = 'Group' THEN ` + members + ` ELSE ` + groups + ` END`,
	}
}

// scanLinked reads a record, and the column of its links, if there is one.
func scanLinked(rows *sql.Rows, links linked) (scim.Record, error) {
	if links == noLinks {
		return scanRecord(rows)
	}
	var text sql.RawBytes
	rec, err := scanRecord(rows, &text)
	if err == nil {
		rec.Links, err = parseLinks(text)
	}
	return rec, err
}

// parseLinks parses a JSON list of type, id and display. An empty text means no
// links.
func parseLinks(text []byte) ([]scim.Link, error) {
	if len(text) == 0 || string(text) == none {
		return nil, nil
	}
	var rows [][3]string
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, err
	}
	links := make([]scim.Link, len(rows))
	for i, row := range rows {
		links[i] = scim.Link{Ref: scim.Ref{Type: row[0], ID: row[1]}, Display: row[2]}
	}
	return links, nil
}

// statements are the statements that do not depend on the query.
type statements struct {
	get     [4]string // indexed by linked
	links   [4]string // the columns, indexed by linked
	changes string
}

func newStatements(dialect Dialect) statements {
	s := statements{links: linkColumns(dialect)}
	for i, column := range s.links {
		s.get[i] = `SELECT ` + columns + column + ` FROM (SELECT * FROM @records WHERE directory = ` + theDirectory +
			` AND id = ?3 LIMIT 1) r` + joinVersion(dialect) + ` WHERE r.type = ?4`
	}
	// The first row has the range of numbers that the directory has assigned.
	s.changes = `WITH d AS MATERIALIZED (SELECT id, first, seq FROM @directories WHERE tenant = ?1 AND connection = ?2),
		c AS MATERIALIZED (SELECT directory, ordinal, version FROM @versions WHERE directory = (SELECT id FROM d) AND version > ?3
			ORDER BY version LIMIT (SELECT CAST(?4 AS BIGINT))),
		g AS MATERIALIZED (SELECT version, type, id FROM @deletions WHERE directory = (SELECT id FROM d) AND version > ?3
			ORDER BY version LIMIT ?4)
		SELECT '' AS type, '' AS id, seq AS version, 0 AS ordinal, first AS created, 0 AS modified, '' AS display, NULL AS doc, NULL AS links FROM d
		UNION ALL SELECT ` + columns + `, CASE WHEN r.type = 'Group' THEN ` + s.links[membersOfGroup][2:] + ` END FROM c` +
		joinRecord(dialect, "c", "c.ordinal", "r") + joinVersion(dialect) + `
		UNION ALL SELECT type, id, version, 0, 0, 0, '', NULL, NULL FROM g
		ORDER BY version`
	return s
}

// Get implements scim.Store.
func (s *Store) Get(ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (rec scim.Record, err error) {
	if !isText(ref.ID) || !isText(ref.Type) {
		return scim.Record{}, scim.ErrNotFound
	}
	kind := noLinks
	if links {
		kind = linksOf(ref.Type)
	}
	args := []any{dir.Tenant, dir.Connection, ref.ID, ref.Type}
	err = s.db.Query(ctx, s.db.NewWait(), s.texts.get[kind], args, func(rows *sql.Rows) (err error) {
		rec, err = scanLinked(rows, kind)
		return err
	})
	if err == nil && rec.Version == 0 {
		err = scim.ErrNotFound
	}
	if err != nil {
		return scim.Record{}, fail("get", err)
	}
	return rec, nil
}

// Changes implements scim.Store. Deletions are never deleted from their table.
func (s *Store) Changes(ctx context.Context, dir scim.Directory, after int64, limit int) ([]scim.Record, error) {
	var changes []scim.Record
	var first, seq int64
	args := []any{dir.Tenant, dir.Connection, after, max(limit, 0)}
	err := s.db.Query(ctx, s.db.NewWait(), s.texts.changes, args, func(rows *sql.Rows) error {
		rec, err := scanLinked(rows, membersOfGroup)
		switch {
		case err != nil:
			return err
		case rec.Type == "":
			first, seq = fromTime(rec.Created), rec.Version
		case rec.Ordinal == 0:
			changes = append(changes, scim.Record{Ref: rec.Ref, Version: rec.Version, Deleted: true})
		default:
			changes = append(changes, rec)
		}
		return nil
	})
	if err == nil && (after != 0 && after < first || after > seq) {
		err = sources.ErrCursorExpired
	}
	if err != nil {
		return nil, fail("list changes", err)
	}
	return slices.Clip(changes[:min(len(changes), max(limit, 0))]), nil
}
