package scim_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elimity-com/scim/schema"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// RFC 9110 section 13.1.1: an origin server MUST NOT perform the requested
// method if the condition of If-Match is false. This holds for reading as well.
// Section 13.2.2 gives the order of the conditions; section 5.3: several lines
// of a list are one list.
func TestConditionsOfReading(t *testing.T) {
	server := mount(t, scim.Config{})
	made := send(t, server, testToken, "POST", "/Users", user("a"))
	path, tag := "/Users/"+made.id(), made.header.Get("Etag")
	for _, method := range []string{"GET", "HEAD"} {
		for name, c := range map[string]struct {
			headers []string
			status  int
		}{
			"the version":                  {[]string{"If-Match", tag}, 200},
			"any version":                  {[]string{"If-Match", "*"}, 200},
			"another version":              {[]string{"If-Match", `W/"999"`}, 412},
			"one of two":                   {[]string{"If-Match", `W/"999", ` + tag}, 200},
			"another, and not another":     {[]string{"If-Match", `W/"999"`, "If-None-Match", tag}, 412},
			"the version, and not this":    {[]string{"If-Match", tag, "If-None-Match", tag}, 304},
			"unmodified since long ago":    {[]string{"If-Unmodified-Since", "Mon, 02 Jan 2006 15:04:05 GMT"}, 412},
			"unmodified, but If-Match is":  {[]string{"If-Unmodified-Since", "Mon, 02 Jan 2006 15:04:05 GMT", "If-Match", tag}, 200},
			"not this, in the second line": {[]string{"If-None-Match", `W/"999"`, "+If-None-Match", tag}, 304},
		} {
			req, err := http.NewRequest(method, server.URL+"/scim/v2"+path, nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+testToken)
			for i := 0; i < len(c.headers); i += 2 {
				req.Header.Add(strings.TrimPrefix(c.headers[i], "+"), c.headers[i+1])
			}
			resp, err := server.Client().Do(req)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, c.status, resp.StatusCode, "%s %s", method, name)
		}
	}
}

// RFC 7644 section 3.7.3 shows a PATCH whose data are the operations.
func TestBulkPatchWithOperationsOnly(t *testing.T) {
	server := mount(t, scim.Config{})
	id := send(t, server, testToken, "POST", "/Users", user("a", `"nickName":"n"`)).id()
	for data, status := range map[string]string{
		`[{"op":"remove","path":"nickName"},{"op":"add","path":"title","value":"list"}]`: "200",
		`"[{\"op\":\"add\",\"path\":\"title\",\"value\":\"text\"}]"`:                     "200",
		`[{"op":"add","path":"title"}]`:                                                  "400",
		`[7]`:                                                                            "400",
		`7`:                                                                              "400",
	} {
		got := send(t, server, testToken, "POST", "/Bulk", fmt.Sprintf(`{"Operations":[{"method":"PATCH","path":"/Users/%s","data":%s}]}`, id, data))
		require.Equal(t, 200, got.status)
		assert.Contains(t, got.text, `"status":"`+status+`"`, data)
	}
	got := send(t, server, testToken, "POST", "/Bulk", `{"Operations":[{"method":"PUT","path":"/Users/`+id+`","data":[{"userName":"b"}]}]}`)
	assert.Contains(t, got.text, `"status":"400"`, "a resource is no list")
}

