package sqlstore

import (
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/internal/pgtest"
)

// Texts in an array reach PostgreSQL unchanged, for any content.
func TestArrays(t *testing.T) {
	t.Parallel()
	db, err := sql.Open(pgtest.Driver, pgtest.Start(t).Schema(t))
	require.NoError(t, err)
	defer db.Close()
	special := rapid.SampledFrom([]string{"", "NULL", "null", `"`, `\`, `\"`, "{}", "a,b", " ", " a ", "a\nb", "{", "'", "日本", "$1", "?", "@"})
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.OneOf(special, rapid.String()), 0, 5).Draw(t, "texts")
		var a array
		want := []any{}
		for _, text := range texts {
			if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
				a.add(nil)
				want = append(want, nil)
				continue
			}
			text = strings.ReplaceAll(text, "\x00", "") // a text of PostgreSQL cannot contain it
			a.add(text)
			want = append(want, text)
		}
		var document []byte
		require.NoError(t, db.QueryRow(`SELECT array_to_json(CAST($1 AS TEXT[]))`, a.literal()).Scan(&document))
		got := []any{}
		require.NoError(t, json.Unmarshal(document, &got))
		require.Equal(t, want, got)
	})
	var a, b array
	for _, n := range []int64{0, -1, 1 << 62} {
		a.add(n)
		b.add(n > 0)
	}
	var numbers, flags string
	require.NoError(t, db.QueryRow(`SELECT CAST($1 AS BIGINT[]), CAST($2 AS BOOLEAN[])`, a.literal(), b.literal()).Scan(&numbers, &flags))
	require.Equal(t, "{0,-1,4611686018427387904}", numbers)
	require.Equal(t, "{f,f,t}", flags)
}
