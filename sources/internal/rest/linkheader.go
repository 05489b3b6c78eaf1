package rest

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// A Link is one link of an answer's header Link (RFC 8288, section 3).
type Link struct {
	Target string
	Rels   []string // relation types, in lower case
}

// Links reads every value of the header Link, whether each link came in a header
// line of its own or several in one, which means the same (RFC 9110, section
// 5.3). Links about something other than the answer, those with an anchor, are
// left out. A header that is not of the form of RFC 8288 is an error: the link
// to the next page could be in the part that was not understood.
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

// LinkTo returns the target of the link of a relation, "" if there is none. Two
// links of that relation to different places are an error.
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

// space skips white space.
func (p *linkParser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

// take skips white space and one byte, if that comes next.
func (p *linkParser) take(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// element goes to the next link. Empty elements of the list are skipped (RFC
// 9110, section 5.6.1).
func (p *linkParser) element() bool {
	for p.take(',') {
		continue
	}
	return p.rest != ""
}

// link reads one link, and whether it has an anchor.
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
		case name == "rel" && link.Rels == nil: // a second one does not count
			link.Rels = strings.Fields(strings.ToLower(value))
		}
	}
	if p.space(); p.rest != "" && p.rest[0] != ',' {
		return link, false, errLink
	}
	return link, anchored, nil
}

// token reads a token (RFC 9110, section 5.6.2). It takes more characters than
// the grammar has, as servers do.
func (p *linkParser) token() string {
	end := strings.IndexAny(p.rest, " \t;,=\"<>")
	if end < 0 {
		end = len(p.rest)
	}
	token := p.rest[:end]
	p.rest = p.rest[end:]
	return token
}

// value reads the value of a parameter: a token, or a quoted string with its
// escapes (RFC 9110, section 5.6.4).
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
