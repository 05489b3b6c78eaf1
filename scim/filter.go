package scim

import (
	"fmt"
	"strings"
	"time"
)

// A filter is a parsed and resolved filter (RFC 7644 section 3.4.2.2).
type filter struct {
	op     filterOp
	kids   []*filter // of and, or, not
	path   attrPath  // of a comparison, presence or value path
	value  any       // string (folded unless exact), bool, number or nil (null)
	source any       // value before folding
	time   time.Time // value as time, where the attribute is one
	exact  bool      // the comparison is case-sensitive
	assume bool      // a value of a list without "primary" compares as if that were false
	inner  *filter   // of a value path: the part in brackets; path.sub stays empty
	work   *work     // counts the values compared; see bound
}

type filterOp uint8

const (
	opAnd filterOp = iota + 1
	opOr
	opNot
	opValuePath
	opPresent
	opEqual
	opNotEqual
	opContains
	opStarts
	opEnds
	opGreater
	opGreaterEqual
	opLess
	opLessEqual
)

var filterOps = [...]struct {
	word string
	op   filterOp
}{
	{"eq", opEqual}, {"ne", opNotEqual}, {"co", opContains}, {"sw", opStarts}, {"ew", opEnds},
	{"gt", opGreater}, {"ge", opGreaterEqual}, {"lt", opLess}, {"le", opLessEqual}, {"pr", opPresent},
}

// parseFilter parses text for resources of type rt. Config.MaxFilter bounds the
// text and thus the work; maxDepth bounds the nesting.
func (rt *resourceType) parseFilter(text string) (*filter, error) {
	if len(text) > rt.maxFilter {
		return nil, badFilter("the filter is longer than %d bytes", rt.maxFilter)
	}
	p := filterParser{in: text, rt: rt}
	f, err := p.either(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.in) {
		return nil, p.bad("and, or, or the end")
	}
	return f, nil
}

type filterParser struct {
	in     string
	at     int
	rt     *resourceType
	within *attribute // inside brackets: the attribute before them
	inside bool
}

func (p *filterParser) bad(want string) error {
	if p.at >= len(p.in) {
		return badFilter("the filter ends early: expected %s", want)
	}
	return badFilter("the filter is wrong at character %d (%q): expected %s", p.at, clip(p.in[p.at:]), want)
}

// blanks are the characters that separate words: administrators write filters
// on several lines.
const blanks = " \t\r\n"

func (p *filterParser) space() {
	for p.at < len(p.in) && strings.IndexByte(blanks, p.in[p.at]) >= 0 {
		p.at++
	}
}

