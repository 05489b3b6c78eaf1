// Package strictjson decodes the public JSON formats of this module strictly, with
// errors that a person can act on.
//
// It accepts a part of what encoding/json accepts, and decodes it to the same
// value. It refuses what encoding/json accepts silently: unknown fields, field
// names in another case, repeated keys, null that would become an empty element,
// invalid UTF-8, and deep nesting.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

const (
	// MaxDepth is the largest depth of nested arrays and objects.
	MaxDepth = 100
	// MaxFindings is the largest number of findings that are listed.
	MaxFindings = 100
)

// Decode decodes the single JSON value in data into v, which must be a pointer, by
// the rules of encoding/json and its struct tags. A null value counts as absent,
// except among the elements of an array or map, where it is allowed only for a type
// that can hold null.
//
// If data does not have the right form, the error is an Errors with all findings;
// for data that is not JSON, it is one finding with line and column. After an
// error, the content of v is unspecified.
func Decode(data []byte, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("strictjson: cannot decode into %T, want a pointer", v)
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return Errors{{Message: "starts with a byte order mark: want UTF-8 without one"}}
	}
	root := shapes{}.of(target.Type())

	// The first walk reads the bytes once and builds nothing. Only if something is
	// wrong, the parts are decoded one by one, to find out which.
	first := walker{data: data, checkUTF8: !utf8.Valid(data)}
	if first.document(root); first.clean() {
		err := json.Unmarshal(data, v)
		if err == nil {
			return nil
		}
		if finding, ok := syntaxError(data, err); ok {
			return Errors{finding}
		}
		second := walker{data: data, probe: true}
		if second.document(root); second.clean() {
			return Errors{{Message: err.Error()}}
		}
		return second.errs
	}
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		finding, _ := syntaxError(data, err)
		return Errors{finding}
	}
	second := walker{data: data, checkUTF8: first.checkUTF8, probe: true}
	second.document(root)
	return second.errs
}

// syntaxError turns a syntax error of encoding/json into a finding.
func syntaxError(data []byte, err error) (Error, bool) {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return Error{}, false
	}
	before := data[:max(0, min(int(syntax.Offset)-1, len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return Error{Message: fmt.Sprintf("line %d, column %d: %s", line, column, syntax.Error())}, true
}

// An Error is one finding.
type Error struct {
	// Path leads to the value, such as users[3].other_emails. It is empty for the
	// whole document.
	Path    string
	Message string
}

// Error returns the path and the message.
func (e Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// Errors are the findings of one document, in the order of the document. If there
// are more than MaxFindings, a last entry says so.
type Errors []Error

// Error returns the findings, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, finding := range e {
		lines[i] = finding.Error()
	}
	return strings.Join(lines, "\n")
}

// Add appends a finding, up to MaxFindings.
func (e *Errors) Add(path, message string) {
	switch {
	case len(*e) < MaxFindings:
		*e = append(*e, Error{Path: path, Message: message})
	case len(*e) == MaxFindings:
		*e = append(*e, Error{Message: fmt.Sprintf("more than %d findings, the rest is left out", MaxFindings)})
	}
}

// Err returns e as an error, or nil if there is no finding.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
