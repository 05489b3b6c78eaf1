package strictjson

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// FuzzDecode checks what Decode promises: it accepts only what encoding/json
// accepts, and decodes it to the same value. If it refuses a document that
// encoding/json accepts, it returns findings.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, ``, `[1,2`, `{"format":01}`, `{"format":1}x`, `{"format":--1}`, "{\"a\x00\":1}",
		`{"users":[{"id":"1","other_emails":["a"]}],"by_name":{"x":{"id":"3"}}}`,
		`{"counts":{"1":255},"moods":{"good":true},"mood":"bad","either":["a"],"lists":[["a"]]}`,
		`{"anything":{"a":[1,{"b":null}]},"raw":{"a":[1]},"number":1e4,"bytes":"aGk=","quoted":"7"}`,
		`{"name":"\ud83d\ude00\\\"\u12"}`, `{"pair":[1,2,3]}`, `{"nested":{"nested":{"format":2}}}`,
		`{"anything":tru}`, `{"anything":1.}`, "{\"name\":\"a\nb\"}", `{"a":1,}`, `{"counts":{"01":1,"1":2}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want document
		gotErr, wantErr := Decode(data, &got), json.Unmarshal(data, &want)
		if gotErr == nil {
			require.NoError(t, wantErr)
			assert.Equal(t, want, got)
			return
		}
		var findings Errors
		require.ErrorAs(t, gotErr, &findings)
		require.NotEmpty(t, findings)

		// The generic forms exercise the parts of the walk for which there is
		// no shape.
		var anything any
		if Decode(data, &anything) == nil {
			require.True(t, json.Valid(data))
		}
	})
}

// A value that encoding/json has written is accepted, and read back as the same
// value.
func TestDecodeReadsWhatWasWritten(t *testing.T) {
	text := rapid.String()
	users := rapid.Custom(func(t *rapid.T) user {
		return user{ID: text.Draw(t, "id"), OtherEmails: rapid.SliceOfN(text, 1, 3).Draw(t, "emails"), GivenName: text.Draw(t, "given")}
	})
	rapid.Check(t, func(t *rapid.T) {
		d := document{
			Format:   rapid.Int().Draw(t, "format"),
			Name:     text.Draw(t, "name"),
			Dash:     text.Draw(t, "dash"),
			Users:    rapid.SliceOf(users).Draw(t, "users"),
			Counts:   rapid.MapOf(rapid.Int(), rapid.Uint8()).Draw(t, "counts"),
			Extra:    rapid.MapOf(text, rapid.Just(options{On: true})).Draw(t, "extra"),
			Moods:    map[mood]bool{"good": rapid.Bool().Draw(t, "good")},
			Number:   "7",
			Quoted:   rapid.Int().Draw(t, "quoted"),
			Pair:     [2]int{1, rapid.Int().Draw(t, "pair")},
			Anything: map[string]any{text.Draw(t, "key"): text.Draw(t, "value")},
			Raw:      json.RawMessage(`{"a":[]}`),
		}
		data, err := json.Marshal(d)
		require.NoError(t, err)
		var got document
		require.NoError(t, Decode(data, &got), "%s", data)
		var want document
		require.NoError(t, json.Unmarshal(data, &want))
		assert.Equal(t, want, got)
	})
}

// The reference is encoding/json alone, which checks the syntax and decodes.
func BenchmarkDecode(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"users":[`)
	for i := range 20_000 {
		fmt.Fprintf(&text, `{"id":"%d","other_emails":["someone%d@example.com"],"given_name":"Someone with a longer name"},`+"\n", i, i)
	}
	text.WriteString(`{}]}`)
	data := []byte(text.String())
	for name, decode := range map[string]func([]byte, any) error{"strict": Decode, "floor": json.Unmarshal} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				var d document
				if err := decode(data, &d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
