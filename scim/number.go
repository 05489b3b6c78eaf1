package scim

import (
	"cmp"
	"strconv"
	"strings"
)

// A decimal is the exact value of a JSON number: 0.d1d2d3... times ten to the
// power of exponent. The digits begin and end with one that is not 0, so that
// equal numbers have equal decimals. Zero has no digits.
type decimal struct {
	negative bool
	exponent int
	digits   string
}

// maxExponent bounds an exponent; jsonParser.number accepts numbers near zero
// with greater ones.
const maxExponent = 1 << 20

// decimalOf returns the value of a JSON number.
func decimalOf(s string) decimal {
	s, negative := strings.CutPrefix(s, "-")
	exponent := 0
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		exponent, _ = strconv.Atoi(s[at+1:]) // out of range, it is the nearest int
		exponent = min(max(exponent, -maxExponent), maxExponent)
		s = s[:at]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	whole = strings.TrimLeft(whole, "0")
	exponent += len(whole)
	if whole == "" {
		significant := strings.TrimLeft(fraction, "0")
		exponent -= len(fraction) - len(significant)
		fraction = significant
	}
	digits := whole
	if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
		digits = strings.TrimRight(whole, "0")
	} else {
		digits += fraction
	}
	if digits == "" {
		return decimal{}
	}
	return decimal{negative, exponent, digits}
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

func (d decimal) compare(other decimal) int {
	sign := d.sign()
	if order := cmp.Compare(sign, other.sign()); order != 0 || sign == 0 {
		return order
	}
	return sign * cmp.Or(cmp.Compare(d.exponent, other.exponent), strings.Compare(d.digits, other.digits))
}

// canonicalNumber returns the same text for JSON numbers that are equal.
func canonicalNumber(s string) string {
	d := decimalOf(s)
	text := d.digits + "e" + strconv.Itoa(d.exponent)
	if d.negative {
		text = "-" + text
	}
	return text
}

// compareNumbers compares two JSON numbers by value.
func compareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	return decimalOf(a).compare(decimalOf(b))
}
