package fake

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Salesforce is a Salesforce org: its REST API, as far as it reads users and
// public groups. It is an http.Handler, safe for concurrent use.
//
// What is played, after the REST API developer guide, its help pages and
// recorded answers of developer orgs:
//
//   - POST /services/oauth2/token with client credentials, a refresh token or a
//     JWT bearer. The answer names the instance and not how long the session
//     lives; a session that has ended is refused with INVALID_SESSION_ID.
//   - GET /services/data, and below each version query, queryAll, query/{locator}
//     and sobjects/{object}/describe. A retired version answers 410, one that the
//     org does not have yet 404.
//   - SELECT fields FROM object WHERE condition LIMIT n, in SOQL as package
//     salesforce takes it, semi-joins included: two at most, and only at the top
//     level. A field that the org lacks is refused with INVALID_FIELD.
//   - Pages of up to 2,000 records, fewer if Sforce-Query-Options says so. A
//     locator is good for two days, and only the latest few are. What is read by
//     one query are the records that there were when it was asked.
//   - Sforce-Limit-Info on every answer, and REQUEST_LIMIT_EXCEEDED with status
//     403 and no Retry-After once the daily requests are used up.
//   - A query of more than 16,384 bytes as an address, which is refused with
//     status 414.
//
// User, Group (of type Regular) and GroupMember hold the directory. A user's
// country and state are those of the attributes Country, CountryCode, State and
// StateCode. IDs are Salesforce's: 005 for users, 00G for groups, 15 or 18
// characters. A member that is the ID of a group is a group within the group.
type Salesforce struct {
	// Directory is the org's people. Required.
	Directory *Directory
	// ClientID and ClientSecret are the accepted connected app.
	ClientID, ClientSecret string
	// RefreshToken, if set, is also accepted.
	RefreshToken string
	// Username and Key, if set, accept a JWT bearer for that user with a signature
	// by the key.
	Username string
	Key      *rsa.PublicKey
	// Records are further records by object, as decoded JSON: roles, permission
	// sets, and users and groups besides those of the directory.
	Records map[string][]map[string]any
	// Fields are further fields of User, which users have as attributes, such as
	// "Region__c" or "Profile.UserLicense.Name". Lacks are fields of User that the
	// org does not have or does not show.
	Fields, Lacks []string
	// Oldest and Newest are the versions of the API that the org has. They
	// default to 31 and 66.
	Oldest, Newest int
	// PageRows is the largest number of records on a page. Defaults to 2,000.
	PageRows int
	// Cursors is the number of locators that are kept. Defaults to 10.
	Cursors int
	// TokenLife is how long a session is valid. Defaults to 2 hours.
	TokenLife time.Duration
	// PerDay is the number of requests in 24 hours. Defaults to 15,000, as in a
	// developer org; negative allows any number. Others is the number of requests
	// that other clients have made.
	PerDay, Others int

	sessions sessions
	requests allowance

	mu      sync.Mutex
	given   int
	cursors []*salesforceCursor // oldest first
}

// RevokeTokens ends all sessions before their time.
func (s *Salesforce) RevokeTokens() { s.sessions.revoke() }

// ServeHTTP implements http.Handler.
func (s *Salesforce) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Directory.serve(w, r, s.answer)
}

const salesforceLongestURI = 16_384

