package soql

import (
	"slices"
	"strings"
)

// A Condition is a parsed condition. Parse returns one; the zero value is none.
type Condition struct {
	root  node
	joins int // number of semi-joins
}

// String returns the condition as SOQL that may follow WHERE: without parentheses
// around the whole, and with every semi-join among its AND terms outside of
// parentheses, which Salesforce requires. It is written from the tree, not copied
// from the parsed text.
func (c Condition) String() string {
	var b strings.Builder
	c.root.write(&b)
	return b.String()
}

// Fields returns the fields that the condition compares, each once, in the order of
// the text. It leaves out those of semi-joins, which belong to other objects.
func (c Condition) Fields() []string {
	var fields []string
	walk(c.root, func(n node) {
		if n, ok := n.(*compare); ok {
			for _, field := range n.left.fields {
				if !slices.Contains(fields, field) {
					fields = append(fields, field)
				}
			}
		}
	})
	return fields
}

// Joins returns the number of semi-joins. A query may have MaxJoins of them.
func (c Condition) Joins() int { return c.joins }

// All returns the condition that holds if all of the given ones hold. At least one
// must be given. It has the semi-joins of all.
func All(conditions ...Condition) Condition {
	var terms []node
	joins := 0
	for _, c := range conditions {
		terms = append(terms, c.root)
		joins += c.joins
	}
	return Condition{join("AND", terms), joins}
}

// Equal returns the condition that a field equals the given text.
func Equal(field, text string) Condition {
	return Condition{root: &compare{left: fieldOperand(field), op: "=", values: []literal{{literalString, escaped(text)}}}}
}

// escaped returns a text in the form in which it is written between quotes.
func escaped(text string) string {
	var canonical strings.Builder
	for _, r := range text {
		canonical.WriteString(escape(r))
	}
	return canonical.String()
}

type node interface {
	write(b *strings.Builder)
}

// logical is two or more terms joined by AND or by OR. No term is a logical with
// the same operator.
type logical struct {
	op    string
	terms []node
}

// join joins terms, of which there must be at least one.
func join(op string, terms []node) node {
	var flat []node
	for _, term := range terms {
		if inner, ok := term.(*logical); ok && inner.op == op {
			flat = append(flat, inner.terms...)
		} else {
			flat = append(flat, term)
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return &logical{op, flat}
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

// operand is the left side of a comparison: a field, or a function of fields.
type operand struct {
	text     string   // as it is written
	fields   []string // the fields that it reads
	function string   // in upper case; "" for a field
	zoned    bool     // the function is one of convertTimezone(field)
}

func fieldOperand(field string) operand { return operand{text: field, fields: []string{field}} }

// compare is an operand, an operator and one value, or several values for the
// operators IN, NOT IN, INCLUDES and EXCLUDES.
type compare struct {
	left   operand
	op     string
	values []literal
}

func (n *compare) write(b *strings.Builder) {
	b.WriteString(n.left.text + " " + n.op + " ")
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

// semiJoin is a field that is, or is not, among the answers of a query on another
// object. If where is nil, the query selects all of them.
type semiJoin struct {
	field, op, column, object string
	alias                     string // of the object in where
	where                     node
}

func (n *semiJoin) write(b *strings.Builder) {
	b.WriteString(n.field + " " + n.op + " (SELECT " + n.column + " FROM " + n.object)
	if n.alias != "" {
		b.WriteString(" " + n.alias)
	}
	if n.where != nil {
		b.WriteString(" WHERE ")
		n.where.write(b)
	}
	b.WriteByte(')')
}

// writeNested writes a node inside another one. It adds parentheses unless the node
// is a plain comparison.
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

// walk visits the nodes about the user, without those in a semi-join's own
// condition.
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
	literalTime
	literalCurrency // USD5000
	literalPeriod   // TODAY, LAST_N_DAYS:90
	literalBool
	literalNull
)

// literal is a value as written; a string without its quotes.
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

// A Subquery is the query of a semi-join: SELECT Column FROM Object WHERE Where.
type Subquery struct {
	Column, Object string
	Where          *Condition // nil: no condition
}

// Resolve returns the condition with the answers in place of its semi-joins. answer
// returns the values that a query selects.
func (c Condition) Resolve(answer func(Subquery) ([]string, error)) (Condition, error) {
	root, err := resolve(c.root, answer)
	return Condition{root: root}, err
}

func resolve(n node, answer func(Subquery) ([]string, error)) (node, error) {
	switch n := n.(type) {
	case *logical:
		terms := make([]node, len(n.terms))
		for i, term := range n.terms {
			var err error
			if terms[i], err = resolve(term, answer); err != nil {
				return nil, err
			}
		}
		return &logical{n.op, terms}, nil
	case *not:
		term, err := resolve(n.term, answer)
		return &not{term}, err
	case *semiJoin:
		values, err := answer(n.query())
		if err != nil {
			return nil, err
		}
		list := &compare{left: fieldOperand(n.field), op: n.op}
		for _, value := range values {
			list.values = append(list.values, literal{literalString, escaped(value)})
		}
		return list, nil
	}
	return n, nil
}

// query returns the query of the semi-join, with fields that do not use the alias.
func (n *semiJoin) query() Subquery {
	q := Subquery{Column: n.bare(n.column), Object: n.object}
	if n.where == nil {
		return q
	}
	bare := rename(n.where, n.bare)
	q.Where = &Condition{root: bare}
	return q
}

// bare returns a field without the alias of its object.
func (n *semiJoin) bare(field string) string {
	if alias, of, nested := strings.Cut(field, "."); nested && n.alias != "" && strings.EqualFold(alias, n.alias) {
		return of
	}
	return field
}

// rename returns a condition with other names of its fields.
func rename(n node, name func(string) string) node {
	switch n := n.(type) {
	case *logical:
		terms := make([]node, len(n.terms))
		for i, term := range n.terms {
			terms[i] = rename(term, name)
		}
		return &logical{n.op, terms}
	case *not:
		return &not{rename(n.term, name)}
	case *compare:
		renamed := *n
		renamed.left.fields = make([]string, len(n.left.fields))
		for i, field := range n.left.fields {
			renamed.left.fields[i] = name(field)
		}
		if renamed.left.function == "" {
			renamed.left.text = name(n.left.text)
		}
		return &renamed
	}
	return n
}
