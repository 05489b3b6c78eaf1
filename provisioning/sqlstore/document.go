package sqlstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/usher-go/usher/provisioning"
)

// A documentParser reads the JSON documents of members. It keeps one copy of the
// texts that it meets again and again. It reads lists and flat objects by hand
// if they are plain, and leaves anything else to encoding/json.
type documentParser struct {
	texts  map[string]string
	owners map[string]provisioning.Owners
}

// maxKept bounds how many texts, and how many owners, are kept.
const maxKept = 4096

// once returns the kept copy of a text.
func (p *documentParser) once(text string) string {
	if kept, ok := p.texts[text]; ok {
		return kept
	}
	return p.keep(text)
}

// onceBytes returns the kept copy of a text that is about to be overwritten.
func (p *documentParser) onceBytes(text []byte) string {
	if kept, ok := p.texts[string(text)]; ok {
		return kept
	}
	return p.keep(string(text))
}

func (p *documentParser) keep(text string) string {
	if p.texts == nil {
		p.texts = make(map[string]string)
	}
	if len(p.texts) < maxKept {
		p.texts[text] = text
	}
	return text
}

// parse reads a document into the field that a pointer is to. No document is an
// empty one.
func (p *documentParser) parse(document []byte, field any) error {
	read := true
	switch field := field.(type) {
	case *[]string:
		*field, read = nil, document == nil
		if !read {
			*field, read = p.list(document)
		}
	case *map[string]string:
		*field, read = nil, document == nil
		if !read {
			*field, read = object(p, document, (*documentParser).text)
		}
	case *map[string]any:
		*field, read = nil, document == nil
		if !read {
			*field, read = object(p, document, (*documentParser).value)
		}
	case *provisioning.Owners:
		owners, known := p.owners[string(document)]
		if *field = owners; !known && document != nil {
			return p.parseOwners(document, field)
		}
	default:
		return fmt.Errorf("no document is of type %T", field)
	}
	if read {
		return nil
	}
	return json.Unmarshal(document, field)
}

func (p *documentParser) parseOwners(document []byte, owners *provisioning.Owners) error {
	if err := json.Unmarshal(document, owners); err != nil {
		return err
	}
	if p.owners == nil {
		p.owners = make(map[string]provisioning.Owners)
	}
	if len(p.owners) < maxKept {
		p.owners[string(document)] = *owners
	}
	return nil
}

// plain reports whether a document has nothing in it that a text would have to
// be decoded or checked for: it is ASCII without escapes and control characters.
func plain(document []byte) bool {
	for _, c := range document {
		if c == '\\' || c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// list reads a list of texts. It reports false if the document is not plain or
// anything else.
func (p *documentParser) list(document []byte) ([]string, bool) {
	c := cursor{document}
	if !plain(document) || !c.skip('[') {
		return nil, false
	}
	list := make([]string, 0, bytes.Count(document, []byte{'"'})/2)
	for !c.skip(']') {
		if len(list) > 0 && !c.skip(',') {
			return nil, false
		}
		text, ok := c.text()
		if !ok {
			return nil, false
		}
		list = append(list, p.onceBytes(text))
	}
	return list, c.atEnd()
}

// object reads an object, whose values one of the methods below reads. It
// reports false if the document is not plain or anything else.
func object[T any](p *documentParser, document []byte, value func(*documentParser, *cursor) (T, bool)) (map[string]T, bool) {
	c := cursor{document}
	if !plain(document) || !c.skip('{') {
		return nil, false
	}
	object := make(map[string]T)
	for !c.skip('}') {
		if len(object) > 0 && !c.skip(',') {
			return nil, false
		}
		name, ok := c.text()
		if !ok || !c.skip(':') {
			return nil, false
		}
		if object[p.onceBytes(name)], ok = value(p, &c); !ok {
			return nil, false
		}
	}
	return object, c.atEnd()
}

// text reads a text.
func (p *documentParser) text(c *cursor) (string, bool) {
	text, ok := c.text()
	return p.onceBytes(text), ok
}

// value reads a text, a number or a boolean.
func (p *documentParser) value(c *cursor) (any, bool) {
	if text, ok := c.text(); ok {
		return p.onceBytes(text), true
	}
	switch word := c.word(); string(word) {
	case "true", "false":
		return word[0] == 't', true
	default:
		if !json.Valid(word) { // strconv knows numbers that JSON does not
			return nil, false
		}
		number, err := strconv.ParseFloat(string(word), 64)
		return number, err == nil
	}
}

// A cursor is what is left to read of a plain document.
type cursor struct{ left []byte }

// atEnd reports whether nothing is left but spaces.
func (c *cursor) atEnd() bool {
	for len(c.left) > 0 && c.left[0] == ' ' {
		c.left = c.left[1:]
	}
	return len(c.left) == 0
}

// skip reads a character, if it is the next one.
func (c *cursor) skip(char byte) bool {
	if c.atEnd() || c.left[0] != char {
		return false
	}
	c.left = c.left[1:]
	return true
}

// text reads a text, if there is one.
func (c *cursor) text() ([]byte, bool) {
	if !c.skip('"') {
		return nil, false
	}
	end := bytes.IndexByte(c.left, '"')
	if end < 0 {
		return nil, false
	}
	text := c.left[:end]
	c.left = c.left[end+1:]
	return text, true
}

// word reads what there is before the next sign or space.
func (c *cursor) word() []byte {
	end := bytes.IndexAny(c.left, ",} ")
	if end < 0 {
		end = len(c.left)
	}
	word := c.left[:end]
	c.left = c.left[end:]
	return word
}
