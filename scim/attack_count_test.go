package scim_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// uncounted returns the attacks that used work of a kind that was not counted:
// comparing numbers, folding texts and names, indexing names again after one
// was removed, reading names. Each took from 0.3 to 15 seconds with a request
// of less than 1 MiB, and most of them with each later request of 100 bytes.
func uncounted() []attack {
	patch := func(attributes, operations string) func(testing.TB, http.Handler) (string, string) {
		return func(tb testing.TB, h http.Handler) (string, string) {
			return postUser(tb, h, attributes), ops(operations)
		}
	}
	bulk := func(attributes string) func(testing.TB, http.Handler) (string, string) {
		return func(tb testing.TB, h http.Handler) (string, string) {
			user := postUser(tb, h, attributes)
			return "/Bulk", `{"Operations":[` + list(900, func(i int) string {
				return fmt.Sprintf(`{"method":"PATCH","path":%q,"data":%s}`, user, ops(fmt.Sprintf(`{"op":"add","path":"title","value":"t%d"}`, i)))
			}) + `]}`
		}
	}
	users := func(n int, attributes, query string) func(testing.TB, http.Handler) (string, string) {
		return func(tb testing.TB, h http.Handler) (string, string) {
			for range n {
				postUser(tb, h, attributes)
			}
			return "/Users?attributes=userName&count=1&" + query, ""
		}
	}
	toggles := list(500, same(`{"op":"add","path":"zz","value":1},{"op":"remove","path":"zz"}`))
	const tooMuch = "too much work"
	return []attack{
		{"numbers with exponents in a list that is added to", "PATCH",
			patch(`"x":[`+list(150_000, same("1e308"))+`]`, list(8, same(`{"op":"add","path":"x","value":[1e307]}`))), []int{413}, tooMuch},
		{"numbers of 64 digits in a list that is added to", "PATCH",
			patch(`"x":[`+list(16_000, numbered(`0.%060d1`))+`]`, list(30, same(`{"op":"add","path":"x","value":[1e307]}`))), []int{413}, tooMuch},
		{"a filter for numbers that differ in the twentieth digit", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			postUser(tb, h, `"x":[`+list(150_000, same("1e308"))+`]`)
			return "/Users/.search", `{"filter":"x eq 1.0000000000000000001e308 or x eq 1.00000000000000000001e308"}`
		}, []int{200}, ""},
		{"replacing a number among many", "PATCH",
			patch(`"x":[`+list(150_000, same("1e308"))+`]`, list(5, same(`{"op":"replace","path":"x[value eq 1]","value":1.000000000000000001e308}`))), []int{413}, tooMuch},
		{"attributes of an extension removed and added", "PATCH", patch(`"urn:x:y":{`+fields(999, "1")+`}`, list(40, same(
			`{"op":"replace","value":{"urn:x:y":{`+fields(999, "null")+`}}},{"op":"replace","value":{"urn:x:y":{`+fields(999, "1")+`}}}`))), []int{413}, tooMuch},
		{"attributes removed and added", "PATCH", patch(fields(900, "1"), list(40, same(
			`{"op":"replace","value":{`+fields(900, "null")+`}},{"op":"replace","value":{`+fields(900, "1")+`}}`))), []int{413}, tooMuch},
		{"an attribute removed beside long names", "PATCH",
			patch(list(16, func(i int) string { return fmt.Sprintf(`"%d%s":1`, i, strings.Repeat("Ab", 30_000)) }), toggles), []int{413}, tooMuch},
		{"an attribute removed beside long names of another script", "PATCH", patch(cherokee(16, 8_000), toggles), []int{413}, tooMuch},
		{"an attribute added beside long names", "PATCH",
			patch(`"a":{`+cherokee(17, 8_000)+`}`, list(100, numbered(`{"op":"add","path":"a.x","value":%d}`))), []int{413}, tooMuch},
		{"long names to look for among the declared ones", "PATCH", patch(`"t":1`, list(125, func(i int) string {
			return fmt.Sprintf(`{"op":"add","path":"n%d%s","value":1}`, i, strings.Repeat("Ab", 4000))
		})), []int{200}, ""},
		{"1 MiB of long names that are nearly equal", "POST", func(testing.TB, http.Handler) (string, string) {
			return "/Users", user("x", cherokee(16, 21_000))
		}, []int{413}, tooMuch},
		{"patches of a user with a long name to fold", "POST", bulk(`"displayName":"` + marks(100_000) + `"`), []int{200}, tooMuch},
		{"patches of a user with long addresses", "POST", bulk(`"emails":[` + list(900, func(i int) string {
			return fmt.Sprintf(`{"value":"%d@%s"}`, i, marks(40))
		}) + `]`), []int{200}, tooMuch},
		{"patches of a user with many addresses", "POST", bulk(`"emails":[` + list(1000, numbered(`{"value":"%d@example.com"}`)) + `]`), []int{200}, tooMuch},
		{"sorting by the members of many groups", "GET", func(tb testing.TB, h http.Handler) (string, string) {
			ids := members(tb, h, 5_000)
			for range 24 {
				benchDo(tb, h, "POST", "/Groups", group("g", ids...), 201)
			}
			return "/Groups?sortBy=members.display&count=1&excludedAttributes=members", ""
		}, []int{400}, tooMuch},
		{"patches that each read the members of a group", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			made := benchDo(tb, h, "POST", "/Groups", group("g", members(tb, h, 5_000)...), 201)
			return "/Bulk", `{"Operations":[` + list(100, func(int) string {
				return fmt.Sprintf(`{"method":"PATCH","path":"/Groups/%s","data":%s}`, path.Base(made.Header().Get("Location")),
					ops(`{"op":"remove","path":"members[type eq \"Group\"]"}`))
			}) + `]}`
		}, []int{200}, tooMuch},
		{"patches of a user with large addresses", "POST", bulk(`"addresses":[` + list(95, func(i int) string {
			return fmt.Sprintf(`{"i":%d,%s}`, i, fields(998, "1"))
		}) + `]`), []int{200}, tooMuch},
		{"creations of a user who could come back", "POST", func(tb testing.TB, h http.Handler) (string, string) {
			benchDo(tb, h, "POST", "/Users", user("back", `"active":false`, `"name":{"givenName":"`+marks(140_000)+`"}`), 201)
			return "/Bulk", `{"Operations":[` + list(900, func(i int) string { return post("/Users", fmt.Sprint(i), user("back")) }) + `]}`
		}, []int{200}, tooMuch},
		{"sorting by long texts", "GET", users(20, `"title":"`+marks(140_000)+`"`, "sortBy=title"), []int{400}, tooMuch},
		{"sorting by numbers that differ in the twentieth digit", "GET", func(tb testing.TB, h http.Handler) (string, string) {
			for i := range 10_000 {
				benchDo(tb, h, "POST", "/Users", user(fmt.Sprint("n", i), fmt.Sprintf(`"x":1.0000000000000000000%d`, i)), 201)
			}
			return "/Users?sortBy=x&startIndex=9000&count=1", ""
		}, []int{200}, ""},
		{"elements without a value in a list that is added to", "PATCH", patch(`"x":[`+list(95, func(i int) string {
			return fmt.Sprintf(`{"i":%d,%s}`, i, fields(998, "1"))
		})+`]`, list(20, same(`{"op":"add","path":"x","value":[{"q":1}]}`))), []int{413}, tooMuch},
		{"removals from a list of long texts", "PATCH", patch(`"roles":[`+list(10, func(i int) string { return fmt.Sprintf(`{"value":"%d%s"}`, i, marks(14_000)) })+`]`,
			list(1000, same(`{"op":"remove","path":"roles","value":[{"value":"x"}]}`))), []int{413}, tooMuch},
		{"additions to a list of long types", "PATCH", patch(`"roles":[`+list(10, func(i int) string {
			return fmt.Sprintf(`{"value":"%d","type":"%s"}`, i, strings.Repeat("\u13a0", 20_000))
		})+`]`, list(100, numbered(`{"op":"add","path":"roles","value":[{"value":"x%d"}]}`))), []int{413}, tooMuch},
	}
}

