package salesforce

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/usher-go/usher/internal/soql"
	"github.com/usher-go/usher/sources/internal/rest"
)

// A record is one row of a query's answer. It belongs to a table and is overwritten
// by every row; copy whatever is kept.
//
// The field of a relationship is found by its path ("Manager.Email"), whether the
// answer nests it ("Manager": {"Email": ...}) or, like the Bulk API and CSV, has it
// flat ("Manager.Email": ...). A relationship that is not set is null.
type record struct {
	*table
	values []*soql.Value // by column; nil if the record has no such field
	given  []*column     // the columns that the record has
	paths  map[string]*fieldPath
}

// A table has the fields of the records of one reading.
type table struct {
	root    column
	columns []*column
	byPath  map[string]*column // in lower case: SOQL compares names without regard to case
}

// A column is one field of a table.
type column struct {
	path     string
	at       int // position in table.columns
	depth    int // number of relationships around it
	place    place
	common   string             // the name that all sources share for it, or ""
	children map[string]*column // by key, for objects

	// If a field has few different values, each is allocated once and shared by the
	// users that have it.
	known   map[string]*soql.Value
	scratch soql.Value // holds a value that is not shared
}

const (
	maxColumns       = 5000 // an object has at most 800 fields; relationships multiply them
	maxRelationships = 5    // the limit of SOQL
	maxKnown         = 256  // number of shared values of a column
	maxKnownText     = 64   // bytes of a shared value
)

func newRecord() *record {
	return &record{table: &table{byPath: map[string]*column{}}, paths: map[string]*fieldPath{}}
}

// reset removes all fields from the record.
func (r *record) reset() {
	for _, c := range r.given {
		r.values[c.at] = nil
	}
	r.given = r.given[:0]
}

func (r *record) set(c *column, v *soql.Value) {
	for len(r.values) < len(r.columns) {
		r.values = append(r.values, nil)
	}
	if r.values[c.at] == nil {
		r.given = append(r.given, c)
	}
	r.values[c.at] = v
}

// column returns the column with the given path.
func (t *table) column(path string) (*column, error) {
	lower := strings.ToLower(path)
	if c, ok := t.byPath[lower]; ok {
		return c, nil
	}
	if len(t.columns) == maxColumns {
		return nil, rest.Malformed("records with more than %d different fields", maxColumns)
	}
	if name, ok := fieldNames[lower]; ok {
		path = name
	}
	c := &column{path: path, at: len(t.columns), place: placeOf(lower), common: commonNames[lower], known: map[string]*soql.Value{}}
	t.columns = append(t.columns, c)
	t.byPath[lower] = c
	return c, nil
}

// child returns the column of a key of an object.
func (t *table) child(parent *column, key []byte) (*column, error) {
	if c, ok := parent.children[string(key)]; ok {
		return c, nil
	}
	name, err := unquote(key)
	if err != nil {
		return nil, err
	}
	path, depth := name, 0
	if parent != &t.root {
		path, depth = parent.path+"."+name, parent.depth+1
	}
	c, err := t.column(path)
	if err != nil {
		return nil, err
	}
	if parent.children == nil {
		parent.children = map[string]*column{}
	}
	c.depth = depth
	parent.children[string(key)] = c
	return c, nil
}

// text returns the value for a text in this column.
func (c *column) text(text string) *soql.Value {
	if v, ok := c.known[text]; ok {
		return v
	}
	if c.known == nil || len(text) > maxKnownText {
		c.scratch = soql.Text(text)
		return &c.scratch
	}
	v := soql.Text(text)
	if c.known[text] = &v; len(c.known) > maxKnown {
		c.known = nil // too many different values
	}
	return &v
}

// quoted is text for a JSON text, of which it decodes the escapes.
func (c *column) quoted(raw []byte) (*soql.Value, error) {
	if v, ok := c.known[string(raw)]; ok {
		return v, nil
	}
	text, err := unquote(raw)
	return c.text(text), err
}

// UnmarshalJSON implements json.Unmarshaler: it reads one row. encoding/json has
// already checked that the text is JSON.
func (r *record) UnmarshalJSON(row []byte) error {
	r.reset()
	switch {
	case row[0] == '{':
		return r.object(&r.root, row)
	case bytes.HasPrefix(row, []byte(`"@{`)):
		return errPowerShell
	}
	return rest.Malformed("want records, which are objects, not %.40s", row)
}

