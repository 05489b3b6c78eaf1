package invisible_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/internal/invisible"
)

func TestTrim(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", " a b ": "a b", "\u00a0a\u2003": "a", "\ufeffa\u200b": "a", "\u200e a\u202c\u200b ": "a", "\u3164": "", "\u200b\u2060": "",
		"a\u200bb": "a\u200bb", "می\u200cخواهم": "می\u200cخواهم", "é": "é", "\u0600": "\u0600", "\x00a": "\x00a", "\xff": "\xff", "👩\u200d💻": "👩\u200d💻",
	} {
		assert.Equal(t, want, invisible.Trim(text), "%+q", text)
	}
}

func TestIs(t *testing.T) {
	for _, r := range "\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200d\u200e\u202e\u2060\u2064\u2069\u3164\ufeff\uffa0\U000e0041" {
		assert.True(t, invisible.Is(r), "%U", r)
	}
	for _, r := range "a \t\u00a0é\u0301\u0600\u06dd\u3000名\ufe0f\U0001f469" {
		assert.False(t, invisible.Is(r), "%U", r)
	}
	assert.True(t, invisible.IsJoiner('\u200c') && invisible.IsJoiner('\u200d') && !invisible.IsJoiner('\u200b'))
}
