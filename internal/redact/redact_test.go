package redact

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Handlers of slog and encoders that ask for one of these interfaces get no field of
// the struct, whichever they ask for. Verbs print no field either, of the struct, of a
// pointer to it or of one within another value.
func TestStruct(t *testing.T) {
	type secret struct {
		Struct
		Token []byte
	}
	held := secret{Token: []byte("s3cret")}
	var value any = held
	assert.Equal(t, Removed, value.(slog.LogValuer).LogValue().String())
	text, err := value.(encoding.TextMarshaler).MarshalText()
	require.NoError(t, err)
	assert.Equal(t, Removed, string(text))
	encoded, err := value.(json.Marshaler).MarshalJSON()
	require.NoError(t, err)
	assert.Equal(t, `"`+Removed+`"`, string(encoded))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		assert.Equal(t, Removed, fmt.Sprintf(verb, held), verb)
		assert.Equal(t, Removed, fmt.Sprintf(verb, &held), verb)
		inner := fmt.Sprintf(verb, []any{struct{ Field secret }{held}, map[string]*secret{"k": &held}})
		assert.Equal(t, 2, strings.Count(inner, Removed), "%s: %s", verb, inner)
		for _, form := range []string{"s3cret", "115 51 99", "0x73, 0x33", "733363"} {
			assert.NotContains(t, strings.ToLower(inner), form, verb)
		}
	}
}
