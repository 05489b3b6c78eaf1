package salesforce

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/sources"
)

// What a record holds is what encoding/json finds in the same text.
func TestRecordIsWhatJSONSays(t *testing.T) {
	scalar := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int(), func(n int) any { return json.Number(fmt.Sprint(n)) }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	)
	key := rapid.StringMatching(`[a-z\\"é ]{1,4}`)
	rec := newRecord() // one for all rows, as in a file
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.MapOf(key, rapid.OneOf(scalar, rapid.Map(rapid.MapOf(key, scalar), func(m map[string]any) any { return m }))).Draw(t, "record")
		data, err := json.Marshal(fields)
		require.NoError(t, err)
		if rapid.Bool().Draw(t, "indented") {
			data, err = json.MarshalIndent(fields, "\r\n", "\t ")
			require.NoError(t, err)
		}
		require.NoError(t, json.Unmarshal(data, rec))
		check := func(path string, want any) {
			v := rec.value(path)
			require.NotNil(t, v, path)
			switch want := want.(type) {
			case nil:
				require.True(t, v.IsNull(), path)
			case bool:
				yes, ok := v.Bool()
				require.True(t, ok && yes == want, path)
			case map[string]any:
				require.False(t, v.IsNull(), path)
				require.Empty(t, v.String(), path)
			default:
				require.Equal(t, fmt.Sprint(want), v.String(), path)
			}
		}
		for name, value := range fields {
			check(name, value)
			inner, _ := value.(map[string]any)
			for below, value := range inner {
				check(name+"."+below, value)
			}
			if inner == nil && value != nil && value != "" {
				require.Nil(t, rec.value(name+".x"), "a field of what is no relationship")
			}
		}
		require.Nil(t, rec.value("not there"))
	})
}

// A null relationship has every field, and all are null; one that is there has
// those that it carries.
func TestFieldsOfRelationships(t *testing.T) {
	rec := newRecord()
	for text, carried := range map[string]bool{
		`{"Manager":null}`: true, `{"Manager":{"Email":null}}`: true, `{"manager":{"EMAIL":"x"}}`: true, `{"Manager.Email":""}`: true,
		`{"Manager":{"Name":"x"}}`: false, `{"Manager":{}}`: false, `{"Manager":"x"}`: false, `{}`: false,
	} {
		require.NoError(t, json.Unmarshal([]byte(text), rec))
		assert.Equal(t, carried, rec.value("Manager.Email") != nil, text)
	}
}

// The bounds of a table hold against a file that is made to break them.
func TestBoundsOfTable(t *testing.T) {
	var many strings.Builder
	for i := range maxColumns {
		fmt.Fprintf(&many, `,"F%d__c":1`, i)
	}
	_, err := read(fromText(t, `[{"Id":"005Qy0000000001IAA"`+many.String()+`}]`).Users(t.Context()))
	require.ErrorIs(t, err, sources.ErrMalformed)
	require.ErrorContains(t, err, "more than 5000 different fields")

	u, err := decodeUser(t, `{"Id":"005Qy0000000001IAA","a":{"a":{"a":{"a":{"a":{"x":"5","a":{"x":"6"}}}}}}}`)
	require.NoError(t, err)
	assert.Equal(t, map[string]sources.Values{"a.a.a.a.a.x": values("5")}, u.Attributes)

	rec := newRecord()
	for i := range maxKnown + 2 {
		require.NoError(t, json.Unmarshal(fmt.Appendf(nil, `{"Few":"x","Many":"%d","Long":"%s"}`, i, strings.Repeat("x", maxKnownText+1)), rec))
	}
	assert.Len(t, rec.byPath["few"].known, 1)
	assert.Empty(t, rec.byPath["many"].known)
	assert.Empty(t, rec.byPath["long"].known)
}

// The bound is on each record, not on all of them.
func TestManyLargeRecords(t *testing.T) {
	var b strings.Builder
	n := 2*maxRecord/(1<<20) + 1
	fmt.Fprintf(&b, `{"totalSize":%d,"done":true,"records":[`, n)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Id":"005Qy%07d000IAA","AboutMe":"%s"}`, i, strings.Repeat("x", 1<<20))
	}
	b.WriteString("]}")
	src := fromFile(t, FileConfig{Path: "x", FS: fstest.MapFS{"x": {Data: []byte(b.String())}}})
	users, err := read(src.Users(t.Context()))
	require.NoError(t, err)
	assert.Len(t, users, n)
}
