package soql

import (
	"fmt"
	"strings"
)

// dateFunctions take a field, or convertTimezone of one.
var dateFunctions = map[string]bool{
	"CALENDAR_MONTH": true, "CALENDAR_QUARTER": true, "CALENDAR_YEAR": true,
	"DAY_IN_MONTH": true, "DAY_IN_WEEK": true, "DAY_IN_YEAR": true, "DAY_ONLY": true,
	"FISCAL_MONTH": true, "FISCAL_QUARTER": true, "FISCAL_YEAR": true,
	"HOUR_IN_DAY": true, "WEEK_IN_MONTH": true, "WEEK_IN_YEAR": true,
}

const manyRecords = "this function is about many records, and a condition is about one"

// misplaced are functions of SOQL that are not allowed in a WHERE clause, with the
// reason.
var misplaced = map[string]string{
	"FORMAT":          "FORMAT changes what is shown; compare the field itself",
	"CONVERTCURRENCY": "convertCurrency changes what is shown; compare with an amount such as USD5000",
	"CONVERTTIMEZONE": "convertTimezone stands inside a date function only, such as DAY_ONLY(convertTimezone(CreatedDate))",
	"GEOLOCATION":     "GEOLOCATION stands inside DISTANCE only",
	"AVG":             manyRecords, "COUNT": manyRecords, "COUNT_DISTINCT": manyRecords, "MIN": manyRecords, "MAX": manyRecords,
	"SUM": manyRecords, "GROUPING": manyRecords, "FIELDS": manyRecords,
}

// operand reads the left side of a comparison.
func (p *parser) operand() (operand, error) {
	start := p.token.start
	name, err := p.field()
	if err != nil || !p.token.symbol("(") {
		return fieldOperand(name), err
	}
	if err := p.advance(); err != nil {
		return operand{}, err
	}
	function := strings.ToUpper(name)
	switch {
	case dateFunctions[function]:
		return p.dateOperand(function)
	case function == "TOLABEL":
		field, err := p.plainField()
		if err != nil {
			return operand{}, err
		}
		return operand{text: "toLabel(" + field + ")", fields: []string{field}, function: function}, p.close()
	case function == "DISTANCE":
		return p.distance()
	case misplaced[function] != "":
		return operand{}, p.fail(start, misplaced[function])
	}
	return operand{}, p.fail(start, fmt.Sprintf("SOQL has no function %.40s in a condition", name))
}

// dateOperand parses the argument of a date function, after its opening
// parenthesis.
func (p *parser) dateOperand(function string) (operand, error) {
	field, err := p.field()
	if err != nil {
		return operand{}, err
	}
	zoned := false
	argument := field
	if p.token.symbol("(") {
		if !strings.EqualFold(field, "convertTimezone") {
			return operand{}, p.fail(p.token.start, function+" takes a field, or convertTimezone of one")
		}
		if err := p.advance(); err != nil {
			return operand{}, err
		}
		if field, err = p.plainField(); err != nil {
			return operand{}, err
		}
		if err := p.close(); err != nil {
			return operand{}, err
		}
		argument, zoned = "convertTimezone("+field+")", true
	}
	return operand{text: function + "(" + argument + ")", fields: []string{field}, function: function, zoned: zoned}, p.close()
}

// distance parses the arguments of DISTANCE, after its opening parenthesis: two
// places and a unit.
func (p *parser) distance() (operand, error) {
	o := operand{function: "DISTANCE"}
	var arguments []string
	for range 2 {
		place, err := p.place(&o.fields)
		if err != nil {
			return o, err
		}
		arguments = append(arguments, place)
		if err := p.comma(); err != nil {
			return o, err
		}
	}
	unit := p.token
	if unit.kind != kindString {
		return o, p.unexpected("a unit in quotes, such as 'km'")
	}
	o.text = "DISTANCE(" + arguments[0] + ", " + arguments[1] + ", '" + unit.text + "')"
	if err := p.advance(); err != nil {
		return o, err
	}
	return o, p.close()
}

// place parses a field, whose name it appends to fields, or a GEOLOCATION.
func (p *parser) place(fields *[]string) (string, error) {
	name, err := p.field()
	if err != nil {
		return "", err
	}
	if !p.token.symbol("(") {
		*fields = append(*fields, name)
		return name, nil
	}
	if !strings.EqualFold(name, "GEOLOCATION") {
		return "", p.fail(p.token.start, "DISTANCE takes fields and GEOLOCATION(latitude, longitude)")
	}
	if err := p.advance(); err != nil {
		return "", err
	}
	latitude, err := p.number()
	if err != nil {
		return "", err
	}
	if err := p.comma(); err != nil {
		return "", err
	}
	longitude, err := p.number()
	if err != nil {
		return "", err
	}
	return "GEOLOCATION(" + latitude + ", " + longitude + ")", p.close()
}

func (p *parser) number() (string, error) {
	t := p.token
	if t.kind != kindNumber {
		return "", p.unexpected("a number")
	}
	return t.text, p.advance()
}

func (p *parser) comma() error {
	if !p.token.symbol(",") {
		return p.unexpected("a comma")
	}
	return p.advance()
}

// plainField reads a field that is not followed by a parenthesis.
func (p *parser) plainField() (string, error) {
	name, err := p.field()
	if err == nil && p.token.symbol("(") {
		err = p.unexpected("a closing parenthesis")
	}
	return name, err
}

// field parses the name of a field or of a function. It removes the object's own
// name, as in User.Email.
func (p *parser) field() (string, error) {
	t := p.token
	name := t.text
	if i := len("User."); !p.inner && len(name) > i && strings.EqualFold(name[:i], "User.") {
		name = name[i:]
	}
	isName := t.kind == kindName || t.kind == kindCurrency && !strings.Contains(name, ".") // "abc123" is both
	if upper := strings.ToUpper(name); !isName || reserved[upper] || clauses[upper] {
		return "", p.unexpected("a field")
	}
	if strings.Count(name, ".") >= maxPath {
		return "", p.fail(t.start, fmt.Sprintf("a field has at most %d names", maxPath))
	}
	return name, p.advance()
}
