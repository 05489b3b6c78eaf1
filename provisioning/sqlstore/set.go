package sqlstore

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/usher-go/usher/provisioning"
)

// A setColumn is a column of a set: its name, the type of the array that passes its
// values, and the value of a row.
type setColumn struct {
	name, array string
	value       func(w *writer, r *row) any
}

// setColumns are the columns that are not fields or keys of the member.
var setColumns = []setColumn{
	{"action_key", "TEXT[]", func(_ *writer, r *row) any { return r.action.Key }},
	{"id", "TEXT[]", func(_ *writer, r *row) any { return r.member.ID }},
	{"expected", "BIGINT[]", func(_ *writer, r *row) any { return r.expected }},
	{"revision", "BIGINT[]", func(w *writer, r *row) any { return w.before + r.turn }},
	{"kind", "TEXT[]", func(_ *writer, r *row) any { return r.action.Kind.String() }},
	{"changes", "TEXT[]", func(_ *writer, r *row) any { return r.changes }},
	{"reasons", "TEXT[]", func(_ *writer, r *row) any { return r.reasons }},
}

// applySet is the statement that reads the states of a set of actions. If all are
// clean, it writes the actions and returns no rows. Otherwise it writes nothing and
// returns the states in order. It is for PostgreSQL, where one statement can do all
// this. The values of each column are passed as an array, so that the text of the
// statement does not depend on the number of actions.
var applySet = func() string {
	var names, arrays []string
	add := func(name, array string) {
		names, arrays = append(names, name), append(arrays, "CAST(? AS "+array+")")
	}
	for _, c := range setColumns {
		add(c.name, c.array)
	}
	fields := make([]string, len(columns), len(columns)+len(keyColumns))
	for i, c := range columns {
		fields[i] = c.name
		switch c.field(new(provisioning.Member)).(type) {
		case *string:
			add(c.name, "TEXT[]")
		case *bool:
			add(c.name, "BOOLEAN[]")
		default:
			add(c.name, "TEXT[]")
			fields[i] = "CAST(" + c.name + " AS JSON_TYPE)"
		}
	}
	for _, name := range keyNames {
		add(name, "TEXT[]")
		fields = append(fields, name)
	}
	const ifClean = `FROM found WHERE (SELECT clean FROM verdict) ORDER BY n`
	return `WITH j AS (SELECT CAST(? AS TEXT) AS tenant, CAST(? AS TEXT) AS committed_at, CAST(? AS TEXT) AS actor, a.*
			FROM unnest(` + strings.Join(arrays, ", ") + `) WITH ORDINALITY AS a(` + strings.Join(names, ", ") + `, n)),
		found AS MATERIALIZED (SELECT j.*, ` + states + ` FROM j),
		verdict AS (SELECT CAST(? AS BOOLEAN) AND NOT EXISTS (SELECT 1 FROM found WHERE done IS NOT NULL OR current <> expected
			OR email_holder IS NOT NULL OR identity_holder IS NOT NULL) AS clean),
		members AS (` + insertMember + `SELECT ` + strings.Join(fields, ", ") + `, revision, tenant, id ` + ifClean + orUpdateMember + `),
		keys AS (` + insertKey + `SELECT tenant, action_key, id ` + ifClean + `),
		counts AS (` + insertCount + `SELECT CAST(? AS TEXT), kind, name, n
			FROM unnest(CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS BIGINT[])) AS c(kind, name, n)
			WHERE (SELECT clean FROM verdict)` + orAddCount + `),
		windows AS (` + insertWindow + `SELECT CAST(? AS TEXT), CAST(? AS BIGINT), connection, class, n
			FROM unnest(CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS BIGINT[])) AS v(connection, class, n)
			WHERE (SELECT clean FROM verdict)` + orAddWindow + `),
		effects AS (` + insertEffect + `SELECT CAST(? AS TEXT), kind, action_key, to_id, about_id
			FROM unnest(CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[]))
				WITH ORDINALITY AS e(kind, action_key, to_id, about_id, n)
			WHERE (SELECT clean FROM verdict) ORDER BY n),
		audit AS (` + insertAudit + `SELECT tenant, committed_at, action_key, kind, id, email, actor,
			CAST(changes AS JSON_TYPE), CAST(reasons AS JSON_TYPE) ` + ifClean + `)
		SELECT current, done, email_holder, identity_holder FROM found WHERE NOT (SELECT clean FROM verdict) ORDER BY n`
}()

// attemptSet is attempt in one statement.
func (w *writer) attemptSet(ctx context.Context, rows []*row, write bool) ([]state, error) {
	arrays, counts, windows, effects := make([]array, len(setColumns)+len(columns)+len(keyColumns)), make([]array, 3), make([]array, 3), make([]array, 4)
	for _, r := range rows {
		for i, c := range setColumns {
			arrays[i].add(c.value(w, r))
		}
		for i, value := range r.values {
			arrays[len(setColumns)+i].add(value)
		}
		for i, value := range r.keys {
			arrays[len(setColumns)+len(columns)+i].add(value)
		}
		for _, e := range r.action.Effects {
			for i, value := range []string{string(e.Kind), e.Key, e.To, e.About} {
				effects[i].add(value)
			}
		}
	}
	tallies := w.tallies(rows)
	for _, t := range tallies {
		for i, value := range []any{t.kind, t.name, t.n} {
			counts[i].add(value)
		}
	}
	added, anew := w.windowCounts(rows, tallies)
	if len(anew) == 0 { // otherwise writeWindows counts, after it has set counts to 0
		for _, c := range added {
			for i, value := range []any{c.connection, c.class, c.n} {
				windows[i].add(value)
			}
		}
	}
	args := []any{w.tenant, w.at.Format(timeLayout), provisioning.ActorFrom(ctx)}
	args = append(appendLiterals(args, arrays), write, w.tenant)
	args = append(appendLiterals(args, counts), w.tenant, minuteOf(w.at))
	args = append(appendLiterals(args, windows), w.tenant)
	args = appendLiterals(args, effects)
	var found []state
	err := w.tx.Each(ctx, applySet, args, func(rows *sql.Rows) error {
		found = append(found, state{})
		return rows.Scan(found[len(found)-1].targets()...)
	})
	if err == nil && found == nil && len(anew) > 0 {
		err = w.writeWindows(ctx, added, anew)
	}
	return found, err
}

// An array is a value of an array type of PostgreSQL, in its text form. Every driver
// accepts this form.
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

// appendLiterals appends the texts of arrays.
func appendLiterals(args []any, arrays []array) []any {
	for i := range arrays {
		args = append(args, arrays[i].literal())
	}
	return args
}

// literal returns the text of an array of texts.
func literal(texts []string) string {
	var a array
	for _, text := range texts {
		a.add(text)
	}
	return a.literal()
}

// literal returns the array's text.
func (a *array) literal() string {
	if a.text.Len() == 0 {
		return "{}"
	}
	return a.text.String() + "}"
}
