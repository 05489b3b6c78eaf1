package scim

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each key that matches a signature checks it once, and up to maxTried keys do,
// unless the keys are fetched again.
func TestKeysCheckASignatureOnce(t *testing.T) {
	var set jose.JSONWebKeySet
	for range maxTried + 1 {
		key, _, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key, KeyID: "k"})
	}
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(set) }))
	defer idp.Close()
	now := time.Now()
	c := newKeyCache(idp.Client(), func() time.Time { return now })
	checks := func() (n int) {
		err := c.verify(t.Context(), idp.URL, "k", string(jose.EdDSA), func(jose.JSONWebKey) error {
			n++
			return errors.New("forged")
		})
		require.ErrorIs(t, err, errBadClient)
		return n
	}
	assert.Equal(t, maxTried, checks(), "fetched before the check")
	assert.Equal(t, maxTried, checks(), "no fetch")
	now = now.Add(keysRetry)
	assert.Equal(t, 2*maxTried, checks(), "fetched because of the check")
	idp.Close()
	now = now.Add(keysRetry)
	assert.Equal(t, maxTried, checks(), "the fetch fails")
}
