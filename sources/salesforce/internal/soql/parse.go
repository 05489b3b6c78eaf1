// Package soql reads the condition that an admin writes to select Salesforce
// users: what stands after WHERE in SOQL, Salesforce's query language, and
// nothing else.
//
// A condition is parsed whole and written again from its tree, so that no
// character of the admin's text reaches a query unread. What a condition could
// use to become more than a condition is refused with its position and the
// reason: closing a parenthesis it did not open, further clauses, comments,
// binds, functions, queries on objects that do not select users.
//
// The grammar, with keywords in any case of letters:
//
//	condition  = term { "AND" term } | term { "OR" term }
//	term       = "NOT" term | "(" condition ")" | comparison
//	comparison = field ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" | "LIKE" ) value
//	           | field [ "NOT" ] "IN" ( list | join )
//	           | field ( "INCLUDES" | "EXCLUDES" ) list
//	list       = "(" value { "," value } ")"
//	join       = "(" "SELECT" column "FROM" object [ "WHERE" condition ] ")"
//	field      = name { "." name }
//	value      = string | number | date | time | period | "TRUE" | "FALSE" | "NULL"
//	period     = "TODAY" | "LAST_N_DAYS:90" | ...
//
// As in SOQL, AND and OR do not mix without parentheses.
package soql

import (
	"fmt"
	"regexp"
	"strings"
)

// The bounds of a condition.
const (
	MaxLength = 10_000 // in bytes; a query travels in a URL, of which Salesforce reads 16 KB
	maxDepth  = 32     // parentheses and NOTs within each other
	maxPath   = 6      // names of a field: five relationships and the field itself
	MaxJoins  = 2      // semi-joins in one query, SOQL's own bound
)

// userColumns are the columns of other objects that hold IDs of users, by
// object in lower case: what a semi-join may ask for.
var userColumns = map[string]struct{ object, column string }{
	"permissionsetassignment":    {"PermissionSetAssignment", "AssigneeId"},
	"permissionsetlicenseassign": {"PermissionSetLicenseAssign", "AssigneeId"},
	"groupmember":                {"GroupMember", "UserOrGroupId"},
	"userterritory2association":  {"UserTerritory2Association", "UserId"},
	"userlogin":                  {"UserLogin", "UserId"},
	"userpackagelicense":         {"UserPackageLicense", "UserId"},
}

// listOps are the operators that take a list.
var listOps = map[string]bool{"IN": true, "NOT IN": true, "INCLUDES": true, "EXCLUDES": true}

// reserved are the words that are no field.
var reserved = map[string]bool{
	"AND": true, "OR": true, "NOT": true, "IN": true, "LIKE": true, "INCLUDES": true, "EXCLUDES": true,
	"TRUE": true, "FALSE": true, "NULL": true,
}

// clauses are the words that start another part of a query.
var clauses = map[string]bool{
	"SELECT": true, "FROM": true, "WHERE": true, "WITH": true, "GROUP": true, "HAVING": true, "ORDER": true,
	"LIMIT": true, "OFFSET": true, "FOR": true, "ALL": true, "UPDATE": true, "USING": true, "TYPEOF": true,
}

var (
	plainPeriod   = regexp.MustCompile(`^(?:YESTERDAY|TODAY|TOMORROW|(?:LAST|NEXT)_90_DAYS|(?:LAST|THIS|NEXT)_(?:WEEK|MONTH|(?:FISCAL_)?QUARTER|(?:FISCAL_)?YEAR))$`)
	countedPeriod = regexp.MustCompile(`^(?:(?:LAST|NEXT)_N_(?:DAYS|WEEKS|MONTHS|(?:FISCAL_)?QUARTERS|(?:FISCAL_)?YEARS)|N_(?:DAYS|WEEKS|MONTHS|(?:FISCAL_)?QUARTERS|(?:FISCAL_)?YEARS)_AGO)$`)
	periodCount   = regexp.MustCompile(`^:[0-9]{1,5}`)
)

type parser struct {
	text  string
	token token // the one to be read next
	depth int
	joins []int // where each semi-join starts, in bytes
	inner bool  // inside a semi-join
}

// Parse reads a condition. Every error is an *Error.
func Parse(text string) (Condition, error) {
	if len(text) > MaxLength {
		return Condition{}, &Error{Position: 1, Reason: fmt.Sprintf("longer than %d bytes", MaxLength)}
	}
	p := &parser{text: text}
	if err := p.advance(); err != nil {
		return Condition{}, err
	}
	root, err := p.condition()
	if err != nil {
		return Condition{}, err
	}
	if p.token.kind != kindEnd {
		return Condition{}, p.unexpected("AND, OR or the end")
	}
	return Condition{root, len(p.joins)}, nil
}

