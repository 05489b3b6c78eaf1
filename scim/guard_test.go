package scim_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// Clients that guess tokens are slowed down by address. A client whose token
// was right before is not slowed down, even at the same address.
func TestGuessingIsBraked(t *testing.T) {
	now := time.Now()
	asked := 0
	good, goodHash := scim.NewToken()
	other, otherHash := scim.NewToken()
	fixed := scim.FixedTokens(scim.Token{Hash: goodHash, Principal: scim.Principal{Tenant: "t"}}, scim.Token{Hash: otherHash, Principal: scim.Principal{Tenant: "u"}})
	h, err := scim.NewHandler(scim.Config{
		Store: &scim.Memory{}, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Authenticate: scim.BearerTokens(func(ctx context.Context, hash string) (scim.Token, error) {
			asked++
			return fixed(ctx, hash)
		}),
	})
	require.NoError(t, err)
	try := func(address, token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/Users?count=0", nil)
		r.RemoteAddr = address
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	require.Equal(t, 200, try("192.0.2.1:1", good).Code)
	for i := range 500 {
		require.Equal(t, 401, try("192.0.2.1:1", "revoked").Code, "the same wrong one again is no guess")
		require.Equal(t, 401, try("192.0.2.1:1", "").Code, "none is no guess: %d", i)
	}
	tries := map[int]int{}
	before := asked
	for i := range 1_000 {
		tries[try(fmt.Sprint("192.0.2.1:", i), fmt.Sprint("guess", i)).Code]++
	}
	assert.LessOrEqual(t, tries[401], 60)
	assert.GreaterOrEqual(t, tries[401], 40)
	assert.Equal(t, 1_000, tries[401]+tries[429])
	assert.Equal(t, tries[401], asked-before, "what is held up is not looked up")

	w := try("192.0.2.1:1", "one more")
	assert.Equal(t, 429, w.Code)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	assert.Equal(t, 200, try("192.0.2.1:1", good).Code, "right before")
	assert.Equal(t, 429, try("192.0.2.1:1", other).Code, "right, but new at an address that guesses")
	assert.Equal(t, 200, try("192.0.2.2:1", other).Code, "another address")
	assert.Equal(t, 200, try("192.0.2.1:1", other).Code)
	now = now.Add(3 * time.Second)
	again := 0
	for i := range 100 {
		if try("192.0.2.1:9", fmt.Sprint("later", i)).Code == 401 {
			again++
		}
	}
	assert.Equal(t, 3, again, "one a second")

	// In IPv6, one client has all addresses of its network.
	for i := range 200 {
		try(fmt.Sprintf("[2001:db8::%x]:1", i), fmt.Sprint("six", i))
	}
	assert.Equal(t, 429, try("[2001:db8::ffff]:1", "seven").Code)
	assert.Equal(t, 401, try("[2001:db8:0:1::1]:1", "seven").Code)
}

func TestSecretsAreNotGuessedAtTheTokenEndpoint(t *testing.T) {
	secret, hash := scim.NewToken()
	asked := 0
	s := newTokenServer(t, scim.TokenConfig{Client: func(context.Context, string) (scim.Client, error) {
		asked++
		return scim.Client{SecretHashes: []string{hash}, Principal: scim.Principal{Tenant: "acme"}}, nil
	}})
	grant := url.Values{"grant_type": {"client_credentials"}}
	tries := map[int]int{}
	for i := range 500 {
		status, _ := s.ask(grant, "c", fmt.Sprint("guess", i))
		tries[status]++
	}
	assert.LessOrEqual(t, tries[401], 60)
	assert.Equal(t, 500, tries[401]+tries[429])
	assert.Equal(t, tries[401], asked)
	s.now = s.now.Add(time.Minute)
	status, _ := s.ask(grant, "c", secret)
	assert.Equal(t, 200, status)
}

// RFC 6750 section 3: a refusal names the required authentication.
func TestRefusalsNameTheirScheme(t *testing.T) {
	server := mount(t, scim.Config{Authenticate: scim.BearerTokens(scim.FixedTokens())})
	for sent, challenge := range map[string]string{
		"": `Bearer realm="scim"`, "Bearer x": `Bearer realm="scim", error="invalid_token"`,
	} {
		a := send(t, server, "", "GET", "/Users", "", "Authorization", sent)
		assert.Equal(t, 401, a.status)
		assert.Equal(t, challenge, a.header.Get("WWW-Authenticate"))
		assert.Contains(t, a.body["detail"], "Bearer")
	}
}

// RFC 7643 section 5 and RFC 7644 section 4: discovery without credentials
// works only if the host enables it, only for the discovery documents, and only
// for reading.
func TestPublicDiscovery(t *testing.T) {
	refused := 0
	open := mount(t, scim.Config{PublicDiscovery: true, Authenticate: func(*http.Request) (scim.Principal, error) {
		refused++
		return scim.Principal{}, scim.ErrNotFound
	}})
	for _, path := range []string{"/ServiceProviderConfig", "/serviceproviderconfig/", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", "/Schemas/" + userURN} {
		a := send(t, open, "", "GET", path, "")
		assert.Equal(t, 200, a.status, path)
		assert.NotEmpty(t, a.body, path)
	}
	assert.Equal(t, 404, send(t, open, "", "GET", "/Schemas/none", "").status)
	assert.Zero(t, refused)
	for _, c := range [][2]string{
		{"GET", "/Users"}, {"GET", "/"}, {"GET", "/Me"}, {"POST", "/Schemas"}, {"PUT", "/ServiceProviderConfig"}, {"POST", "/Bulk"}, {"GET", "/.search"},
		{"GET", "/Users/Schemas"}, {"GET", "/%53chemasx"},
	} {
		assert.Equal(t, 401, send(t, open, "", c[0], c[1], "").status, c)
	}
	shut := mount(t, scim.Config{Authenticate: scim.BearerTokens(scim.FixedTokens())})
	assert.Equal(t, 401, send(t, shut, "", "GET", "/ServiceProviderConfig", "").status)
}

// A user name must be visible and distinguishable for people (RFC 7644
// section 5, RFC 7613 section 3.2.2).
func TestUserNames(t *testing.T) {
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store})
	ok := create(t, server, "/Users", user("plain")).id()
	for name, good := range map[string]bool{
		"a b": true, "Ana María": true, "名前": true, "נועה": true, "می\u200cخواهم": true, "o'brien+x@example.com": true, "👩‍💻": true, "a\u00a0b": true,
		"क्\u200dष": true, "a\u0600b": true, "🧑🏽\u200d🚀": true,
		"a\u200bb": false, "ab\u200d": false, "a\u200cb": false, "\u200da": false, "a\u00adb": false, "a\u2060b": false, "\ufeffab": false, "a\u3164b": false, "a\u115fb": false,
		"\u2764\ufe0f": true, "\u845b\U000e0100": true, "a\ufe0fb": false, "\ufe0fab": false, "e\u0301\ufe00": false, "\U000e0100a": false,
		"\u2139\ufe0f": true, "\u3006\U000e0100": true, "\u2138\ufe0f": false, "1\ufe0f\u20e3": true, "x#\ufe0f\u20e3y": true, "*\ufe0f\u20e3": true,
		"1\ufe0f": false, "1\ufe0e\u20e3": false, "1\ufe0f\ufe0f\u20e3": false, "1\ufe0fx\u20e3": false, "a\ufe0f\u20e3": false, "/\ufe0f\u20e3": false,
		"1\u20e3\ufe0f": false, "\ufe0f\u20e3": false,
		"\u2800": false, " \u2800\u2800": false, "a\u2800b": true,
		" ": false, "\t": false, "\u00a0\u2003": false, "\u200b": false, "\ufeff\u2060": false,
		"a\tb": false, "a\nb": false, "a\u007fb": false, "a\u0085b": false, "a\u2028b": false,
		"\u202eadmin": false, "adm\u200fin": false, "a\u2066b\u2069": false, "a\u061cb": false, "\u200ea": false,
	} {
		quoted, err := json.Marshal(name)
		require.NoError(t, err)
		sent := fmt.Sprintf(`{"schemas":[%q],"userName":%s}`, userURN, quoted)
		want := map[bool]int{true: 201, false: 400}[good]
		a := send(t, server, testToken, "POST", "/Users", sent)
		assert.Equal(t, want, a.status, "%q: %s", name, a.text)
		if good {
			require.Equal(t, 204, send(t, server, testToken, "DELETE", "/Users/"+a.id(), "").status)
			continue
		}
		assert.Equal(t, "invalidValue", a.scimType(), "%q", name)
		assert.Contains(t, a.body["detail"], "userName")
		assert.Equal(t, 400, send(t, server, testToken, "PUT", "/Users/"+ok, sent).status, "%q", name)
		assert.Equal(t, 400, send(t, server, testToken, "PATCH", "/Users/"+ok, ops(fmt.Sprintf(`{"op":"replace","value":{"userName":%s}}`, quoted))).status, "%q", name)
		assert.Equal(t, 400, send(t, server, testToken, "PATCH", "/Users/"+ok, ops(fmt.Sprintf(`{"op":"add","path":"userName","value":%s}`, quoted))).status, "%q", name)
		b := send(t, server, testToken, "POST", "/Bulk", `{"Operations":[`+post("/Users", "b", sent)+`]}`)
		assert.Contains(t, b.text, `"status":"400"`, "%q", name)
	}
	assert.Equal(t, "plain", send(t, server, testToken, "GET", "/Users/"+ok, "").body["userName"])

	// A name that was stored before this rule existed stays usable.
	put(t, store, scim.Write{Op: scim.Create, Ref: userRef("old"), Doc: []byte(user("old\u200e"))})
	old := "old\u200e"
	for _, c := range [][2]string{
		{"PATCH", ops(`{"op":"replace","path":"active","value":false}`)},
		{"PUT", fmt.Sprintf(`{"schemas":[%q],"userName":%q,"active":false}`, userURN, old)},
		{"PUT", user("new")},
	} {
		assert.Equal(t, 200, send(t, server, testToken, c[0], "/Users/old", c[1]).status, c)
	}
	assert.Equal(t, 400, send(t, server, testToken, "PUT", "/Users/old", fmt.Sprintf(`{"schemas":[%q],"userName":%q}`, userURN, old)).status)
}