func (s *Salesforce) answer(w http.ResponseWriter, r *http.Request, now time.Time) {
	path := strings.TrimRight(r.URL.Path, "/")
	if path == "/services/oauth2/token" {
		s.login(w, r, now)
		return
	}
	if path == "/services/data" { // the only resource that needs no session
		s.versions(w)
		return
	}
	version, resource, _ := strings.Cut(strings.TrimPrefix(path, "/services/data/v"), "/")
	number, err := strconv.Atoi(strings.TrimSuffix(version, ".0"))
	switch token, ok := bearer(r); {
	case len(r.URL.RequestURI()) > salesforceLongestURI:
		http.Error(w, "URI Too Long", http.StatusRequestURITooLong)
	case !ok || !s.sessions.good(token, now):
		salesforceRefuses(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
	case !s.allowed(w, now):
		salesforceRefuses(w, http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	case err != nil || number > s.newest():
		salesforceRefuses(w, http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	case number < s.oldest():
		salesforceRefuses(w, http.StatusGone, "UNSUPPORTED_API_VERSION", "The requested version of the API is retired")
	case r.Method != http.MethodGet:
		salesforceRefuses(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method '"+r.Method+"' not allowed. Allowed are HEAD,GET")
	default:
		s.resource(w, r, resource, salesforceAPI(number), now)
	}
}

func salesforceAPI(version int) string { return "/services/data/v" + strconv.Itoa(version) + ".0" }

func (s *Salesforce) resource(w http.ResponseWriter, r *http.Request, resource, api string, now time.Time) {
	kind, rest, _ := strings.Cut(resource, "/")
	object, what, _ := strings.Cut(rest, "/")
	switch {
	case (kind == "query" || kind == "queryAll") && rest == "":
		s.query(w, r, api, now)
	case kind == "query" || kind == "queryAll":
		s.more(w, r, rest, api, now)
	case kind == "sobjects" && what == "describe" && s.object(object) != nil:
		s.describe(w, s.object(object))
	default:
		salesforceRefuses(w, http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
}

// versions lists the versions of the API that the org has.
func (s *Salesforce) versions(w http.ResponseWriter) {
	list := []map[string]string{}
	for number := s.oldest(); number <= s.newest(); number++ {
		list = append(list, map[string]string{"label": "Version " + strconv.Itoa(number), "url": salesforceAPI(number), "version": strconv.Itoa(number) + ".0"})
	}
	say(w, http.StatusOK, list)
}

func (s *Salesforce) oldest() int { return orDefault(s.Oldest, 31) }
func (s *Salesforce) newest() int { return orDefault(s.Newest, 66) }

// allowed counts a request and states the usage.
func (s *Salesforce) allowed(w http.ResponseWriter, now time.Time) bool {
	limit := orDefault(s.PerDay, 15_000)
	if limit < 0 {
		return true
	}
	left, _ := s.requests.take(now, limit-s.Others, 24*time.Hour)
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", min(limit-left, limit), limit))
	return left >= 0
}

// login answers a token request (RFC 6749).
func (s *Salesforce) login(w http.ResponseWriter, r *http.Request, now time.Time) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
		salesforceNoLogin(w, "invalid_request", "must use HTTP POST")
		return
	}
	form := r.PostForm
	app := func(secretRequired bool) bool {
		secret := form.Get("client_secret")
		switch {
		case s.ClientID == "" || form.Get("client_id") != s.ClientID:
			salesforceNoLogin(w, "invalid_client_id", "client identifier invalid")
		case secret != s.ClientSecret && (secretRequired || secret != ""), secretRequired && secret == "":
			salesforceNoLogin(w, "invalid_client", "invalid client credentials")
		default:
			return true
		}
		return false
	}
	switch form.Get("grant_type") {
	case "client_credentials":
		if app(true) {
			s.session(w, r, now)
		}
	case "refresh_token":
		switch token := form.Get("refresh_token"); {
		case !app(false):
		case token == "" || token != s.RefreshToken:
			salesforceNoLogin(w, "invalid_grant", "expired access/refresh token")
		default:
			s.session(w, r, now)
		}
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		if problem := s.assertion(form.Get("assertion"), now); problem != "" {
			salesforceNoLogin(w, "invalid_grant", problem)
			return
		}
		s.session(w, r, now)
	default:
		salesforceNoLogin(w, "unsupported_grant_type", "grant type not supported")
	}
}

// assertion checks the JWT of a JWT bearer login (RFC 7523) and returns what is
// wrong with it, or "".
func (s *Salesforce) assertion(jwt string, now time.Time) string {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 || s.Key == nil {
		return "invalid assertion"
	}
	decode := base64.RawURLEncoding.DecodeString
	payload, err := decode(parts[1])
	signature, unsigned := decode(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	var claims struct {
		Iss, Sub, Aud string
		Exp           int64
	}
	switch {
	case err != nil || unsigned != nil || json.Unmarshal(payload, &claims) != nil:
		return "invalid assertion"
	case rsa.VerifyPKCS1v15(s.Key, crypto.SHA256, digest[:], signature) != nil:
		return "invalid assertion"
	case claims.Aud == "":
		return "audience is invalid"
	case claims.Exp <= now.Unix() || claims.Exp > now.Add(3*time.Minute).Unix():
		return "invalid assertion"
	case claims.Iss != s.ClientID || claims.Sub != s.Username:
		return "user hasn't approved this consumer"
	}
	return ""
}

// session opens a session at the address of the request.
func (s *Salesforce) session(w http.ResponseWriter, r *http.Request, now time.Time) {
	const org = "00D000000000001"
	token := s.sessions.openAs(org+"!", now, orDefault(s.TokenLife, 2*time.Hour))
	say(w, http.StatusOK, map[string]any{
		"access_token": token, "signature": "c2lnbmF0dXJl", "scope": "api", "instance_url": origin(r),
		"id": "https://login.salesforce.com/id/" + org + "EAA/005000000000000AAA", "token_type": "Bearer",
		"issued_at": strconv.FormatInt(now.UnixMilli(), 10),
	})
}

// salesforceRefuses answers with a list of errors, as the REST API does.
func salesforceRefuses(w http.ResponseWriter, status int, code, message string) {
	say(w, status, []map[string]string{{"message": message, "errorCode": code}})
}

// salesforceNoLogin answers with an error of the token endpoint.
func salesforceNoLogin(w http.ResponseWriter, code, description string) {
	say(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
}

// orDefault returns n, or standard if n is 0.
func orDefault[N int | time.Duration](n, standard N) N {
	if n == 0 {
		return standard
	}
	return n
}
