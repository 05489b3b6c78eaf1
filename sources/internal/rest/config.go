package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/usher-go/usher/sources"
)

// Problems are what is wrong with the configuration of a source. The zero value
// has none.
type Problems struct{ found []error }

// Add adds the errors that are not nil.
func (p *Problems) Add(errs ...error) {
	for _, err := range errs {
		if err != nil {
			p.found = append(p.found, err)
		}
	}
}

// Require wants a field to be set.
func (p *Problems) Require(field, value string) {
	if value == "" {
		p.Add(errors.New(field + ": required"))
	}
}

// URL reads a field that holds an address, as BaseURL does. It returns nil for
// one that is wrong.
func (p *Problems) URL(field, raw string) *url.URL {
	u, err := BaseURL(field, raw)
	p.Add(err)
	return u
}

// Fields wants a field that maps fields of a user to attributes of the provider:
// the keys are names that SetField knows, the values no empty texts.
func (p *Problems) Fields(option string, fields map[string]string) {
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		switch {
		case !SetField(&sources.User{}, field, nil):
			p.Add(fmt.Errorf("field %s[%.80q]: want the name of a user's field, such as timezone or manager.email", option, field))
		case strings.TrimSpace(fields[field]) == "":
			p.Add(fmt.Errorf("field %s[%q]: want the name of an attribute", option, field))
		}
	}
}

// Err returns the error of a source's New, which names every problem, or nil.
func (p *Problems) Err(kind string) error {
	if len(p.found) == 0 {
		return nil
	}
	return fmt.Errorf("%s: config: %w", kind, errors.Join(p.found...))
}

// Public is how the configuration of a source is printed, logged and encoded: by
// its kind, its connection and the bare address of the provider.
func Public(kind, connection, address string) string {
	text := kind
	for _, part := range []string{connection, Bare(address)} {
		if part != "" {
			text += " " + part
		}
	}
	return text
}

// Bare returns an address without what it may hold besides: a password, a query.
// It returns nothing of a text that is no address.
func Bare(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Lists is Info.Lists of a source that lists everything but what its
// configuration leaves out. There are no memberships without groups.
func Lists(noManagers, noGroups, noMembers bool) sources.Facts {
	lists := sources.FactAll
	if noManagers {
		lists &^= sources.FactManagers
	}
	if noGroups {
		lists &^= sources.FactGroups
	}
	if noGroups || noMembers {
		lists &^= sources.FactMemberships
	}
	return lists
}
