package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/redact"
	"github.com/usher-go/usher/sources"
)

// Problems collects the errors in the configuration of a source. The zero value has
// none.
type Problems struct{ found []error }

// Add adds the errors that are not nil.
func (p *Problems) Add(errs ...error) {
	for _, err := range errs {
		if err != nil {
			p.found = append(p.found, err)
		}
	}
}

// Wrong returns the error of a field that is wrong.
func Wrong(field, format string, args ...any) error {
	return fmt.Errorf("%s: %w", field, fmt.Errorf(format, args...))
}

// Require adds a problem if a required field is empty.
func (p *Problems) Require(field, value string) {
	if value == "" {
		p.Add(Wrong(field, "required"))
	}
}

// URL parses a field as BaseURL does. It returns nil and adds a problem if the
// address is wrong.
func (p *Problems) URL(field, raw string) *url.URL {
	u, err := BaseURL(field, raw)
	p.Add(err)
	return u
}

// Fields checks a field that maps the names of user fields, as SetField knows them,
// to the names of the provider's attributes, which must not be empty.
func (p *Problems) Fields(option string, fields map[string]string) {
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		switch {
		case !SetField(&sources.User{}, field, nil):
			p.Add(Wrong(fmt.Sprintf("%s[%.80q]", option, field), "want the name of a user's field, such as timezone or manager.email"))
		case strings.TrimSpace(fields[field]) == "":
			p.Add(Wrong(fmt.Sprintf("%s[%q]", option, field), "want the name of an attribute"))
		}
	}
}

// Err returns one error that names every problem, or nil if there is none.
func (p *Problems) Err(kind string) error {
	if len(p.found) == 0 {
		return nil
	}
	return fmt.Errorf("%s: config: %w", kind, errors.Join(p.found...))
}

// Redacted is embedded in a Config that holds secrets.
type Redacted = redact.Struct

// Lists returns Info.Lists of a source that lists everything except what its
// configuration leaves out. Without groups there are no memberships.
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
