package scim

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testTypes(tb testing.TB) (user, group *resourceType) {
	tb.Helper()
	types, err := compileTypes(Config{MaxFilter: DefaultMaxFilter})
	require.NoError(tb, err)
	return types[0], types[1]
}

// barbara is a user with all kinds of attributes, based on RFC 7643
// section 8.2.
const barbara = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bJensen@example.com","externalId":"Ext-1",
"name":{"familyName":"Jensen","givenName":"Barbara"},"displayName":"Babs \"B\" Jensen","title":"Tour Guide","active":true,"locale":"é",
"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],
"roles":[{"value":"admin","primary":true}],"shoeSize":44,"odd":{"value":"x"},"flag":false,
"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"701984","manager":{"value":"26118915"}},
"urn:example:custom:2.0:User":{"badge":"B7"}}`

// testLocation is where a handler at https://e/ serves resources.
func testLocation(ref Ref) string { return "https://e/" + ref.Type + "s/" + ref.ID }

func testResource(tb testing.TB) *resource {
	tb.Helper()
	rt, _ := testTypes(tb)
	r, err := rt.parse(Record{
		Ref: Ref{TypeUser, "2819c223-7f76-453a-919d-413861904646"}, Version: 7, Doc: []byte(barbara),
		Created: time.Date(2010, 1, 23, 4, 56, 22, 0, time.UTC), LastModified: time.Date(2011, 5, 13, 4, 42, 34, 0, time.UTC),
		Links: []Link{{Ref: Ref{TypeGroup, "g1"}, Display: "Tour Guides"}},
	}, testLocation)
	require.NoError(tb, err)
	return r
}

// RFC 7644 section 3.4.2.2, with the variants that clients send (R58, R60).
func TestFilterSelects(t *testing.T) {
	r := testResource(t)
	for filter, want := range map[string]bool{
		`userName eq "bjensen@EXAMPLE.com"`:                  true,
		`USERNAME EQ "bjensen@example.com"`:                  true,
		`userName eq bjensen@example.com`:                    true,
		`userName eq 'bjensen@example.com'`:                  true, // OData syntax
		`(title eq 'Tour Guide') and emails[type eq 'home']`: true,
		`title eq 'Tour`:                                     false, // an incomplete quote is part of a word
		"\ttitle pr\r\n  and (\n active\teq true)\n":         true,
		`title eq ''`:                                       false,
		`userName ne "bjensen@example.com"`:                 false,
		`externalId eq "Ext-1"`:                             true,
		`externalId eq "ext-1"`:                             false, // the attribute is caseExact
		`id eq "2819c223-7f76-453a-919d-413861904646"`:      true,
		`name.familyName co "ENS"`:                          true,
		`name.familyName sw "J" and name.givenName ew "ra"`: true,
		`displayName eq "Babs \"B\" Jensen"`:                true,
		`locale eq "\u00e9"`:                                true,
		`title pr`:                                          true,
		`nickName pr`:                                       false,
		`nickName eq null`:                                  true,
		`title ne null`:                                     true,
		`nickName ne "x"`:                                   true,
		`not (title pr)`:                                    false,
		`not(title pr)`:                                     false,
		`active eq true`:                                    true,
		`active eq "True"`:                                  true,
		`active ne TRUE`:                                    false,
		`flag eq "false"`:                                   true,
		`emails eq "babs@jensen.org"`:                       true,
		`emails co "jensen.org"`:                            true,
		`emails.value eq "babs@jensen.org"`:                 true,
		`emails.type eq "other"`:                            false,
		`emails[type eq "work"].value eq "bjensen@example.com"`:                  true,
		`emails[type eq "work"].value eq "babs@jensen.org"`:                      false,
		`emails[type eq "work" and value co "@example.com"]`:                     true,
		`emails[type eq "home" and (primary eq true or value ew "example.com")]`: false,
		`emails[not (type eq "work")] and emails[primary eq "True"]`:             true,
		`roles[primary eq "True"].value eq "admin"`:                              true,
		// RFC 7643 section 2.4: an unspecified "primary" is assumed to be false.
		`emails[primary eq false].value eq "babs@jensen.org"`:                         true,
		`emails[primary eq "False"].value eq "bjensen@example.com"`:                   false,
		`emails[primary ne true and type eq "home"]`:                                  true,
		`emails[type eq "home" and primary ne false]`:                                 false,
		`emails[type eq "home" and not (primary eq false)]`:                           false,
		`emails.primary eq false`:                                                     true,
		`emails.primary ne true`:                                                      true,
		`roles.primary eq false`:                                                      false,
		`roles.primary ne false`:                                                      true,
		`emails[type eq "home" and primary pr]`:                                       false,
		`emails[type eq "home" and primary eq null]`:                                  true,
		`photos.primary eq false`:                                                     false,
		`photos.primary ne true`:                                                      true,
		`groups eq "g1"`:                                                              true,
		`groups.display sw "Tour"`:                                                    true,
		`manager eq "26118915"`:                                                       true,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value pr`: true,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "bj"`:                 true,
		`URN:ietf:params:scim:schemas:core:2.0:user:NAME.familyname eq "jensen"`:      true,
		`employeeNumber eq 701984`:                                                    true,
		`userName eq "none" or employeeNumber eq "701984" and title pr`:               true,
		`(userName eq "none" or title pr) and shoeSize pr`:                            true,
		`meta.lastModified gt "2011-05-13T04:42:33Z"`:                                 true,
		`meta.lastModified ge "2011-05-13T06:42:34+02:00"`:                            true,
		`meta.created lt "2010-01-23"`:                                                false,
		`meta.resourceType eq "User"`:                                                 true,
		`schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"`:                     true,
		`shoeSize eq 44.0`:                                                            true,
		`shoeSize gt 9`:                                                               true,
		`shoeSize lt 99999999999999999999999`:                                         true,
		`odd eq "X"`:                                                                  true,
		`urn:example:custom:2.0:User:badge eq "b7"`:                                   true,
		`nothing eq "x"`:                                                              false,
		`title gt "TA"`:                                                               true,
		`title le "tour guide"`:                                                       true,
		`userName eq"bjensen@example.com"`:                                            true,
	} {
		f, err := r.rt.parseFilter(filter)
		if assert.NoError(t, err, filter) {
			assert.Equal(t, want, f.matches(r), filter)
		}
	}
}