// RFC 9110 section 12.4.2: a weight of 0 means not acceptable.
func TestMediaTypesWithParameters(t *testing.T) {
	server := mount(t, scim.Config{})
	const both, plain = "application/scim+json", "application/json"
	for accept, want := range map[string]string{
		"application/scim+json;q=0, application/json":         plain,
		"application/scim+json; q=0.000, application/json":    plain,
		"application/json;q=0":                                both,
		"application/json;Q=0, */*":                           both,
		"application/json;q=0.5":                              plain,
		"application/json;q=0.9, application/scim+json;q=0.1": both,
		"application/json;q=x":                                plain,
	} {
		assert.Equal(t, want, send(t, server, testToken, "GET", "/Users", "", "Accept", accept).header.Get("Content-Type"), accept)
	}
	for media, status := range map[string]int{
		`application/json;charset="UTF-8"`:                 201,
		"application/scim+json; charset=utf-8; v=1":        201,
		"application/json; charset=":                       201,
		"application/json; Charset=ISO-8859-1":             415,
		"application/json; profile=utf-8; charset=latin1":  415,
		"application/scim+json; charset=utf-16":            415,
		"application/json; x=charset":                      201,
		"application/scim+json+json":                       415,
		"application/x-www-form-urlencoded; charset=utf-8": 415,
	} {
		got := send(t, server, testToken, "POST", "/Users", user("m"+fmt.Sprint(len(media), status)), "Content-Type", media)
		assert.Equal(t, status, got.status, media)
	}
}

// A parameter of a query that has two values is refused, since the overlooked
// one might be the filter. RFC 7644 section 3.4.2.5 has lists of attributes,
// which may be in several parameters.
func TestQueryParametersTwice(t *testing.T) {
	server := mount(t, scim.Config{})
	require.Equal(t, 201, send(t, server, testToken, "POST", "/Users", user("a", `"title":"t"`)).status)
	for query, status := range map[string]int{
		"filter=userName+eq+%22a%22&filter=title+pr":            400,
		"filter=userName+eq+%22a%22&FILTER=title+pr":            400,
		"filter=userName+eq+%22a%22&filter=userName+eq+%22a%22": 200,
		"count=1&count=2":                                      400,
		"startIndex=1&startIndex=2":                            400,
		"sortBy=title&sortBy=userName":                         400,
		"cursor=&cursor=x":                                     400,
		"attributes=title&attributes=userName":                 200,
		"excludedAttributes=title&excludedAttributes=userName": 200,
		"unknown=1&unknown=2":                                  200,
	} {
		assert.Equal(t, status, send(t, server, testToken, "GET", "/Users?"+query, "").status, query)
	}
	got := send(t, server, testToken, "GET", "/Users?attributes=title&attributes=userName", "")
	assert.Contains(t, got.text, `"title":"t"`)
	assert.Contains(t, got.text, `"userName":"a"`)
}

// RFC 9865 section 2: count is a positive integer, and nextCursor is omitted
// only to indicate that there are no more result pages. Section 2.1 has the
// error. Without a cursor, RFC 7644 section 3.4.2.4 holds: a value of 0 returns
// no resource.
func TestCountBesideACursor(t *testing.T) {
	server := mount(t, scim.Config{})
	for i := range 3 {
		require.Equal(t, 201, send(t, server, testToken, "POST", "/Users", user(fmt.Sprint("u", i))).status)
	}
	for _, query := range []string{"cursor&count=0", "cursor=&count=-1"} {
		got := send(t, server, testToken, "GET", "/Users?"+query, "")
		assert.Equal(t, 400, got.status, query)
		assert.Equal(t, "invalidCount", got.scimType(), query)
	}
	for _, query := range []string{"cursor&count=many", "count=1.5&cursor="} {
		assert.Equal(t, "invalidCount", send(t, server, testToken, "GET", "/Users?"+query, "").scimType(), query)
	}
	for _, search := range []string{`{"cursor":"","count":0}`, `{"count":"many","cursor":""}`, `{"count":[1],"cursor":null}`} {
		assert.Equal(t, "invalidCount", send(t, server, testToken, "POST", "/Users/.search", search).scimType(), search)
	}
	assert.Equal(t, "invalidValue", send(t, server, testToken, "GET", "/Users?count=many", "").scimType())
	assert.Equal(t, "invalidValue", send(t, server, testToken, "POST", "/Users/.search", `{"count":"many"}`).scimType())
	got := send(t, server, testToken, "GET", "/Users?count=0", "")
	assert.Equal(t, 200, got.status)
	assert.Equal(t, 3.0, got.body["totalResults"])
	got = send(t, server, testToken, "GET", "/Users?cursor&count=2", "")
	require.Equal(t, 200, got.status)
	assert.NotEmpty(t, got.body["nextCursor"])
}

