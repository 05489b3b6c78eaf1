package soql

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Program evaluates a condition on saved records, without Salesforce. It follows
// SOQL: texts are compared without regard to case; null equals null, the empty text
// and FALSE, and is neither less nor greater than anything. Texts are ordered by
// their characters, not by a locale.
type Program struct {
	fields []string
	root   evaluator
}

// Compile prepares the condition. The error names everything in it that only the
// org can decide: semi-joins, periods such as LAST_N_DAYS, labels, fiscal years,
// the time zone of a user, amounts in a currency, distances.
func (c Condition) Compile() (*Program, error) {
	p := &Program{}
	var reasons []string
	p.root = p.compile(c.root, func(of, why string) {
		if reason := of + ": " + why; !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	})
	if len(reasons) > 0 {
		return nil, errors.New(strings.Join(reasons, "; "))
	}
	return p, nil
}

// Fields returns the fields whose values Match needs.
func (p *Program) Fields() []string { return p.fields }

// Match reports whether a record meets the condition. values are the values of
// Fields, in that order. If a value has another type than the literal it is
// compared with, the program cannot answer, and returns an error.
func (p *Program) Match(values []*Value) (bool, error) { return p.root.match(values) }

// An evaluator is a node of a prepared condition.
type evaluator interface {
	match(values []*Value) (bool, error)
}

func (p *Program) compile(n node, undecidable func(of, why string)) evaluator {
	switch n := n.(type) {
	case *logical:
		all := make(junction, 0, len(n.terms))
		for _, term := range n.terms {
			all = append(all, p.compile(term, undecidable))
		}
		if n.op == "AND" {
			return conjunction{all}
		}
		return disjunction{all}
	case *not:
		return negation{p.compile(n.term, undecidable)}
	case *compare:
		return p.compileComparison(n, undecidable)
	}
	if n, ok := n.(*semiJoin); ok {
		undecidable(n.field, "a semi-join asks other objects, which only the org holds")
	}
	return nil
}

// A junction has the terms of an AND or an OR. It evaluates every term, so that an
// error does not depend on the values of earlier terms.
type junction []evaluator

func (j junction) count(values []*Value) (fulfilled int, err error) {
	for _, term := range j {
		ok, err := term.match(values)
		if err != nil {
			return 0, err
		}
		if ok {
			fulfilled++
		}
	}
	return fulfilled, nil
}

type conjunction struct{ junction }

func (c conjunction) match(values []*Value) (bool, error) {
	n, err := c.count(values)
	return n == len(c.junction), err
}

type disjunction struct{ junction }

func (d disjunction) match(values []*Value) (bool, error) {
	n, err := d.count(values)
	return n > 0, err
}

type negation struct{ term evaluator }

func (n negation) match(values []*Value) (bool, error) {
	ok, err := n.term.match(values)
	return !ok, err
}

// A test compares one value of a record with the literals of a comparison.
type test struct {
	name   string // for errors
	field  int    // position among the program's fields
	derive func(time.Time) Value
	found  func(*Value) (bool, error) // whether the value equals a literal, or is in its range
	negate bool
}

func (t *test) match(values []*Value) (bool, error) {
	v := values[t.field]
	if t.derive != nil && !v.IsNull() {
		at, _, ok := readTime(v.text)
		if v.kind != valueText || !ok {
			return false, fmt.Errorf("%s: want a date or a time in the record", t.name)
		}
		derived := t.derive(at.UTC())
		v = &derived
	}
	ok, err := t.found(v)
	if err != nil {
		return false, fmt.Errorf("%s: %w", t.name, err)
	}
	return ok != t.negate, nil
}

func (p *Program) compileComparison(n *compare, undecidable func(of, why string)) evaluator {
	t := &test{name: n.left.text, negate: n.op == "!=" || n.op == "NOT IN" || n.op == "EXCLUDES"}
	switch derive, known := derivations[n.left.function]; {
	case n.left.function == "DISTANCE":
		undecidable(t.name, "distances are measured by the org")
	case n.left.function == "TOLABEL":
		undecidable(t.name, "labels are in the language of a user of the org")
	case n.left.zoned:
		undecidable(t.name, "convertTimezone depends on the time zone of a user of the org")
	case n.left.function != "" && !known:
		undecidable(t.name, "fiscal years are as the org has set them")
	default:
		t.derive = derive
	}
	for _, v := range n.values {
		switch v.kind {
		case literalPeriod:
			undecidable(t.name, "periods such as LAST_N_DAYS depend on the clock and the time zone of the org")
		case literalCurrency:
			undecidable(t.name, "amounts in a currency are converted by the org")
		}
	}
	for _, field := range n.left.fields { // one field, except for DISTANCE, which is not decided here
		if t.field = slices.Index(p.fields, field); t.field < 0 {
			t.field = len(p.fields)
			p.fields = append(p.fields, field)
		}
	}
	switch n.op {
	case "LIKE":
		t.found = like(n.values)
	case "INCLUDES", "EXCLUDES":
		t.found = includes(n.values)
	case "<", "<=", ">", ">=":
		t.found = ordered(n.op, n.values[0])
	default:
		t.found = equal(n.left, n.values)
	}
	return t
}

