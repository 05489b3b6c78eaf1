package text_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/text"
)

func TestClean(t *testing.T) {
	for given, want := range map[string]string{
		"": "", "Ana": "Ana", " \u00a0Ana\u2003\n": "Ana", "A\x00na": "Ana", "An\xffa": "An\uFFFDa", "é": "é", "日本 ": "日本", "\ufeffAna\u200b": "Ana", "\u200b": "", "A\u200bna": "A\u200bna",
	} {
		require.Equal(t, want, text.Clean(given), "%q", given)
		require.Equal(t, given == want, text.IsClean(given), "%q", given)
		require.True(t, text.Storable(text.Clean(given)))
	}
	require.False(t, text.Storable("a\x00"))
	require.False(t, text.Storable("a\xff"))
}

func TestLine(t *testing.T) {
	require.Equal(t, "Ana Ní Bhroin", text.Line("Ana Ní Bhroin"))
	for _, forged := range []string{"a\nb", "a\u2028b", "a\u202eb", "a\x1b[31m", "a\u0085b", "a\xffb"} {
		require.NotEqual(t, forged, text.Line(forged))
		require.NotContains(t, text.Line(forged), "\n")
	}
}
