package soql

import (
	"slices"
	"strings"
)

// A Condition is a parsed and accepted condition. The zero value is none;
// Parse makes one.
type Condition struct {
	root  node
	joins int // how many semi-joins it holds
}

// String returns the condition as SOQL, without parentheses around it. It is
// written from the tree, not copied from the text that was parsed.
func (c Condition) String() string {
	var b strings.Builder
	c.root.write(&b)
	return b.String()
}

// Fields returns the fields that the condition compares, each once, in the
// order in which they are met. Those of semi-joins are not among them, since
// they belong to other objects.
func (c Condition) Fields() []string {
	var fields []string
	walk(c.root, func(n node) {
		if n, ok := n.(*compare); ok && !slices.Contains(fields, n.field) {
			fields = append(fields, n.field)
		}
	})
	return fields
}

// Joins returns how many semi-joins the condition holds. A query may have
// MaxJoins of them.
func (c Condition) Joins() int { return c.joins }

type node interface {
	write(b *strings.Builder)
}

// logical is two or more terms joined by AND, or by OR.
type logical struct {
	op    string
	terms []node
}

func (n *logical) write(b *strings.Builder) {
	for i, term := range n.terms {
		if i > 0 {
			b.WriteString(" " + n.op + " ")
		}
		writeNested(b, term)
	}
}

type not struct{ term node }

func (n *not) write(b *strings.Builder) {
	b.WriteString("NOT ")
	writeNested(b, n.term)
}

// compare is a field, an operator and one value; or several values, if the
// operator is IN, NOT IN, INCLUDES or EXCLUDES.
type compare struct {
	field  string
	op     string
	values []literal
}

func (n *compare) write(b *strings.Builder) {
	b.WriteString(n.field + " " + n.op + " ")
	if !listOps[n.op] {
		n.values[0].write(b)
		return
	}
	b.WriteByte('(')
	for i, v := range n.values {
		if i > 0 {
			b.WriteString(", ")
		}
		v.write(b)
	}
	b.WriteByte(')')
}

// semiJoin is a field that is, or is not, among the answers of a query on
// another object. A nil where asks for all of them.
type semiJoin struct {
	field, op, column, object string
	where                     node
}

func (n *semiJoin) write(b *strings.Builder) {
	b.WriteString(n.field + " " + n.op + " (SELECT " + n.column + " FROM " + n.object)
	if n.where != nil {
		b.WriteString(" WHERE ")
		n.where.write(b)
	}
	b.WriteByte(')')
}

// writeNested writes a node inside another one, in parentheses unless it is a
// plain comparison.
func writeNested(b *strings.Builder, n node) {
	switch n.(type) {
	case *logical, *not:
		b.WriteByte('(')
		n.write(b)
		b.WriteByte(')')
	default:
		n.write(b)
	}
}

// walk visits the nodes that speak about the user: not those of a semi-join's
// own condition.
func walk(n node, visit func(node)) {
	visit(n)
	switch n := n.(type) {
	case *logical:
		for _, term := range n.terms {
			walk(term, visit)
		}
	case *not:
		walk(n.term, visit)
	}
}

type literalKind uint8

const (
	literalString literalKind = iota
	literalNumber
	literalDate
	literalDateTime
	literalPeriod // TODAY, LAST_N_DAYS:90
	literalBool
	literalNull
)

// literal is a value as it is written; a string without its quotes.
type literal struct {
	kind literalKind
	text string
}

func (v literal) write(b *strings.Builder) {
	if v.kind != literalString {
		b.WriteString(v.text)
		return
	}
	b.WriteString("'" + v.text + "'")
}
