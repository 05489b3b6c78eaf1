package rest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// BaseURL parses the address of a provider in a configuration field. The scheme
// must be https, or http for a loopback address in tests; there may be nothing
// besides scheme, host and path. The result has no slash at the end of its path.
func BaseURL(field, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return nil, Wrong(field, "want an address such as https://example.com")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, Wrong(field, "want an address without user, query and fragment")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !Loopback(u)) {
		return nil, Wrong(field, "want https")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}

// Loopback reports whether the host of u is this machine.
func Loopback(u *url.URL) bool {
	if u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// NextLink resolves the link to the next page against the address of the page that
// has it. A link to another host is an error, since the credentials would be sent
// there.
func NextLink(from *url.URL, link string) (*url.URL, error) {
	u, err := from.Parse(link)
	if err != nil {
		return nil, errors.New("the link to the next page is not an address")
	}
	if !sameOrigin(from, u) || u.User != nil {
		return nil, fmt.Errorf("the link to the next page leads to another host, %.100q", u.Host)
	}
	return u, nil
}

// sameOrigin reports whether two addresses have the same scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}
