package scim

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The decoder reads what encoding/json would quietly mend or lose: a name that
// occurs twice, a second value behind the first, invalid UTF-8, a NUL, the
// digits of a great number. It keeps the order and spelling of names.

// A value of a JSON text is nil, bool, string, number, []any or *object.
type number string

type object struct{ fields []field }

type field struct {
	name  string
	value any
}

const (
	maxDepth  = 32   // levels of arrays and objects, and of a filter's parentheses
	maxFields = 1000 // names in one object
)

// at returns the place of name in o, by any letter case, or -1.
func (o *object) at(name string) int {
	for i := range o.fields {
		if f := o.fields[i].name; len(f) == len(name) && (f == name || strings.EqualFold(f, name)) {
			return i
		}
	}
	return -1
}

// get returns the value of name in any letter case, or nil.
func (o *object) get(name string) any {
	if i := o.at(name); i >= 0 {
		return o.fields[i].value
	}
	return nil
}

// text returns the string under name, or "".
func (o *object) text(name string) string {
	s, _ := o.get(name).(string)
	return s
}

// set replaces or appends.
func (o *object) set(name string, v any) {
	if i := o.at(name); i >= 0 {
		o.fields[i].value = v
		return
	}
	o.fields = append(o.fields, field{name, v})
}

// drop removes name and reports whether it was there.
func (o *object) drop(name string) bool {
	i := o.at(name)
	if i < 0 {
		return false
	}
	o.fields = append(o.fields[:i], o.fields[i+1:]...)
	return true
}

// cloneValue copies arrays and objects; the rest is immutable.
func cloneValue(v any) any {
	switch v := v.(type) {
	case *object:
		out := &object{fields: make([]field, len(v.fields))}
		for i, f := range v.fields {
			out.fields[i] = field{f.name, cloneValue(f.value)}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneValue(e)
		}
		return out
	}
	return v
}

// equalValues compares two values; names of objects in any case and order.
func equalValues(a, b any) bool {
	switch a := a.(type) {
	case *object:
		b, ok := b.(*object)
		if !ok || len(a.fields) != len(b.fields) {
			return false
		}
		for _, f := range a.fields {
			i := b.at(f.name)
			if i < 0 || !equalValues(f.value, b.fields[i].value) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalValues(a[i], b[i]) {
				return false
			}
		}
		return true
	case number:
		b, ok := b.(number)
		return ok && compareNumbers(string(a), string(b)) == 0
	}
	switch b.(type) {
	case *object, []any:
		return false
	}
	return a == b
}

// parseObject reads a request body: one JSON object and nothing else.
func parseObject(data string) (*object, error) {
	v, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*object)
	if !ok {
		return nil, badSyntax("the body must be a JSON object")
	}
	return o, nil
}

// parseJSON reads one JSON value and nothing else.
func parseJSON(data string) (any, error) {
	p := jsonParser{in: strings.TrimPrefix(data, "\ufeff")}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.in) {
		return nil, badSyntax("something follows the JSON value at byte %d", p.at)
	}
	return v, nil
}

type jsonParser struct {
	in string
	at int
}

func (p *jsonParser) bad(want string) error {
	if p.at >= len(p.in) {
		return badSyntax("the JSON text ends early: expected %s", want)
	}
	return badSyntax("the JSON text is wrong at byte %d: expected %s", p.at, want)
}

