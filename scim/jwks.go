package scim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A keyCache keeps the keys that issuers publish. An unknown key id makes it
// fetch anew, at most once a minute for each issuer, so that neither a
// rotation nor a forged id does harm.
type keyCache struct {
	client *http.Client
	now    func() time.Time
	mu     sync.Mutex
	sets   map[string]*keySet
}

type keySet struct {
	mu      sync.Mutex // held while fetching: one request for all who wait
	keys    jose.JSONWebKeySet
	fetched time.Time // last success
	tried   time.Time
}

const (
	keysFresh    = time.Hour
	keysRetry    = time.Minute
	maxKeysBytes = 1 << 20
)

func newKeyCache(client *http.Client, now func() time.Time) *keyCache {
	return &keyCache{client: client, now: now, sets: map[string]*keySet{}}
}

// key returns the key with that id. If the issuer cannot be reached and the
// key is not known, the error matches ErrUnavailable.
func (c *keyCache) key(ctx context.Context, address, id string) (jose.JSONWebKey, error) {
	c.mu.Lock()
	set, ok := c.sets[address]
	if !ok {
		set = &keySet{}
		c.sets[address] = set
	}
	c.mu.Unlock()

	set.mu.Lock()
	defer set.mu.Unlock()
	key, known := set.find(id)
	now := c.now()
	if known && now.Sub(set.fetched) < keysFresh || !set.tried.IsZero() && now.Sub(set.tried) < keysRetry {
		if known {
			return key, nil
		}
		return key, errBadClient
	}
	set.tried = now
	keys, err := c.fetch(ctx, address)
	if err == nil {
		set.keys, set.fetched = keys, now
		key, known = set.find(id)
	}
	switch {
	case known: // a key that was good goes on being good while its issuer is away
		return key, nil
	case err != nil:
		return key, fmt.Errorf("%w: fetching the keys of an issuer: %w", ErrUnavailable, err)
	}
	return key, errBadClient
}

// find returns a public signing key; without an id there must be only one.
func (s *keySet) find(id string) (jose.JSONWebKey, bool) {
	candidates := s.keys.Keys
	if id != "" {
		candidates = s.keys.Key(id)
	}
	if len(candidates) != 1 || !candidates[0].IsPublic() || candidates[0].Use == "enc" {
		return jose.JSONWebKey{}, false
	}
	return candidates[0], true
}

func (c *keyCache) fetch(ctx context.Context, address string) (keys jose.JSONWebKeySet, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && !isLoopback(u.Hostname()) {
		return keys, fmt.Errorf("the address of the keys is not an https URL")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return keys, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return keys, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return keys, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeysBytes))
	if err != nil {
		return keys, err
	}
	return keys, json.Unmarshal(body, &keys)
}

// isLoopback allows keys over plain HTTP from this machine, for tests.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
