package sources_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

func TestKindOf(t *testing.T) { // S33, C13
	for word, want := range map[string]string{
		"okta": "okta", "Okta": "okta", "OKTA": "okta",
		"entra": "entra", "azuread": "entra", "AzureAD": "entra",
		"salesforce": "salesforce", "onelogin": "onelogin", "OneLogin": "onelogin",
		"rippling": "rippling", "scim": "scim", "SCIM": "scim",
		"\u212abc": "kbc", // KELVIN SIGN, which folds to k
	} {
		kind, known := sources.KindOf(word)
		require.Equal(t, want, kind.Word, word)
		require.Equal(t, want != "kbc", known, word)
	}
	for _, word := range []string{"acme-hr", "Acme-HR", "okta2", " okta"} {
		kind, known := sources.KindOf(word)
		require.False(t, known, word)
		require.Equal(t, sources.Kind{Word: kind.Word}, kind, "%s: a host's own kind has neutral traits", word)
	}
	kind, known := sources.KindOf("")
	require.Equal(t, sources.Kind{}, kind)
	require.False(t, known)
}

func TestSameKind(t *testing.T) { // S33
	require.True(t, sources.SameKind("azuread", "Entra"))
	require.True(t, sources.SameKind("Acme-HR", "acme-hr"))
	require.False(t, sources.SameKind("okta", "entra"))
	require.False(t, sources.SameKind("acme-hr", "acme"))
}

// TestKinds: every word of the table finds its own entry.
func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range sources.Kinds() {
		found, known := sources.KindOf(kind.Word)
		require.True(t, known)
		require.Equal(t, kind, found)
		require.False(t, seen[kind.Word])
		seen[kind.Word] = true
	}
	require.Equal(t, []string{"okta", "entra", "salesforce", "onelogin", "rippling", "scim"}, words(sources.Kinds()), "R1, G11")
	stable, _ := sources.KindOf("okta")
	require.True(t, stable.StableExternalID, "S6")
	nickname, _ := sources.KindOf("entra")
	require.False(t, nickname.StableExternalID, "S6")
}

func words(kinds []sources.Kind) (out []string) {
	for _, k := range kinds {
		out = append(out, k.Word)
	}
	return out
}
