package salesforce

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The text of a file does not depend on its encoding, nor on the pieces in which it
// is read.
func TestTextInAnyEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := "{" + strings.NewReplacer("\x1b", "", "\r", "", "\n", "", "\x00", "").Replace(rapid.String().Draw(t, "text"))
		data := []byte(want)
		switch rapid.SampledFrom([]string{"plain", "mark", "utf16le", "utf16be", "coloured"}).Draw(t, "encoding") {
		case "mark":
			data = append([]byte("\xef\xbb\xbf"), data...)
		case "utf16le":
			data = utf16Of(data, false, true)
		case "utf16be":
			data = utf16Of(data, true, true)
		case "coloured":
			var b strings.Builder
			for _, r := range want {
				b.WriteString(rapid.SampledFrom([]string{"", "\x1b[0m", "\x1b[38;5;12m"}).Draw(t, "colour") + string(r))
			}
			data = []byte(b.String())
		}
		var raw io.Reader = strings.NewReader(string(data))
		if rapid.Bool().Draw(t, "byte by byte") {
			raw = iotest.OneByteReader(raw)
		}
		text, err := newTextReader(raw)
		require.NoError(t, err)
		got, err := io.ReadAll(text)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	})
}

func TestTextBeyondOneBuffer(t *testing.T) {
	want := strings.Repeat("é€😀x", textBuffer/4)
	for name, data := range map[string]string{
		"UTF-8": want, "UTF-16": string(utf16Of([]byte(want), false, true)), "coloured": strings.ReplaceAll(want, "x", "\x1b[31mx\x1b[0m"),
	} {
		text, err := newTextReader(strings.NewReader(data))
		require.NoError(t, err)
		got, err := io.ReadAll(text)
		require.NoError(t, err)
		assert.True(t, want == string(got), name)
	}
	text, err := newTextReader(strings.NewReader(want + "\xff"))
	require.NoError(t, err)
	_, err = io.ReadAll(text)
	require.ErrorContains(t, err, "from byte 163840 on")
}

// An error of the file is returned as it is.
func TestTextErrors(t *testing.T) {
	broken := iotest.ErrReader(io.ErrClosedPipe)
	_, err := newTextReader(broken)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	for _, head := range []string{"{abc", "\xff\xfe{\x00a\x00"} {
		text, err := newTextReader(io.MultiReader(strings.NewReader(head), broken))
		require.NoError(t, err)
		_, err = io.ReadAll(text)
		require.ErrorIs(t, err, io.ErrClosedPipe)
	}
}
