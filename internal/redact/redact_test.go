package redact

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Handlers of slog and encoders that ask for one of these interfaces get no field of
// the struct, whichever they ask for.
func TestStruct(t *testing.T) {
	var value any = struct {
		Struct
		Token string
	}{Token: "s3cret"}
	assert.Equal(t, Removed, value.(slog.LogValuer).LogValue().String())
	text, err := value.(encoding.TextMarshaler).MarshalText()
	require.NoError(t, err)
	assert.Equal(t, Removed, string(text))
	encoded, err := value.(json.Marshaler).MarshalJSON()
	require.NoError(t, err)
	assert.Equal(t, `"`+Removed+`"`, string(encoded))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		assert.NotContains(t, fmt.Sprintf(verb, []any{value, &value}), "s3cret", verb)
	}
}
