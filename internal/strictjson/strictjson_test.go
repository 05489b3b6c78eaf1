package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The document of these tests has a field for every rule of encoding/json that
// the shapes follow.
type document struct {
	Format   int                `json:"format"`
	Name     string             `json:"name,omitempty"`
	Plain    string             // no tag, so the field's own name is the key
	Secret   string             `json:"-"`
	Dash     string             `json:"-,"` //nolint:staticcheck // the odd tag is what is tested
	Users    []user             `json:"users"`
	ByName   map[string]*user   `json:"by_name"`
	Counts   map[int]uint8      `json:"counts"`
	Ratio    *float64           `json:"ratio"`
	Anything any                `json:"anything"`
	Raw      json.RawMessage    `json:"raw"`
	Number   json.Number        `json:"number"`
	Bytes    []byte             `json:"bytes"`
	Pair     [2]int             `json:"pair"`
	Quoted   int                `json:"quoted,string"`
	Mood     mood               `json:"mood,omitzero"`
	Either   either             `json:"either"`
	Moods    map[mood]bool      `json:"moods"`
	Nested   *document          `json:"nested"`
	Lists    [][]string         `json:"lists"`
	Extra    map[string]options `json:"extra"`
	base
	*Shared
	Named Shared         `json:"named"`
	Odd   struct{ mood } `json:"odd"` // the struct type has no name, so its methods do not count
	*Loop
}

type base struct {
	Inner string `json:"inner"`
	Name  string `json:"name"` // hidden by document.Name
	Twice string `json:"twice"`
	Rank  string // the tag of Shared.Place takes precedence
}

// Loop contains itself.
type Loop struct {
	*Loop
	Round int `json:"round"`
}

type Shared struct {
	Place  int    `json:"Rank"`
	Common bool   `json:"common"`
	Twice  string `json:"twice"` // as deep as base.Twice, so neither is used
}

type user struct {
	ID          string   `json:"id"`
	OtherEmails []string `json:"other_emails"`
	GivenName   string   `json:"given_name"`
}

type options struct {
	On bool `json:"on"`
}

// A mood is a single word.
type mood string

func (m *mood) UnmarshalText(text []byte) error {
	if string(text) == "" || string(text) == "good" || string(text) == "bad" {
		*m = mood(text)
		return nil
	}
	return fmt.Errorf("want good or bad")
}

// Either is a string or a list of them.
type either []string

func (e *either) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*e = either{one}
		return nil
	}
	var several []string
	if json.Unmarshal(data, &several) != nil {
		return errors.New("want a string or an array of strings")
	}
	*e = several
	return nil
}