func (p *filterParser) peek() byte {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

// word reads up to a space, quote or bracket.
func (p *filterParser) word() string {
	start := p.at
	for p.at < len(p.in) && strings.IndexByte(blanks+"()[]\"", p.in[p.at]) < 0 {
		p.at++
	}
	return p.in[start:p.at]
}

// keyword consumes the word if it comes next, in any letter case.
func (p *filterParser) keyword(want string) bool {
	p.space()
	start := p.at
	if strings.EqualFold(p.word(), want) {
		return true
	}
	p.at = start
	return false
}

func (p *filterParser) either(depth int) (*filter, error) {
	return p.list(depth, "or", opOr, (*filterParser).both)
}

func (p *filterParser) both(depth int) (*filter, error) {
	return p.list(depth, "and", opAnd, (*filterParser).term)
}

// list parses one or more operands joined by a word into one node.
func (p *filterParser) list(depth int, word string, op filterOp, operand func(*filterParser, int) (*filter, error)) (*filter, error) {
	first, err := operand(p, depth)
	if err != nil {
		return nil, err
	}
	node := first
	for p.keyword(word) {
		next, err := operand(p, depth)
		if err != nil {
			return nil, err
		}
		if node == first {
			node = &filter{op: op, kids: []*filter{first}}
		}
		node.kids = append(node.kids, next)
	}
	return node, nil
}

func (p *filterParser) term(depth int) (*filter, error) {
	not := p.keyword("not")
	p.space()
	if p.peek() != '(' {
		if not {
			return nil, p.bad("( after not")
		}
		return p.comparison(depth)
	}
	if depth == maxDepth {
		return nil, badFilter("the filter is nested deeper than %d levels", maxDepth)
	}
	p.at++
	f, err := p.either(depth + 1)
	if err != nil {
		return nil, err
	}
	if p.space(); p.peek() != ')' {
		return nil, p.bad(")")
	}
	p.at++
	if not {
		f = &filter{op: opNot, kids: []*filter{f}}
	}
	return f, nil
}

// path resolves an attribute name; inside brackets it is relative to their
// attribute.
func (p *filterParser) path(name string) (attrPath, error) {
	if p.inside {
		if p.within != nil && p.within.kind != "complex" {
			if !sameName(name, "value") {
				return attrPath{}, badFilter("%q: the values are plain; compare their \"value\"", clip(name))
			}
			return attrPath{attr: "value", def: p.within}, nil // a plain value is its own "value"
		}
		if sub := p.within.sub(name); sub != nil {
			return attrPath{attr: sub.name, def: sub}, nil
		}
		if p.within != nil && p.within.closed {
			return attrPath{}, badFilter("%s has no sub-attribute %q", p.within.name, clip(name))
		}
		if !validName(name) {
			return attrPath{}, badFilter("%q is not the name of a sub-attribute", clip(name))
		}
		return attrPath{attr: name}, nil
	}
	path, ok := p.rt.resolve(name)
	if !ok || path.attr == "" {
		return attrPath{}, badFilter("%q is not the name of an attribute", clip(name))
	}
	if path.sub != "" && path.subDef == nil && path.def != nil && path.def.closed {
		return attrPath{}, badFilter("%s has no sub-attribute %q", path.def.name, clip(path.sub))
	}
	return path, nil
}

func (p *filterParser) comparison(depth int) (*filter, error) {
	name := p.word()
	if name == "" {
		return nil, p.bad("an attribute name")
	}
	path, err := p.path(name)
	if err != nil {
		return nil, err
	}
	if p.peek() == '[' {
		return p.valuePath(path, depth)
	}
	return p.operation(path)
}

// valuePath parses attr[filter], attr[filter].sub op value and attr[filter] op
// value. In a filter, the last two are handled alike.
func (p *filterParser) valuePath(path attrPath, depth int) (*filter, error) {
	inner, sub, err := p.brackets(path, depth)
	if err != nil {
		return nil, err
	}
	if sub == "" {
		return &filter{op: opValuePath, path: path, inner: inner}, nil
	}
	within := filterParser{in: p.in, at: p.at, rt: p.rt, within: path.def, inside: true}
	subPath, err := within.path(sub)
	if err != nil {
		return nil, err
	}
	comparison, err := within.operation(subPath)
	p.at = within.at
	if err != nil {
		return nil, err
	}
	inner = &filter{op: opAnd, kids: []*filter{inner, comparison}}
	return &filter{op: opValuePath, path: path, inner: inner}, nil
}

// brackets parses [filter] and an optional .sub after it; p is at the [.
func (p *filterParser) brackets(path attrPath, depth int) (inner *filter, sub string, err error) {
	if p.inside || path.sub != "" || path.def != nil && path.def.kind != "complex" && !path.def.multi {
		return nil, "", p.bad(fmt.Sprintf("no brackets here: %q has no sub-attributes", clip(path.String())))
	}
	if depth == maxDepth {
		return nil, "", badFilter("the filter is nested deeper than %d levels", maxDepth)
	}
	p.at++
	in := filterParser{in: p.in, at: p.at, rt: p.rt, within: path.def, inside: true}
	inner, err = in.either(depth + 1)
	p.at = in.at
	if err != nil {
		return nil, "", err
	}
	if p.space(); p.peek() != ']' {
		return nil, "", p.bad("]")
	}
	p.at++
	if p.peek() == '.' {
		p.at++
		if sub = p.word(); path.def.sub(sub) == nil && !validName(sub) {
			return nil, "", p.bad("the name of a sub-attribute")
		}
	}
	return inner, sub, nil
}

func (p *filterParser) operation(path attrPath) (*filter, error) {
	p.space()
	start := p.at
	word := p.word()
	f := &filter{path: path}
	for _, known := range filterOps {
		if strings.EqualFold(word, known.word) {
			f.op = known.op
		}
	}
	if f.op == 0 {
		p.at = start
		return nil, p.bad("an operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr)")
	}
	if path.def.hidden() {
		return nil, sensitive("%s: the attribute cannot be searched", path)
	}
	if f.op == opPresent {
		return f, nil
	}
	var err error
	if f.value, err = p.literal(); err != nil {
		return nil, err
	}
	return f, f.prepare()
}

// literal reads the value of a comparison. A word without quotes that is
// neither a number nor a JSON word is treated as a string, because Entra sends
// strings so.
func (p *filterParser) literal() (any, error) {
	p.space()
	if p.peek() == '"' {
		in := jsonParser{in: p.in, at: p.at}
		s, err := in.str()
		if err != nil {
			return nil, p.bad("a string in quotes")
		}
		p.at = in.at
		return s, nil
	}
	if s, ok := p.apostrophes(); ok {
		return s, nil
	}
	word := p.word()
	switch strings.ToLower(word) {
	case "", "and", "or", "not":
		return nil, p.bad("a value")
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	}
	if strings.ContainsRune(word, 0) {
		return nil, p.bad("a value without a NUL")
	}
	if v, err := parseJSON(word); err == nil {
		if n, ok := v.(number); ok {
			return n, nil
		}
	}
	return word, nil
}

// apostrophes reads a value between apostrophes, as filters of other protocols
// write it. Text without the second apostrophe, or with more text after it, is
// a word.
func (p *filterParser) apostrophes() (string, bool) {
	if p.peek() != '\'' {
		return "", false
	}
	length := strings.IndexByte(p.in[p.at+1:], '\'')
	if length <= 0 {
		return "", false
	}
	end := p.at + 1 + length
	if rest := p.in[end+1:]; rest != "" && strings.IndexByte(blanks+")]", rest[0]) < 0 || strings.IndexByte(p.in[p.at:end], 0) >= 0 {
		return "", false
	}
	s := p.in[p.at+1 : end]
	p.at = end + 1
	return s, true
}

// partial reports whether the comparison is with a part of a text.
func (f *filter) partial() bool { return f.op == opContains || f.op == opStarts || f.op == opEnds }

// prepare converts the value to the attribute's type and refuses comparisons
// that the type does not support.
func (f *filter) prepare() error {
	def := f.path.leaf()
	if def != nil && def.kind == "complex" {
		// A complex attribute compares by its "value", such as emails and
		// members.
		sub := def.sub("value")
		if sub == nil {
			return badFilter("%s: name one of the sub-attributes", f.path)
		}
		f.path.sub, f.path.subDef = sub.name, sub
		def = sub
	}
	text := def == nil || def.kind == "string" || def.kind == "reference"
	if def != nil {
		switch s, isString := f.value.(string); def.kind {
		case "boolean":
			if isString { // roles[primary eq "True"]
				f.value = map[string]any{"true": true, "false": false}[strings.ToLower(s)]
			}
			if _, ok := f.value.(bool); !ok && f.value != nil || isString && f.value == nil {
				return badFilter("%s: want true or false", f.path)
			}
		case "integer", "decimal":
			if v, err := parseJSON(s); isString && err == nil {
				f.value = v
			}
			if _, ok := f.value.(number); !ok && f.value != nil {
				return badFilter("%s: want a number", f.path)
			}
		case "dateTime":
			var ok bool
			if f.time, ok = parseTime(s); !ok && f.value != nil && (!isString || !f.partial()) {
				return badFilter("%s: want a time such as 2011-05-13T04:42:34Z", f.path)
			}
		default:
			switch v := f.value.(type) { // the form in which such values are stored
			case number, bool:
				f.value = textOf(v)
			}
		}
	}
	f.source = f.value
	s, isString := f.value.(string)
	f.exact = def != nil && def.caseExact
	if isString && !f.exact {
		f.value = foldText(s)
	}
	_, isBool := f.value.(bool)
	f.assume = isBool && def != nil && def.kind == "boolean" && def.name == "primary" && (f.path.sub == "" || f.path.def.multi)
	switch f.op {
	case opGreater, opGreaterEqual, opLess, opLessEqual:
		if isBool || f.value == nil || def != nil && (def.kind == "boolean" || def.kind == "binary") {
			return badFilter("%s: the values have no order", f.path)
		}
	}
	if f.partial() {
		if !isString || !text && def.kind != "binary" && def.kind != "dateTime" {
			return badFilter("%s: want a string to search for in a string", f.path)
		}
	}
	return nil
}
