package provisioning

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/address"
)

// Similar letters of other alphabets make other domains.
func TestDomainLookAlikes(t *testing.T) {
	r, err := New(Config{Source: "okta", Domains: Domains{Primary: "acme.com"}})
	require.NoError(t, err)
	for domain, in := range map[string]bool{
		"acme.com": true, "ACME.COM": true, "аcme.com": false /* Cyrillic a */, "acme.сom": false, "acme.com.evil.example": false,
		"evil-acme.com": false, "mail.acme.com": false, "acmé.com": false, "acme.co": false, "xn--acme-.com": false,
	} {
		_, parsed, ok := address.Parse("ana@" + domain)
		require.Equal(t, in, ok && r.domains[parsed], domain)
	}
}