// object reads the fields of an object. Of Salesforce's data under "attributes" it
// reads only the type of the row itself.
func (r *record) object(parent *column, text []byte) error {
	return members(text, func(key, value []byte) error {
		if parent != &r.root && string(key) == "attributes" || parent.place == placeAbout && string(key) != "type" {
			return nil
		}
		c, err := r.child(parent, key)
		if err != nil {
			return err
		}
		v := &null
		switch value[0] {
		case '"':
			if v, err = c.quoted(value[1 : len(value)-1]); err != nil {
				return err
			}
			if bytes.HasPrefix(value, []byte(`"@{attributes=`)) {
				return errPowerShell
			}
		case 't':
			v = &yes
		case 'f':
			v = &no
		case 'n':
		case '{':
			v = &other
			if c.depth < maxRelationships {
				err = r.object(c, value)
			}
		case '[':
			v = &other
		default:
			c.scratch = soql.Number(string(value))
			v = &c.scratch
		}
		r.set(c, v)
		return err
	})
}

// Values that all records share.
var (
	null    soql.Value
	other   = soql.Other()
	yes, no = soql.Bool(true), soql.Bool(false)
)

var errPowerShell = rest.Malformed("PowerShell's ConvertTo-Json has cut the records short (@{...}): " +
	"give it -Depth 10, or save what sf prints as it is")

// members calls visit for each member of an object that encoding/json has checked.
// The key is the text between its quotes, with escapes.
func members(object []byte, visit func(key, value []byte) error) error {
	at := 1
	for {
		at = skipSpace(object, at)
		switch object[at] {
		case '}':
			return nil
		case ',':
			at = skipSpace(object, at+1)
		}
		end := skipValue(object, at)
		key := object[at+1 : end-1]
		at = skipSpace(object, skipSpace(object, end)+1) // skips the colon
		end = skipValue(object, at)
		if err := visit(key, object[at:end]); err != nil {
			return err
		}
		at = end
	}
}

func skipSpace(text []byte, at int) int {
	for text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t' {
		at++
	}
	return at
}

// skipValue returns the position after the value that begins at the given byte.
func skipValue(text []byte, at int) int {
	depth := 0
	for {
		switch text[at] {
		case '"':
			for at++; text[at] != '"'; at++ {
				if text[at] == '\\' {
					at++
				}
			}
			at++
		case '{', '[':
			depth++
			at++
		case '}', ']':
			depth--
			at++
		case ',', ':', ' ', '\n', '\r', '\t': // between the tokens of an object or array
			at++
		default:
			for at < len(text) && strings.IndexByte(",}] \n\r\t", text[at]) < 0 {
				at++
			}
		}
		if depth == 0 {
			return at
		}
	}
}

// unquote decodes the escapes of a text between quotes. Bytes that are not UTF-8
// become U+FFFD, as in encoding/json.
func unquote(raw []byte) (string, error) {
	text := string(raw)
	if strings.IndexByte(text, '\\') < 0 && utf8.ValidString(text) {
		return text, nil
	}
	err := json.Unmarshal([]byte(`"`+text+`"`), &text)
	return text, err
}

// A fieldPath finds the value of a field in the records of one table.
type fieldPath struct {
	names   []string  // in lower case: the path, and the paths of the relationships around it
	columns []*column // nil if the table has no such column
	known   int       // the number of the table's columns when columns was filled in
}

func newFieldPath(path string) *fieldPath {
	p := &fieldPath{names: []string{strings.ToLower(path)}, known: -1}
	for name := p.names[0]; strings.Contains(name, "."); {
		name = name[:strings.LastIndexByte(name, '.')]
		p.names = append(p.names, name)
	}
	p.columns = make([]*column, len(p.names))
	return p
}

// value returns the value of the field in a record. It is null if the field belongs
// to a relationship that is null, and nil if the record does not have the field.
func (p *fieldPath) value(r *record) *soql.Value {
	if p.known != len(r.columns) {
		p.known = len(r.columns)
		for i, name := range p.names {
			p.columns[i] = r.byPath[name]
		}
	}
	for i, c := range p.columns {
		if c == nil || c.at >= len(r.values) || r.values[c.at] == nil {
			continue
		}
		if v := r.values[c.at]; i == 0 || v.IsNull() {
			return v
		}
		return nil
	}
	return nil
}

// value returns the value of a field, as fieldPath does.
func (r *record) value(path string) *soql.Value {
	p, ok := r.paths[path]
	if !ok {
		p = newFieldPath(path)
		r.paths[path] = p
	}
	return p.value(r)
}

// text returns the text of a field that is a text or a number, and "" for any
// other.
func (r *record) text(path string) string {
	if v := r.value(path); v != nil {
		text, _ := v.Text()
		return text
	}
	return ""
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?$`)

// id returns the record's ID in its long form, in which IDs are compared.
func (r *record) id() (string, error) {
	id := r.text("Id")
	if id == "" {
		return "", rest.Malformed("a record without Id")
	}
	if !idForm.MatchString(id) {
		return "", rest.Malformed("a record with the Id %.40q, which is none of Salesforce", id)
	}
	return soql.LongID(id), nil
}
