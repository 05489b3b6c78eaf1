package scim_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// For any request, the answer is a SCIM answer and never an internal error, and
// a read returns what the answer to the write showed. What was accepted can be
// listed, filtered, sorted, projected, sent back, patched and collected.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"POST", "/Users", user("a", `"emails":[{"value":"a@b","type":"work"}]`)},
		{"PUT", "/Users/u1", user("b", `"name":{"givenName":"G"}`)},
		{"PATCH", "/Users/u1", ops(`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`)},
		{"PATCH", "/Groups/g1", ops(`{"op":"add","path":"members","value":[{"value":"u1"}]}`)},
		{"GET", "/Users?filter=userName%20sw%20%22a%22&sortBy=name.familyName&attributes=name,emails.value&cursor", ""},
		{"POST", "/.search", `{"filter":"displayName co \"g\"","startIndex":2,"count":"1","excludedAttributes":["members"]}`},
		{"POST", "/Bulk", `{"failOnErrors":1,"Operations":[` + post("/Users", "x", user("c")) + `,{"method":"DELETE","path":"/Users/bulkId:x"}]}`},
		{"DELETE", "/Groups/g1", ""},
		{"GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", ""},
		{"GET", "/Groups?filter=members[value%20eq%20%22u1%22]&count=0", ""},
		{"POST", "/Users", user("k", `"k":1,"p0":1,"p1":null,"p2":1,"p3":1,"p4":1,"p5":1,"p6":1,"p7":1,"p8":1,"p9":1,"q":1,"r":1,"K":2`)},
		{"PATCH", "/Users/u1", ops(`{"op":"add","value":{"diſplayName":"d","emailſ":[{"value":"v"}],"x.y":[[]],"urn:x:y":{"ς":1}}}`)},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || !strings.HasPrefix(target, "/") {
			return
		}
		h := newFuzzed(t)
		require.Equal(t, 201, h.do("POST", "/Users", user("one", `"emails":[{"value":"a@b","type":"work"}]`)).Code)
		put(t, h.store, scim.Write{Op: scim.Create, Ref: userRef("u1"), Doc: []byte(user("two")), Keys: []scim.Key{{Name: scim.KeyUserName, Value: "two", Unique: true}}})
		put(t, h.store, scim.Write{Op: scim.Create, Ref: scim.Ref{Type: scim.TypeGroup, ID: "g1"}, Doc: []byte(`{"schemas":["` + groupURN + `"],"displayName":"g"}`)})
		w := h.send(method, u, body)
		require.True(t, w.Code < 500 || w.Code == 501, "status %d: %s", w.Code, w.Body)
		defer func() {
			if method != "GET" {
				h.checkAcknowledged(t)
			}
		}()
		if w.Body.Len() == 0 {
			require.Contains(t, []int{204, 304}, w.Code)
			return
		}
		var answer map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
		if w.Code >= 400 {
			assert.Equal(t, []any{"urn:ietf:params:scim:api:messages:2.0:Error"}, answer["schemas"])
			return
		}
		meta, _ := answer["meta"].(map[string]any)
		location, _ := meta["location"].(string)
		if method == "GET" || u.RawQuery != "" || location == "" {
			return
		}
		at, err := url.Parse(location)
		require.NoError(t, err)
		again := h.send("GET", &url.URL{Path: at.Path, RawPath: at.RawPath}, "")
		assert.JSONEq(t, w.Body.String(), again.Body.String())
	})
}