func TestFilterRefuses(t *testing.T) {
	rt, _ := testTypes(t)
	for _, filter := range []string{
		``, ` `, `userName`, `userName eq`, `userName like "x"`, `eq "x"`, `userName eq "x`, `userName eq "\x"`,
		`(userName eq "x"`, `userName eq "x")`, `userName eq "x" and`, `and userName eq "x"`, `userName eq "x" userName pr`,
		`not userName pr`, `emails[type eq "x"`, `emails[]`, `emails[type eq "x"].`, `emails[type eq "x"].value`,
		`userName[x eq 1]`, `groups.nope eq "x"`, `groups[nope pr]`, `groups[value eq "x"].nope eq 1`, `meta.nope pr`, `meta[nope eq "x"]`, `emails[a[b pr]]`, `name eq "x"`, `active gt true`, `active co "t"`, `active eq "maybe"`,
		`userName co null`, `userName gt null`, `meta.created gt "soon"`, `user name eq 1`, `a..b pr`, `[x]`, `()`,
		strings.Repeat("(", maxDepth+1) + "title pr" + strings.Repeat(")", maxDepth+1),
		`title eq "` + strings.Repeat("a", DefaultMaxFilter) + `"`,
	} {
		_, err := rt.parseFilter(filter)
		if assert.Error(t, err, filter) {
			out, known := clientError(err)
			assert.True(t, known)
			assert.Equal(t, 400, out.Status, filter)
			assert.Equal(t, "invalidFilter", string(out.ScimType), filter)
		}
	}
	_, err := rt.parseFilter(strings.Repeat("(", maxDepth) + "title pr" + strings.Repeat(")", maxDepth))
	assert.NoError(t, err)
}

