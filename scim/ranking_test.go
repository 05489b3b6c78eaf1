package scim

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A ranking gives the same page as sorting everything.
func TestRanking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOf(rapid.StringMatching(`[a-c]{0,2}`)).Draw(t, "keys")
		offset := rapid.IntRange(0, len(keys)+1).Draw(t, "offset")
		count := rapid.IntRange(0, len(keys)+1).Draw(t, "count")
		r := ranking{keep: offset + count + 1, descending: rapid.Bool().Draw(t, "descending")}
		var all []ranked
		for i, key := range keys {
			f := ranked{key: sortKey{text: key, absent: key == ""}, place: i}
			all = append(all, f)
			require.NoError(t, r.add(f))
		}
		slices.SortStableFunc(all, func(a, b ranked) int {
			order := strings.Compare(a.key.text, b.key.text)
			if a.key.absent || b.key.absent {
				order = boolRank(a.key.absent) - boolRank(b.key.absent)
			}
			if r.descending {
				return -order
			}
			return order
		})
		got, err := r.from(offset)
		require.NoError(t, err)
		want := all[min(offset, len(all)):min(offset+count+1, len(all))]
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	})
}

// A ranking keeps no part of a document in memory beside the keys.
func TestRankingKeepsOnlyKeys(t *testing.T) {
	document := strings.Repeat("7", 100)
	inside := func(key string) bool {
		at, start := uintptr(unsafe.Pointer(unsafe.StringData(key))), uintptr(unsafe.Pointer(unsafe.StringData(document)))
		return start <= at && at < start+uintptr(len(document))
	}
	for _, v := range []any{document[10:20], number(document[10:20])} {
		r := ranking{keep: 1}
		key := keyOf(v, attrPath{})
		require.NoError(t, r.add(ranked{key: key}))
		kept := r.list[0].key
		assert.False(t, inside(kept.text))
		if kept.number != nil {
			assert.Equal(t, document[10:20], kept.number.digits)
			assert.False(t, inside(kept.number.digits))
		}
	}
}

// The results of a scan end after the one beyond the page.
func TestResultsEnd(t *testing.T) {
	r := &results{ready: []found{{rec: Record{Ordinal: 1}}}}
	(&exchange{}).reread(r, listing{})
	_, ok, err := r.next()
	require.NoError(t, err)
	require.True(t, ok)
	_, ok, err = r.next()
	require.NoError(t, err)
	require.False(t, ok)
}
