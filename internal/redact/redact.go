// Package redact keeps the secrets in a struct out of what prints, logs or encodes
// it.
package redact

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Removed is the text that replaces a secret.
const Removed = "[removed]"

// A Struct is embedded in a struct that holds secrets. The whole struct is then
// printed, logged and encoded as Removed, without any of its fields. A struct that
// holds such a struct in an unexported field embeds it as well: package fmt calls no
// methods of unexported fields.
type Struct struct{}

// Format implements fmt.Formatter, for every verb.
func (Struct) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Removed) }

// LogValue implements slog.LogValuer.
func (Struct) LogValue() slog.Value { return slog.StringValue(Removed) }

// MarshalJSON implements json.Marshaler.
func (Struct) MarshalJSON() ([]byte, error) { return json.Marshal(Removed) }

// MarshalText implements encoding.TextMarshaler, for encoders of other formats.
func (Struct) MarshalText() ([]byte, error) { return []byte(Removed), nil }