// RFC 7644 section 5: a user name is prepared as in RFC 7613 before its
// uniqueness is checked: width, case, and normalization form C (section 3.2.2).
// Look-ups find it in any of these spellings.
func TestUserNamesAreUniqueAsPeopleReadThem(t *testing.T) {
	for _, names := range [][]string{
		{"jos\u00e9@example.com", "jose\u0301@example.com", "JOS\u00c9@example.com", "JOSE\u0301@EXAMPLE.com"},
		{"Ana", "\uff21\uff4e\uff41", "ANA"},
		{"\u30ac", "\uff76\uff9e"}, // ga, and halfwidth ka with its voicing mark
		{"a b", "a\u3000b"},
		{"\u01f0ana", "j\u030cana", "J\u030cANA"}, // the capital letter does not exist as one character
		{"\u1e9b\u0323x", "\u017f\u0323\u0307x"},
	} {
		server := mount(t, scim.Config{})
		first := create(t, server, "/Users", user(names[0])).id()
		other := create(t, server, "/Users", user("other")).id()
		for _, name := range names {
			again := send(t, server, testToken, "POST", "/Users", user(name))
			assert.Equal(t, 409, again.status, "%+q and %+q", names[0], name)
			assert.Equal(t, "uniqueness", again.scimType())
			renamed := send(t, server, testToken, "PATCH", "/Users/"+other, ops(fmt.Sprintf(`{"op":"replace","path":"userName","value":%q}`, name)))
			assert.Equal(t, 409, renamed.status, "%+q and %+q", names[0], name)
			for _, filter := range []string{`userName eq %q`, `userName sw %q`, `userName ew %q`, `not (userName ne %q)`, `userName ge %[1]q and userName le %[1]q`} {
				found := send(t, server, testToken, "GET", "/Users?filter="+url.QueryEscape(fmt.Sprintf(filter, name)), "")
				require.Len(t, found.resources(), 1, "%+q: "+filter, names[0], name)
				assert.Equal(t, first, found.resources()[0]["id"])
			}
		}
		assert.Equal(t, names[0], send(t, server, testToken, "GET", "/Users/"+first, "").body["userName"], "a name is served as it was sent")
	}
	// Names that RFC 7613 does not treat as equal stay different.
	server := mount(t, scim.Config{})
	for _, name := range []string{"\u2460", "1", "\ufb01", "fi", "stra\u00dfe", "strasse", "x\u00b2", "x2"} {
		create(t, server, "/Users", user(name))
	}
}

