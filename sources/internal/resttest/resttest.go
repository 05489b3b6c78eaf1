// Package resttest holds what the tests of several sources need.
package resttest

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// A RoundTripper is a function that serves as an http.RoundTripper.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// JSON returns an answer with a status and a body of JSON.
func JSON(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// Shown returns everything that package fmt, log/slog and encoding/json make of
// the values: of each alone, behind a pointer and inside of other values.
func Shown[T any](t testing.TB, values ...T) string {
	t.Helper()
	var all strings.Builder
	logs := []*slog.Logger{slog.New(slog.NewTextHandler(&all, nil)), slog.New(slog.NewJSONHandler(&all, nil))}
	for _, value := range values {
		for _, form := range []any{value, &value, []T{value}, map[string]T{"key": value}, struct{ Field T }{value}, fmt.Errorf("bad %v", value)} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T"} {
				fmt.Fprintf(&all, verb+"\n", form)
			}
			for _, log := range logs {
				log.Info("message", "value", form)
			}
			if err := json.NewEncoder(&all).Encode(form); err != nil {
				t.Errorf("encode a %T: %v", form, err)
			}
		}
	}
	return all.String()
}
