package scim

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A keyCache stores the keys that issuers publish. A signature that no known key
// verifies makes it fetch the keys again, at most once a minute for each issuer,
// so that a rotation takes effect soon and a forgery causes little load. Keys are
// fetched without a lock and with a context that is independent of requests.
//
// An issuer withdraws a key by publishing its keys without it. Known keys verify
// while they are fetched again, until their age is keysOld. A request that needs
// older keys or an unknown key waits until the fetch in progress or its own context
// ends. If fetches fail, known keys verify until their age is keysExpired; then the
// answer is ErrUnavailable.
type keyCache struct {
	client *http.Client
	now    func() time.Time
	mu     sync.Mutex
	sets   map[string]*keySet
}

type keySet struct {
	mu       sync.Mutex
	keys     []publishedKey
	fetched  time.Time     // time of the last success
	tried    time.Time     // start of the last attempt
	err      error         // of the last attempt
	fetching chan struct{} // closed when the attempt in progress ends; nil without one
}

// A publishedKey is a key of a set, with the use that its issuer states.
type publishedKey struct {
	jose.JSONWebKey
	ops []string
}

const (
	keysFresh    = 30 * time.Minute // older keys are fetched again
	keysOld      = time.Hour        // requests wait for the fetch of older keys
	keysExpired  = 24 * time.Hour   // older keys are not used
	keysRetry    = time.Minute
	keysTimeout  = 10 * time.Second
	maxKeysBytes = 1 << 20
	maxKeys      = 100  // of one issuer
	maxTried     = 10   // for one signature; other keys that match it are ignored
	maxKeySets   = 1000 // issuers
)

// newKeyCache returns a cache that fetches with the client, but follows no
// redirect: an issuer's keys are only at the address that the host trusts.
func newKeyCache(client *http.Client, now func() time.Time) *keyCache {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &keyCache{client: &own, now: now, sets: map[string]*keySet{}}
}

// verify returns nil if check does so for one of the keys that may have made a
// signature. id is the key's id in the header of the signed text, or empty. If no
// such key is known and the issuer is unreachable, the error matches
// ErrUnavailable. A key checks a signature once, unless a fetch succeeds meanwhile.
func (c *keyCache) verify(ctx context.Context, address, id, algorithm string, check func(jose.JSONWebKey) error) error {
	verifies := func(key jose.JSONWebKey) bool { return check(key) == nil }
	set := c.set(address)
	if err := set.refreshIf(ctx, c, address, keysFresh, keysOld); err != nil {
		return err
	}
	found := set.find(id, algorithm, c.now())
	if slices.ContainsFunc(found.keys, verifies) {
		return nil
	}
	if err := set.refreshIf(ctx, c, address, 0, 0); err != nil {
		return err
	}
	again := set.find(id, algorithm, c.now())
	switch {
	case !again.fetched.Equal(found.fetched) && slices.ContainsFunc(again.keys, verifies):
		return nil
	case len(again.keys) == 0 && again.err != nil:
		return fmt.Errorf("%w: fetching the keys of an issuer: %w", ErrUnavailable, again.err)
	}
	return errBadClient
}

// set returns the keys of an address. The first use creates the set.
func (c *keyCache) set(address string) *keySet {
	c.mu.Lock()
	defer c.mu.Unlock()
	set, ok := c.sets[address]
	if !ok {
		for old := range c.sets {
			if len(c.sets) < maxKeySets {
				break
			}
			delete(c.sets, old) // any one; its next use fetches it again
		}
		set = &keySet{}
		c.sets[address] = set
	}
	return set
}

// refreshIf starts a fetch if the age of the keys is at least start, unless an
// attempt was made recently. If their age is at least wait, it then waits for the
// attempt in progress, if there is one. Its only error is that ctx has ended, as an
// ErrUnavailable.
func (s *keySet) refreshIf(ctx context.Context, c *keyCache, address string, start, wait time.Duration) error {
	done := s.startIf(c, address, start, wait)
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for the keys of an issuer: %w", ErrUnavailable, ctx.Err())
	}
}

