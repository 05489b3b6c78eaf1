package sources_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func TestStatusWords(t *testing.T) {
	for status, word := range map[sources.Status]string{
		sources.StatusUnknown: "unknown", sources.StatusActive: "active",
		sources.StatusInactive: "inactive", sources.StatusStaged: "staged",
	} {
		assert.Equal(t, word, status.String())
		var read sources.Status
		require.NoError(t, read.UnmarshalText([]byte(word)))
		assert.Equal(t, status, read)
	}
	read := sources.StatusActive
	require.NoError(t, read.UnmarshalText(nil))
	assert.Equal(t, sources.StatusUnknown, read)
	assert.EqualError(t, read.UnmarshalText([]byte("Active")), `status "Active": want active, inactive, staged or unknown`)
	assert.Equal(t, "Status(9)", sources.Status(9).String())
}

func TestFacts(t *testing.T) {
	assert.Equal(t, "nothing", sources.Facts(0).String())
	assert.Equal(t, "users, managers", (sources.FactManagers | sources.FactUsers).String())
	assert.True(t, all.Has(sources.FactUsers|sources.FactGroups))
	assert.False(t, sources.FactUsers.Has(sources.FactUsers|sources.FactGroups))
}

func TestValuesForms(t *testing.T) {
	for text, want := range map[string]sources.Values{
		`"a"`: {"a"}, `7.50`: {"7.50"}, `true`: {"true"}, `["a",1,false]`: {"a", "1", "false"}, `[]`: {}, `null`: nil, ` [ "a" ] `: {"a"},
	} {
		var got sources.Values
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{`{}`, `[[]]`, `[null]`} {
		var got sources.Values
		assert.Error(t, json.Unmarshal([]byte(text), &got), text)
	}
	single, err := json.Marshal(map[string]sources.Values{"one": {"a"}, "two": {"a", "b"}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"one":"a","two":["a","b"]}`, string(single))
}

func TestUserCloneSharesNothing(t *testing.T) {
	u := sources.User{ID: "1", OtherEmails: []string{"a"}, Attributes: map[string]sources.Values{"x": {"y"}}}
	c := u.Clone()
	assert.Equal(t, u, c)
	c.OtherEmails[0], c.Attributes["x"][0], c.Attributes["z"] = "changed", "changed", nil
	assert.Equal(t, sources.User{ID: "1", OtherEmails: []string{"a"}, Attributes: map[string]sources.Values{"x": {"y"}}}, u)
}

func TestUserLogsAsItsID(t *testing.T) {
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("read", "user", sources.User{ID: "00u1", Email: "ana@acme.com", GivenName: "Ana"})
	assert.Contains(t, out.String(), "user=00u1")
	assert.NotContains(t, out.String(), "acme.com")
	assert.NotContains(t, out.String(), "Ana")
}