// derivations are the date functions that do not depend on the org. They use UTC.
var derivations = map[string]func(time.Time) Value{
	"CALENDAR_MONTH":   func(at time.Time) Value { return integer(int(at.Month())) },
	"CALENDAR_QUARTER": func(at time.Time) Value { return integer((int(at.Month()) + 2) / 3) },
	"CALENDAR_YEAR":    func(at time.Time) Value { return integer(at.Year()) },
	"DAY_IN_MONTH":     func(at time.Time) Value { return integer(at.Day()) },
	"DAY_IN_WEEK":      func(at time.Time) Value { return integer(int(at.Weekday()) + 1) }, // Sunday is 1
	"DAY_IN_YEAR":      func(at time.Time) Value { return integer(at.YearDay()) },
	"DAY_ONLY":         func(at time.Time) Value { return Text(at.Format(time.DateOnly)) },
	"HOUR_IN_DAY":      func(at time.Time) Value { return integer(at.Hour()) },
	"WEEK_IN_MONTH":    func(at time.Time) Value { return integer((at.Day() + 6) / 7) },     // the first week ends on the 7th
	"WEEK_IN_YEAR":     func(at time.Time) Value { return integer((at.YearDay() + 6) / 7) }, // the first week ends on January 7th
}

func integer(n int) Value { return Number(strconv.Itoa(n)) }

var errType = errors.New("the value in the record is not of the same type as the filter's")

// A set holds the literals that a field is compared with by = or IN.
type set struct {
	null    bool            // NULL, or the empty text, which Salesforce keeps as null
	texts   map[string]bool // folded; there may be many
	isID    bool            // the field holds an ID, which is compared in its long form
	bools   bool            // TRUE or FALSE is among them
	yes, no bool
	others  []func(*Value) (int, error) // numbers and times
}

// equal returns a function that looks for a value among literals.
func equal(left operand, literals []literal) func(*Value) (bool, error) {
	field := strings.ToLower(left.text)
	s := set{texts: map[string]bool{}, isID: strings.HasSuffix(field, "id") && left.function == ""}
	for _, lit := range literals {
		switch lit.kind {
		case literalNull:
			s.null = true
		case literalString:
			s.addText(string(decode(lit.text, false)), strings.HasSuffix(field, "__c"))
		case literalBool:
			s.bools, s.yes, s.no = true, s.yes || lit.text == "TRUE", s.no || lit.text == "FALSE"
		default:
			s.others = append(s.others, order(lit))
		}
	}
	return s.has
}

// addText adds a text. A custom field may be a lookup, whose IDs come in their long
// form.
func (s *set) addText(text string, custom bool) {
	if text == "" {
		s.null = true
		return
	}
	if s.isID {
		text = LongID(text)
	}
	s.texts[strings.ToLower(text)] = true
	if custom {
		s.texts[strings.ToLower(LongID(text))] = true
	}
}

// has reports whether a value is in the set. The set wants a value of the type of
// each of its literals, else the error is errType.
func (s *set) has(v *Value) (bool, error) {
	if v.IsNull() {
		return s.null || s.no, nil // a null counts as FALSE
	}
	found := s.null && v.kind == valueBool && !v.yes
	if s.bools {
		is, ok := v.Bool()
		if !ok {
			return false, errType
		}
		found = found || is && s.yes || !is && s.no
	}
	if len(s.texts) > 0 {
		if v.kind != valueText {
			return false, errType
		}
		text := v.fold()
		if s.isID && len(v.text) == 15 {
			text = strings.ToLower(LongID(v.text))
		}
		found = found || s.texts[text]
	}
	for _, compare := range s.others {
		c, err := compare(v)
		if err != nil {
			return false, err
		}
		found = found || c == 0
	}
	return found, nil
}