// RFC 7644 section 3.4.2.2, of ordered comparisons: DateTime values are
// compared chronologically, integers by numeric value. A value that is neither
// selects nothing, so it is refused.
func TestFilterValuesHaveTheirType(t *testing.T) {
	server := mount(t, scim.Config{UserExtensions: []schema.Schema{{ID: "urn:example:Badge", Attributes: schema.Attributes{
		schema.SimpleCoreAttribute(schema.SimpleNumberParams(schema.NumberParams{Name: "level", Type: schema.AttributeTypeInteger()})),
	}}}})
	require.Equal(t, 201, send(t, server, testToken, "POST", "/Users", user("a", `"urn:example:Badge":{"level":7}`)).status)
	for filter, want := range map[string]any{
		`meta.created gt 5`:                           400,
		`meta.created eq true`:                        400,
		`meta.created gt "yesterday"`:                 400,
		`meta.created gt "2011-05-13T04:42:34Z"`:      1.0,
		`meta.created lt "2011-05-13T04:42:34+14:00"`: 0.0,
		`meta.created eq null`:                        0.0,
		`meta.created ne null`:                        1.0,
		`meta.created sw "2"`:                         1.0,
		`meta.created co "T"`:                         1.0,
		`meta.created co 5`:                           400,
		`urn:example:Badge:level eq 7`:                1.0,
		`urn:example:Badge:level eq 7.0`:              1.0,
		`urn:example:Badge:level gt "6"`:              1.0,
		`urn:example:Badge:level lt 70e-1`:            0.0,
		`urn:example:Badge:level gt "six"`:            400,
		`urn:example:Badge:level ne true`:             400,
		`urn:example:Badge:level eq null`:             0.0,
		`urn:example:Badge:level pr`:                  1.0,
		`level eq 7`:                                  1.0,
	} {
		got := send(t, server, testToken, "GET", "/Users?filter="+url.QueryEscape(filter), "")
		if want == 400 {
			assert.Equal(t, 400, got.status, filter)
			assert.Equal(t, "invalidFilter", got.scimType(), filter)
			continue
		}
		assert.Equal(t, want, got.body["totalResults"], "%s: %s", filter, got.text)
	}
}

// The URN of the core schema selects all its attributes, as that of an
// extension does. RFC 7644 section 3.9: attributes that are returned "always"
// stay.
func TestProjectionByTheCoreSchema(t *testing.T) {
	server := mount(t, scim.Config{})
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	id := send(t, server, testToken, "POST", "/Users", user("a", `"title":"t","`+enterprise+`":{"department":"d"}`)).id()
	got := send(t, server, testToken, "GET", "/Users/"+id+"?attributes="+userURN, "").body
	assert.Equal(t, "t", got["title"])
	assert.Equal(t, "a", got["userName"])
	assert.NotContains(t, got, enterprise)
	got = send(t, server, testToken, "GET", "/Users/"+id+"?attributes="+strings.ToUpper(userURN)+","+enterprise, "").body
	assert.Contains(t, got, enterprise)
	assert.Equal(t, "t", got["title"])
	got = send(t, server, testToken, "GET", "/Users/"+id+"?excludedAttributes="+userURN, "").body
	assert.NotContains(t, got, "title")
	assert.Contains(t, got, enterprise)
	assert.Equal(t, id, got["id"])
}

