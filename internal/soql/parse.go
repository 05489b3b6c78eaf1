// Package soql parses the condition by which an admin selects Salesforce users: the
// text after WHERE in SOQL, Salesforce's query language.
//
// A condition is parsed completely and written again from its tree, so that no
// unparsed character of the admin's text gets into a query. Parse refuses, with
// position and reason, everything by which a condition could become more than a
// condition: closing a parenthesis that it did not open, further clauses, comments,
// binds. It also refuses what Salesforce documents as invalid: AND beside OR
// without parentheses, a function that is not allowed in WHERE, a semi-join other
// than among the top-level AND terms. Whether a field or an object exists and may
// be read is decided by the org.
//
// The grammar, with keywords in any letter case:
//
//	condition  = term { "AND" term } | term { "OR" term }
//	term       = "NOT" term | "(" condition ")" | comparison
//	comparison = operand ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" | "LIKE" ) value
//	           | operand ( [ "NOT" ] "IN" | "INCLUDES" | "EXCLUDES" ) list
//	           | field [ "NOT" ] "IN" join
//	operand    = field | date "(" ( field | "convertTimezone" "(" field ")" ) ")" | "toLabel" "(" field ")"
//	           | "DISTANCE" "(" place "," place "," string ")"
//	date       = "CALENDAR_YEAR" | "DAY_ONLY" | ...
//	place      = field | "GEOLOCATION" "(" number "," number ")"
//	list       = "(" value { "," value } ")"
//	join       = "(" "SELECT" field "FROM" object [ alias ] [ "WHERE" condition ] ")"
//	field      = name { "." name }
//	value      = string | number | currency | date | time | period | "TRUE" | "FALSE" | "NULL"
//	period     = "TODAY" | "LAST_N_DAYS" ":" number | ...
package soql

import (
	"fmt"
	"regexp"
	"strings"
)

// The limits of a condition.
const (
	MaxLength = 10_000 // in bytes; a query is sent in a URL, of which Salesforce reads 16 KB
	maxDepth  = 32     // nested parentheses and NOTs
	maxPath   = 6      // names of a field: five relationships and the field itself
	MaxJoins  = 2      // semi-joins in one query, as in SOQL
)

// listOps are the operators that take a list.
var listOps = map[string]bool{"IN": true, "NOT IN": true, "INCLUDES": true, "EXCLUDES": true}

// reserved are words that cannot be fields.
var reserved = map[string]bool{
	"AND": true, "OR": true, "NOT": true, "IN": true, "LIKE": true, "INCLUDES": true, "EXCLUDES": true,
	"TRUE": true, "FALSE": true, "NULL": true,
}

// clauses are words that begin another part of a query.
var clauses = map[string]bool{
	"SELECT": true, "FROM": true, "WHERE": true, "WITH": true, "GROUP": true, "HAVING": true, "ORDER": true,
	"LIMIT": true, "OFFSET": true, "FOR": true, "ALL": true, "UPDATE": true, "USING": true, "TYPEOF": true,
}

var (
	plainPeriod   = regexp.MustCompile(`^(?:YESTERDAY|TODAY|TOMORROW|(?:LAST|NEXT)_90_DAYS|(?:LAST|THIS|NEXT)_(?:WEEK|MONTH|(?:FISCAL_)?QUARTER|(?:FISCAL_)?YEAR))$`)
	countedPeriod = regexp.MustCompile(`^(?:(?:LAST|NEXT)_N_(?:DAYS|WEEKS|MONTHS|(?:FISCAL_)?QUARTERS|(?:FISCAL_)?YEARS)|N_(?:DAYS|WEEKS|MONTHS|(?:FISCAL_)?QUARTERS|(?:FISCAL_)?YEARS)_AGO)$`)
	periodCount   = regexp.MustCompile(`^\s*:\s*\+?(-?[0-9]{1,5})\b`)
)

type parser struct {
	text  string
	token token // the next token
	depth int   // of parentheses and NOTs
	open  int   // open parentheses of any kind
	joins []int // where each semi-join begins, in bytes
	inner bool  // inside a semi-join
}

// Parse parses a condition. Every error is an *Error.
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
	switch {
	case p.token.symbol("("):
		p.open++
	case p.token.symbol(")"):
		p.open--
	}
	t, err := p.next(p.token.end)
	if err != nil {
		return err
	}
	p.token = t
	return nil
}

