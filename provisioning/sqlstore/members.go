package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strings"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// memberFields returns the columns that a memberReader scans, each with the prefix
// of, such as "m.".
func memberFields(of string) string {
	return of + strings.Join(append(columnNames, "revision", "id", "protected", "subject"), ", "+of)
}

// selectMembers reads a tenant's members.
var selectMembers = `SELECT ` + memberFields("m.") + ` FROM @members m WHERE m.tenant = ? ORDER BY m.id`

// A memberReader reads members from rows, one after another.
type memberReader struct {
	m         provisioning.Member // the present member
	revision  int64
	targets   []any     // scan targets of the columns
	few       []*string // fields of m that have few different values in a team
	documents []document
	parser    documentParser
}

// A document is a JSON document that is parsed into a field of a member.
type document struct {
	column string
	text   sql.RawBytes
	field  any // a pointer
}

func newMemberReader() *memberReader {
	r := &memberReader{documents: make([]document, 0, len(columns))}
	for _, c := range columns {
		target := c.field(&r.m)
		switch field := target.(type) {
		case *bool:
		case *string:
			if c.few {
				r.few = append(r.few, field)
			}
		default:
			r.documents = append(r.documents, document{column: c.name, field: field})
			target = &r.documents[len(r.documents)-1].text
		}
		r.targets = append(r.targets, target)
	}
	r.targets = append(r.targets, &r.revision, &r.m.ID, &r.m.Protected, &r.m.Subject)
	return r
}

// read reads the current row. The member shares no memory with earlier members,
// except texts. The targets others receive the columns before those of the member.
func (r *memberReader) read(rows *sql.Rows, others ...any) (provisioning.Member, error) {
	if err := rows.Scan(append(others, r.targets...)...); err != nil {
		return provisioning.Member{}, err
	}
	r.m.Revision = revisionOf(r.revision)
	for _, text := range r.few {
		*text = r.parser.once(*text)
	}
	for i := range r.documents {
		d := &r.documents[i]
		if err := r.parser.parse(d.text, d.field); err != nil {
			return provisioning.Member{}, fmt.Errorf("member %s: column %s: %w", r.m.ID, d.column, err)
		}
	}
	return r.m, nil
}

// Members implements provisioning.Store. It yields the members in the order of their
// IDs. They come from one statement, and so from one state of the database. The
// loop holds a connection until it ends.
func (s *Store) Members(ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
	return func(yield func(provisioning.Member, error) bool) {
		stopped := false
		err := s.members(ctx, tenant, func(m provisioning.Member) bool {
			stopped = !yield(m, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(provisioning.Member{}, fmt.Errorf("sqlstore: members: %w", err))
		}
	}
}

func (s *Store) members(ctx context.Context, tenant string, each func(provisioning.Member) bool) error {
	return s.read(ctx, func(tx *sqldb.Tx) error {
		rows, err := tx.QueryContext(ctx, s.db.SQL(selectMembers), tenant)
		if err != nil {
			return err
		}
		defer rows.Close()
		reader := newMemberReader()
		for rows.Next() {
			m, err := reader.read(rows)
			if err != nil {
				return err
			}
			if !each(m) {
				return nil
			}
		}
		return rows.Err()
	})
}
