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

// A read is one statement, which sees one state of the database. Statements go
// to a table by the one index that begins with what they know, or in an order
// that only one index has, and from there row by row, so that no database has
// statistics to wait for:
//
//   - a subquery with LIMIT, and a scalar subquery, is not joined in another way;
//   - (type, ordinal) > (?, ?) AND type <= ? is type = ? AND ordinal > ?, but
//     in the order of the index of types, where the primary key has none.
const (
	// theDirectory is the id of the directory that ?1 and ?2 name.
	theDirectory = `(SELECT d.id FROM @directories d WHERE d.tenant = ?1 AND d.connection = ?2)`
	// columns are those of a record, as scanRecord reads them.
	columns = `r.type, r.id, r.version, r.ordinal, r.created, r.modified, r.display, r.doc`
)

func scanRecord(rows *sql.Rows, more ...any) (scim.Record, error) {
	var rec scim.Record
	var created, modified int64
	err := rows.Scan(append([]any{&rec.Type, &rec.ID, &rec.Version, &rec.Ordinal, &created, &modified, &rec.Display, &rec.Doc}, more...)...)
	rec.Created, rec.LastModified = toTime(created), toTime(modified)
	return rec, err
}

// joinRecord joins the record r of an ordinal, by the primary key. Each row
// before it has a directory column of the table named.
func joinRecord(dialect Dialect, table, ordinal, as string) string {
	if dialect == PostgreSQL {
		return fmt.Sprintf(` CROSS JOIN LATERAL (SELECT * FROM @records WHERE directory = %s.directory AND ordinal = %s LIMIT 1) %s`, table, ordinal, as)
	}
	return fmt.Sprintf(` CROSS JOIN @records %[3]s ON %[3]s.directory = %[1]s.directory AND %[3]s.ordinal = %[2]s`, table, ordinal, as)
}

// A linked says which links a statement reads with a record r.
type linked uint8

const (
	noLinks linked = iota
	membersOfGroup
	groupsOfMember
	linksOfAny
)

// linksOf is the kind of links that records of a type have; "" is all types.
func linksOf(typ string) linked {
	switch typ {
	case "":
		return linksOfAny
	case scim.TypeGroup:
		return membersOfGroup
	}
	return groupsOfMember
}

// linkColumns are the columns of each linked: JSON lists of type, id and
// display, with a comma before.
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

// scanLinked reads a record with the column of its links, if there is one.
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

// parseLinks reads a JSON list of type, id and display. Empty is none.
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

// statements are those of the store that do not depend on the query.
type statements struct {
	get     [4]string // by linked
	links   [4]string // the columns
	changes string
}

func newStatements(dialect Dialect) statements {
	s := statements{links: linkColumns(dialect)}
	for i, column := range s.links {
		s.get[i] = `SELECT ` + columns + column + ` FROM (SELECT * FROM @records WHERE directory = ` + theDirectory +
			` AND id = ?3 LIMIT 1) r WHERE r.type = ?4`
	}
	// The first row says which numbers the directory gave.
	s.changes = `WITH d AS MATERIALIZED (SELECT id, first, seq FROM @directories WHERE tenant = ?1 AND connection = ?2),
		c AS MATERIALIZED (SELECT directory, ordinal, version FROM @records WHERE directory = (SELECT id FROM d) AND version > ?3
			ORDER BY version LIMIT (SELECT CAST(?4 AS BIGINT))),
		g AS MATERIALIZED (SELECT version, type, id FROM @deletions WHERE directory = (SELECT id FROM d) AND version > ?3
			ORDER BY version LIMIT ?4)
		SELECT '' AS type, '' AS id, seq AS version, 0 AS ordinal, first AS created, 0 AS modified, '' AS display, NULL AS doc, NULL AS links FROM d
		UNION ALL SELECT ` + columns + `, CASE WHEN r.type = 'Group' THEN ` + s.links[membersOfGroup][2:] + ` END FROM c` +
		joinRecord(dialect, "c", "c.ordinal", "r") + `
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

// Changes implements scim.Store. Deletions are never forgotten.
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
