package scim

import (
	"testing"

	"github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything declares an attribute of each type.
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
		err = rt.finish(doc)
	}
	if err != nil {
		return "", err
	}
	doc.drop("schemas")
	return string(appendJSON(nil, doc)), nil
}

// What clients send for an attribute becomes a value of its type, or is
// refused with its name.
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
		`"unknown":{"a":null,"b":[null,1]},"gone":null`:    `{"unknown":{"b":[1]}}`,
		`"urn:other:1.0:X":{"a":1}`:                        `{"urn:other:1.0:X":{"a":1}}`,
	} {
		got, err := normalized(t, rt, ","+sent)
		if assert.NoError(t, err, sent) {
			assert.Equal(t, want, got, sent)
		}
	}
	for sent, name := range map[string]string{
		`"count":1.5`: "count", `"count":"x"`: "count", `"count":true`: "count", `"ratio":"x"`: "ratio", `"on":"yes"`: "on", `"on":1`: "on",
		`"data":"!"`: "data", `"data":5`: "data", `"since":"soon"`: "since", `"link":5`: "link", `"tags":[["a"]]`: "tags", `"tags":[1]`: "tags",
		`"fixed":["a","b"]`: "fixed", `"part":5`: "part.value", `"part":[{},{}]`: "part", `"part":{"value":5}`: "part.value", `"externalId":5`: "externalId",
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
		`["urn:x"]`: false, `[]`: false, `null`: false, `[5]`: false, `[""]`: false, `{}`: false,
	} {
		body, err := parseObject(`{"userName":"u","schemas":` + schemas + `}`)
		require.NoError(t, err)
		_, err = user.normalize(body)
		assert.Equal(t, ok, err == nil, "%s: %v", schemas, err)
	}
}

func TestImmutableValues(t *testing.T) {
	rt := everything(t)
	doc := func(text string) *object {
		o, err := parseObject(text)
		require.NoError(t, err)
		return o
	}
	for _, c := range []struct {
		before, after string
		ok            bool
	}{
		{`{"fixed":"a"}`, `{"fixed":"a"}`, true}, {`{}`, `{"fixed":"a"}`, true}, {`{"fixed":"a"}`, `{"fixed":"b"}`, false}, {`{"fixed":"a"}`, `{}`, false},
		{`{"part":{"serial":"1"}}`, `{"part":{"serial":"1","value":"v"}}`, true}, {`{"part":{"serial":"1"}}`, `{"part":{"serial":"2"}}`, false},
		{`{"part":{"serial":"1"}}`, `{}`, true}, // the whole part may be taken away
	} {
		assert.Equal(t, c.ok, rt.sameImmutable(doc(c.before), doc(c.after)) == nil, "%s %s", c.before, c.after)
	}
}

func TestSortKeys(t *testing.T) {
	rt := everything(t)
	key := func(doc, sortBy string) sortKey {
		path, err := rt.sortPath(sortBy)
		require.NoError(t, err)
		r, err := rt.parse(Record{Doc: []byte(doc)})
		require.NoError(t, err)
		return r.sortKey(path)
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
