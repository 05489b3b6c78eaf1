package scim

import (
	"errors"
	"fmt"
	"testing"

	"github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything returns a resource type with an attribute of each type.
func everything(tb testing.TB) *resourceType {
	tb.Helper()
	number := func(name string, typ schema.AttributeDataType) schema.CoreAttribute {
		return schema.SimpleCoreAttribute(schema.SimpleNumberParams(schema.NumberParams{Name: name, Type: typ}))
	}
	text := func(name string, mutability schema.AttributeMutability) schema.SimpleParams {
		return schema.SimpleStringParams(schema.StringParams{Name: name, Mutability: mutability})
	}
	types, err := compileTypes(Config{MaxFilter: DefaultMaxFilter, Types: []ResourceType{{Name: "Thing", Endpoint: "/Things", Schema: schema.Schema{
		ID: "urn:example:2.0:Thing", Attributes: schema.Attributes{
			number("count", schema.AttributeTypeInteger()),
			number("ratio", schema.AttributeTypeDecimal()),
			schema.SimpleCoreAttribute(schema.SimpleBooleanParams(schema.BooleanParams{Name: "on"})),
			schema.SimpleCoreAttribute(schema.SimpleBinaryParams(schema.BinaryParams{Name: "data"})),
			schema.SimpleCoreAttribute(schema.SimpleDateTimeParams(schema.DateTimeParams{Name: "since"})),
			schema.SimpleCoreAttribute(schema.SimpleReferenceParams(schema.ReferenceParams{Name: "link"})),
			schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: "tags", MultiValued: true})),
			schema.SimpleCoreAttribute(text("fixed", schema.AttributeMutabilityImmutable())),
			schema.SimpleCoreAttribute(text("given", schema.AttributeMutabilityReadOnly())),
			schema.ComplexCoreAttribute(schema.ComplexParams{Name: "part", SubAttributes: []schema.SimpleParams{
				text("value", schema.AttributeMutabilityReadWrite()), text("serial", schema.AttributeMutabilityImmutable()),
				text("seen", schema.AttributeMutabilityReadOnly()), text("secret", schema.AttributeMutabilityWriteOnly()),
			}}),
		},
	}}}})
	require.NoError(tb, err)
	return types[2]
}

func normalized(tb testing.TB, rt *resourceType, fields string) (string, error) {
	tb.Helper()
	body, err := parseObject(`{"schemas":["` + rt.core.urn + `"]` + fields + `}`)
	require.NoError(tb, err)
	doc, err := rt.normalize(body)
	if err == nil {
		err = errors.Join(rt.finish(doc, nil), rt.checkDeclared(doc, nothingStored, nil))
	}
	if err != nil {
		return "", err
	}
	doc.drop("schemas")
	return string(appendJSON(nil, doc)), nil
}

