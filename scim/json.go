package scim

import (
	"cmp"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// The decoder detects what encoding/json would silently repair or lose: a name
// that occurs twice, a second value after the first, invalid UTF-8, a NUL, the
// digits of a large number. It keeps the order and spelling of names.

const (
	maxDepth  = 32   // levels of arrays and objects, and of parentheses in a filter
	maxFields = 1000 // names in one object
)

// parseObject parses one JSON object and refuses anything after it.
func parseObject(data string) (*object, error) {
	o, _, err := parseCounted(data)
	return o, err
}

// parseCounted is parseObject with its work beyond that of scanning the text,
// which is also returned with an error.
func parseCounted(data string) (*object, int, error) {
	p := jsonParser{in: data}
	v, err := p.only()
	o, ok := v.(*object)
	if err == nil && !ok {
		err = badSyntax("want a JSON object")
	}
	return o, p.values + p.dense(), err
}

// parseJSON parses one JSON value and refuses anything after it.
func parseJSON(data string) (any, error) {
	p := jsonParser{in: strings.TrimPrefix(data, "\ufeff")}
	return p.only()
}

// only reads the value of the text and refuses anything after it.
func (p *jsonParser) only() (any, error) {
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	return v, p.end()
}

type jsonParser struct {
	in      string
	at      int
	values  int  // read so far, without skipped values
	passed  int  // names and skipped values so far; see pass
	foreign bool // the last string read may contain other than ASCII characters
}

// pass counts a name that was read. All spellings of a name are one name, so
// that a long name, one that is not ASCII, and one of many takes as long as
// several others.
func (p *jsonParser) pass(name string, many bool) {
	const short = 32
	p.passed++
	if many {
		p.passed += 9
	}
	switch {
	case p.foreign:
		p.passed += 9 * len(name)
	case len(name) > short:
		p.passed += len(name) / 8
	}
}

// dense returns the work for the names and the skipped values of a text that
// exceeds that of scanning a text of this length.
func (p *jsonParser) dense() int {
	return max(0, p.passed/skippedPerUnit-len(p.in)/scannedPerUnit)
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
	p.values++
	switch c := p.peek(); {
	case c == '"':
		return p.str()
	case c == '{' || c == '[':
		if depth == maxDepth {
			return nil, p.tooDeep()
		}
		p.at++
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	return p.word()
}

// word reads true, false or null.
func (p *jsonParser) word() (any, error) {
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
	err := p.members(func(name string) error {
		if o.fields == nil {
			o.fields = make([]field, 0, 4)
		}
		v, err := p.value(depth)
		o.fields = append(o.fields, field{name, v})
		return err
	})
	return o, err
}

// members reads an object; its opening brace is already read. For each name it
// calls visit, which must read the value.
func (p *jsonParser) members(visit func(name string) error) error {
	var seen nameSet
	for p.space(); p.peek() != '}'; p.space() {
		if seen.count > 0 {
			if p.peek() != ',' {
				return p.bad("a comma or }")
			}
			p.at++
			p.space()
		}
		if p.peek() != '"' {
			return p.bad("a name in quotes")
		}
		name, err := p.str()
		if err != nil {
			return err
		}
		p.pass(name, seen.many != nil)
		if seen.count == maxFields {
			return badSyntax("an object has more than %d names", maxFields)
		}
		if !seen.add(name) {
			return badSyntax("the name %q occurs twice in one object", clip(name))
		}
		if p.space(); p.peek() != ':' {
			return p.bad("a colon")
		}
		p.at++
		p.space()
		if err := visit(name); err != nil {
			return err
		}
	}
	p.at++
	return nil
}

// viewed returns a document as a text without copying it. A scan reads each
// document once, and a copy would take a third of the time. The bytes of a
// record never change (see Store).
func viewed(doc []byte) string { return unsafe.String(unsafe.SliceData(doc), len(doc)) }

// scanObject reads the object in data and refuses anything after it. For each
// name it calls visit, which must read the value from p, at depth 1, or skip
// it. The whole text is checked as by parseObject, without being stored. The
// work is counted, except for the values that visit reads.
func scanObject(data string, w *work, visit func(p *jsonParser, name string) error) error {
	if err := w.spend(1 + len(data)/scannedPerUnit); err != nil {
		return err
	}
	p := jsonParser{in: data}
	if p.space(); p.peek() != '{' {
		return p.bad("an object")
	}
	p.at++
	err := p.members(func(name string) error { return visit(&p, name) })
	if err == nil {
		err = p.end()
	}
	return cmp.Or(w.spend(p.dense()), err)
}

// checkObject returns the error of parseObject for data, without storing the
// object, and the work beyond that of scanning the text.
func checkObject(data string) (dense int, err error) {
	p := jsonParser{in: data}
	if p.space(); p.peek() != '{' {
		return 0, p.bad("an object")
	}
	if err = p.skip(0); err == nil {
		err = p.end()
	}
	return p.dense(), err
}

// end returns an error unless the text ends here.
func (p *jsonParser) end() error {
	if p.space(); p.at < len(p.in) {
		return badSyntax("something follows the JSON value at byte %d", p.at)
	}
	return nil
}

// insideObject returns the text between the braces of the object in data, or
// the error of checkObject, and its work.
func insideObject(data string) (inside string, dense int, err error) {
	if dense, err = checkObject(data); err != nil {
		return "", dense, err
	}
	data = strings.Trim(data, " \t\r\n")
	return strings.Trim(data[1:len(data)-1], " \t\r\n"), dense, nil
}

// skip reads a value, checks it as value does, and discards it.
func (p *jsonParser) skip(depth int) error {
	p.passed++
	switch c := p.peek(); {
	case c == '"':
		_, err := p.str()
		return err
	case c == '{' || c == '[':
		if depth == maxDepth {
			return p.tooDeep()
		}
		p.at++
		if c == '{' {
			return p.members(func(string) error { return p.skip(depth + 1) })
		}
		return p.elements(func() error { return p.skip(depth + 1) })
	case c == '-' || c >= '0' && c <= '9':
		_, err := p.number()
		return err
	}
	_, err := p.word()
	return err
}

func (p *jsonParser) tooDeep() error {
	return badSyntax("the JSON text is nested deeper than %d levels", maxDepth)
}

func (p *jsonParser) array(depth int) (any, error) {
	list := []any{}
	err := p.elements(func() error {
		v, err := p.value(depth)
		list = append(list, v)
		return err
	})
	return list, err
}

// elements reads an array; its opening bracket is already read. For each
// element it calls visit, which must read the value.
func (p *jsonParser) elements(visit func() error) error {
	first := true
	for p.space(); p.peek() != ']'; p.space() {
		if !first {
			if p.peek() != ',' {
				return p.bad("a comma or ]")
			}
			p.at++
			p.space()
		}
		first = false
		if err := visit(); err != nil {
			return err
		}
	}
	p.at++
	return nil
}

func (p *jsonParser) number() (number, error) {
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
		return "", p.bad("a digit")
	}
	if p.peek() == '.' {
		p.at++
		if !digits() {
			return "", p.bad("a digit")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if !digits() {
			return "", p.bad("a digit")
		}
	}
	n := p.in[start:p.at]
	const short = 15 // a number of so few characters is in range
	switch {
	case len(n) <= short && !strings.ContainsAny(n, "eE"):
		return number(n), nil
	case len(n) > 64:
		return "", badValue("a number has more than 64 characters")
	}
	if f, err := strconv.ParseFloat(n, 64); err != nil {
		return "", badValue("the number %s is out of range (%g)", clip(n), f)
	}
	return number(n), nil
}

// str reads a string; the opening quote is at p.at.
func (p *jsonParser) str() (string, error) {
	start := p.at + 1
	at := start
	var all uint64
	for len(p.in)-at >= 8 {
		eight := eightBytes(p.in[at : at+8])
		if special := specialBytes(eight); special != 0 {
			plain := bits.TrailingZeros64(special) &^ 7
			all |= eight & (1<<plain - 1)
			at += plain / 8
			break
		}
		all |= eight
		at += 8
	}
	for at < len(p.in) && plainByte[p.in[at]] {
		all |= uint64(p.in[at])
		at++
	}
	p.at, p.foreign = at, all&(0x80*everyByte) != 0
	switch p.peek() {
	case '"':
		s := p.in[start:at]
		p.at++
		if p.foreign && !utf8.ValidString(s) {
			return "", badSyntax("a string is not valid UTF-8")
		}
		return s, nil
	case '\\':
		return p.escaped(start)
	}
	if at < len(p.in) {
		return "", p.bad("no control character in a string")
	}
	return "", p.bad("the end of a string")
}

const everyByte = 0x0101010101010101 // times a byte: eight of it

// eightBytes returns eight bytes, the first one in the lowest bits.
func eightBytes(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// specialBytes sets the highest bit of the first byte that is not in plainByte,
// and perhaps of bytes after it.
func specialBytes(eight uint64) uint64 {
	quote, backslash := eight^'"'*everyByte, eight^'\\'*everyByte
	return ((eight-' '*everyByte)&^eight | (quote-everyByte)&^quote | (backslash-everyByte)&^backslash) & (0x80 * everyByte)
}

// plainByte marks the bytes that a string may contain without an escape.
var plainByte = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return table
}()

// escaped reads the rest of a string from its first escape on.
func (p *jsonParser) escaped(start int) (string, error) {
	p.foreign = true // an escape may mean any character
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

// clip shortens text from a client for the detail of an error, which quotes it
// with %q: see maskQuoted.
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
