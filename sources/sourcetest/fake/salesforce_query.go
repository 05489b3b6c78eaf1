package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-go/usher/internal/soql"
)

// describe answers with the fields of an object.
func (s *Salesforce) describe(w http.ResponseWriter, o *salesforceObject) {
	fields := []map[string]any{}
	for _, name := range o.fields {
		if strings.Contains(name, ".") {
			continue
		}
		kind := "string"
		switch {
		case o.lookup[name] != "":
			kind = "reference"
		case strings.HasPrefix(name, "Is"):
			kind = "boolean"
		}
		fields = append(fields, map[string]any{"name": name, "type": kind, "relationshipName": orNull(o.lookup[name])})
	}
	say(w, http.StatusOK, map[string]any{"name": o.name, "fields": fields})
}

// A salesforceCursor is a query whose answer has more pages.
type salesforceCursor struct {
	locator string
	object  *salesforceObject
	fields  []string
	rows    salesforceRows
	asked   time.Time
}

const (
	salesforceCursorLife = 48 * time.Hour // after the query
	salesforceQuery      = 100_000        // characters of a query
)

// A salesforceError is the error of a refused query.
type salesforceError struct{ code, message string }

func (e *salesforceError) Error() string { return e.code + ": " + e.message }

func malformed(format string, args ...any) error {
	return &salesforceError{"MALFORMED_QUERY", fmt.Sprintf(format, args...)}
}

var salesforceSelect = regexp.MustCompile(`(?is)^\s*SELECT\s+(.+?)\s+FROM\s+(\w+)(?:\s+WHERE\s+(.+?))?(?:\s+LIMIT\s+(\d{1,9}))?\s*$`)

func (s *Salesforce) query(w http.ResponseWriter, r *http.Request, api string, now time.Time) {
	cursor, err := s.run(r.URL.Query().Get("q"))
	if refused, ok := errors.AsType[*salesforceError](err); ok {
		salesforceRefuses(w, http.StatusBadRequest, refused.code, refused.message)
		return
	}
	cursor.asked = now
	s.page(w, r, cursor, 0, api)
}

// run answers a query. Every error is a *salesforceError.
func (s *Salesforce) run(query string) (*salesforceCursor, error) {
	m := salesforceSelect.FindStringSubmatch(query)
	switch {
	case len(query) > salesforceQuery:
		return nil, malformed("SOQL statements cannot be longer than %d characters.", salesforceQuery)
	case m == nil:
		return nil, malformed("unexpected token: %.80s", query)
	}
	c := &salesforceCursor{object: s.object(m[2])}
	if c.object == nil {
		return nil, &salesforceError{"INVALID_TYPE", "sObject type '" + m[2] + "' is not supported."}
	}
	for field := range strings.SplitSeq(m[1], ",") {
		name, err := c.object.known(strings.TrimSpace(field))
		if err != nil {
			return nil, err
		}
		c.fields = append(c.fields, name)
	}
	c.rows = c.object.rows()
	if where := m[3]; where != "" {
		condition, err := parseWhere(where)
		if err != nil {
			return nil, err
		}
		if c.rows, err = s.filter(c.object, c.rows, condition); err != nil {
			return nil, err
		}
	}
	if limit, err := strconv.Atoi(m[4]); err == nil {
		c.rows.n = min(c.rows.n, limit)
	}
	return c, nil
}

func (o *salesforceObject) known(path string) (string, error) {
	name, ok := o.field(path)
	if !ok {
		return "", &salesforceError{"INVALID_FIELD", "No such column '" + path + "' on entity '" + o.name + "'."}
	}
	return name, nil
}

// parseWhere parses a condition. Package soql accepts semi-joins in parentheses,
// since it writes them without; Salesforce does not.
func parseWhere(where string) (soql.Condition, error) {
	condition, err := soql.Parse(where)
	if err != nil {
		return condition, malformed("%s", err)
	}
	if nestedJoin(where) {
		return condition, malformed("Semi join sub-selects are only allowed at the top level WHERE clause expressions and not in nested WHERE expressions.")
	}
	return condition, nil
}

var (
	salesforceText  = regexp.MustCompile(`'(?:[^'\\]|\\.)*'`)
	salesforceJoin  = regexp.MustCompile(`(?i)IN\s*\(\s*SELECT\b[^()]*\)`)
	salesforceInner = regexp.MustCompile(`\([^()]*\)`)
)

// nestedJoin reports whether a semi-join is inside parentheses other than its own.
func nestedJoin(where string) bool {
	where = salesforceText.ReplaceAllString(where, "''")
	for {
		shorter := salesforceJoin.ReplaceAllString(where, "IN SEMIJOIN")
		inner := salesforceInner.FindString(shorter)
		if strings.Contains(inner, "SEMIJOIN") && !strings.Contains(strings.ToUpper(inner), "SELECT") {
			return true
		}
		shorter = strings.Replace(shorter, inner, "", 1)
		if shorter == where {
			return false
		}
		where = shorter
	}
}