// The hint says which keys a store may look up. covered means that nothing is
// left to evaluate.
func TestFilterHint(t *testing.T) {
	user, group := testTypes(t)
	for _, c := range []struct {
		rt      *resourceType
		filter  string
		keys    []Key
		covered bool
	}{
		{user, `userName eq "A@b"`, []Key{{Name: KeyUserName, Value: "a@b"}}, true},
		{user, `userName eq "a" and externalId eq "X"`, []Key{{Name: KeyUserName, Value: "a"}, {Name: KeyExternalID, Value: "X"}}, true},
		{user, `userName eq "a" and title pr`, []Key{{Name: KeyUserName, Value: "a"}}, false},
		{user, `userName eq "a" or title pr`, nil, false},
		{user, `emails[type eq "work"].value eq "A@b"`, []Key{{Name: KeyEmail, Value: "a@b"}}, false},
		{user, `emails eq "A@b"`, []Key{{Name: KeyEmail, Value: "a@b"}}, true},
		{user, `groups eq "G1"`, []Key{{Name: KeyGroup, Value: "G1"}}, true},
		{group, `id eq "g" and members eq "U"`, []Key{{Name: KeyID, Value: "g"}, {Name: KeyMember, Value: "U"}}, true},
		{group, `displayName eq "A"`, []Key{{Name: KeyDisplayName, Value: "a"}}, true},
		{group, `userName eq "a"`, nil, false},
		{user, `userName ne "a"`, nil, false},
		{user, `userName eq "` + strings.Repeat("a", MaxKeyBytes+1) + `"`, nil, false},
		{user, `emails[type eq "work" or value eq "a"]`, nil, false},
		{user, `id eq "1" and id eq "1" and userName eq "a"`, []Key{{Name: KeyID, Value: "1"}, {Name: KeyUserName, Value: "a"}}, true},
		{user, `emails eq "1" and emails eq "2" and emails eq "3" and emails eq "4" and emails eq "5"`, []Key{
			{Name: KeyEmail, Value: "1"}, {Name: KeyEmail, Value: "2"}, {Name: KeyEmail, Value: "3"}, {Name: KeyEmail, Value: "4"},
		}, false}, // a store gets few keys in one query
	} {
		f, err := c.rt.parseFilter(c.filter)
		require.NoError(t, err)
		keys, covered := f.hint(c.rt)
		assert.Equal(t, c.keys, keys, c.filter)
		assert.Equal(t, c.covered, covered, c.filter)
	}
}

// Folding and EqualFold agree, so that an index finds what a filter selects.
func TestFoldAgreesWithEqualFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]rune("aAbkKsſKİıiIßẞσςΣéÉ0@"))
		a := string(rapid.SliceOfN(letters, 0, 4).Draw(t, "a"))
		b := string(rapid.SliceOfN(letters, 0, 4).Draw(t, "b"))
		assert.Equal(t, strings.EqualFold(a, b), fold(a) == fold(b), "%q %q", a, b)
	})
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`userName eq "a"`, `emails[type eq "work" and (value co "x" or not (primary eq true))].value eq "b"`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq null`, `a.b gt 1e5 or c le -0.5`,
		`meta.lastModified ge "2011-05-13T04:42:34Z" and not(title pr)`, `x eq "\ud83d\ude00\n"`, `((((a pr))))`,
	} {
		f.Add(seed)
	}
	rt, _ := testTypes(f)
	r := testResource(f)
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := rt.parseFilter(text)
		if err != nil {
			out, known := clientError(err)
			assert.True(t, known && out.Status/100 == 4, "%v", err)
			return
		}
		matched := parsed.matches(r)
		inverse, err := rt.parseFilter("not (" + text + ")")
		if err == nil {
			assert.NotEqual(t, matched, inverse.matches(r), "a filter and its negation")
		}
		if keys, _ := parsed.hint(rt); matched {
			have := &memoryRecord{Record: r.rec, groups: map[string]*memoryRecord{"g1": {}}}
			have.Keys = rt.keys(r.doc)
			assert.True(t, have.hasAll(keys), "what is selected has the keys of the hint")
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e3,true,null,"\u00e9\ud83d\ude00"],"b":{}}`, `[]`, `"\""`, "{\"a\":\"\u2028<\"}", `-0`, `{"a":1,"A":2}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseJSON(text)
		if err != nil {
			_, known := clientError(err)
			assert.True(t, known)
			return
		}
		again, err := parseJSON(string(appendJSON(nil, v)))
		require.NoError(t, err)
		assert.True(t, equalValues(v, again), "%s", text)
	})
}