// A value that a client sends is converted to the type of its attribute, or
// refused with the name of the attribute.
func TestNormalize(t *testing.T) {
	rt := everything(t)
	for sent, want := range map[string]string{
		`"COUNT":7`: `{"count":7}`, `"count":"-7"`: `{"count":-7}`, `"count":[7]`: `{"count":7}`, `"count":null`: `{}`, `"count":""`: `{}`, `"count":[]`: `{}`,
		`"ratio":1.50`: `{"ratio":1.50}`, `"ratio":"2e3"`: `{"ratio":2e3}`,
		`"on":true`: `{"on":true}`, `"on":"FALSE"`: `{"on":false}`, `"on":""`: `{}`,
		`"data":"TWFu"`: `{"data":"TWFu"}`, `"data":"_-8="`: `{"data":"_-8="}`,
		`"since":"2011-05-13T04:42:34Z"`: `{"since":"2011-05-13T04:42:34Z"}`, `"since":"2011-05-13"`: `{"since":"2011-05-13"}`,
		`"link":"https://e/x"`: `{"link":"https://e/x"}`,
		`"tags":"a"`:           `{"tags":["a"]}`, `"tags":["a","","b",null]`: `{"tags":["a","b"]}`,
		`"part":"v"`: `{"part":{"value":"v"}}`, `"part":{"VALUE":"v","seen":"x","secret":"s","other":1}`: `{"part":{"value":"v","other":1}}`,
		`"part":{"value":""}`: `{}`, `"part":"{\"value\":\"v\"}"`: `{"part":{"value":"v"}}`,
		`"part.serial":"s"`:                                `{"part":{"serial":"s"}}`,
		`"urn:example:2.0:Thing:count":"3"`:                `{"count":3}`,
		`"urn:example:2.0:Thing:part.value":"v"`:           `{"part":{"value":"v"}}`,
		`"id":"x","meta":{"version":"1"},"externalId":"e"`: `{"externalId":"e"}`,
		// Numbers and booleans are accepted for texts. A plain value and an
		// object with a "value" are accepted for each other.
		`"externalId":157663`: `{"externalId":"157663"}`, `"externalId":1.50`: `{"externalId":"1.50"}`, `"fixed":true`: `{"fixed":"true"}`, `"link":5`: `{"link":"5"}`,
		`"tags":[1,"a",false]`: `{"tags":["1","a","false"]}`, `"tags":[{"value":"a"},"b"]`: `{"tags":["a","b"]}`, `"tags":"[\"a\",\"b\"]"`: `{"tags":["a","b"]}`,
		`"part":5`: `{"part":{"value":"5"}}`, `"part":{"value":5}`: `{"part":{"value":"5"}}`,
		`"given":{"not":["a","text"]},"meta":"x","id":5,"part.seen":[1,2]`: `{}`,
		`"given":"x"`: `{}`, `"urn:example:2.0:Thing:given":"x"`: `{}`, `"part.seen":"x"`: `{}`, `"urn:example:2.0:Thing:part.secret":"x"`: `{}`,
		`"unknown":{"a":null,"b":[null,1]},"gone":null`: `{"unknown":{"b":[1]}}`,
		`"urn:other:1.0:X:a":1`:                         `{"urn:other:1.0:X":{"a":1}}`, `"urn:other:1.0:X":{"b":2},"urn:other:1.0:X:a":1`: `{"urn:other:1.0:X":{"b":2,"a":1}}`,
		`"urn:example:2.0:Thing:other":[null,1]`: `{"other":[1]}`, `"urn:other:1.0":"x"`: `{"urn:other:1.0":"x"}`,
		`"urn:other:1.0:X":{"a":1}`: `{"urn:other:1.0:X":{"a":1}}`,
	} {
		got, err := normalized(t, rt, ","+sent)
		if assert.NoError(t, err, sent) {
			assert.Equal(t, want, got, sent)
		}
	}
	for sent, name := range map[string]string{
		`"count":1.5`: "count", `"count":"x"`: "count", `"count":true`: "count", `"ratio":"x"`: "ratio", `"on":"yes"`: "on", `"on":1`: "on",
		`"data":"!"`: "data", `"data":5`: "data", `"since":"soon"`: "since", `"since":5`: "since", `"tags":[["a"]]`: "tags", `"tags":[{"a":1}]`: "tags",
		`"fixed":["a","b"]`: "fixed", `"fixed":{"value":"a","k":1}`: "fixed", `"part":[{},{}]`: "part", `"part":{"value":["a","b"]}`: "part.value", `"externalId":{}`: "externalId",
	} {
		_, err := normalized(t, rt, ","+sent)
		if assert.Error(t, err, sent) {
			out, _ := clientError(err)
			assert.Equal(t, 400, out.Status)
			assert.Contains(t, out.Detail, name+":", sent)
		}
	}
	user, _ := testTypes(t)
	got, err := normalized(t, user, `,"userName":"u","URN:IETF:params:scim:schemas:extension:ENTERPRISE:2.0:user":{"Manager":"m","department":null}`)
	require.NoError(t, err)
	assert.Equal(t, `{"userName":"u","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m"}}}`, got)
	got, err = normalized(t, user, `,"userName":"u","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"D"`)
	require.NoError(t, err)
	assert.Equal(t, `{"userName":"u","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}`, got)
	_, err = normalized(t, user, `,"userName":"u","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":5`)
	assert.Error(t, err)
	_, err = normalized(t, user, `,"userName":17`)
	assert.ErrorContains(t, err, "userName: want a string")
}