// fields returns n fields with the value.
func fields(n int, value string) string {
	return list(n, func(i int) string { return fmt.Sprintf(`"A%d":%s`, i, value) })
}

// marks returns a text that is not in normal form: its marks are in the wrong
// order.
func marks(n int) string { return strings.Repeat("a\u0315\u0300\u05ae", n) }

// cherokee returns n fields with long names that differ in their last
// character, in letters whose lower case is outside of every table.
func cherokee(n, length int) string {
	return list(n, func(i int) string {
		return fmt.Sprintf(`"%s%d":1`, strings.Repeat([]string{"\u13a0", "\uab70"}[i%2], length), i)
	})
}

// A filter that reads documents counts their names and values, also of
// attributes that it skips: their time is several times that of a text of the
// same length.
func TestReadingDocumentsIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		attribute string
		least     int64 // units
	}{
		"one text":   {`"x":"` + strings.Repeat("x", 320_000) + `"`, 5_000},
		"names":      {`"x":[` + list(30, same(`{`+fields(999, "1")+`}`)) + `]`, 50_000},
		"values":     {`"x":[` + list(100_000, same("{}")) + `]`, 16_000},
		"long names": {cherokee(16, 5_000), 300_000},
	} {
		log := &workLog{Handler: slog.DiscardHandler}
		h, err := scim.NewHandler(scim.Config{Store: &scim.Memory{}, Authenticate: authenticate, Logger: slog.New(log)})
		require.NoError(t, err)
		postUser(t, h, c.attribute)
		require.Equal(t, 200, ask(h, "GET", "/Users?attributes=userName&filter=title+pr", "").Code)
		assert.Greater(t, log.last(), c.least, name)
		assert.Less(t, log.last(), 2*c.least, name)
		ask(h, "GET", "/Users?attributes=userName", "")
		assert.Greater(t, log.last(), c.least, "%s: a part of it", name)
	}
}