// A cursor with a position beyond the possible range is refused or ends the
// listing. It never restarts the listing.
func TestCursorsDoNotOverflow(t *testing.T) {
	server := mount(t, scim.Config{})
	for i := range 5 {
		create(t, server, "/Users", user(fmt.Sprint("u", i)))
	}
	for _, query := range []string{"", "&sortBy=userName", "&filter=" + url.QueryEscape(`title pr or userName pr`)} {
		first := send(t, server, testToken, "GET", "/Users?count=2&cursor="+query, "")
		raw, err := base64.RawURLEncoding.DecodeString(first.body["nextCursor"].(string))
		require.NoError(t, err)
		for _, place := range []uint64{math.MaxUint64, math.MaxInt64, math.MaxInt64 - 1, 1<<62 + 1, 1 << 62, 1<<62 - 2, math.MaxInt32, math.MaxUint32} {
			forged := base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(raw[:8:8], place))
			a := send(t, server, testToken, "GET", "/Users?count=2&cursor="+forged+query, "")
			if a.status == 400 {
				assert.Equal(t, "invalidCursor", a.scimType())
				continue
			}
			require.Equal(t, 200, a.status, "%d %s: %s", place, query, a.text)
			if place > 1<<61 || query == "&sortBy=userName" {
				assert.Empty(t, a.resources(), "%d %s", place, query)
				assert.Nil(t, a.body["nextCursor"], "%d %s", place, query)
			}
		}
	}
	for _, index := range []string{"2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "99999999999999999999999", "-9223372036854775809"} {
		a := send(t, server, testToken, "GET", "/Users?sortBy=userName&startIndex="+index+"&count="+strings.TrimPrefix(index, "-"), "")
		assert.Equal(t, 200, a.status, a.text)
	}

	src := scim.AsSource(&scim.Memory{}, "t", "c")
	for _, cursor := range []sources.Cursor{"seq:9223372036854775807", "seq:9223372036854775808", "seq:-1", "seq:", "9"} {
		for _, err := range src.Changes(t.Context(), cursor) {
			assert.ErrorIs(t, err, sources.ErrCursorExpired, string(cursor))
		}
	}
}

// Each operation of a bulk request counts as one request.
func TestRateLimitCountsOperations(t *testing.T) {
	now := time.Now()
	server := mount(t, scim.Config{RateLimit: 50, Now: func() time.Time { return now }})
	bulk := `{"Operations":[` + list(200, func(i int) string { return post("/Users", fmt.Sprint(i), user(fmt.Sprint("u", i))) }) + `]}`
	require.Equal(t, 200, send(t, server, testToken, "POST", "/Bulk", bulk).status, "a request is served whole")
	a := send(t, server, testToken, "GET", "/Users", "")
	assert.Equal(t, 429, a.status)
	assert.Equal(t, "4", a.header.Get("Retry-After"), "200 operations, less 50, at 50 a second, and one more")
	now = now.Add(3 * time.Second)
	assert.Equal(t, 429, send(t, server, testToken, "GET", "/Users", "").status)
	now = now.Add(time.Second)
	assert.Equal(t, 200, send(t, server, testToken, "GET", "/Users", "").status)
	assert.Equal(t, 200, send(t, server, "another", "GET", "/Users", "").status)
}
