package rest

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// A Link is one link of the header Link of an answer (RFC 8288, section 3).
type Link struct {
	Target string
	Rels   []string // relation types, in lower case
}

// Links parses all header lines Link; each may hold several links (RFC 9110,
// section 5.3). A link with an anchor is left out, since it is about something
// other than the answer. A header that does not have the form of RFC 8288 is an
// error: the part that cannot be parsed may hold the link to the next page.
func Links(header http.Header) ([]Link, error) {
	var links []Link
	for _, value := range header.Values("Link") {
		p := linkParser{rest: value}
		for p.element() {
			link, about, err := p.link()
			if err != nil {
				return nil, err
			}
			if !about {
				links = append(links, link)
			}
		}
		if p.rest != "" {
			return nil, errLink
		}
	}
	return links, nil
}

// LinkTo returns the target of the link with a relation, or "" if there is none.
// Two such links with different targets are an error.
func LinkTo(links []Link, rel string) (string, error) {
	target := ""
	for _, link := range links {
		if !slices.Contains(link.Rels, rel) {
			continue
		}
		if target != "" && target != link.Target {
			return "", errors.New("the header Link has two links of the relation " + rel)
		}
		target = link.Target
	}
	return target, nil
}

var errLink = errors.New("the header Link is not of the form of RFC 8288")

// linkParser reads one value of the header Link.
type linkParser struct{ rest string }

// space skips spaces and tabs.
func (p *linkParser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

// take skips spaces and tabs, and then the byte c, and reports whether c was there.
func (p *linkParser) take(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// element moves to the next link and reports whether there is one. It skips empty
// elements of the list (RFC 9110, section 5.6.1).
func (p *linkParser) element() bool {
	for p.take(',') {
		continue
	}
	return p.rest != ""
}

// link parses one link and reports whether it has an anchor.
func (p *linkParser) link() (link Link, anchored bool, err error) {
	if !p.take('<') {
		return link, false, errLink
	}
	var ok bool
	if link.Target, p.rest, ok = strings.Cut(p.rest, ">"); !ok || link.Target == "" {
		return link, false, errLink
	}
	for p.take(';') {
		p.space()
		if p.rest == "" || strings.HasPrefix(p.rest, ";") || strings.HasPrefix(p.rest, ",") {
			continue // an empty parameter
		}
		name := strings.ToLower(p.token())
		value := ""
		if name == "" {
			return link, false, errLink
		}
		if p.take('=') {
			if value, ok = p.value(); !ok {
				return link, false, errLink
			}
		}
		switch {
		case name == "anchor":
			anchored = true
		case name == "rel" && link.Rels == nil: // only the first rel counts (RFC 8288, section 3.3)
			link.Rels = strings.Fields(strings.ToLower(value))
		}
	}
	if p.space(); p.rest != "" && p.rest[0] != ',' {
		return link, false, errLink
	}
	return link, anchored, nil
}

// token parses a token. It accepts more characters than the grammar (RFC 9110,
// section 5.6.2), because servers send them.
func (p *linkParser) token() string {
	end := strings.IndexAny(p.rest, " \t;,=\"<>")
	if end < 0 {
		end = len(p.rest)
	}
	token := p.rest[:end]
	p.rest = p.rest[end:]
	return token
}

// value parses the value of a parameter: a token or a quoted string (RFC 9110,
// section 5.6.4).
func (p *linkParser) value() (string, bool) {
	if !p.take('"') {
		token := p.token()
		return token, token != ""
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i == len(p.rest) {
				return "", false
			}
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