// filter returns the rows that a condition selects.
func (s *Salesforce) filter(o *salesforceObject, rows salesforceRows, condition soql.Condition) (salesforceRows, error) {
	condition, err := condition.Resolve(s.answerJoin)
	if err != nil {
		return salesforceRows{}, err
	}
	program, err := condition.Compile()
	if err != nil {
		return salesforceRows{}, malformed("this org is a fake and cannot tell: %s", err)
	}
	fields := program.Fields()
	paths := make([]string, len(fields))
	values := make([]*soql.Value, len(fields))
	for i, field := range fields {
		if _, err := o.known(field); err != nil {
			return salesforceRows{}, err
		}
		paths[i], values[i] = strings.ToLower(field), new(soql.Value)
	}
	var selected []int32
	for i := range rows.n {
		row := rows.at(i)
		for k, path := range paths {
			*values[k] = soqlValue(row.value(path))
		}
		in, err := program.Match(values)
		if err != nil {
			return salesforceRows{}, &salesforceError{"INVALID_FIELD", err.Error()}
		}
		if in {
			selected = append(selected, int32(i))
		}
	}
	return salesforceRows{len(selected), func(i int) salesforceRow { return rows.at(int(selected[i])) }}, nil
}

// answerJoin runs the query of a semi-join.
func (s *Salesforce) answerJoin(q soql.Subquery) ([]string, error) {
	o := s.object(q.Object)
	if o == nil {
		return nil, &salesforceError{"INVALID_TYPE", "sObject type '" + q.Object + "' is not supported."}
	}
	if _, err := o.known(q.Column); err != nil {
		return nil, err
	}
	rows := o.rows()
	if q.Where != nil {
		var err error
		if rows, err = s.filter(o, rows, *q.Where); err != nil {
			return nil, err
		}
	}
	ids := make([]string, 0, rows.n)
	for i := range rows.n {
		if id, ok := rows.at(i).value(strings.ToLower(q.Column)).(string); ok && id != "" {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func soqlValue(value any) soql.Value {
	switch value := value.(type) {
	case string:
		return soql.Text(value)
	case bool:
		return soql.Bool(value)
	case json.Number:
		return soql.Number(value.String())
	case int:
		return soql.Number(strconv.Itoa(value))
	case nil:
		return soql.Value{}
	}
	return soql.Other()
}

// more answers with the page of a locator.
func (s *Salesforce) more(w http.ResponseWriter, r *http.Request, locator, api string, now time.Time) {
	id, offset, _ := strings.Cut(locator, "-")
	at, err := strconv.Atoi(offset)
	s.mu.Lock()
	i := slices.IndexFunc(s.cursors, func(c *salesforceCursor) bool { return c.locator == id && now.Sub(c.asked) < salesforceCursorLife })
	var cursor *salesforceCursor
	if i >= 0 {
		cursor = s.cursors[i]
	}
	s.mu.Unlock()
	if err != nil || cursor == nil || at < 0 || at >= cursor.rows.n {
		salesforceRefuses(w, http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
		return
	}
	s.page(w, r, cursor, at, api)
}

var salesforceBatch = regexp.MustCompile(`(?i)batchSize\s*=\s*(\d{1,5})`)

// page answers with the records of a cursor, beginning at a position.
func (s *Salesforce) page(w http.ResponseWriter, r *http.Request, cursor *salesforceCursor, at int, api string) {
	size := orDefault(s.PageRows, 2000)
	if m := salesforceBatch.FindStringSubmatch(r.Header.Get("Sforce-Query-Options")); m != nil {
		wanted, _ := strconv.Atoi(m[1])
		size = min(size, max(wanted, 200))
	}
	end := min(at+size, cursor.rows.n)
	records := make([]map[string]any, 0, end-at)
	for i := at; i < end; i++ {
		records = append(records, cursor.object.project(cursor.rows.at(i), cursor.fields, api))
	}
	answer := map[string]any{"totalSize": cursor.rows.n, "done": end == cursor.rows.n, "records": records}
	if end < cursor.rows.n {
		s.keep(cursor)
		answer["nextRecordsUrl"] = fmt.Sprintf("%s/query/%s-%d", api, cursor.locator, end)
	}
	say(w, http.StatusOK, answer)
}

// keep gives a cursor a locator and drops the oldest one.
func (s *Salesforce) keep(cursor *salesforceCursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cursor.locator != "" {
		return
	}
	s.given++
	cursor.locator = fmt.Sprintf("0r8%015d", s.given)
	s.cursors = append(s.cursors, cursor)
	if len(s.cursors) > orDefault(s.Cursors, 10) {
		s.cursors = slices.Delete(s.cursors, 0, 1)
	}
}

// project returns the record of an answer: the requested fields, with nested
// relationships, and null for a relationship that is not set.
func (o *salesforceObject) project(row salesforceRow, fields []string, api string) map[string]any {
	record := map[string]any{"attributes": map[string]string{"type": o.name, "url": fmt.Sprintf("%s/sobjects/%s/%v", api, o.name, row.value("id"))}}
	for _, field := range fields {
		parts := strings.Split(field, ".")
		value := row.value(strings.ToLower(field))
		if len(parts) == 1 {
			record[field] = value
			continue
		}
		if value == nil && o.nobody(row, parts[0]) {
			record[parts[0]] = nil
			continue
		}
		at := record
		for _, name := range parts[:len(parts)-1] {
			inner, _ := at[name].(map[string]any)
			if inner == nil {
				inner = map[string]any{"attributes": map[string]string{"type": name}}
				at[name] = inner
			}
			at = inner
		}
		at[parts[len(parts)-1]] = value
	}
	return record
}

// nobody reports whether a relationship of a record is not set.
func (o *salesforceObject) nobody(row salesforceRow, relationship string) bool {
	for _, field := range o.fields {
		if strings.HasPrefix(field, relationship+".") && row.value(strings.ToLower(field)) != nil {
			return false
		}
	}
	return true
}