// RFC 9110 section 5.3: a sender MUST NOT generate multiple field lines of a
// field that is no list. Authorization is none: of two, a proxy may have
// checked the other one.
func TestTwoAuthorizationHeaders(t *testing.T) {
	server := mount(t, scim.Config{}) // with an authenticator of the host
	secret, hash := scim.NewToken()
	tokens := newTokenServer(t, scim.TokenConfig{Client: func(context.Context, string) (scim.Client, error) {
		return scim.Client{SecretHashes: []string{hash}, Principal: scim.Principal{Tenant: "acme"}}, nil
	}})
	for _, second := range []string{"Bearer " + testToken, "Bearer other", "Basic YTpi", ""} {
		req, err := http.NewRequest("GET", server.URL+"/scim/v2/Users", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+testToken)
		req.Header.Add("Authorization", second)
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, 401, resp.StatusCode, second)

		r := httptest.NewRequest("POST", "/token", strings.NewReader("grant_type=client_credentials"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("c", secret)
		r.Header.Add("Authorization", second)
		w := httptest.NewRecorder()
		tokens.ServeHTTP(w, r)
		assert.Equal(t, 400, w.Code, second)
	}
	// RFC 6750 section 2.3: the token in the query is not accepted.
	for _, query := range []string{"access_token=" + testToken, "authorization=Bearer+" + testToken} {
		assert.Equal(t, 401, send(t, server, "", "GET", "/Users?"+query, "").status)
	}
}

// RFC 7518 section 3.3: a key of size 2048 bits or larger MUST be used with
// these algorithms. A larger one than any issuer has is not used either,
// because the time for a signature grows with it. RFC 7517 section 4.5: keys of
// different kinds may have the same id.
func TestKeysFitTheirAlgorithm(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	good := rsaKey(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	huge := published(t, good.Public(), `,"kid":"huge"`)
	huge = strings.Replace(huge, `"n":"`, `"n":"`+strings.Repeat("A_", 2000), 1)
	curve := `{"kty":"EC","kid":"k","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}` // RFC 7515 appendix A.3
	s := trusting(t, keySetServer(t, published(t, weak.Public(), `,"kid":"weak"`), huge, curve, published(t, good.Public(), `,"kid":"k"`)).URL)
	assert.Equal(t, 200, s.assert(sign(t, jose.RS256, good, "k", s.claims(time.Minute))), "the RSA key of that id")
	assert.Equal(t, 200, s.assert(sign(t, jose.PS512, good, "k", s.claims(time.Minute))))
	assert.Equal(t, 401, s.assert(sign(t, jose.RS256, weak, "weak", s.claims(time.Minute))))
	assert.Equal(t, 401, s.assert(sign(t, jose.RS256, good, "huge", s.claims(time.Minute))))

	// RFC 8725 section 3.1 and 3.10: the key is the issuer's, not one that the
	// assertion brings or names.
	stranger := rsaKey(t)
	for _, header := range []jose.HeaderKey{"jwk", "jku", "x5u"} {
		var value any = "https://evil.example.com/keys"
		if header == "jwk" {
			value = jose.JSONWebKey{Key: stranger.Public(), KeyID: "k"}
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: stranger},
			(&jose.SignerOptions{}).WithHeader("kid", "k").WithHeader(header, value))
		require.NoError(t, err)
		raw, err := jwt.Signed(signer).Claims(s.claims(time.Minute)).Serialize()
		require.NoError(t, err)
		assert.Equal(t, 401, s.assert(raw), header)
	}
}

// Several processes serve with the same keys, and their clocks differ. RFC 7519
// section 4.1.4 allows a leeway for this. The expiry is exact: it is that of
// the process that issued the token, as the client was told.
func TestAccessTokensOfAProcessWhoseClockIsAhead(t *testing.T) {
	secret, hash := scim.NewToken()
	cfg := scim.TokenConfig{Client: func(context.Context, string) (scim.Client, error) {
		return scim.Client{SecretHashes: []string{hash}, Principal: scim.Principal{Tenant: "acme"}}, nil
	}}
	here, there := newTokenServer(t, cfg), newTokenServer(t, cfg)
	there.now = here.now.Add(20 * time.Second)
	status, body := there.ask(url.Values{"grant_type": {"client_credentials"}}, "c", secret)
	require.Equal(t, 200, status)
	token := "Bearer " + body["access_token"].(string)
	_, err := here.Authenticate(withHeader(token))
	assert.NoError(t, err)
	here.now = there.now.Add(time.Hour + 2*time.Second)
	_, err = here.Authenticate(withHeader(token))
	assert.Error(t, err)
}
