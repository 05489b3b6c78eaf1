package soql

import (
	"strconv"
	"strings"
	"time"
)

type valueKind uint8

const (
	valueNull valueKind = iota
	valueText
	valueNumber
	valueBool
	valueOther // an object or an array
)

// A Value is the value of one field of a record. It caches the forms that
// comparisons need, so it may be compared with any number of conditions. It is not
// safe for concurrent use. The zero Value is null.
type Value struct {
	kind   valueKind
	yes    bool   // of a boolean
	folded bool   // lower is set
	text   string // for a text or a number: as in the record
	lower  string // the text in the form in which texts are compared
}

// Text returns a text value. An empty text is null, as in SOQL. In a file that has
// texts only (CSV, the Bulk API), it may also stand for a boolean or a number: the
// literal that it is compared with decides.
func Text(text string) Value {
	if text == "" {
		return Value{}
	}
	return Value{kind: valueText, text: text}
}

// Number returns a number, given in its JSON form.
func Number(text string) Value { return Value{kind: valueNumber, text: text} }

// Bool returns a boolean.
func Bool(yes bool) Value { return Value{kind: valueBool, yes: yes} }

// Other returns a value that is not a scalar. It cannot be compared.
func Other() Value { return Value{kind: valueOther} }

// IsNull reports whether the value is null or an empty text.
func (v *Value) IsNull() bool { return v.kind == valueNull }

// Text returns the text of a text or a number.
func (v *Value) Text() (text string, ok bool) {
	return v.text, v.kind == valueText || v.kind == valueNumber
}

// Bool returns the value of a boolean, or of a text that stands for one: "true" and
// "false" in any letter case, or "1" and "0", as in the weekly data export.
func (v *Value) Bool() (yes, ok bool) {
	switch v.kind {
	case valueBool:
		return v.yes, true
	case valueText:
		switch v.fold() {
		case "true", "1":
			return true, true
		case "false", "0":
			return false, true
		}
	}
	return false, false
}

// String returns the text of a scalar that is not null.
func (v *Value) String() string {
	if v.kind == valueBool {
		return strconv.FormatBool(v.yes)
	}
	return v.text
}

// number returns the value of a number, or of a text that stands for one.
func (v *Value) number() (n float64, ok bool) {
	if v.kind != valueNumber && v.kind != valueText || strings.Trim(v.text, "+-.0123456789eE") != "" {
		return 0, false // ParseFloat also accepts words and other bases
	}
	n, err := strconv.ParseFloat(v.text, 64)
	return n, err == nil
}

// fold returns the text in the form in which texts compare.
func (v *Value) fold() string {
	if !v.folded {
		v.lower, v.folded = strings.ToLower(v.text), true
	}
	return v.lower
}

// readTime parses a date, a time with a date, or a time of day, in the forms of
// literals, of answers ("2023-04-28T13:10:51.000+0000"), and of Windows PowerShell
// ("/Date(1682687451000)/").
func readTime(text string) (at time.Time, kind literalKind, ok bool) {
	if len(text) < len("15:04:05") {
		return time.Time{}, 0, false
	}
	if ms, ok := strings.CutPrefix(text, "/Date("); ok {
		ms, ok = strings.CutSuffix(ms, ")/")
		if i := strings.LastIndexAny(ms, "+-"); i > 0 {
			ms = ms[:i] // a zone for display; the number is in UTC
		}
		n, err := strconv.ParseInt(ms, 10, 64)
		return time.UnixMilli(n).UTC(), literalDateTime, ok && err == nil
	}
	switch {
	case len(text) == len(time.DateOnly):
		at, err := time.Parse(time.DateOnly, text)
		return at, literalDate, err == nil
	case text[2] == ':':
		at, ok = parseTime(text, "15:04:05")
		return at, literalTime, ok
	case text[4] == '-':
		at, ok = parseTime(text, "2006-01-02T15:04:05")
		return at, literalDateTime, ok
	}
	return time.Time{}, 0, false
}

// parseTime parses a time with one of the forms of zones that occur.
func parseTime(text, layout string) (time.Time, bool) {
	for _, zone := range []string{"Z07:00", "Z0700", "Z07"} {
		if at, err := time.Parse(layout+zone, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