func TestBodiesMustNameTheirSchema(t *testing.T) {
	user, _ := testTypes(t)
	for schemas, ok := range map[string]bool{
		`["urn:ietf:params:scim:schemas:core:2.0:User"]`: true, `["URN:ietf:params:scim:schemas:core:2.0:user"]`: true,
		`"urn:ietf:params:scim:schemas:core:2.0:User"`: true, `["urn:scim:schemas:core:2.0"]`: true, `["urn:scim:schemas:core:1.0"]`: true,
		`["urn:x","urn:ietf:params:scim:schemas:core:2.0:User"]`:         true,
		`["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]`: true,
		`["urn:ietf:params:scim:schemas:core:2.0:Group"]`:                false,
		`["urn:ietf:params:scim:api:messages:2.0:PatchOp"]`:              false,
		// Duplicates are superfluous; the answer has each once.
		`["urn:ietf:params:scim:schemas:core:2.0:User","urn:x","urn:ietf:params:scim:schemas:core:2.0:user","urn:x"]`: true,
		`["urn:x"]`: false, `[5]`: false, `[""]`: false, `{}`: false, `5`: false,
		// If no schema is named, the endpoint determines the type.
		`[]`: true, `null`: true, `"[]"`: true, `"[\"urn:ietf:params:scim:schemas:core:2.0:User\"]"`: true, `"[\"urn:x\"]"`: false,
	} {
		body, err := parseObject(`{"userName":"u","schemas":` + schemas + `}`)
		require.NoError(t, err)
		_, err = user.normalize(body)
		assert.Equal(t, ok, err == nil, "%s: %v", schemas, err)
	}
	body, err := parseObject(`{"userName":"u","urn:x":{"a":1},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}`)
	require.NoError(t, err)
	doc, err := user.normalize(body)
	require.NoError(t, err)
	require.NoError(t, user.finish(doc, nil))
	assert.Equal(t, []any{user.core.urn, enterpriseURN, "urn:x"}, doc.get("schemas"))
}

// RFC 7643 section 3: schemas lists "the namespaces of the SCIM schemas that
// define the attributes present", also those that nobody has declared.
func TestSchemasOfUndeclaredExtensions(t *testing.T) {
	for _, c := range []struct {
		operations string
		want       []any
	}{
		{`{"op":"add","path":"title","value":"T"}`, []any{"urn:a:2.0:User", "urn:named"}},
		{`{"op":"add","path":"urn:b:2.0:User:x","value":1}`, []any{"urn:a:2.0:User", "urn:named", "urn:b:2.0:User"}},
		{`{"op":"add","value":{"urn:b:2.0:User":{"x":1}}}`, []any{"urn:a:2.0:User", "urn:named", "urn:b:2.0:User"}},
		{`{"op":"add","path":"URN:A:2.0:user:y","value":1}`, []any{"urn:a:2.0:User", "urn:named"}},
		{`{"op":"remove","path":"urn:a:2.0:User:x"}`, []any{"urn:named"}},
		{`{"op":"remove","path":"urn:a:2.0:User"}`, []any{"urn:named"}},
		{`{"op":"replace","value":{"urn:a:2.0:User":null}}`, []any{"urn:named"}},
		{`{"op":"remove","path":"urn:a:2.0:User"},{"op":"add","path":"urn:a:2.0:User:x","value":1}`, []any{"urn:named", "urn:a:2.0:User"}},
	} {
		user, _ := testTypes(t)
		body, err := parseObject(`{"userName":"u","schemas":["` + user.core.urn + `","urn:a:2.0:User","urn:named"],"urn:a:2.0:User":{"x":1}}`)
		require.NoError(t, err)
		doc, err := user.normalize(body)
		require.NoError(t, err)
		require.NoError(t, user.finish(doc, nil))
		message, err := parseObject(`{"Operations":[` + c.operations + `]}`)
		require.NoError(t, err)
		list, err := parsePatch(message, 1000)
		require.NoError(t, err)
		p := &patcher{rt: user, id: "u", doc: doc, stored: nothingStored}
		require.NoError(t, p.apply(list), c.operations)
		assert.Equal(t, append([]any{user.core.urn}, c.want...), p.doc.get("schemas"), c.operations)
	}
}

