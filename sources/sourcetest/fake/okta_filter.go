package fake

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// An oktaExpression reports whether it selects a row, by the values of the row's
// attributes.
type oktaExpression func(get func(name string) []string) bool

// parseOkta parses an expression of the parameters filter and search: comparisons,
// and, or, parentheses; not is not known. If attributes are named, as for filter,
// only these may be used, and only with eq, and for times with gt, ge, lt and le.
// The empty expression selects everything.
func parseOkta(text string, attributes []string) (oktaExpression, error) {
	if text == "" {
		return func(func(string) []string) bool { return true }, nil
	}
	p := &oktaParser{rest: text, attributes: attributes}
	expression := p.or()
	if p.space(); p.failed || p.rest != "" {
		return nil, errors.New("invalid search criteria")
	}
	return expression, nil
}

type oktaParser struct {
	rest       string
	attributes []string
	failed     bool
}

func (p *oktaParser) space() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *oktaParser) take(text string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, text)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *oktaParser) word() string {
	p.space()
	end := strings.IndexAny(p.rest, " ()\"")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

// text parses a quoted text with escapes.
func (p *oktaParser) text() (string, bool) {
	if !p.take(`"`) {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case '\\':
			i++
		}
		if i < len(p.rest) {
			b.WriteByte(p.rest[i])
		}
	}
	return "", false
}

func (p *oktaParser) or() oktaExpression {
	left := p.and()
	for !p.failed && p.take("or ") {
		a, b := left, p.and()
		left = func(get func(string) []string) bool { return a(get) || b(get) }
	}
	return left
}

func (p *oktaParser) and() oktaExpression {
	left := p.term()
	for !p.failed && p.take("and ") {
		a, b := left, p.term()
		left = func(get func(string) []string) bool { return a(get) && b(get) }
	}
	return left
}

func (p *oktaParser) term() oktaExpression {
	if p.take("(") {
		inside := p.or()
		p.failed = p.failed || !p.take(")")
		return inside
	}
	name, op := p.word(), p.word()
	if op == "pr" && p.attributes == nil {
		return func(get func(string) []string) bool { return len(get(name)) > 0 }
	}
	ops := []string{"eq", "gt", "ge", "lt", "le", "sw", "co"}
	moment := name == "created" || name == "lastUpdated" || name == "lastMembershipUpdated"
	if p.attributes != nil {
		ops = ops[:1]
		if moment {
			ops = []string{"eq", "gt", "ge", "lt", "le"}
		}
	}
	known := p.attributes == nil || slices.Contains(p.attributes, name)
	want, ok := p.text()
	if !known || !slices.Contains(ops, op) {
		p.failed = true
		return nil
	}
	if _, err := time.Parse(time.RFC3339, want); !ok || moment && err != nil {
		p.failed = true
		return nil
	}
	if moment {
		at, _ := time.Parse(time.RFC3339, want)
		want = oktaTime(at) // one form, in which texts are ordered as times are
	}
	return func(get func(string) []string) bool {
		return slices.ContainsFunc(get(name), func(have string) bool { return oktaCompare(have, op, want) })
	}
}

func oktaCompare(have, op, want string) bool {
	switch op {
	case "eq":
		return have == want
	case "gt":
		return have > want
	case "ge":
		return have >= want
	case "lt":
		return have < want
	case "le":
		return have <= want
	case "sw":
		return strings.HasPrefix(have, want)
	}
	return strings.Contains(have, want)
}