// startIf starts the fetch of refreshIf. It returns a channel that is closed when
// the attempt ends for which refreshIf waits, or nil without one.
func (s *keySet) startIf(c *keyCache, address string, start, wait time.Duration) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := c.now()
	age := now.Sub(s.fetched)
	if s.fetching == nil && age >= start && (s.tried.IsZero() || now.Sub(s.tried) >= keysRetry) {
		s.tried, s.fetching = now, make(chan struct{})
		go s.refresh(c, address, now, s.fetching)
	}
	if age < wait {
		return nil
	}
	return s.fetching
}

// refresh fetches the keys; if that fails, the known keys stay.
func (s *keySet) refresh(c *keyCache, address string, now time.Time, done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), keysTimeout)
	defer cancel()
	keys, err := c.fetch(ctx, address)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err = err; err == nil {
		s.keys, s.fetched = keys, now
	}
	s.fetching = nil
	close(done)
}

// foundKeys are the keys of a set for a signature.
type foundKeys struct {
	keys    []jose.JSONWebKey
	fetched time.Time // of the set
	err     error     // of the last fetch
}

// find returns the public keys that may verify signatures of the algorithm and, if
// id is not empty, have this id; several during a rotation, for instance.
func (s *keySet) find(id, algorithm string, now time.Time) foundKeys {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := foundKeys{fetched: s.fetched, err: s.err}
	if now.Sub(s.fetched) > keysExpired {
		return found
	}
	for _, k := range s.keys {
		if (id == "" || k.KeyID == id) && k.verifies(algorithm) && len(found.keys) < maxTried {
			found.keys = append(found.keys, k.JSONWebKey)
		}
	}
	return found
}

// verifies reports whether the issuer's statements about the key (RFC 7517
// sections 4.1 to 4.4) allow it to verify the algorithm.
func (k publishedKey) verifies(algorithm string) bool {
	return k.IsPublic() && k.fits(algorithm) && (k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == algorithm) &&
		(len(k.ops) == 0 || slices.Contains(k.ops, "verify"))
}

// fits reports whether a key of this kind and size is for the algorithm.
// RFC 7518 section 3.3: a key of size 2048 bits or larger MUST be used. The time
// for a signature grows with the square of the size. The verification compares a
// curve with its algorithm (section 3.4).
func (k publishedKey) fits(algorithm string) bool {
	const least, most = 2048, 16384 // bits
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return (strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")) && key.N.BitLen() >= least && key.N.BitLen() <= most
	case *ecdsa.PublicKey:
		return strings.HasPrefix(algorithm, "ES")
	case ed25519.PublicKey:
		return algorithm == string(jose.EdDSA)
	}
	return false
}

func (c *keyCache) fetch(ctx context.Context, address string) ([]publishedKey, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, errors.New("the address of the keys is not an https URL")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeysBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeysBytes {
		return nil, fmt.Errorf("the keys have more than %d bytes", maxKeysBytes)
	}
	return parseKeys(body)
}

// parseKeys parses a JWK Set. It skips a key of an unknown or unsupported kind
// (RFC 7517 section 5).
func parseKeys(text []byte) ([]publishedKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("not a JWK Set: %w", err)
	}
	if set.Keys == nil || len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("not a JWK Set of up to %d keys", maxKeys)
	}
	var keys []publishedKey
	for _, raw := range set.Keys {
		var k publishedKey
		var says struct {
			Ops []string `json:"key_ops"`
		}
		if json.Unmarshal(raw, &k.JSONWebKey) != nil || json.Unmarshal(raw, &says) != nil {
			continue
		}
		k.ops = says.Ops
		keys = append(keys, k)
	}
	return keys, nil
}

// isLoopback reports whether host is this machine: keys may then use plain
// HTTP, for tests.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
