package sqlstore

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/provisioning"
)

// fieldsOfDocuments returns a value of each type of field that is stored as a
// document.
func fieldsOfDocuments() []any {
	var fields []any
	seen := make(map[reflect.Type]bool)
	for _, c := range columns {
		field := c.field(new(provisioning.Member))
		switch field.(type) {
		case *string, *bool:
			continue
		}
		if !seen[reflect.TypeOf(field)] {
			seen[reflect.TypeOf(field)] = true
			fields = append(fields, field)
		}
	}
	return fields
}

// sameAsJSON compares the result of the parser with that of encoding/json.
func sameAsJSON(t require.TestingT, parser *documentParser, document []byte) {
	for _, field := range fieldsOfDocuments() {
		want := reflect.New(reflect.TypeOf(field).Elem())
		wanted := json.Unmarshal(document, want.Interface())
		err := parser.parse(document, field)
		require.Equal(t, wanted == nil, err == nil, "%s as a %T: %v, want %v", document, field, err, wanted)
		if err == nil {
			require.Equal(t, want.Interface(), field, "%s", document)
		}
	}
}

// Every document, also one that this package never writes, is read as
// encoding/json reads it.
func TestDocuments(t *testing.T) {
	t.Parallel()
	parser := new(documentParser)
	for _, document := range []string{
		`[]`, `[ ]`, `{}`, ` { } `, `null`, `true`, `12`, `"text"`, ``, ` `, `[`, `{`, `]`, `{]`, `[}`, `[,]`, `[""]`, `["a",]`, `["a" "b"]`, `["a"]x`, `["a`, `["a\"]`,
		`["a", "b"]`, `["\u0041"]`, `["é", "日本"]`, "[\"\xff\"]", "[\"a\nb\"]", `[1]`, `[null]`, `[["a"]]`, `{"a"}`, `{"a":}`, `{"a":"b",}`, `{"a":"b" "c":"d"}`,
		`{"a": "b", "c": ""}`, `{"a":"b","a":"c"}`, `{"":""}`, `{"a":null}`, `{"a":1,"b":-2.5e3,"c":true,"d":false}`, `{"a":01}`, `{"a":1.}`, `{"a":+1}`, `{"a":.5}`,
		`{"a":"12}`, `{"a":"true}`, `["a]`, `{"a":1e400}`, `{"a":0x10}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":tru}`, `{"a":truefalse}`, `{"a":[1]}`, `{"a":{"b":1}}`, `{"a":1}}`, `{a:1}`,
		`{"email": "source", "timezone": "hand"}`, `{"email":"nobody's"}`, `{"no such field":"hand"}`,
	} {
		sameAsJSON(t, parser, []byte(document))
	}
	rapid.Check(t, func(t *rapid.T) {
		document, err := json.Marshal(drawDocument(t))
		require.NoError(t, err)
		if rapid.Bool().Draw(t, "spaced") { // the format of PostgreSQL
			document = bytes.ReplaceAll(bytes.ReplaceAll(document, []byte(`":`), []byte(`": `)), []byte(`,"`), []byte(`, "`))
		}
		if rapid.IntRange(0, 4).Draw(t, "cut") == 0 {
			document = document[:rapid.IntRange(0, len(document)).Draw(t, "length")]
		}
		sameAsJSON(t, parser, document)
	})
}

func drawDocument(t *rapid.T) any {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "core", "ws1", "a b", `"`, `\`, "<&>", "email", "hand", "source"}))
	switch rapid.IntRange(0, 2).Draw(t, "form") {
	case 0:
		return rapid.SliceOfN(text, 0, 4).Draw(t, "list")
	case 1:
		return rapid.MapOfN(text, text, 0, 4).Draw(t, "texts")
	}
	value := rapid.OneOf(rapid.Map(text, func(s string) any { return s }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Float64(), func(f float64) any { return f }), rapid.Just(any(nil)))
	return rapid.MapOfN(text, value, 0, 4).Draw(t, "values")
}

// A missing document is read as an empty one, also if the field had a value
// before.
func TestNoDocument(t *testing.T) {
	t.Parallel()
	parser := new(documentParser)
	for _, field := range fieldsOfDocuments() {
		for _, document := range []string{`["a"]`, `{"email":"hand"}`} {
			if parser.parse([]byte(document), field) == nil {
				assert.NotZero(t, reflect.ValueOf(field).Elem().Interface())
			}
		}
		require.NoError(t, parser.parse(nil, field))
		assert.Zero(t, reflect.ValueOf(field).Elem().Interface(), "%T", field)
	}
}