// Entra sends app roles as JSON inside a string, in the attribute that the
// admin has mapped. HR tools send whole lists in this form.
func TestJSONInATextIsUnwrapped(t *testing.T) {
	user, _ := testTypes(t)
	const admin = `{\"id\":\"06b0\",\"value\":\"Admin\",\"displayName\":\"The Admin\"}`
	const whole = `{"id":"06b0","value":"Admin","displayName":"The Admin"}`
	for sent, want := range map[string]string{
		`"roles":"` + admin + `"`:                                         `"roles":[` + whole + `]`,
		`"roles":["` + admin + `"]`:                                       `"roles":[` + whole + `]`,
		`"roles":"[` + admin + `]"`:                                       `"roles":[` + whole + `]`,
		`"roles":["[` + admin + `]","User"]`:                              `"roles":[` + whole + `,{"value":"User"}]`,
		`"roles":[{"value":"` + admin + `","primary":"True"}]`:            `"roles":[{"primary":true,"id":"06b0","value":"Admin","displayName":"The Admin"}]`,
		`"roles":[{"id":"` + admin + `"}]`:                                `"roles":[` + whole + `]`,
		`"roles":[{"displayName":"` + admin + `","type":"t"}]`:            `"roles":[{"type":"t","id":"06b0","value":"Admin","displayName":"The Admin"}]`,
		`"entitlements":{"display":"` + admin + `","value":"old"}`:        `"entitlements":[{"value":"Admin","id":"06b0","displayName":"The Admin"}]`,
		`"roles":["{\"id\":\"1\",\"value\":null,\"displayName\":\"D\"}"]`: `"roles":[{"id":"1","value":"D","displayName":"D"}]`,
		`"roles":["{\"id\":7}"]`:                                          `"roles":[{"id":7,"value":"7"}]`,
		`"roles":["{\"other\":1}"]`:                                       "roles.value",
		`"roles":["{not JSON"]`:                                           `"roles":[{"value":"{not JSON"}]`,
		`"name":"{\"givenName\":\"G\"}"`:                                  `"name":{"givenName":"G"}`,
		`"` + enterpriseURN + `":"{\"department\":\"D\"}"`:                enterprise(`"department":"D"`),
		`"` + enterpriseURN + `":"","title":"T"`:                          `"title":"T"`,
		`"` + enterpriseURN + `":"text"`:                                  enterpriseURN + ": want an object",
		enterprise(`"manager":"{\"value\":\"m\"}"`):                       enterprise(`"manager":{"value":"m"}`),
		`"title":"{\"value\":\"T\"}"`:                                     `"title":"{\"value\":\"T\"}"`, // in a text attribute it stays a text
	} {
		got, err := normalized(t, user, `,"userName":"u",`+sent)
		if err != nil {
			out, _ := clientError(err)
			assert.Contains(t, out.Detail, want, sent)
			continue
		}
		assert.JSONEq(t, `{"userName":"u",`+want+`}`, got, sent)
	}
}

func enterprise(fields string) string { return `"` + enterpriseURN + `":{` + fields + `}` }

// A role or an entitlement needs a value. One without a value is refused, and
// one whose value is cleared is removed. A phone number with nothing except a
// type is removed.
func TestRolesNeedAValue(t *testing.T) {
	user, _ := testTypes(t)
	for sent, want := range map[string]string{
		`"roles":[{"primary":true,"type":"ADMIN"}]`:                          "refused",
		`"roles":[{"value":"User"},{"display":"Admin"}]`:                     "refused",
		`"entitlements":[{"type":"x"}]`:                                      "refused",
		`"roles":[{"value":null,"type":"ADMIN"},{"value":"","display":"D"}]`: ``,
		`"roles":[{}]`: ``,
		`"roles":[]`:   ``,
		`"phoneNumbers":[{"type":"work"},{"type":"home","value":"1"}]`: `,"phoneNumbers":[{"type":"home","value":"1"}]`,
	} {
		got, err := normalized(t, user, `,"userName":"u",`+sent)
		if want == "refused" {
			if assert.Error(t, err, sent) {
				out, _ := clientError(err)
				assert.Equal(t, "invalidValue", string(out.ScimType))
				assert.Regexp(t, `^(roles|entitlements)\.value: `, out.Detail)
			}
			continue
		}
		require.NoError(t, err, sent)
		assert.Equal(t, `{"userName":"u"`+want+`}`, got, sent)
	}
}

