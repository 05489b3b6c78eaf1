package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// loginTimeout is how long a login may take, including its answer.
const loginTimeout = 30 * time.Second

// A clientSecret is a credential of an application of Entra ID. It uses the
// program's transport, so that a login is recorded and replayed like all other
// requests. Your own program uses a credential of azidentity.
type clientSecret struct {
	settings
	transport http.RoundTripper
}

// Format implements fmt.Formatter: no verb shows the secret.
func (clientSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "clientSecret") }

// GetToken implements azcore.TokenCredential (RFC 6749, section 4.4).
func (c clientSecret) GetToken(ctx context.Context, opt policy.TokenRequestOptions) (azcore.AccessToken, error) {
	address, err := c.address()
	if err != nil {
		return azcore.AccessToken{}, refused{err}
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.settings["AZURE_CLIENT_ID"]}, "client_secret": {c.settings["AZURE_CLIENT_SECRET"]},
		"scope": {strings.Join(opt.Scopes, " ")},
	}
	if opt.Claims != "" {
		form.Set("claims", opt.Claims)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return azcore.AccessToken{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"` // seconds
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return azcore.AccessToken{}, fmt.Errorf("RESPONSE %d: %w", resp.StatusCode, err)
	}
	if answer.AccessToken == "" {
		return azcore.AccessToken{}, refused{fmt.Errorf("RESPONSE %d: %s", resp.StatusCode, answer.Description)}
	}
	return azcore.AccessToken{Token: answer.AccessToken, ExpiresOn: time.Now().Add(time.Duration(answer.ExpiresIn) * time.Second)}, nil
}

// address returns the address of the login. It must be https, since the secret is
// sent there, or on this machine.
func (c clientSecret) address() (string, error) {
	u, err := url.Parse(cmp.Or(c.settings["AZURE_AUTHORITY_HOST"], "https://login.microsoftonline.com"))
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", errors.New("AZURE_AUTHORITY_HOST: want an https address such as https://login.microsoftonline.com")
	}
	return u.JoinPath(url.PathEscape(c.settings["AZURE_TENANT_ID"]), "oauth2/v2.0/token").String(), nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// refused is a refused login: a repetition does not help.
type refused struct{ error }

// NonRetriable is the method by which azidentity marks such an error.
func (refused) NonRetriable() {}