// unexpected returns an error about the current token.
func (p *parser) unexpected(want string) error {
	t := p.token
	switch {
	case t.kind == kindName && clauses[strings.ToUpper(t.text)]:
		return p.fail(t.start, strings.ToUpper(t.text)+
			" starts another part of a query; give only the condition, without the word WHERE and what follows the condition")
	case t.symbol(")") && p.open == 0:
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
	terms, op := []node{first}, ""
	for p.token.is("AND") || p.token.is("OR") {
		next := strings.ToUpper(p.token.text)
		if op != "" && next != op {
			return nil, p.fail(p.token.start, "AND and OR are mixed; say with parentheses which comes first")
		}
		op = next
		if err := p.advance(); err != nil {
			return nil, err
		}
		term, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, term)
	}
	if op == "OR" && len(p.joins) > joinsBefore {
		return nil, p.fail(p.joins[joinsBefore], "SOQL takes no semi-join beside OR; give each side an assignment of its own")
	}
	return join(op, terms), nil
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
		// A parenthesis around NOT does not count, since String writes one there:
		// its output must not be deeper than its input.
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
	start := p.token.start
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	op, err := p.operator()
	if err != nil {
		return nil, err
	}
	if !listOps[op] {
		v, err := p.value(op)
		return &compare{left, op, []literal{v}}, err
	}
	if !p.token.symbol("(") {
		return nil, p.unexpected("a list in parentheses")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.token.is("SELECT") && (op == "IN" || op == "NOT IN") {
		return p.semiJoin(left, start, op)
	}
	n := &compare{left: left, op: op}
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
		if p.token.is("LIKE") {
			return "", p.fail(p.token.start, "want IN, not LIKE; write NOT (field LIKE 'x%')")
		}
		return "NOT IN", p.expect("IN")
	case p.token.is("IS"):
		return "", p.fail(p.token.start, "want an operator, not IS; write = NULL or != NULL")
	default:
		return "", p.unexpected("an operator (=, !=, <, <=, >, >=, LIKE, IN, NOT IN, INCLUDES, EXCLUDES)")
	}
	return op, p.advance()
}

// value parses a value that the operator allows.
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

// literalKinds are the kinds of tokens that are values by themselves.
var literalKinds = map[kind]literalKind{
	kindString: literalString, kindNumber: literalNumber, kindCurrency: literalCurrency,
	kindDate: literalDate, kindDateTime: literalDateTime, kindTime: literalTime,
}

func (p *parser) literal() (literal, error) {
	t := p.token
	if k, ok := literalKinds[t.kind]; ok {
		return literal{k, t.text}, p.advance()
	}
	if t.kind == kindName {
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
		count := periodCount.FindStringSubmatch(p.text[p.token.end:])
		if count == nil {
			return literal{}, p.fail(p.token.start, word+" wants a number, as in "+word+":30")
		}
		p.token.end += len(count[0])
		return literal{literalPeriod, word + ":" + count[1]}, p.advance()
	case reserved[word], clauses[word]:
		return literal{}, p.unexpected("a value")
	}
	return literal{}, p.fail(p.token.start,
		fmt.Sprintf("%.40s is not a value: strings stand in single quotes, and fields and functions are not allowed here", p.token.text))
}

// semiJoin parses a query in parentheses, from its SELECT on. The rules are SOQL's
// own: the field on the left belongs to the user itself, not to a relationship; the
// query is on another object than the outer one, has one column, no further
// semi-join and no clause except WHERE.
func (p *parser) semiJoin(left operand, start int, op string) (node, error) {
	if p.inner {
		return nil, p.fail(p.token.start, "a semi-join inside a semi-join")
	}
	if p.joins = append(p.joins, start); len(p.joins) > MaxJoins {
		return nil, p.fail(start, "more than two semi-joins in one query")
	}
	lower := strings.ToLower(left.text)
	if left.function != "" || strings.Contains(lower, ".") || !strings.HasSuffix(lower, "id") && !strings.HasSuffix(lower, "__c") {
		return nil, p.fail(start, "a semi-join wants a field of the user itself that holds an ID, such as Id or ProfileId")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	n := &semiJoin{field: left.text, op: op}
	var err error
	p.inner = true
	defer func() { p.inner = false }()
	if n.column, err = p.field(); err != nil {
		return nil, err
	}
	if err := p.expect("FROM"); err != nil {
		return nil, err
	}
	n.object = p.token.text
	switch {
	case p.token.kind != kindName || strings.Contains(n.object, "."):
		return nil, p.unexpected("the name of an object")
	case strings.EqualFold(n.object, "User"):
		return nil, p.fail(p.token.start, "SOQL takes no semi-join of User with itself; compare a field of the relationship, such as Manager.Email")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.token.kind == kindName && !clauses[strings.ToUpper(p.token.text)] {
		if n.alias, err = p.field(); err != nil {
			return nil, err
		}
	}
	if p.token.is("WHERE") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		if n.where, err = p.condition(); err != nil {
			return nil, err
		}
	}
	return n, p.close()
}