// RFC 7643 section 4.3: the server sets displayName of the manager. A client's
// displayName is accepted if nothing else names the manager.
func TestManagerByNameAlone(t *testing.T) {
	user, _ := testTypes(t)
	for sent, want := range map[string]string{
		`{"displayName":"Ana Young"}`:                `{"displayName":"Ana Young"}`,
		`{"displayName":"Ana Young","value":"m"}`:    `{"value":"m"}`,
		`{"displayName":"Ana Young","$ref":"../m"}`:  `{"$ref":"../m"}`,
		`{"displayName":"Ana Young","value":""}`:     `{"displayName":"Ana Young"}`,
		`[{"displayName":"Ana Young","value":null}]`: `{"displayName":"Ana Young"}`,
		`{"displayName":" "}`:                        ``,
	} {
		got, err := normalized(t, user, `,"userName":"u",`+enterprise(`"manager":`+sent))
		require.NoError(t, err, sent)
		if want != "" {
			want = "," + enterprise(`"manager":`+want)
		}
		assert.Equal(t, `{"userName":"u"`+want+`}`, got, sent)
	}
}

// A value is stored in one place. A name that only an extension declares is the
// attribute of that extension, with or without the URN. The name with the URN
// has precedence.
func TestOneNameOnePlace(t *testing.T) {
	user, _ := testTypes(t)
	for sent, want := range map[string]string{
		`"employeeNumber":"1","department":"D"`:                                                enterprise(`"employeeNumber":"1","department":"D"`),
		`"EMPLOYEENUMBER":701984`:                                                              enterprise(`"employeeNumber":"701984"`),
		`"employeeNumber":"top",` + enterprise(`"employeeNumber":"ext"`):                       enterprise(`"employeeNumber":"ext"`),
		enterprise(`"employeeNumber":"ext"`) + `,"employeeNumber":"top"`:                       enterprise(`"employeeNumber":"ext"`),
		`"employeeNumber":"top",` + enterprise(`"department":"D"`):                             enterprise(`"department":"D","employeeNumber":"top"`),
		`"employeeNumber":"top",` + enterprise(`"employeeNumber":""`):                          enterprise(`"employeeNumber":"top"`),
		`"` + enterpriseURN + `:department":"D","department":"top"`:                            enterprise(`"department":"D"`),
		`"urn:ietf:params:scim:schemas:core:2.0:User:department":"D"`:                          enterprise(`"department":"D"`),
		`"urn:ietf:params:scim:schemas:core:2.0:User":{"title":"T","department":"D"}`:          `"title":"T",` + enterprise(`"department":"D"`),
		`"urn:ietf:params:scim:schemas:core:2.0:User":{"title":"in","TITLE2":1},"title":"top"`: `"title":"top","TITLE2":1`,
		`"manager":"m"`:       enterprise(`"manager":{"value":"m"}`),
		`"manager.value":"m"`: enterprise(`"manager":{"value":"m"}`),
		`"manager":[{"$ref":"../Users/m","value":"m"}]`: enterprise(`"manager":{"$ref":"../Users/m","value":"m"}`),
		`"costCenter":null,"division":""`:               ``,
		`"country":"US"`:                                `"` + DefaultUserExtension + `":{"country":"US"}`,
		`"shoeSize":44`:                                 `"shoeSize":44`, // no schema declares it
	} {
		got, err := normalized(t, user, `,"userName":"u",`+sent)
		require.NoError(t, err, sent)
		if want != "" {
			want = "," + want
		}
		assert.Equal(t, `{"userName":"u"`+want+`}`, got, sent)
	}
}

