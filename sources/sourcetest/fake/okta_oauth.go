package fake

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const oktaTokenPath = "/oauth2/v1/token"

// oktaOAuth is the state of an org's authorization server.
type oktaOAuth struct {
	mu     sync.Mutex
	tokens map[string]oktaGrant // by token
	proofs map[string]bool      // the jti of each proof
	nonces int                  // the number of nonces; only the last one is valid
}

// An oktaGrant says what an access token may do.
type oktaGrant struct {
	scopes []string
	key    string // the thumbprint of the key to which it is bound, or ""
}

// authorized checks the credential of a request. It returns 200, 401 or 403.
func (o *Okta) authorized(w http.ResponseWriter, r *http.Request, scope string, now time.Time) int {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "SSWS" {
		if token == o.Token && token != "" && !o.revoked.is() {
			return http.StatusOK
		}
		return http.StatusUnauthorized
	}
	o.oauth.mu.Lock()
	grant, known := o.oauth.tokens[token]
	o.oauth.mu.Unlock()
	bound := grant.key != ""
	switch {
	case !known || !o.sessions.good(token, now) || bound != (scheme == "DPoP") || !bound && scheme != "Bearer":
		return http.StatusUnauthorized
	case bound:
		sum := sha256.Sum256([]byte(token))
		key, err := o.proof(r, now, "", base64.RawURLEncoding.EncodeToString(sum[:]))
		if err != nil || key != grant.key {
			w.Header().Set("WWW-Authenticate", `DPoP error="invalid_dpop_proof"`)
			return http.StatusUnauthorized
		}
	}
	if !slices.Contains(grant.scopes, scope) {
		return http.StatusForbidden
	}
	return http.StatusOK
}

