package scim

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A sighting collects the record of a request while the request is served. It
// is nil if there is no log.
type sighting struct {
	RequestRecord
	began   time.Time
	refused bool      // the credentials were not accepted
	meant   Directory // the directory of the refused credentials, if known
}

// note completes a request's record and gives it to the log.
func (x *exchange) note() {
	s := x.sight
	switch {
	case s.refused:
		x.cfg.Requests.refuse(s.meant, s.At)
	case x.principal.Tenant != "":
		s.Token = credentialName(x.principal.Token)
		if s.Status >= http.StatusBadRequest && !isNewID(s.ID) {
			s.ID = "" // it may be something other than an ID
		}
		s.ID = clip(s.ID)
		s.Took = time.Since(s.began)
		x.cfg.Requests.add(x.dir, &s.RequestRecord)
	}
}

// refused records that the request's credentials were not accepted.
func (x *exchange) refused(err error) {
	if x.sight == nil {
		return
	}
	x.sight.refused = true
	if known := (*RefusedError)(nil); errors.As(err, &known) {
		x.sight.meant = known.Directory
	}
}

// endpoint records what a path names.
func (s *sighting) endpoint(x *exchange, rt *resourceType, name string, segments []string) {
	if s == nil {
		return
	}
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		s.Method = x.r.Method
	}
	switch {
	case rt != nil:
		s.Type = rt.name
		if len(segments) == 2 && segments[1] != ".search" {
			s.ID = segments[1]
		}
	case name == "me":
		s.Type, s.ID = x.types[0].name, x.principal.User
	case name == "bulk":
		s.Type = "Bulk"
	case name == "" || name == ".search":
		s.Type = "Search"
	case name == "serviceproviderconfig":
		s.Type = "ServiceProviderConfig"
	case name == "resourcetypes":
		s.Type = "ResourceTypes"
	case name == "schemas":
		s.Type = "Schemas"
	}
}

func (s *sighting) filtered(f *filter) {
	if s != nil && s.Filter == "" {
		s.Filter = f.masked()
	}
}

// failed records the first error in the answer.
func (s *sighting) failed(kind, detail string) {
	if s != nil && s.Detail == "" {
		s.ScimType, s.Detail = kind, maskQuoted(detail)
	}
}

// maskQuoted replaces the text in quotation marks: errors quote all text of
// clients.
func maskQuoted(detail string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(detail, `"`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(`"…"`)
		quoted, err := strconv.QuotedPrefix(`"` + after)
		if err != nil { // the quotation does not end
			return b.String()
		}
		detail = after[len(quoted)-1:]
	}
}

// maxMasked bounds the length of a recorded filter.
const maxMasked = 300

// masked returns a filter without its values and without the names of
// undeclared attributes, which may be any text.
func (f *filter) masked() string {
	text := f.appendMasked(nil)
	if len(text) > maxMasked {
		return strings.ToValidUTF8(string(text[:maxMasked]), "") + "…"
	}
	return string(text)
}

func (f *filter) appendMasked(dst []byte) []byte {
	if len(dst) > maxMasked {
		return dst
	}
	switch f.op {
	case opAnd, opOr:
		word := " and "
		if f.op == opOr {
			word = " or "
		}
		for i, kid := range f.kids {
			if i > 0 {
				dst = append(dst, word...)
			}
			if group := kid.op == opOr || kid.op == opAnd; group {
				dst = append(kid.appendMasked(append(dst, '(')), ')')
			} else {
				dst = kid.appendMasked(dst)
			}
		}
		return dst
	case opNot:
		return append(f.kids[0].appendMasked(append(dst, "not ("...)), ')')
	}
	dst = append(dst, f.path.masked()...)
	if f.op == opValuePath {
		return append(f.inner.appendMasked(append(dst, '[')), ']')
	}
	for _, known := range filterOps {
		if known.op == f.op {
			dst = append(append(dst, ' '), known.word...)
		}
	}
	switch value := f.source.(type) {
	case bool:
		return strconv.AppendBool(append(dst, ' '), value)
	case nil:
		if f.op == opPresent {
			return dst
		}
	}
	return append(dst, ` "…"`...)
}

// masked returns the path if it is declared.
func (p attrPath) masked() string {
	if p.def == nil || p.sub != "" && p.subDef == nil {
		return "…"
	}
	return p.String()
}

// isNewID reports whether an ID has the form that newID produces.
func isNewID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range []byte(id) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// credentialName returns the name of a credential in a form that fits in one
// line and that a store can hold.
func credentialName(name string) string {
	plain := utf8.ValidString(name)
	for _, r := range name {
		plain = plain && unicode.IsPrint(r)
	}
	if !plain {
		name = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return -1
			}
			return r
		}, name)
	}
	return clip(name)
}