// RFC 7644 section 3.5.1: in a PUT, readOnly values are ignored, and immutable
// values must match. If either is left out, the stored value stays.
func TestFixedValuesSurviveAReplacement(t *testing.T) {
	rt := everything(t)
	for _, c := range []struct{ before, after, want string }{
		{`{"fixed":"a"}`, `{"fixed":"a"}`, `{"fixed":"a"}`},
		{`{}`, `{"fixed":"a"}`, `{"fixed":"a"}`},
		{`{"fixed":"a"}`, `{"fixed":"b"}`, "fixed: the attribute is immutable"},
		{`{"fixed":"a","count":1}`, `{}`, `{"fixed":"a"}`},
		{`{"given":"a"}`, `{"count":1}`, `{"count":1,"given":"a"}`},
		{`{"part":{"serial":"1"}}`, `{"part":{"serial":"1","value":"v"}}`, `{"part":{"serial":"1","value":"v"}}`},
		{`{"part":{"serial":"1"}}`, `{"part":{"serial":"2"}}`, "part.serial: the attribute is immutable"},
		{`{"part":{"serial":"1","seen":"s","value":"w"}}`, `{"part":{"value":"v"}}`, `{"part":{"value":"v","serial":"1","seen":"s"}}`},
		{`{"part":{"serial":"1"}}`, `{}`, `{}`}, // the whole part may be removed
	} {
		old, err := parseObject(c.before)
		require.NoError(t, err)
		next, err := parseObject(c.after)
		require.NoError(t, err)
		if _, err = rt.keepFixed(old, next, nil); err != nil {
			out, _ := clientError(err)
			assert.Equal(t, "mutability", string(out.ScimType))
			assert.Equal(t, c.want, out.Detail)
			continue
		}
		assert.JSONEq(t, c.want, string(appendJSON(nil, next)), "%s %s", c.before, c.after)
	}
}

func TestSortKeys(t *testing.T) {
	rt := everything(t)
	key := func(doc, sortBy string) sortKey {
		path, err := rt.sortPath(sortBy)
		require.NoError(t, err)
		r, err := rt.parse(Record{Doc: []byte(doc)}, testLocation)
		require.NoError(t, err)
		found, err := r.sortKey(path, nil)
		require.NoError(t, err)
		return found
	}
	for sortBy, ordered := range map[string][]string{ // ascending
		"count":  {`{"count":-5}`, `{"count":9}`, `{"count":10}`, `{}`},
		"on":     {`{"on":false}`, `{"on":true}`, `{}`},
		"since":  {`{"since":"2011-05-13T23:00:00+14:00"}`, `{"since":"2011-05-13T10:00:00Z"}`, `{}`},
		"tags":   {`{"tags":["A","z"]}`, `{"tags":["b","a"]}`, `{}`},
		"part":   {`{"part":{"value":"a"}}`, `{"part":{"value":"B"}}`, `{"part":{}}`},
		"other":  {`{"other":5}`, `{"other":"a"}`, `{"other":{"x":1}}`},
		"list.v": {`{"list":[{"v":"z"},{"v":"a","primary":true}]}`, `{"list":[{"v":"b"}]}`, `{}`},
	} {
		for i := range ordered {
			for j := range ordered {
				got := key(ordered[i], sortBy).compare(key(ordered[j], sortBy))
				switch {
				case i < j:
					assert.Negative(t, got, "%s %s %s", sortBy, ordered[i], ordered[j])
				case i > j:
					assert.Positive(t, got, "%s %s %s", sortBy, ordered[i], ordered[j])
				default:
					assert.Zero(t, got)
				}
			}
		}
	}
	user, _ := testTypes(t)
	for _, bad := range []string{"name", "a b", "password", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"} {
		_, err := user.sortPath(bad)
		assert.Error(t, err, bad)
	}
}

// A value that a list repeats is copied once, however often it is repeated: 20,000
// sub-attributes in 900 repetitions took seconds when each repetition copied it.
func TestRepeatedValueIsCopiedOnce(t *testing.T) {
	const repeated = 900
	var list []any
	for i := range repeated {
		e := &object{fields: []field{{"value", "a"}}}
		for k := range 20 {
			e.fields = append(e.fields, field{fmt.Sprintf("f%d", 20*i+k), "x"})
		}
		list = append(list, e)
	}
	got := distinct(list)
	require.Len(t, got, 1)
	require.Len(t, got[0].(*object).fields, 1+20*repeated)
	require.Len(t, list[0].(*object).fields, 21, "the given element is not changed")
	assert.Less(t, testing.AllocsPerRun(1, func() { distinct(list) }), 4.0*repeated)
}

// A store that does not say which value is taken may hold any type of resource.
func TestDuplicateWithoutName(t *testing.T) {
	out, known := clientError(ErrDuplicate)
	assert.True(t, known)
	assert.Equal(t, 409, out.Status)
	assert.Equal(t, "a unique value is in use by another resource", out.Detail)
}
