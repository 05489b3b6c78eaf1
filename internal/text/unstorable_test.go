package text_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/text"
)

func TestUnstorable(t *testing.T) {
	type Inner struct {
		Name string `json:"name,omitempty"`
	}
	value := struct {
		Inner
		List    []string           `json:"list"`
		Map     map[string]*Inner  `json:"map"`
		Any     map[string]any     `json:"any"`
		Number  int                `json:"number"`
		Hidden  string             `json:"-"`
		Nil     *Inner             `json:"nil"`
		Numbers map[string]float64 `json:"numbers"`
	}{
		Inner: Inner{"a\x00"}, List: []string{"a", "b\xff"}, Map: map[string]*Inner{"k": {"\x00"}, "ok": {"ok"}},
		Any: map[string]any{"a\x00": 1.0, "b": "\x00", "c": true}, Hidden: "\x00",
	}
	require.Equal(t, []string{".name", ".list[1]", ".map.k.name", ".any.a", ".any.b"}, slices.Collect(text.Unstorable(&value)))
	for range text.Unstorable(&value) {
		break // the caller may stop early
	}
	require.Empty(t, slices.Collect(text.Unstorable("plain")))
}
