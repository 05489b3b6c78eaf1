package sources

import "strings"

// The words for the kinds of directory that this library knows (rules R1, S33).
const (
	KindOkta       = "okta"
	KindEntra      = "entra"
	KindSalesforce = "salesforce"
	KindOneLogin   = "onelogin"
	KindRippling   = "rippling"
	// KindSCIM is a directory pushed by SCIM by a provider that is none of the
	// others, or that nobody named.
	KindSCIM = "scim"
)

// A Kind describes how a kind of directory differs from others (rule S33). Pushed
// or pulled makes no difference: what Okta pushes by SCIM and what is read from
// Okta's API are both of KindOkta. A kind that is not in the table has the zero
// value of each trait.
type Kind struct {
	// Word is the one word for the kind, in lower case.
	Word string
	// StableExternalID says that the externalId a provider of this kind pushes
	// is its own identifier of a person for good, never given to another
	// person (rule S6). Entra's may be a mail nickname, which a new hire gets.
	StableExternalID bool
	// UserNameIsAddress says that a pushed user without any email is reached
	// under the userName. Okta, Entra, OneLogin and Rippling have to push an
	// email (R48 to R50), so that one without is not whole; Google Workspace,
	// which pushes as any SCIM client, has userName only.
	UserNameIsAddress bool
}

// kinds is the table, in the order in which messages list the words.
var kinds = [...]Kind{
	{Word: KindOkta, StableExternalID: true},
	{Word: KindEntra},
	{Word: KindSalesforce},
	{Word: KindOneLogin},
	{Word: KindRippling},
	{Word: KindSCIM, UserNameIsAddress: true},
}

// kindAliases are further words for kinds of the table.
var kindAliases = [...]struct{ alias, word string }{
	{"azuread", KindEntra}, // C13
}

// KindOf returns the kind that a word names, in any letter case; an alias
// ("AzureAD") gives the kind it stands for. It reports false for a word that is
// not in the table. Such a word names a host's own kind, whose Word is the word
// in lower case; only the empty word names no kind, and has an empty Word.
func KindOf(word string) (Kind, bool) {
	word = strings.ToLower(strings.ToUpper(word)) // as strings.EqualFold compares
	for _, a := range kindAliases {
		if word == a.alias {
			word = a.word
		}
	}
	for _, k := range kinds {
		if word == k.Word {
			return k, true
		}
	}
	return Kind{Word: word}, false
}

// Kinds returns the table of known kinds.
func Kinds() []Kind { return append([]Kind(nil), kinds[:]...) }

// SameKind reports whether two words name one kind.
func SameKind(a, b string) bool {
	x, _ := KindOf(a)
	y, _ := KindOf(b)
	return x.Word == y.Word
}