func ordered(op string, lit literal) func(*Value) (bool, error) {
	compare := order(lit)
	return func(v *Value) (bool, error) {
		if v.IsNull() {
			return false, nil
		}
		c, err := compare(v)
		if err != nil {
			return false, err
		}
		return c < 0 && op[0] == '<' || c > 0 && op[0] == '>' || c == 0 && len(op) == 2, nil
	}
}

// order returns a function that compares a value that is not null with a literal
// that is a text, a number or a time.
func order(lit literal) func(*Value) (int, error) {
	switch lit.kind {
	case literalString:
		text := strings.ToLower(string(decode(lit.text, false)))
		return func(v *Value) (int, error) {
			if v.kind != valueText {
				return 0, errType
			}
			return cmp.Compare(v.fold(), text), nil
		}
	case literalNumber:
		want, _ := strconv.ParseFloat(lit.text, 64) // the parser takes nothing else
		return func(v *Value) (int, error) {
			n, ok := v.number()
			if !ok {
				return 0, errType
			}
			return cmp.Compare(n, want), nil
		}
	}
	want, _, _ := readTime(lit.text)
	return func(v *Value) (int, error) {
		at, kind, ok := readTime(v.text)
		if v.kind != valueText || !ok || kind != lit.kind {
			return 0, errType
		}
		return at.Compare(want), nil
	}
}

// like matches a text with a pattern, in which % stands for any characters and
// _ for one.
func like(literals []literal) func(*Value) (bool, error) {
	pattern := decode(literals[0].text, true)
	return func(v *Value) (bool, error) {
		if v.IsNull() {
			return false, nil
		}
		if v.kind != valueText {
			return false, errors.New("LIKE wants a text in the record")
		}
		return likeMatch(v.fold(), pattern), nil
	}
}

// includes looks for all choices of a literal ('A;B') among those of a multi-select
// picklist, which is one text of the same form.
func includes(literals []literal) func(*Value) (bool, error) {
	var wanted [][]string
	for _, lit := range literals {
		wanted = append(wanted, strings.Split(strings.ToLower(string(decode(lit.text, false))), ";"))
	}
	return func(v *Value) (bool, error) {
		if v.IsNull() {
			return false, nil
		}
		if v.kind != valueText {
			return false, errors.New("INCLUDES and EXCLUDES want a text in the record")
		}
		for _, choices := range wanted {
			missing := slices.ContainsFunc(choices, func(choice string) bool { return !hasChoice(v.fold(), choice) })
			if !missing {
				return true, nil
			}
		}
		return false, nil
	}
}

func hasChoice(text, choice string) bool {
	for have := range strings.SplitSeq(text, ";") {
		if have == choice {
			return true
		}
	}
	return false
}

// The wildcards of a pattern, as characters that no text holds.
const (
	anyText rune = -1
	anyChar rune = -2
)

// decode decodes a string in canonical form. For a pattern, the result is in lower
// case and has characters for the wildcards % and _.
func decode(canonical string, asPattern bool) []rune {
	var out []rune
	escaped := false
	var hex int // number of digits of \uXXXX still to read
	var code rune
	for _, r := range canonical {
		switch {
		case hex > 0:
			hex--
			digit, _ := strconv.ParseUint(string(r), 16, 8) // the canonical form has only digits here
			if code = code<<4 | rune(digit); hex == 0 {
				out = append(out, code)
			}
			continue
		case escaped:
			escaped = false
			if r == 'u' {
				hex, code = 4, 0
				continue
			}
			if i := strings.IndexRune("nrtbf", r); i >= 0 {
				r = rune("\n\r\t\b\f"[i])
			}
		case r == '\\':
			escaped = true
			continue
		case asPattern && r == '%':
			r = anyText
		case asPattern && r == '_':
			r = anyChar
		}
		if asPattern {
			r = unicode.ToLower(r)
		}
		out = append(out, r)
	}
	return out
}

// likeMatch goes back to the last % only, so its work is bounded by the product of
// the two lengths.
func likeMatch(text string, pattern []rune) bool {
	t, p, star, from := 0, 0, -1, 0
	for t < len(text) {
		r, size := utf8.DecodeRuneInString(text[t:])
		switch {
		case p < len(pattern) && pattern[p] == anyText:
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == anyChar || pattern[p] == r):
			t += size
			p++
		case star >= 0:
			_, skipped := utf8.DecodeRuneInString(text[from:])
			from += skipped
			t, p = from, star+1
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == anyText {
		p++
	}
	return p == len(pattern)
}
