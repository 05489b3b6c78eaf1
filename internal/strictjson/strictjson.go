// Package strictjson decodes the public JSON formats of this module: exactly,
// and with findings that a person can act on.
//
// It accepts a part of what encoding/json accepts and decodes that part to the
// same value. It refuses what encoding/json lets pass in silence: unknown
// fields, field names of another case, repeated keys, null where it would
// become an empty element, invalid UTF-8, and deep nesting.
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
	// MaxDepth is how deep arrays and objects may be nested in each other.
	MaxDepth = 100
	// MaxFindings is how many findings are told apart.
	MaxFindings = 100
)

// Decode reads the one JSON value in data into v, which must be a pointer, by
// the rules of encoding/json and its struct tags. A value that is null is
// absent, except among the elements of an array or a map, where only a type
// that can hold a null may have one.
//
// What is wrong with the form of data comes back as Errors, all findings at
// once; data that is not JSON gives one finding with its line and column. After
// an error the content of v is not specified.
func Decode(data []byte, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("strictjson: cannot decode into %T, want a pointer", v)
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return Errors{{Message: "starts with a byte order mark: want UTF-8 without one"}}
	}
	root := shapes{}.of(target.Type())

	// The walk reads the bytes once and builds nothing. Only where something
	// is wrong are the parts decoded one by one, to tell which.
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

// syntaxError turns an error of encoding/json about the syntax of data into a
// finding.
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
	// Path leads to the value, as in users[3].other_emails. It is empty for
	// the document as a whole.
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

// Errors are the findings of one document, in its order. If there are more than
// MaxFindings, one last entry says so.
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
