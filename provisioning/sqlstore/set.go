package sqlstore

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/usher-go/usher/provisioning"
)

// actionColumns are what a set has of each action beside the fields of its
// member, and the types of the arrays in which they travel.
var actionColumns = []struct{ name, array string }{
	{"action_key", "TEXT[]"}, {"id", "TEXT[]"}, {"expected", "BIGINT[]"}, {"revision", "BIGINT[]"}, {"email_key", "TEXT[]"},
	{"kind", "TEXT[]"}, {"changes", "TEXT[]"}, {"reasons", "TEXT[]"},
}

// applySet is the statement that finds the states of a set of actions, and
// writes them if all are clean: then it returns no rows, and otherwise their
// states in order. It is for PostgreSQL, in which one statement may do all
// that; the values travel as an array for each column, so that its text is the
// same for one action and for hundreds.
var applySet = func() string {
	names, arrays := make([]string, 0, 40), make([]string, 0, 40)
	for _, c := range actionColumns {
		names, arrays = append(names, c.name), append(arrays, "CAST(? AS "+c.array+")")
	}
	fields := make([]string, len(columns))
	for i, c := range columns {
		array, field := "TEXT[]", c.name
		switch c.field(new(provisioning.Member)).(type) {
		case *string:
		case *bool:
			array = "BOOLEAN[]"
		default:
			field = "CAST(" + c.name + " AS JSON_TYPE)"
		}
		names, arrays, fields[i] = append(names, c.name), append(arrays, "CAST(? AS "+array+")"), field
	}
	const clean = `FROM c WHERE (SELECT clean FROM verdict) ORDER BY n`
	return `WITH j AS (SELECT CAST(? AS TEXT) AS tenant, CAST(? AS TEXT) AS committed_at, CAST(? AS TEXT) AS actor, a.*
			FROM unnest(` + strings.Join(arrays, ", ") + `) WITH ORDINALITY AS a(` + strings.Join(names, ", ") + `, n)),
		c AS MATERIALIZED (SELECT j.*, ` + states + ` FROM j),
		verdict AS (SELECT CAST(? AS BOOLEAN) AND NOT EXISTS (SELECT 1 FROM c WHERE done IS NOT NULL OR current <> expected
			OR email_holder IS NOT NULL OR identity_holder IS NOT NULL) AS clean),
		members AS (` + insertMember + `SELECT ` + strings.Join(fields, ", ") + `, email_key, revision, tenant, id ` + clean + orUpdateMember + `),
		keys AS (` + insertKey + `SELECT tenant, action_key, id ` + clean + orUpdateKey + `),
		effects AS (` + insertEffect + `SELECT CAST(? AS TEXT), kind, action_key, to_id, about_id
			FROM unnest(CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[])) WITH ORDINALITY AS e(kind, action_key, to_id, about_id, n)
			WHERE (SELECT clean FROM verdict) ORDER BY n),
		audit AS (` + insertAudit + `SELECT tenant, committed_at, action_key, kind, id, email, actor,
			CAST(changes AS JSON_TYPE), CAST(reasons AS JSON_TYPE) ` + clean + `)
		SELECT current, done, email_holder, identity_holder FROM c WHERE NOT (SELECT clean FROM verdict) ORDER BY n`
}()

// attemptSet is attempt in one statement.
func (w *writer) attemptSet(ctx context.Context, rows []*row, write bool) ([]state, error) {
	actions, fields, effects := make([]array, len(actionColumns)), make([]array, len(columns)), make([]array, 4)
	for _, r := range rows {
		a := r.action
		for i, value := range []any{a.Key, a.Member.ID, r.expected, w.before + r.turn, r.emailKey, a.Kind.String(), r.changes, r.reasons} {
			actions[i].add(value)
		}
		for i, value := range r.values {
			fields[i].add(value)
		}
		for _, e := range a.Effects {
			for i, value := range []string{string(e.Kind), e.Key, e.To, e.About} {
				effects[i].add(value)
			}
		}
	}
	args := []any{w.tenant, w.at.Format(timeLayout), provisioning.ActorFrom(ctx)}
	for _, arrays := range [][]array{actions, fields} {
		for i := range arrays {
			args = append(args, arrays[i].literal())
		}
	}
	args = append(args, write, w.tenant)
	for i := range effects {
		args = append(args, effects[i].literal())
	}
	var found []state
	err := w.tx.Each(ctx, applySet, args, func(rows *sql.Rows) error {
		found = append(found, state{})
		return rows.Scan(found[len(found)-1].targets()...)
	})
	return found, err
}

// An array is a value of an array type of PostgreSQL, in its text form, which
// every driver passes on.
type array struct{ text strings.Builder }

// add adds an element: a string, bool or int64, or nil for NULL.
func (a *array) add(value any) {
	separator := byte(',')
	if a.text.Len() == 0 {
		separator = '{'
	}
	a.text.WriteByte(separator)
	switch v := value.(type) {
	case nil:
		a.text.WriteString("NULL")
	case bool:
		a.text.WriteString(strconv.FormatBool(v))
	case int64:
		a.text.WriteString(strconv.FormatInt(v, 10))
	case string:
		a.text.WriteByte('"')
		for {
			special := strings.IndexAny(v, `"\`)
			if special < 0 {
				break
			}
			a.text.WriteString(v[:special])
			a.text.WriteByte('\\')
			a.text.WriteByte(v[special])
			v = v[special+1:]
		}
		a.text.WriteString(v)
		a.text.WriteByte('"')
	}
}

// literal returns the array's text.
func (a *array) literal() string {
	if a.text.Len() == 0 {
		return "{}"
	}
	return a.text.String() + "}"
}