func (p *parser) advance() error {
	t, err := p.next(p.token.end)
	if err != nil {
		return err
	}
	p.token = t
	return nil
}

// unexpected refuses the present token.
func (p *parser) unexpected(want string) error {
	t := p.token
	switch {
	case t.kind == kindName && clauses[strings.ToUpper(t.text)]:
		return p.fail(t.start, strings.ToUpper(t.text)+
			" starts another part of a query; give only the condition, without the word WHERE and what follows the condition")
	case t.symbol(")"):
		return p.fail(t.start, "a closing parenthesis without an opening one")
	}
	return p.fail(t.start, fmt.Sprintf("want %s, not %.40s", want, t))
}

// expect reads a keyword.
func (p *parser) expect(keyword string) error {
	if !p.token.is(keyword) {
		return p.unexpected(keyword)
	}
	return p.advance()
}

// close reads a closing parenthesis.
func (p *parser) close() error {
	if !p.token.symbol(")") {
		return p.unexpected("a closing parenthesis")
	}
	return p.advance()
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail(p.token.start, fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	return nil
}

func (p *parser) condition() (node, error) {
	joinsBefore := len(p.joins)
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	n := &logical{terms: []node{first}}
	for p.token.is("AND") || p.token.is("OR") {
		op := strings.ToUpper(p.token.text)
		if n.op == "" {
			n.op = op
		}
		if op != n.op {
			return nil, p.fail(p.token.start, "AND and OR are mixed; say with parentheses which comes first")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		term, err := p.term()
		if err != nil {
			return nil, err
		}
		n.terms = append(n.terms, term)
	}
	if n.op == "OR" && len(p.joins) > joinsBefore {
		return nil, p.fail(p.joins[joinsBefore], "SOQL takes no semi-join beside OR")
	}
	if n.op == "" {
		return first, nil
	}
	return n, nil
}

func (p *parser) term() (node, error) {
	switch {
	case p.token.is("NOT"):
		return p.negation()
	case p.token.symbol("("):
		open := p.token.start
		if err := p.advance(); err != nil {
			return nil, err
		}
		// A parenthesis around NOT costs no depth, since String puts one
		// there: what it writes must be no deeper than what was read.
		if !p.token.is("NOT") {
			if err := p.enter(); err != nil {
				return nil, err
			}
			defer func() { p.depth-- }()
		}
		n, err := p.condition()
		if err != nil {
			return nil, err
		}
		if p.token.kind == kindEnd {
			return nil, p.fail(open, "a parenthesis that is never closed")
		}
		return n, p.close()
	}
	return p.comparison()
}

func (p *parser) negation() (node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	joinsBefore := len(p.joins)
	if err := p.advance(); err != nil {
		return nil, err
	}
	term, err := p.term()
	if err != nil {
		return nil, err
	}
	if len(p.joins) > joinsBefore {
		return nil, p.fail(p.joins[joinsBefore], "SOQL takes no semi-join under NOT; write NOT IN")
	}
	return &not{term}, nil
}

func (p *parser) comparison() (node, error) {
	field, start, err := p.field()
	if err != nil {
		return nil, err
	}
	op, err := p.operator()
	if err != nil {
		return nil, err
	}
	if !listOps[op] {
		v, err := p.value(op)
		return &compare{field, op, []literal{v}}, err
	}
	if !p.token.symbol("(") {
		return nil, p.unexpected("a list in parentheses")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.token.is("SELECT") && (op == "IN" || op == "NOT IN") {
		return p.semiJoin(field, start, op)
	}
	n := &compare{field: field, op: op}
	for {
		v, err := p.value(op)
		if err != nil {
			return nil, err
		}
		n.values = append(n.values, v)
		if !p.token.symbol(",") {
			return n, p.close()
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// field reads the name of a field and returns where it starts.
func (p *parser) field() (name string, start int, err error) {
	t := p.token
	upper := strings.ToUpper(t.text)
	if t.kind != kindName || reserved[upper] || clauses[upper] {
		return "", 0, p.unexpected("a field")
	}
	if strings.Count(t.text, ".") >= maxPath {
		return "", 0, p.fail(t.start, fmt.Sprintf("a field has at most %d names", maxPath))
	}
	if err := p.advance(); err != nil {
		return "", 0, err
	}
	if p.token.symbol("(") {
		return "", 0, p.fail(t.start, "functions are not allowed")
	}
	return t.text, t.start, nil
}

// operator reads an operator and returns it in its canonical form.
func (p *parser) operator() (string, error) {
	op := strings.ToUpper(p.token.text)
	switch {
	case p.token.symbol("<>"):
		op = "!="
	case p.token.kind == kindSymbol && strings.ContainsAny(op, "=<>"):
	case p.token.is("LIKE"), p.token.is("IN"), p.token.is("INCLUDES"), p.token.is("EXCLUDES"):
	case p.token.is("NOT"):
		if err := p.advance(); err != nil {
			return "", err
		}
		return "NOT IN", p.expect("IN")
	default:
		return "", p.unexpected("an operator (=, !=, <, <=, >, >=, LIKE, IN, NOT IN, INCLUDES, EXCLUDES)")
	}
	return op, p.advance()
}

// value reads a value that the operator can take.
func (p *parser) value(op string) (literal, error) {
	start := p.token.start
	v, err := p.literal()
	if err != nil {
		return literal{}, err
	}
	switch op {
	case "LIKE", "INCLUDES", "EXCLUDES":
		if v.kind != literalString {
			return literal{}, p.fail(start, op+" takes strings only")
		}
	case "<", "<=", ">", ">=":
		if v.kind == literalBool || v.kind == literalNull {
			return literal{}, p.fail(start, v.text+" is neither more nor less than anything")
		}
	}
	return v, nil
}

func (p *parser) literal() (literal, error) {
	t := p.token
	switch t.kind {
	case kindString:
		return literal{literalString, t.text}, p.advance()
	case kindNumber:
		return literal{literalNumber, t.text}, p.advance()
	case kindDate:
		return literal{literalDate, t.text}, p.advance()
	case kindDateTime:
		return literal{literalDateTime, t.text}, p.advance()
	case kindName:
		return p.word()
	}
	return literal{}, p.unexpected("a value")
}

// word reads a value that is a word.
func (p *parser) word() (literal, error) {
	word := strings.ToUpper(p.token.text)
	switch {
	case word == "NULL":
		return literal{literalNull, word}, p.advance()
	case word == "TRUE", word == "FALSE":
		return literal{literalBool, word}, p.advance()
	case plainPeriod.MatchString(word):
		return literal{literalPeriod, word}, p.advance()
	case countedPeriod.MatchString(word):
		count := periodCount.FindString(p.text[p.token.end:])
		if count == "" {
			return literal{}, p.fail(p.token.start, word+" wants a number, as in "+word+":30")
		}
		p.token.end += len(count)
		return literal{literalPeriod, word + count}, p.advance()
	case reserved[word], clauses[word]:
		return literal{}, p.unexpected("a value")
	}
	return literal{}, p.fail(p.token.start,
		fmt.Sprintf("%.40s is not a value: strings stand in single quotes, and fields, functions and currencies are not allowed here", p.token.text))
}

// semiJoin reads a query in parentheses, from its SELECT on.
func (p *parser) semiJoin(field string, start int, op string) (node, error) {
	if p.inner {
		return nil, p.fail(p.token.start, "a semi-join inside a semi-join")
	}
	if p.joins = append(p.joins, start); len(p.joins) > MaxJoins {
		return nil, p.fail(start, "more than two semi-joins in one query")
	}
	lower := strings.ToLower(field)
	if strings.Contains(field, ".") || !strings.HasSuffix(lower, "id") && !strings.HasSuffix(lower, "__c") {
		return nil, p.fail(start, "a semi-join wants a field of the user itself that holds an ID, such as Id")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	column := p.token
	if column.kind != kindName {
		return nil, p.unexpected("a column")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("FROM"); err != nil {
		return nil, err
	}
	known, ok := userColumns[strings.ToLower(p.token.text)]
	if p.token.kind != kindName || !ok {
		return nil, p.fail(p.token.start, fmt.Sprintf("a semi-join on %.40s is not allowed: it is not among the objects that name users", p.token))
	}
	if !strings.EqualFold(column.text, known.column) {
		return nil, p.fail(column.start, fmt.Sprintf("of %s only the column %s is allowed", known.object, known.column))
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	n := &semiJoin{field: field, op: op, column: known.column, object: known.object}
	if p.token.is("WHERE") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		p.inner = true
		where, err := p.condition()
		p.inner = false
		if err != nil {
			return nil, err
		}
		n.where = where
	}
	return n, p.close()
}