func TestDecodeAccepts(t *testing.T) {
	for _, text := range []string{
		`{}`,
		` { "format" : 1 } ` + "\n",
		`{"format":1,"name":"n","Plain":"p","-":"dash","ratio":1.5e3,"pair":[1,2],"quoted":"7"}`,
		`{"users":[{"id":"1","other_emails":["a","b"]},{"id":"2"}],"by_name":{"x":{"id":"3"},"y":null}}`,
		`{"counts":{"1":255,"-2":0},"moods":{"good":true},"mood":"bad","either":["a"],"lists":[["a"],null,[]]}`,
		`{"anything":{"a":[1,{"b":null}]},"raw":{"a":[1]},"number":1e400,"bytes":"aGk="}`,
		`{"inner":"i","common":true,"named":{"common":false,"twice":"t"},"nested":{"nested":{"format":2}}}`,
		`{"name":null,"users":null,"ratio":null,"either":null,"mood":null,"nested":null,"quoted":null}`,
		`{"n\u0061me":"\ud83d\ude00 \\ud800"}`,
		`{"extra":{"a":{"on":true},"":{"on":false}}}`,
		`{"Rank":7,"odd":{},"round":1}`,
	} {
		var got, want document
		require.NoError(t, Decode([]byte(text), &got), text)
		require.NoError(t, json.Unmarshal([]byte(text), &want), text)
		assert.Equal(t, want, got, text)
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	for text, want := range map[string]string{
		``:                                       `line 1, column 1: unexpected end of JSON input`,
		"{\"format\": 1,\n  \"name\"}":           `line 2, column 9: invalid character '}' after object key`,
		`{} {}`:                                  `line 1, column 4: invalid character '{' after top-level value`,
		"\xef\xbb\xbf{}":                         `starts with a byte order mark: want UTF-8 without one`,
		`null`:                                   `want an object, got null`,
		`[]`:                                     `want an object, got an array`,
		`{"format":"1"}`:                         `format: want a whole number within 64 bits, got a string`,
		`{"format":1.5}`:                         `format: want a whole number within 64 bits, got 1.5`,
		`{"name":7}`:                             `name: want a string, got a number`,
		`{"nxxe":"x"}`:                           `nxxe: unknown field`,
		`{"nam":"x"}`:                            `nam: unknown field, did you mean "name"?`,
		`{"Name":"x"}`:                           `Name: unknown field, did you mean "name"?`,
		`{"Secret":"x"}`:                         `Secret: unknown field`,
		`{"twice":"x"}`:                          `twice: unknown field`,
		`{"base":{}}`:                            `base: unknown field`,
		`{"users":[{"givenName":"x"}]}`:          `users[0].givenName: unknown field, did you mean "given_name"?`,
		`{"users":[{},{"other_emails":4}]}`:      `users[1].other_emails: want an array of strings, got a number`,
		`{"users":[{"other_emails":["a",4]}]}`:   `users[0].other_emails[1]: want a string, got a number`,
		`{"users":[{"other_emails":[null]}]}`:    `users[0].other_emails[0]: want a string, got null`,
		`{"users":[null]}`:                       `users[0]: want an object, got null`,
		`{"users":{"id":"1"}}`:                   `users: want an array of objects, got an object`,
		`{"name":"a","name":"b"}`:                `name: the field is given twice`,
		`{"name":"a","n\u0061me":"b"}`:           `name: the field is given twice`,
		`{"by_name":{"a b":{},"a b":{}}}`:        `by_name["a b"]: the key is given twice`,
		`{"anything":{"a":{"b":1,"b":2}}}`:       `anything.a.b: the key is given twice`,
		`{"raw":[{"b":1,"b":2}]}`:                `raw[0].b: the key is given twice`,
		`{"counts":{"a":1}}`:                     `counts.a: as a key: json: cannot unmarshal number a into Go value of type int`,
		`{"counts":{"1":256}}`:                   `counts.1: want a whole number of 0 or more within 8 bits, got 256`,
		`{"ratio":1e400}`:                        `ratio: want a number, got 1e400`,
		`{"pair":[1,2,3]}`:                       `pair[2]: want at most 2 elements, got 3`,
		`{"mood":"so so"}`:                       `mood: want good or bad`,
		`{"mood":3}`:                             `mood: want a string, got a number`,
		`{"moods":{"so":true}}`:                  `moods.so: as a key: want good or bad`,
		`{"either":{"a":1}}`:                     `either: want a string or an array of strings`,
		`{"nested":{"nested":{"either":7}}}`:     `nested.nested.either: want a string or an array of strings`,
		`{"common":"yes"}`:                       `common: want true or false, got a string`,
		`{"lists":["a"]}`:                        `lists[0]: want an array of strings, got a string`,
		`{"lists":"a"}`:                          `lists: want an array of arrays, got a string`,
		`{"extra":{"a":{"on":true,"off":true}}}`: `extra.a.off: unknown field`,
		`{"anything":` + deep + `}`:              `anything` + strings.Repeat("[0]", MaxDepth-1) + `: nested deeper than 100 levels`,
		"{\"users\":[{\"id\":\"\xff\"}]}":        `users[0].id: invalid UTF-8`,
		"{\"by_name\":{\"\xff\":{}}}":            `by_name: invalid UTF-8`,
		`{"users":[{"id":"\ud800"}]}`:            `users[0].id: half of a surrogate pair: want both \u escapes of the character`,
		`{"users":[{"id":"\ud800\ud800"}]}`:      `users[0].id: half of a surrogate pair: want both \u escapes of the character`,
		`{"users":[{"id":"\udc00"}]}`:            `users[0].id: half of a surrogate pair: want both \u escapes of the character`,
		`{"users":[{"` + strings.Repeat("x", 99) + `":1}]}`: `users[0]["` + strings.Repeat("x", 64) + `..."]: unknown field`,
	} {
		var d document
		err := Decode([]byte(text), &d)
		var findings Errors
		if assert.ErrorAs(t, err, &findings, text) {
			assert.Equal(t, want, findings.Error(), text)
		}
	}
}

func TestDecodeReportsAllFindings(t *testing.T) {
	var d document
	err := Decode([]byte(`{"nam":1,"users":[{"id":1},{"id":"2","id":"3"}],"mood":"dull","either":4,"zzz":{"deep":[]}}`), &d)
	assert.EqualError(t, err, strings.Join([]string{
		`nam: unknown field, did you mean "name"?`,
		`users[0].id: want a string, got a number`,
		`users[1].id: the field is given twice`,
		`mood: want good or bad`,
		`either: want a string or an array of strings`,
		`zzz: unknown field`,
	}, "\n"))

	err = Decode([]byte(`{"users":[`+strings.Repeat(`{"id":1},`, 500)+`{}]}`), &d)
	var findings Errors
	require.ErrorAs(t, err, &findings)
	require.Len(t, findings, MaxFindings+1)
	assert.Equal(t, "users[99].id", findings[99].Path)
	assert.Equal(t, "more than 100 findings, the rest is left out", findings[100].Error())
}

// Values may be secret or personal: a finding shows paths, kinds and numbers
// that do not fit, but never a text.
func TestDecodeShowsNoText(t *testing.T) {
	var d document
	err := Decode([]byte(`{"format":"hunter2","users":"hunter2","mood":["hunter2"],"ratio":{"a":"hunter2"}}`), &d)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestDecodeNeedsAPointer(t *testing.T) {
	assert.EqualError(t, Decode([]byte(`{}`), document{}), "strictjson: cannot decode into strictjson.document, want a pointer")
	assert.Error(t, Decode([]byte(`{}`), nil))
	assert.Error(t, Decode([]byte(`{}`), (*document)(nil)))
}

func TestDecodeManyKeys(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, `"k%d":1,`, i)
	}
	var m map[string]int
	require.NoError(t, Decode([]byte(`{`+b.String()+`"last":1}`), &m))
	assert.Len(t, m, 41)
	assert.EqualError(t, Decode([]byte(`{`+b.String()+`"k3":1,"k39":2}`), &m),
		"k3: the key is given twice\nk39: the key is given twice")
}
