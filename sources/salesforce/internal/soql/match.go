package soql

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Match reports whether a record fulfils the condition. It is for saved
// records, where no Salesforce is there to ask, and follows SOQL: texts compare
// without regard to case, null is equal to null and to the empty text only, and
// neither more nor less than anything.
//
// The values are those of a JSON record: nil, string, bool or json.Number. What
// only the org can know is an error: semi-joins, periods such as LAST_N_DAYS
// (which depend on its clock and zone), and values whose type is not the
// field's.
func (c Condition) Match(value func(field string) any) (bool, error) {
	return match(c.root, value)
}

func match(n node, value func(string) any) (bool, error) {
	switch n := n.(type) {
	case *logical:
		// Every term is looked at, so that an error does not depend on the
		// data of the terms before it.
		result := n.op == "AND"
		for _, term := range n.terms {
			ok, err := match(term, value)
			if err != nil {
				return false, err
			}
			if n.op == "AND" {
				result = result && ok
			} else {
				result = result || ok
			}
		}
		return result, nil
	case *not:
		ok, err := match(n.term, value)
		return !ok, err
	case *compare:
		return n.match(value(n.field))
	}
	return false, errors.New("a semi-join asks other objects, which only the org holds")
}

func (n *compare) match(value any) (bool, error) {
	var matches func(any, literal) (bool, error)
	switch n.op {
	case "LIKE":
		matches = like
	case "INCLUDES", "EXCLUDES":
		matches = includes
	case "<", "<=", ">", ">=":
		matches = func(v any, lit literal) (bool, error) { return ordered(n.op, v, lit) }
	default:
		matches = equal
	}
	isID := strings.HasSuffix(strings.ToLower(n.field), "id")
	if id, ok := value.(string); ok && isID {
		value = LongID(id)
	}
	found := false
	for _, lit := range n.values {
		if isID && lit.kind == literalString {
			lit.text = LongID(lit.text)
		}
		ok, err := matches(value, lit)
		if err != nil {
			return false, fmt.Errorf("%s: %w", n.field, err)
		}
		found = found || ok
	}
	switch n.op {
	case "!=", "NOT IN", "EXCLUDES":
		return !found, nil
	}
	return found, nil
}

func equal(value any, lit literal) (bool, error) {
	if lit.kind == literalPeriod {
		return false, errPeriod
	}
	if null := lit.kind == literalNull || lit.kind == literalString && lit.text == ""; null || isNull(value) {
		return null && isNull(value), nil
	}
	if b, ok := value.(bool); ok && lit.kind == literalBool {
		return b == (lit.text == "TRUE"), nil
	}
	c, err := order(value, lit)
	return c == 0, err
}

func ordered(op string, value any, lit literal) (bool, error) {
	if lit.kind == literalPeriod {
		return false, errPeriod
	}
	if isNull(value) {
		return false, nil
	}
	c, err := order(value, lit)
	if err != nil {
		return false, err
	}
	return c < 0 && op[0] == '<' || c > 0 && op[0] == '>' || c == 0 && len(op) == 2, nil
}

// order compares a value that is not null with a literal of the same type.
func order(value any, lit literal) (int, error) {
	switch value := value.(type) {
	case json.Number:
		a, errA := value.Float64()
		b, errB := strconv.ParseFloat(lit.text, 64)
		if lit.kind == literalNumber && errA == nil && errB == nil {
			return cmp.Compare(a, b), nil
		}
	case string:
		if lit.kind == literalString {
			return slices.Compare(fold(value), fold(string(decode(lit.text, false)))), nil
		}
		if a, isDate, ok := readTime(value); ok && (lit.kind == literalDate && isDate || lit.kind == literalDateTime && !isDate) {
			b, _, _ := readTime(lit.text)
			return a.Compare(b), nil
		}
	}
	return 0, errors.New("the value in the record is not of the same type as the filter's")
}

var errPeriod = errors.New("periods such as LAST_N_DAYS depend on the clock and the time zone of the org")

// like matches a text with a pattern, in which % stands for any characters and
// _ for one.
func like(value any, lit literal) (bool, error) {
	if isNull(value) {
		return false, nil
	}
	text, ok := value.(string)
	if !ok {
		return false, errors.New("LIKE wants a text in the record")
	}
	return likeMatch(fold(text), decode(lit.text, true)), nil
}

// The wildcards of a pattern, as characters that no text holds.
const (
	anyText rune = -1
	anyChar rune = -2
)

// decode undoes the escapes of a canonical string. As a pattern it comes in
// lower case, with its bare % and _ as wildcards.
func decode(canonical string, asPattern bool) []rune {
	var out []rune
	escaped := false
	var hex int // how many digits of \uXXXX are still to come
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

// fold brings a text to the form in which texts compare.
func fold(text string) []rune {
	runes := []rune(text)
	for i, r := range runes {
		runes[i] = unicode.ToLower(r)
	}
	return runes
}

// likeMatch remembers the last % only, so its work is bounded by the product of
// the two lengths.
func likeMatch(text, pattern []rune) bool {
	t, p, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == anyText:
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == anyChar || pattern[p] == text[t]):
			t++
			p++
		case star >= 0:
			from++
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

// includes looks for all of the literal's choices ('A;B') among those of a
// multi-select picklist, which travels as one text of the same form.
func includes(value any, lit literal) (bool, error) {
	if isNull(value) {
		return false, nil
	}
	text, ok := value.(string)
	if !ok {
		return false, errors.New("INCLUDES and EXCLUDES want a text in the record")
	}
	have := map[string]bool{}
	for choice := range strings.SplitSeq(text, ";") {
		have[strings.ToLower(choice)] = true
	}
	for choice := range strings.SplitSeq(string(decode(lit.text, false)), ";") {
		if !have[strings.ToLower(choice)] {
			return false, nil
		}
	}
	return true, nil
}

func isNull(value any) bool { return value == nil || value == "" }

// readTime reads a date, or a time with a date in the form of a literal or of
// an answer ("2023-04-28T13:10:51.000+0000").
func readTime(text string) (at time.Time, isDate, ok bool) {
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at, true, true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, false, true
		}
	}
	return time.Time{}, false, false
}
