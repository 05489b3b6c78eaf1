package text_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/internal/text"
)

// The widths follow Unicode Standard Annex 11, and the sequences follow Unicode
// Technical Standard 51.
func TestColumns(t *testing.T) {
	for line, want := range map[string]int{
		"": 0, "Ana": 3, "Zoë": 3, "Zoe\u0308": 3, "\u0308": 0, "日本": 4, "서연 이": 7, "ﾊﾝｶｸ": 4, "ＡＢ": 4, "Łukasz": 6,
		"\u1112\u1161\u11ab":                  2, // 한 in three letters
		"नमस्ते":                              4, // vowel signs above or below take no column
		"مرحبا":                               5,
		"a\u200db":                            2,
		"…":                                   1,
		"👍":                                   2,
		"👍🏽":                                  2,
		"👩\u200d💻":                            2,
		"👨\u200d👩\u200d👧\u200d👦 x":            4,
		"🇩🇪":                                  2,
		"🇩🇪🇫🇷":                                4,
		"\u2764":                              1, // a heart as text
		"\u2764\ufe0f":                        2, // the same heart as a picture
		"🏴\U000E0067\U000E0062\U000E007F":     2, // a flag of a region
		"a\x00\x1bb":                          2,
		"\xff":                                1, // broken UTF-8 is drawn as one sign
		"soft\u00adhyphen":                    11,
		"zero\u200bwidth":                     9,
		strings.Repeat("e\u0301", 40):         40,
		"e\u0301\u0302\u0303\u0304 stacked x": 11,
	} {
		require.Equal(t, want, text.Columns(line), "%q", line)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		line    string
		columns int
		want    string
	}{
		{"Ana Young", 9, "Ana Young"}, {"Ana Young", 8, "Ana You…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"},
		{"Zoe\u0308e\u0308", 3, "Zo…"}, {"Zoe\u0308\u0308ba", 4, "Zoe\u0308\u0308…"}, {"👩\u200d💻👍🏽!", 4, "👩\u200d💻…"}, {"", 0, ""},
	} {
		require.Equal(t, c.want, text.Cut(c.line, c.columns), "%q to %d", c.line, c.columns)
	}
}

// A cut line fits and shows that it was cut, whatever its content. A line that
// is not cut is unchanged.
func TestCutFits(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", " ", "é", "e\u0301", "日", "한", "👍🏽", "👩\u200d💻", "🇩🇪", "\u2764\ufe0f", "\u200d", "\ufe0f", "\xff", "\U0001f1e9", "न", "ते"})
	rapid.Check(t, func(t *rapid.T) {
		line := strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "line"), "")
		columns := rapid.IntRange(1, 40).Draw(t, "columns")
		cut := text.Cut(line, columns)
		require.LessOrEqual(t, text.Columns(cut), columns, "%q", cut)
		if text.Columns(line) <= columns {
			require.Equal(t, line, cut)
		} else {
			require.True(t, strings.HasSuffix(cut, "…"))
			require.True(t, strings.HasPrefix(line, strings.TrimSuffix(cut, "…")))
		}
		require.LessOrEqual(t, text.Columns(line), 2*utf8.RuneCountInString(line))
		require.Equal(t, text.Columns(line)+len(text.Pad(line, 90)), max(90, text.Columns(line)))
	})
}
