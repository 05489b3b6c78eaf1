package scim

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patched applies operations to a document and returns the document as it would
// be stored.
func patched(tb testing.TB, doc, operations string) (string, error) {
	tb.Helper()
	rt, _ := testTypes(tb)
	o, err := parseObject(doc)
	require.NoError(tb, err)
	body, err := parseObject(`{"Operations":` + operations + `}`)
	if err != nil {
		return "", err
	}
	list, err := parsePatch(body, 1000)
	if err != nil {
		return "", err
	}
	p := &patcher{rt: rt, id: "the-id", doc: o, stored: nothingStored}
	if err := p.apply(list); err != nil {
		return "", err
	}
	return string(appendJSON(nil, p.doc)), nil
}

const plain = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"u","active":true`

// The operations of RFC 7644 section 3.5.2, one at a time. The conversations in
// scimtest/testdata/clients hold the variants that providers send.
func TestPatch(t *testing.T) {
	const e = `"emails":[{"value":"w@x","type":"work","primary":true},{"value":"h@x","type":"home"}]`
	for _, c := range []struct{ name, before, operations, after string }{
		{"add a list to a list", `,` + e, `[{"op":"add","path":"emails","value":[{"value":"o@x","type":"other"}]}]`,
			`,"emails":[{"value":"w@x","type":"work","primary":true},{"value":"h@x","type":"home"},{"value":"o@x","type":"other"}]`},
		{"one element for one value and type", ``, `[{"op":"replace","path":"emails","value":[{"value":"a@x","type":"work"},{"value":"a@x","type":"home"},{"value":"a@x","type":"Work","primary":true,"display":"A"}]},
			{"op":"add","path":"addresses","value":[{"locality":"P"},{"locality":"P"},{"locality":"Q"}]}]`,
			`,"emails":[{"value":"a@x","type":"work","primary":true,"display":"A"},{"value":"a@x","type":"home"}],"addresses":[{"locality":"P"},{"locality":"Q"}]`}, // RFC 7643 section 2.4
		{"an apostrophe is a quote", `,` + e, `[{"op":"replace","path":"emails[type eq 'home'].value","value":"n@x"}]`,
			`,"emails":[{"value":"w@x","type":"work","primary":true},{"value":"n@x","type":"home"}]`},
		{"add what is there", `,` + e, `[{"op":"add","path":"emails","value":{"value":"h@x","type":"home"}}]`, `,` + e},
		{"add a new primary", `,` + e, `[{"op":"add","path":"emails","value":[{"value":"p@x","type":"other","primary":"true"}]}]`,
			`,"emails":[{"value":"w@x","type":"work","primary":false},{"value":"h@x","type":"home"},{"value":"p@x","type":"other","primary":true}]`},
		{"make another primary", `,` + e, `[{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}]`,
			`,"emails":[{"value":"w@x","type":"work","primary":false},{"value":"h@x","type":"home","primary":true}]`},
		{"two primaries at once", ``, `[{"op":"add","path":"emails","value":[{"value":"a","primary":true},{"value":"b","primary":true}]}]`,
			`,"emails":[{"value":"a","primary":true},{"value":"b","primary":false}]`},
		{"add sub-attributes", `,"name":{"givenName":"G"}`, `[{"op":"add","path":"name","value":{"familyName":"F"}}]`,
			`,"name":{"givenName":"G","familyName":"F"}`},
		{"replace leaves what is not named", `,"name":{"givenName":"G","middleName":"M"}`, `[{"op":"replace","path":"name","value":{"givenName":"H","middleName":null}}]`,
			`,"name":{"givenName":"H"}`},
		{"an extension as JSON in a text", ``, `[{"op":"replace","path":"` + enterpriseURN + `","value":"{\"department\":\"D\"}"}]`,
			`,"` + enterpriseURN + `":{"department":"D"}`},
		{"an empty extension clears it", `,"` + enterpriseURN + `":{"department":"D"}`, `[{"op":"replace","path":"` + enterpriseURN + `","value":""}]`, ``},
		{"adding nothing to an extension", `,"` + enterpriseURN + `":{"department":"D"}`,
			`[{"op":"add","path":"` + enterpriseURN + `","value":""},{"op":"add","value":{"` + enterpriseURN + `":null}}]`, `,"` + enterpriseURN + `":{"department":"D"}`},
		{"replace what is absent", ``, `[{"op":"replace","path":"title","value":"T"}]`, `,"title":"T"`},
		{"replace a list", `,` + e, `[{"op":"replace","path":"emails","value":[{"value":"n@x"}]}]`, `,"emails":[{"value":"n@x"}]`},
		{"replace by a complex filter", `,` + e, `[{"op":"replace","path":"emails[type eq \"home\" or (value sw \"w\" and not (type eq \"home\"))].display","value":"D"}]`,
			`,"emails":[{"value":"w@x","type":"work","primary":true,"display":"D"},{"value":"h@x","type":"home","display":"D"}]`},
		{"replace an element keeps what the filter went by", `,` + e, `[{"op":"replace","path":"emails[type eq \"home\"]","value":{"value":"n@x"}}]`,
			`,"emails":[{"value":"w@x","type":"work","primary":true},{"value":"n@x","type":"home"}]`},
		{"add to an element keeps the rest", `,` + e, `[{"op":"add","path":"emails[type eq \"home\"]","value":{"display":"D"}}]`,
			`,"emails":[{"value":"w@x","type":"work","primary":true},{"display":"D","value":"h@x","type":"home"}]`},
		{"a filter of equalities makes what is absent", ``, `[{"op":"add","path":"addresses[type eq \"work\" and primary eq \"True\"].region","value":"CA"}]`,
			`,"addresses":[{"type":"work","primary":true,"region":"CA"}]`},
		{"every element", `,` + e, `[{"op":"replace","path":"emails.display","value":"D"}]`,
			`,"emails":[{"value":"w@x","type":"work","primary":true,"display":"D"},{"value":"h@x","type":"home","display":"D"}]`},
		{"remove an element", `,` + e, `[{"op":"remove","path":"emails[type eq \"work\"]"}]`, `,"emails":[{"value":"h@x","type":"home"}]`},
		{"remove the last", `,"emails":[{"value":"a","type":"work"}]`, `[{"op":"remove","path":"emails[value eq \"a\"]"}]`, ``},
		{"remove a value", `,"emails":[{"value":"a","type":"work"}]`, `[{"op":"remove","path":"emails[type eq \"work\"].value"}]`, ``},
		{"remove listed values", `,` + e, `[{"op":"remove","path":"emails","value":[{"value":"w@x"}]}]`, `,"emails":[{"value":"h@x","type":"home"}]`},
		{"remove a sub-attribute", `,"name":{"givenName":"G","familyName":"F"}`, `[{"op":"remove","path":"name.givenName"}]`, `,"name":{"familyName":"F"}`},
		{"remove what is absent", ``, `[{"op":"remove","path":"title"},{"op":"remove","path":"emails[type eq \"x\"]"}]`, ``},
		{"null and empty clear", `,"title":"T","locale":"en"`, `[{"op":"replace","path":"title","value":null},{"op":"replace","value":{"locale":""}}]`, ``},
		{"adding nothing adds nothing", `,"title":"T"`, `[{"op":"add","path":"title","value":""}]`, `,"title":"T"`},
		{"operations build on one another", ``, `[{"op":"add","path":"nickName","value":"a"},{"op":"replace","path":"nickName","value":"b"},{"op":"remove","path":"nickName"},{"op":"add","path":"NICKNAME","value":"c"}]`, `,"nickName":"c"`},
		{"an extension whole", ``, `[{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","value":{"department":"D","manager":"m"}},
			{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","value":{"department":"E"}}]`,
			`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"E","manager":{"value":"m"}}`},
		{"an extension gone", `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"E"}`,
			`[{"op":"remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"}]`, ``},
		{"a dot behind the URN", ``, `[{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.department","value":"D"}]`,
			`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}`},
		{"one operation without a list", ``, `{"op":"add","path":"title","value":"T"}`, `,"title":"T"`},
		{"the core as prefix", ``, `[{"op":"add","path":"URN:IETF:params:scim:schemas:core:2.0:User:name.familyname","value":"F"}]`, `,"name":{"familyName":"F"}`},
		{"what only we may write is no wish in an echo", ``, `[{"op":"replace","value":{"id":"the-id","meta":{"version":"1"},"groups":[],"title":"T"}}]`, `,"title":"T"`},
		{"undeclared lists", `,"x":["a"]`, `[{"op":"add","path":"x","value":["a","b"]},{"op":"remove","path":"x","value":"a"}]`, `,"x":["b"]`},
		{"undeclared elements", `,"y":[{"k":"a","v":1}]`, `[{"op":"replace","path":"y[k eq \"a\"].v","value":2},{"op":"add","path":"y[k eq \"b\"].v","value":3}]`,
			`,"y":[{"k":"a","v":2},{"k":"b","v":3}]`},
		{"a name that nobody declares, by its path", ``, `[{"op":"add","path":"hairColour","value":"red"},{"op":"replace","path":"name.suffix","value":"Jr"},
			{"op":"add","path":"emails[type eq \"work\"].verified","value":true},{"op":"remove","path":"shoeSize"}]`,
			`,"hairColour":"red","name":{"suffix":"Jr"},"emails":[{"type":"work","verified":true}]`},
		{"a plain name of an extension", `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Old"}`,
			`[{"op":"replace","path":"department","value":"D"},{"op":"replace","value":{"employeeNumber":7}},{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:division","value":"V"}]`,
			`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","employeeNumber":"7","division":"V"}`},
		{"a filter on a single value", `,"name":{"givenName":"G","familyName":"F"}`,
			`[{"op":"replace","path":"name[givenName eq \"g\"].formatted","value":"G F"},{"op":"add","path":"name[familyName eq \"F\"]","value":{"middleName":"M"}},
			{"op":"replace","path":"name[givenName eq \"X\"].middleName","value":""},{"op":"remove","path":"name[givenName eq \"X\"]"}]`,
			`,"name":{"givenName":"G","familyName":"F","formatted":"G F","middleName":"M"}`},
		{"a filter replaces what is said of a single value", `,"name":{"givenName":"G","familyName":"F"},"odd":{"k":"v","l":1}`,
			`[{"op":"replace","path":"name[familyName eq \"F\"]","value":{"honorificPrefix":"Dr","familyName":"H"}},{"op":"replace","path":"odd[k eq \"v\"]","value":{"l":2}}]`,
			`,"name":{"givenName":"G","familyName":"H","honorificPrefix":"Dr"},"odd":{"k":"v","l":2}`},
		{"another manager has another reference", `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m","$ref":"../m"}}`,
			`[{"op":"replace","path":"manager.value","value":"m"},{"op":"add","path":"manager","value":{"value":"m","k":1}}]`,
			`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m","$ref":"../m","k":1}}`},
		{"another manager by each path", `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m","$ref":"../m"}}`,
			`[{"op":"replace","path":"manager.value","value":"n"}]`, `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"n"}}`},
		{"another manager without a path", `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m","$ref":"../m"}}`,
			`[{"op":"replace","value":{"manager":{"value":"n"}}}]`, `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"n"}}`},
		{"values removed in another letter case", `,"emails":[{"value":"W@x","type":"work"},{"value":"h@x","type":"home"}],"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"secondaryEmails":["a@x","B@x"]}`,
			`[{"op":"remove","path":"emails","value":[{"value":"w@X"}]},{"op":"remove","path":"secondaryEmails","value":["b@x"]}]`,
			`,"emails":[{"value":"h@x","type":"home"}],"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"secondaryEmails":["a@x"]}`},
		{"undeclared plain values as objects", `,"x":["a","b"]`, `[{"op":"remove","path":"x","value":[{"value":"a"}]},{"op":"add","path":"x","value":[{"value":"c"},{"value":"b"}]},
			{"op":"replace","path":"x[value eq \"c\"]","value":{"value":"d"}}]`, `,"x":["b","d"]`},
		{"plain values as Microsoft's library writes them", `,"title":"old"`, `[{"op":"Replace","path":"displayName","value":[{"$ref":null,"value":"D"}]},
			{"op":"Replace","path":"active","value":[{"value":"True"}]},{"op":"Replace","value":[{"title":{"value":"T"}}]}]`, `,"title":"T","displayName":"D"`},
		{"the core schema as a path and as a name", ``, `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User","value":{"title":"T","name":{"givenName":"G"}}},
			{"op":"replace","value":{"urn:ietf:params:scim:schemas:core:2.0:User":{"nickName":"N"}}}]`, `,"title":"T","name":{"givenName":"G"},"nickName":"N"`},
		{"a filter replaces the manager", `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m","$ref":"../m"}}`,
			`[{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager[value eq \"m\"]","value":{"value":"n"}}]`,
			`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"n"}}`},
		{"a filter removes a single value", `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m"}}`,
			`[{"op":"remove","path":"manager[value eq \"m\"]"}]`, ``},
		{"plain values by a filter", `,"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"secondaryEmails":["a@x","b@x","c@x"]}`,
			`[{"op":"remove","path":"secondaryEmails[value eq \"A@x\"]"},{"op":"replace","path":"secondaryEmails[value eq \"b@x\"]","value":"n@x"},
			{"op":"replace","path":"secondaryEmails[value sw \"c\"].value","value":"c@y"},{"op":"add","path":"secondaryEmails[value eq \"d@x\"]","value":"d@x"}]`,
			`,"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"secondaryEmails":["n@x","c@y","d@x"]}`},
		{"plain values removed by their value", `,"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"secondaryEmails":["a@x","b@x"]},"x":["p","q"]`,
			`[{"op":"remove","path":"secondaryEmails","value":[{"value":"a@x"}]},{"op":"remove","path":"x[value eq \"p\"]"},{"op":"remove","path":"secondaryEmails[value eq \"none\"]"}]`,
			`,"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"secondaryEmails":["b@x"]},"x":["q"]`},
		{"plain values that meet become one", `,"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"secondaryEmails":["a@x","b@x"]}`,
			`[{"op":"replace","path":"secondaryEmails[value eq \"a@x\"]","value":"b@x"}]`,
			`,"urn:ietf:params:scim:schemas:extension:usher:2.0:User":{"secondaryEmails":["b@x"]}`},
		{"an app role in a text", `,"roles":[{"value":"User"}]`,
			`[{"op":"Add","path":"roles","value":[{"value":"{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"A\"}"},{"value":"{\"id\":\"2\",\"value\":\"User\"}"}]},
			{"op":"replace","path":"roles[value eq \"User\"].value","value":"{\"id\":\"3\",\"value\":\"Guest\"}"}]`,
			`,"roles":[{"value":"Guest","id":"2"},{"id":"1","value":"Admin","displayName":"A"}]`},
		{"a role in parts", ``, `[{"op":"add","path":"roles[primary eq \"True\"].type","value":"t"},{"op":"add","path":"roles[primary eq \"True\"].value","value":"r"}]`,
			`,"roles":[{"primary":true,"type":"t","value":"r"}]`},
		{"a role whose value is cleared", `,"roles":[{"primary":true,"display":"D","value":"r"}]`, `[{"op":"replace","path":"roles[primary eq \"True\"].value","value":""}]`, ``},
		{"the manager by another name alone", `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"displayName":"Ana"}}`,
			`[{"op":"replace","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"displayName":"Bo"}}}}]`,
			`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"displayName":"Bo"}}`},
		{"the manager by id after the name", `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"displayName":"Ana"}}`,
			`[{"op":"replace","value":{"manager":{"value":"m"}}}]`,
			`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m"}}`},
		{"numbers and booleans for texts", ``, `[{"op":"add","path":"title","value":5},{"op":"replace","path":"nickName","value":true},{"op":"add","path":"phoneNumbers[type eq \"work\"].value","value":2025550100}]`,
			`,"title":"5","nickName":"true","phoneNumbers":[{"type":"work","value":"2025550100"}]`},
		{"a complex attribute from JSON in a string", ``, `[{"op":"add","path":"roles","value":"[{\"value\":\"r\"}]"}]`, `,"roles":[{"value":"r"}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := patched(t, plain+c.before+"}", c.operations)
			require.NoError(t, err)
			want, err := parseObject(plain + c.after + "}")
			require.NoError(t, err)
			have, err := parseObject(got)
			require.NoError(t, err)
			have.set("schemas", want.get("schemas"))
			assert.JSONEq(t, string(appendJSON(nil, want)), string(appendJSON(nil, have)))
		})
	}
}

func TestPatchRefuses(t *testing.T) {
	for operations, want := range map[string]string{
		`[{"op":"remove"}]`: "noTarget",
		`[{"op":"replace","path":"emails[value ew \"x\"].type","value":"y"}]`:     "noTarget",
		`[{"op":"remove","path":"emails[value sw \"x\"]"}]`:                       "noTarget",
		`[{"op":"replace","path":"id","value":"other"}]`:                          "mutability",
		`[{"op":"remove","path":"id"}]`:                                           "mutability",
		`[{"op":"replace","value":{"id":"other"}}]`:                               "mutability",
		`[{"op":"replace","path":"meta.created","value":"2011-05-13T04:42:34Z"}]`: "mutability",
		`[{"op":"add","path":"groups","value":[{"value":"g"}]}]`:                  "mutability",
		`[{"op":"remove","path":"userName"}]`:                                     "mutability",
		`[{"op":"replace","path":"userName","value":""}]`:                         "invalidValue",
		`[{"op":"replace","path":"active","value":"maybe"}]`:                      "invalidValue",
		`[{"op":"replace","path":"title","value":{"a":1}}]`:                       "invalidValue",
		// RFC 7644 section 3.5.2.1: the operation MUST contain a "value"
		// member.
		`[{"op":"replace","path":"title"}]`:                                   "invalidValue",
		`[{"op":"Add","path":"emails[type eq \"work\"].value"}]`:              "invalidValue",
		`[{"op":"replace"}]`:                                                  "invalidValue",
		`[{"op":"add","path":"roles[primary eq true].type","value":"ADMIN"}]`: "invalidValue",
		// Section 3.5.2.3: a valuePath that matches nothing. In a list, the
		// described value is created. A single value that differs is left
		// unchanged.
		`[{"op":"replace","path":"name[givenName eq \"X\"].formatted","value":"F"}]`:                                                  "noTarget",
		`[{"op":"add","path":"name[givenName eq \"X\"]","value":{"familyName":"F"}}]`:                                                 "noTarget",
		`[{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager[value eq \"m\"].$ref","value":"x"}]`: "noTarget",
		`[{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName","value":"x"}]`:      "mutability",
		`[{"op":"add","path":"name","value":"x"}]`:                                                                                    "invalidValue",
		`[{"op":"add","value":"x"}]`:                                                    "invalidValue",
		`[{"op":"add"}]`:                                                                "invalidValue",
		`[{"op":"add","path":"a b","value":1}]`:                                         "invalidPath",
		`[{"op":"add","path":"title.x","value":1}]`:                                     "invalidPath",
		`[{"op":"add","path":"emails[type eq","value":1}]`:                              "invalidPath",
		`[{"op":"add","path":"emails[type eq \"w\"]value","value":1}]`:                  "invalidPath",
		`[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User","value":{}}]`: "invalidPath",
		// A name that differs from a declared name by one typing mistake is not
		// accepted as a new name.
		`[{"op":"add","path":"phoneNumber","value":1}]`:                     "invalidPath",
		`[{"op":"add","path":"titel","value":1}]`:                           "invalidPath",
		`[{"op":"add","path":"usrName","value":1}]`:                         "invalidPath",
		`[{"op":"add","path":"departmant","value":1}]`:                      "invalidPath",
		`[{"op":"remove","path":"name.givenNmae"}]`:                         "invalidPath",
		`[{"op":"add","path":"emails[type eq \"work\"].values","value":1}]`: "invalidPath",
		`[{"op":"add","path":"title[value eq \"x\"]","value":1}]`:           "invalidPath",
		`[{"op":"remove","path":"schemas[type eq \"x\"]"}]`:                 "invalidPath",
		`[{"op":"add","path":5,"value":1}]`:                                 "invalidPath",
		`[{"op":"frobnicate","path":"title"}]`:                              "invalidSyntax",
		`[5]`:                                                               "invalidSyntax",
		`5`:                                                                 "invalidSyntax",
		`[{"op":"replace","path":"title","value":"a"},{"op":"remove"}]`:     "noTarget",
	} {
		_, err := patched(t, plain+`,"emails":[{"value":"a","type":"work"}]}`, operations)
		if assert.Error(t, err, operations) {
			out, known := clientError(err)
			assert.True(t, known, "%v", err)
			assert.Equal(t, want, string(out.ScimType), "%s: %v", operations, err)
		}
	}
}

// Operations are applied again if another change came between. So applying them
// does not modify them.
func TestOperationsStayAsTheyAre(t *testing.T) {
	rt, _ := testTypes(t)
	for _, operations := range []string{
		`[{"op":"add","path":"emails","value":[{"value":"a","type":"work","primary":true}]},{"op":"add","path":"emails","value":[{"value":"b","primary":true}]}]`,
		`[{"op":"add","path":"emails","value":[{"value":"a","primary":true},{"value":"b"}]},{"op":"replace","path":"emails[value eq \"b\"].primary","value":true}]`,
		`[{"op":"add","path":"x","value":[{"value":"a","primary":true},{"value":"b"}]},{"op":"add","path":"x","value":[{"value":"b","primary":true,"c":[1]}]}]`,
		`[{"op":"add","path":"x","value":[{"value":"a","primary":true}]},{"op":"add","path":"x[value eq \"n\"].primary","value":true}]`,
		`[{"op":"add","value":{"o":{"p":{"q":1}}}},{"op":"replace","path":"o","value":{"p":null,"r":2}},{"op":"add","path":"o.s","value":3}]`,
		`[{"op":"add","path":"x","value":[{"value":"a"}]},{"op":"add","path":"x[value eq \"a\"].y","value":{"z":1}},{"op":"replace","path":"x[value eq \"a\"]","value":{"w":1}}]`,
		`[{"op":"add","path":"urn:x:y","value":{"a":{"b":1}}},{"op":"add","path":"urn:x:y:a","value":{"c":2}},{"op":"remove","path":"urn:x:y:a.b"}]`,
	} {
		body, err := parseObject(`{"Operations":` + operations + `}`)
		require.NoError(t, err)
		ops, err := parsePatch(body, 1000)
		require.NoError(t, err)
		sent := string(appendJSON(nil, body))
		var first string
		for range 2 {
			doc, err := parseObject(plain + `,"x":[{"value":"q","primary":true}],"urn:x:y":{"k":1}}`)
			require.NoError(t, err)
			p := &patcher{rt: rt, id: "the-id", doc: doc, stored: nothingStored}
			require.NoError(t, p.apply(ops), operations)
			assert.Equal(t, sent, string(appendJSON(nil, body)), operations)
			if first == "" {
				first = string(appendJSON(nil, p.doc))
			}
			assert.Equal(t, first, string(appendJSON(nil, p.doc)))
		}
	}
}

// members returns the change that operations cause in a group with the members
// a to d.
func members(tb testing.TB, operations string) *MemberChange {
	tb.Helper()
	_, rt := testTypes(tb)
	body, err := parseObject(`{"Operations":` + operations + `}`)
	require.NoError(tb, err)
	list, err := parsePatch(body, 1000)
	require.NoError(tb, err)
	doc, err := parseObject(`{"displayName":"g"}`)
	require.NoError(tb, err)
	p := &patcher{rt: rt, id: "g", doc: doc, stored: nothingStored}
	p.members.current = func() ([]Link, error) {
		var links []Link
		for _, id := range []string{"a", "b", "c", "d"} {
			links = append(links, Link{Ref: Ref{TypeUser, id}, Display: "Display " + id})
		}
		return links, nil
	}
	require.NoError(tb, p.apply(list), operations)
	return p.members.change()
}

func TestPatchOfMembers(t *testing.T) {
	link := func(id, display string) Link { return Link{Ref: Ref{ID: id}, Display: display} }
	for operations, want := range map[string]*MemberChange{
		`[]`: nil,
		`[{"op":"add","path":"members","value":[{"value":"x","display":"X"},"y"]}]`:                                           {Add: []Link{link("x", "X"), link("y", "")}},
		`[{"op":"add","path":"members","value":{"$ref":"https://e/Users/x"}}]`:                                                {Add: []Link{link("x", "")}},
		`[{"op":"remove","path":"members","value":[{"$ref":null,"value":"a"}]}]`:                                              {Remove: []string{"a"}},
		`[{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]"}]`:                                                {Remove: []string{"a", "b"}},
		`[{"op":"remove","path":"members[display ew \"c\" and type eq \"User\"]"}]`:                                           {Remove: []string{"c"}},
		`[{"op":"remove","path":"members[type eq \"User\" and value eq \"z\"]"}]`:                                             nil, // not a member, treated as in other lists
		`[{"op":"remove","path":"members"}]`:                                                                                  {Replace: true},
		`[{"op":"remove","path":"members","value":[]}]`:                                                                       nil,
		`[{"op":"replace","path":"members","value":[]}]`:                                                                      {Replace: true},
		`[{"op":"replace","path":"members","value":[{"value":"x"}]}]`:                                                         {Replace: true, Add: []Link{link("x", "")}},
		`[{"op":"add","path":"members","value":["x"]},{"op":"remove","path":"members[value eq \"x\"]"}]`:                      {Remove: []string{"x"}},
		`[{"op":"remove","path":"members[value eq \"x\"]"},{"op":"add","path":"members","value":["x"]}]`:                      {Add: []Link{link("x", "")}},
		`[{"op":"add","path":"members","value":["x"]},{"op":"replace","path":"members","value":["y"]}]`:                       {Replace: true, Add: []Link{link("y", "")}},
		`[{"op":"replace","path":"members[value eq \"a\"]","value":{"value":"z"}}]`:                                           {Remove: []string{"a"}, Add: []Link{link("z", "")}},
		`[{"op":"replace","path":"members[value eq \"a\"].display","value":"New"}]`:                                           {Add: []Link{link("a", "New")}},
		`[{"op":"add","path":"members","value":["x"]},{"op":"replace","path":"members[value eq \"x\"].display","value":"X"}]`: {Add: []Link{link("x", "X")}},
		`[{"op":"replace","value":{"members":["x"],"displayName":"h"}}]`:                                                      {Replace: true, Add: []Link{link("x", "")}},
	} {
		assert.Equal(t, want, members(t, operations), operations)
	}
}

// RFC 7643 section 4.2: the value of a member is immutable.
func TestMembersDoNotBecomeOthers(t *testing.T) {
	for operation, ok := range map[string]bool{
		`{"op":"replace","path":"members[value eq \"a\"].value","value":"b"}`:               false,
		`{"op":"add","path":"members[value eq \"a\"].value","value":"b"}`:                   false,
		`{"op":"replace","path":"members[type eq \"User\"].value","value":"b"}`:             false,
		`{"op":"replace","path":"members[value eq \"a\"].type","value":"Group"}`:            false,
		`{"op":"replace","path":"members[value eq \"a\"].value","value":"a"}`:               true,
		`{"op":"replace","path":"members[value eq \"a\"].value","value":""}`:                true, // no value
		`{"op":"add","path":"members[value eq \"new\"].value","value":"new"}`:               true,
		`{"op":"replace","path":"members[value eq \"a\"]","value":{"value":"b"}}`:           true, // another member instead
		`{"op":"add","path":"members[value eq \"a\" or value eq \"b\"].value","value":"b"}`: true,
	} {
		_, rt := testTypes(t)
		body, err := parseObject(`{"Operations":[` + operation + `]}`)
		require.NoError(t, err)
		list, err := parsePatch(body, 1000)
		require.NoError(t, err)
		p := &patcher{rt: rt, id: "g", doc: &object{fields: []field{{"displayName", "g"}}}, stored: nothingStored}
		p.members.current = func() ([]Link, error) { return []Link{{Ref: Ref{TypeUser, "a"}}}, nil }
		err = p.apply(list)
		if ok {
			assert.NoError(t, err, operation)
			continue
		}
		out, known := clientError(err)
		require.True(t, known, operation)
		assert.Equal(t, "mutability", string(out.ScimType), operation)
	}
}

// RFC 7644 section 3.5.2.3: a filter that selects no value is noTarget. Setting
// the display of a value does not add a member.
func TestDisplayOfAStranger(t *testing.T) {
	for _, before := range []string{``, `{"op":"remove","path":"members[value eq \"a\"]"},`} {
		_, rt := testTypes(t)
		body, err := parseObject(`{"Operations":[` + before + `{"op":"replace","path":"members[value eq \"a\"].display","value":"A"}]}`)
		require.NoError(t, err)
		list, err := parsePatch(body, 1000)
		require.NoError(t, err)
		p := &patcher{rt: rt, id: "g", doc: &object{fields: []field{{"displayName", "g"}}}, stored: nothingStored}
		p.members.current = func() ([]Link, error) {
			if before == "" {
				return []Link{{Ref: Ref{TypeUser, "b"}}}, nil
			}
			return []Link{{Ref: Ref{TypeUser, "a"}}}, nil
		}
		out, known := clientError(p.apply(list))
		require.True(t, known)
		assert.Equal(t, "noTarget", string(out.ScimType))
	}
}

// The laws of the engine: a failed PATCH changes nothing (the caller keeps the
// old document); what is stored can be read again unchanged; replace and remove
// are idempotent; and a request that repeats our own answer changes nothing.
func FuzzPatch(f *testing.F) {
	for _, seed := range [][3]string{
		{"replace", `emails[type eq "work"].value`, `"x@y"`}, {"add", "emails", `[{"value":"a","primary":true}]`},
		{"remove", "name.givenName", `null`}, {"replace", "", `{"name.familyName":"F","active":"False"}`},
		{"add", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", `"m"`}, {"replace", "x.y", `{"a":[1]}`},
		{"add", "roles[primary eq true]", `{"value":"r"}`}, {"replace", "urn:example:custom:2.0:User", `{"badge":null}`},
		{"remove", "emails", `[{"value":"babs@jensen.org"}]`}, {"replace", "", `{"schemas":["urn:x"],"meta":{}}`}, {"replace", "", `{"x":{}}`},
		{"replace", `secondaryEmails[value eq "a"]`, `"b"`}, {"replace", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", `{"manager":{"displayName":"A"}}`},
		{"add", "roles", `"[{\"value\":\"r\"}]"`}, {"replace", `name[givenName eq "Barbara"].formatted`, `5`}, {"replace", "", `{"manager":{"displayName":"x","value":""}}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, op, path, value string) {
		var check any
		if json.Unmarshal([]byte(value), &check) != nil {
			return
		}
		operation := `{"op":` + quoted(op) + `,"path":` + quoted(path) + `,"value":` + value + `}`
		if path == "" {
			operation = `{"op":` + quoted(op) + `,"value":` + value + `}`
		}
		once, err := patched(t, barbara, `[`+operation+`]`)
		if err != nil {
			out, known := clientError(err)
			assert.True(t, known && out.Status/100 == 4, "%v", err)
			return
		}
		echo, err := patched(t, once, `[{"op":"replace","value":`+once+`}]`)
		require.NoError(t, err, "an answer sent back")
		assert.Equal(t, once, echo)
		if op == "add" {
			return
		}
		twice, err := patched(t, once, `[`+operation+`]`)
		if err == nil { // the second time, a filter may select nothing
			again, err := patched(t, twice, `[`+operation+`]`)
			require.NoError(t, err)
			assert.Equal(t, twice, again, fmt.Sprintf("%s is idempotent", operation))
		}
	})
}

func quoted(s string) string { return string(appendString(nil, s)) }

// schemas is treated as any other list of plain values. The schemas of the
// present attributes stay listed.
func TestPatchOfSchemas(t *testing.T) {
	const before = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + enterpriseURN + `","urn:x:2.0:User","urn:y:2.0:User"],"userName":"u","` +
		enterpriseURN + `":{"department":"D"}}`
	for operation, want := range map[string][]any{
		`{"op":"remove","path":"schemas[value eq \"URN:X:2.0:user\"]"}`:                  {"urn:y:2.0:User"},
		`{"op":"remove","path":"schemas","value":["urn:x:2.0:User"]}`:                    {"urn:y:2.0:User"},
		`{"op":"remove","path":"schemas","value":[{"value":"urn:y:2.0:User"}]}`:          {"urn:x:2.0:User"},
		`{"op":"add","path":"schemas","value":"urn:z:2.0:User"}`:                         {"urn:x:2.0:User", "urn:y:2.0:User", "urn:z:2.0:User"},
		`{"op":"replace","path":"schemas[value eq \"urn:y:2.0:User\"]","value":"urn:z"}`: {"urn:x:2.0:User", "urn:z"},
		`{"op":"remove","path":"schemas[value eq \"` + enterpriseURN + `\"]"}`:           {"urn:x:2.0:User", "urn:y:2.0:User"},
		`{"op":"replace","path":"schemas","value":["` + coreMark + `User"]}`:             nil,
	} {
		got, err := patched(t, before, "["+operation+"]")
		require.NoError(t, err, operation)
		doc, err := parseObject(got)
		require.NoError(t, err)
		assert.Equal(t, append([]any{coreMark + "User", enterpriseURN}, want...), doc.get("schemas"), operation)
	}
}