func (p *jsonParser) space() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) peek() byte {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

func (p *jsonParser) value(depth int) (any, error) {
	switch c := p.peek(); {
	case c == '"':
		return p.str()
	case c == '{' || c == '[':
		if depth == maxDepth {
			return nil, badSyntax("the JSON text is nested deeper than %d levels", maxDepth)
		}
		p.at++
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, word := range [...]struct {
		text  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if strings.HasPrefix(p.in[p.at:], word.text) {
			p.at += len(word.text)
			return word.value, nil
		}
	}
	return nil, p.bad("a value")
}

func (p *jsonParser) object(depth int) (any, error) {
	o := &object{}
	var seen map[string]bool // made when looking through the list gets slow
	for p.space(); p.peek() != '}'; p.space() {
		if len(o.fields) > 0 {
			if p.peek() != ',' {
				return nil, p.bad("a comma or }")
			}
			p.at++
			p.space()
		}
		if p.peek() != '"' {
			return nil, p.bad("a name in quotes")
		}
		name, err := p.str()
		if err != nil {
			return nil, err
		}
		if o.fields == nil {
			o.fields = make([]field, 0, 4)
		}
		if len(o.fields) == 16 {
			seen = make(map[string]bool, 64)
			for _, f := range o.fields {
				seen[strings.ToLower(f.name)] = true
			}
		}
		if seen == nil && o.at(name) >= 0 || seen[strings.ToLower(name)] {
			return nil, badSyntax("the name %q occurs twice in one object", clip(name))
		}
		if seen != nil {
			seen[strings.ToLower(name)] = true
		}
		if len(o.fields) == maxFields {
			return nil, badSyntax("an object has more than %d names", maxFields)
		}
		if p.space(); p.peek() != ':' {
			return nil, p.bad("a colon")
		}
		p.at++
		p.space()
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		o.fields = append(o.fields, field{name, v})
	}
	p.at++
	return o, nil
}

func (p *jsonParser) array(depth int) (any, error) {
	list := []any{}
	for p.space(); p.peek() != ']'; p.space() {
		if len(list) > 0 {
			if p.peek() != ',' {
				return nil, p.bad("a comma or ]")
			}
			p.at++
			p.space()
		}
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	p.at++
	return list, nil
}

func (p *jsonParser) number() (any, error) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	digits := func() bool {
		from := p.at
		for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
			p.at++
		}
		return p.at > from
	}
	if p.peek() == '0' {
		p.at++
	} else if !digits() {
		return nil, p.bad("a digit")
	}
	if p.peek() == '.' {
		p.at++
		if !digits() {
			return nil, p.bad("a digit")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if !digits() {
			return nil, p.bad("a digit")
		}
	}
	n := p.in[start:p.at]
	if len(n) > 64 {
		return nil, badValue("a number has more than 64 characters")
	}
	if f, err := strconv.ParseFloat(n, 64); err != nil {
		return nil, badValue("the number %s is out of range (%g)", clip(n), f)
	}
	return number(n), nil
}

// str reads a string; the opening quote is at p.at.
func (p *jsonParser) str() (string, error) {
	p.at++
	start := p.at
	ascii := true
	for p.at < len(p.in) {
		switch c := p.in[p.at]; {
		case c == '"':
			s := p.in[start:p.at]
			p.at++
			if !ascii && !utf8.ValidString(s) {
				return "", badSyntax("a string is not valid UTF-8")
			}
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.bad("no control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
		p.at++
	}
	return "", p.bad("the end of a string")
}

// escaped reads the rest of a string in which an escape has been met.
func (p *jsonParser) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(p.in[start:p.at])
	for p.at < len(p.in) {
		c := p.in[p.at]
		p.at++
		switch {
		case c == '"':
			if !utf8.ValidString(b.String()) {
				return "", badSyntax("a string is not valid UTF-8")
			}
			return b.String(), nil
		case c < 0x20:
			return "", p.bad("no control character in a string")
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		escape := p.peek()
		p.at++
		if escape == 'u' {
			r, ok := p.hex()
			if !ok {
				return "", p.bad("four hexadecimal digits")
			}
			if utf16.IsSurrogate(r) {
				if !strings.HasPrefix(p.in[p.at:], `\u`) {
					return "", p.bad("the second half of a surrogate pair")
				}
				p.at += 2
				low, ok := p.hex()
				if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
					return "", p.bad("the second half of a surrogate pair")
				}
			}
			if r == 0 {
				return "", badValue("a string holds a NUL character")
			}
			b.WriteRune(r)
			continue
		}
		plain := strings.IndexByte(`"\/bfnrt`, escape)
		if plain < 0 || escape == 0 {
			return "", p.bad("a known escape")
		}
		b.WriteByte("\"\\/\b\f\n\r\t"[plain])
	}
	return "", p.bad("the end of a string")
}

func (p *jsonParser) hex() (rune, bool) {
	if len(p.in)-p.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(p.in[p.at:p.at+4], 16, 32)
	if err != nil {
		return 0, false
	}
	p.at += 4
	return rune(n), true
}

// clip shortens text from a client for an error's detail.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
