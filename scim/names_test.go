package scim

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// foldedNames generates names that often fold to the same name. They contain
// the Kelvin sign, the long s and the final sigma.
var foldedNames = rapid.StringOfN(rapid.SampledFrom([]rune("kKKsSſσςΣaé")), 1, 3, -1)

// RFC 7643 section 2.1: names are compared without regard to case. The decoder,
// the object, the sets and the skipping reader agree on which names are equal,
// for any number of names and for any content between them.
func TestNamesHaveOneFolding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(foldedNames, 0, 6).Draw(t, "names")
		padding := rapid.IntRange(0, 30).Draw(t, "padding")
		at := rapid.IntRange(0, len(names)).Draw(t, "at")

		var fields []string
		distinct := map[string]bool{}
		for i, name := range names {
			if i == at {
				for j := range padding {
					fields = append(fields, fmt.Sprintf(`"p%d":null`, j))
				}
			}
			fields = append(fields, fmt.Sprintf("%q:%d", name, i))
			distinct[fold(name)] = true
		}
		text := "{" + strings.Join(fields, ",") + "}"

		o, err := parseObject(text)
		assert.Equal(t, len(distinct) == len(names), err == nil, "%s: %v", text, err)
		_, checked := checkObject(text)
		assert.Equal(t, err, checked)
		if err != nil {
			return
		}
		for i, name := range names {
			for _, spelt := range []string{name, fold(name), strings.ToUpper(name)} {
				if fold(spelt) == fold(name) {
					assert.Equal(t, number(fmt.Sprint(i)), o.get(spelt), "%s in %s", spelt, text)
				}
			}
		}
		assert.Nil(t, o.get("absent"))

		// An object that changes finds its names at every size.
		model := map[string]any{}
		for _, f := range o.fields {
			model[fold(f.name)] = f.value
		}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			name := foldedNames.Draw(t, "name")
			if rapid.Bool().Draw(t, "drop") {
				_, have := model[fold(name)]
				assert.Equal(t, have, o.drop(name))
				delete(model, fold(name))
			} else {
				o.set(name, name)
				model[fold(name)] = name
			}
		}
		require.Len(t, o.fields, len(model))
		for name, value := range model {
			assert.Equal(t, value, o.get(name))
		}
	})
}

func TestSameNameAgreesWithFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOfN(rapid.SampledFrom([]rune("kKKsSſσς@`[{aé")), 0, 3, -1)
		a, b := letters.Draw(t, "a"), letters.Draw(t, "b")
		assert.Equal(t, fold(a) == fold(b), sameName(a, b), "%q %q", a, b)
		rest, ok := cutName(a, b)
		assert.Equal(t, strings.HasPrefix(fold(a), fold(b)), ok, "%q %q", a, b)
		if ok {
			assert.True(t, strings.HasSuffix(a, rest))
			assert.Equal(t, fold(a), fold(b)+fold(rest))
		}
	})
}

// A declared name is the declared attribute in every spelling that folds to
// it, so that none can stand beside it.
func TestDeclaredNamesFold(t *testing.T) {
	user, _ := testTypes(t)
	for spelt, want := range map[string]string{
		"uſerName": "userName", "USERNAME": "userName", "emailſ.value": "emails.value", "name.familyName": "name.familyName",
		"nicKName": "nickName", "urn:ietf:params:ſcim:schemas:core:2.0:User:userName": "userName",
		"urn:ietf:params:scim:schemas:extenſion:enterprise:2.0:User:manager": enterpriseURN + ":manager",
	} {
		path, ok := user.resolve(spelt)
		require.True(t, ok, spelt)
		assert.Equal(t, want, path.String())
		assert.NotNil(t, path.leaf(), spelt)
	}
	doc, err := normalized(t, user, `,"uſerName":"a","emailſ":"a@b","urn:ietf:params:scim:schemas:extenſion:enterprise:2.0:User":{"coſtCenter":{"a":1}}`)
	if err == nil {
		t.Fatalf("an object for a text was taken: %s", doc)
	}
	doc, err = normalized(t, user, `,"uſerName":"a","emailſ":"a@b","urn:ietf:params:scim:schemas:extenſion:enterprise:2.0:User":{"coſtCenter":"c"}`)
	require.NoError(t, err)
	assert.JSONEq(t, `{"userName":"a","emails":[{"value":"a@b"}],"`+enterpriseURN+`":{"costCenter":"c"}}`, doc)
}

// RFC 7613 section 3.2.2: canonically equivalent texts are the same, in any letter
// case and width. The key of a text that is in normal form and has no marks is
// that of fold.
func TestFoldText(t *testing.T) {
	same := func(t require.TestingT, a, b string) {
		require.Equal(t, foldText(a), foldText(b), "%+q %+q", a, b)
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		s := string(r)
		if !utf8.ValidRune(r) {
			continue
		}
		same(t, s, norm.NFC.String(s))
		same(t, s, norm.NFD.String(s))
		if isComposed(s) {
			require.Equal(t, s, norm.NFC.String(s))
			require.False(t, unicode.IsMark(r) || isWidthForm(r), "%U", r)
		}
		for other := unicode.SimpleFold(r); other != r && r != '\u0345' && other != '\u0345'; other = unicode.SimpleFold(other) {
			same(t, s, string(other))
			same(t, "x"+norm.NFD.String(s), "x"+string(other))
		}
	}
	letters := rapid.StringOf(rapid.SampledFrom([]rune("aAéE\u0301\u0323ǰJ\u030cſ\u0307ß\u1e9eКйий\u0306אש\u0654\uff76\uff9eカ\u3099ガ名가\u1100\u1161\u11a8\u3000\uff21")))
	rapid.Check(t, func(t *rapid.T) {
		a := letters.Draw(t, "a")
		same(t, a, norm.NFD.String(a))
		same(t, a, norm.NFC.String(a))
		same(t, a, strings.Map(unicode.SimpleFold, norm.NFD.String(a)))
		if b := letters.Draw(t, "b"); fold(a) == fold(b) {
			same(t, a, b)
		}
		if c := norm.NFC.String(a); !strings.ContainsFunc(c, func(r rune) bool { return unicode.IsMark(r) || isWidthForm(r) }) {
			require.Equal(t, fold(c), foldText(a), "%+q", a)
		}
	})
	require.NotEqual(t, foldText("\u03b1\u03b9"), foldText("\u1fb3"), "an iota is no mark")
}

// A credential's name is one line of valid text, of any store.
func TestCredentialNames(t *testing.T) {
	for name, want := range map[string]string{
		"token 1": "token 1", "a\x00b\nc": "abc", "a\xffb": "a\ufffdb", "\u202eevil": "evil", strings.Repeat("\u00e9", 60): strings.Repeat("\u00e9", 30) + "\u2026",
	} {
		assert.Equal(t, want, credentialName(name), "%q", name)
	}
}