// login answers requests to the token endpoint.
func (o *Okta) login(w http.ResponseWriter, r *http.Request, now time.Time) {
	refuse := func(status int, code, description string) {
		say(w, status, map[string]any{"error": code, "error_description": description})
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if r.Method != http.MethodPost || r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		refuse(http.StatusBadRequest, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server.")
		return
	}
	if r.PostForm.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || o.assertion(r, now) != nil {
		refuse(http.StatusUnauthorized, "invalid_client", "The client_assertion is invalid.")
		return
	}
	grant := oktaGrant{scopes: strings.Fields(r.PostForm.Get("scope"))}
	for _, scope := range grant.scopes {
		if o.Scopes != nil && !slices.Contains(o.Scopes, scope) {
			refuse(http.StatusBadRequest, "invalid_scope", "The requested scope is invalid, unknown, or malformed.")
			return
		}
	}
	kind := "Bearer"
	if o.DPoP {
		kind = "DPoP"
		o.oauth.mu.Lock()
		nonce := "nonce-" + strconv.Itoa(o.oauth.nonces)
		o.oauth.mu.Unlock()
		key, err := o.proof(r, now, nonce, "")
		switch {
		case errors.Is(err, errNonce):
			o.oauth.mu.Lock()
			o.oauth.nonces++
			w.Header().Set("DPoP-Nonce", "nonce-"+strconv.Itoa(o.oauth.nonces))
			o.oauth.mu.Unlock()
			refuse(http.StatusBadRequest, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.")
			return
		case err != nil:
			refuse(http.StatusBadRequest, "invalid_dpop_proof", err.Error())
			return
		}
		grant.key = key
	}
	life := o.TokenLife
	if life == 0 {
		life = time.Hour
	}
	token := o.sessions.open(now, life)
	o.oauth.mu.Lock()
	if o.oauth.tokens == nil {
		o.oauth.tokens = make(map[string]oktaGrant)
	}
	o.oauth.tokens[token] = grant
	o.oauth.mu.Unlock()
	say(w, http.StatusOK, map[string]any{
		"token_type": kind, "expires_in": int(life.Seconds()), "access_token": token, "scope": strings.Join(grant.scopes, " "),
	})
}

// assertion checks the client assertion of a token request (RFC 7523).
func (o *Okta) assertion(r *http.Request, now time.Time) error {
	_, claims, err := openJWT(r.PostForm.Get("client_assertion"), func(map[string]any) (crypto.PublicKey, error) { return o.ClientKey, nil })
	if err != nil {
		return err
	}
	expires, _ := claims["exp"].(float64)
	left := time.Unix(int64(expires), 0).Sub(now)
	if o.ClientID == "" || claims["iss"] != o.ClientID || claims["sub"] != o.ClientID || claims["aud"] != origin(r)+oktaTokenPath ||
		left <= 0 || left > time.Hour {
		return errors.New("the claims are not those of the client")
	}
	return nil
}

var errNonce = errors.New("the proof has no nonce that is good")

// proof checks the DPoP proof of a request (RFC 9449, section 4.3) and returns the
// thumbprint of its key.
func (o *Okta) proof(r *http.Request, now time.Time, nonce, ath string) (string, error) {
	if len(r.Header.Values("DPoP")) != 1 {
		return "", errors.New("The DPoP proof JWT header is missing.") //nolint:staticcheck // the words are Okta's
	}
	var thumb string
	header, claims, err := openJWT(r.Header.Get("DPoP"), func(header map[string]any) (key crypto.PublicKey, err error) {
		key, thumb, err = openJWK(header["jwk"])
		return key, err
	})
	if err != nil {
		return "", err
	}
	issued, _ := claims["iat"].(float64)
	id, _ := claims["jti"].(string)
	address := url.URL{Scheme: strings.TrimSuffix(origin(r), "://"+r.Host), Host: r.Host, Path: r.URL.Path}
	age := now.Sub(time.Unix(int64(issued), 0)).Abs()
	switch {
	case header["typ"] != "dpop+jwt" || claims["htm"] != r.Method || claims["htu"] != address.String():
		return "", errors.New("The DPoP proof JWT is not for this request.") //nolint:staticcheck // the words are Okta's
	case ath != "" && claims["ath"] != ath:
		return "", errors.New("The DPoP proof JWT is not for this access token.") //nolint:staticcheck // the words are Okta's
	case nonce != "" && claims["nonce"] != nonce:
		return "", errNonce
	case age > 5*time.Minute || id == "":
		return "", errors.New("The DPoP proof JWT is too old.") //nolint:staticcheck // the words are Okta's
	}
	o.oauth.mu.Lock()
	defer o.oauth.mu.Unlock()
	if o.oauth.proofs[id] {
		return "", errors.New("The DPoP proof JWT has already been used.") //nolint:staticcheck // the words are Okta's
	}
	if o.oauth.proofs == nil {
		o.oauth.proofs = make(map[string]bool)
	}
	o.oauth.proofs[id] = true
	return thumb, nil
}

// openJWT verifies a JWT with a signature by RS256 or ES256 (RFC 7515). keyOf
// returns the key for its header.
func openJWT(token string, keyOf func(header map[string]any) (crypto.PublicKey, error)) (header, claims map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, errors.New("not a signed JWT")
	}
	var decoded [3][]byte
	for i, part := range parts {
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return nil, nil, err
		}
	}
	if err := errors.Join(json.Unmarshal(decoded[0], &header), json.Unmarshal(decoded[1], &claims)); err != nil {
		return nil, nil, err
	}
	key, err := keyOf(header)
	if err != nil {
		return nil, nil, err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	good := false
	switch key := key.(type) {
	case *rsa.PublicKey:
		good = header["alg"] == "RS256" && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], decoded[2]) == nil
	case *ecdsa.PublicKey:
		size := len(decoded[2]) / 2
		good = header["alg"] == "ES256" && size == 32 &&
			ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(decoded[2][:size]), new(big.Int).SetBytes(decoded[2][size:]))
	}
	if !good {
		return nil, nil, errors.New("the signature is not good")
	}
	return header, claims, nil
}

// openJWK parses a public key of the curve P-256 (RFC 7518, section 6.2) and
// returns it with its thumbprint (RFC 7638).
func openJWK(value any) (crypto.PublicKey, string, error) {
	jwk, _ := value.(map[string]any)
	text := func(name string) string { s, _ := jwk[name].(string); return s }
	x, errX := base64.RawURLEncoding.DecodeString(text("x"))
	y, errY := base64.RawURLEncoding.DecodeString(text("y"))
	if err := errors.Join(errX, errY); err != nil || text("kty") != "EC" || text("crv") != "P-256" || text("d") != "" {
		return nil, "", errors.New("the key of the proof is not a public one of P-256")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + text("x") + `","y":"` + text("y") + `"}`))
	return key, base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
