package sqlstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/usher-go/usher/provisioning"
)

// A documentParser reads the JSON documents of members. It keeps one copy of each
// repeated text. It parses plain lists and plain flat objects itself, and uses
// encoding/json for anything else.
type documentParser struct {
	texts  map[string]string
	values map[string]any // texts and numbers, by their JSON form
	owners map[string]provisioning.Owners
}

// maxKept is the maximum number of kept texts, of kept values and of kept owners.
const maxKept = 4096

// once returns the kept copy of a text.
func (p *documentParser) once(text string) string {
	if kept, ok := p.texts[text]; ok {
		return kept
	}
	return keep(&p.texts, text, text)
}

// onceBytes is once for a text in a buffer that will be overwritten.
func (p *documentParser) onceBytes(text []byte) string {
	if kept, ok := p.texts[string(text)]; ok {
		return kept
	}
	return p.once(string(text))
}

// keep puts a value into a map unless the map is full, and returns the value.
func keep[T any](in *map[string]T, key string, value T) T {
	if *in == nil {
		*in = make(map[string]T)
	}
	if len(*in) < maxKept {
		(*in)[key] = value
	}
	return value
}

// parse reads a document into a field, which is a pointer. A nil document stands for
// an empty one.
func (p *documentParser) parse(document []byte, field any) error {
	read := true
	switch field := field.(type) {
	case *[]string:
		if *field = nil; document != nil {
			*field, read = p.list(document)
		}
	case *map[string]string:
		if *field = nil; document != nil {
			*field, read = object(p, document, (*documentParser).text)
		}
	case *map[string]any:
		if *field = nil; document != nil {
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
	keep(&p.owners, string(document), *owners)
	return nil
}

// plain reports whether the texts of a document need no decoding and no check: the
// document is ASCII without escapes and control characters.
func plain(document []byte) bool {
	for _, c := range document {
		if c == '\\' || c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// list reads a list of texts. It returns false if the document is not plain or not
// such a list.
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

// object reads an object. The function value, one of the methods below, reads its
// values. It returns false if the document is not plain or not such an object.
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
	before := c.left
	text, isText := c.text()
	if !isText {
		text = c.word()
	}
	token := before[:len(before)-len(c.left)]
	if kept, ok := p.values[string(token)]; ok {
		return kept, true
	}
	switch {
	case isText:
		return keep(&p.values, string(token), any(string(text))), true
	case string(text) == "true", string(text) == "false":
		return string(text) == "true", true
	case !json.Valid(text): // strconv accepts numbers that are not valid in JSON
		return nil, false
	}
	number, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return nil, false
	}
	return keep(&p.values, string(token), any(number)), true
}

// A cursor holds the unread rest of a plain document.
type cursor struct{ left []byte }

// atEnd skips spaces, and reports whether nothing is left.
func (c *cursor) atEnd() bool {
	for len(c.left) > 0 && c.left[0] == ' ' {
		c.left = c.left[1:]
	}
	return len(c.left) == 0
}

// skip skips a character, and reports whether it was the next one.
func (c *cursor) skip(char byte) bool {
	if c.atEnd() || c.left[0] != char {
		return false
	}
	c.left = c.left[1:]
	return true
}

// text reads a text, and reports whether there is one.
func (c *cursor) text() ([]byte, bool) {
	if c.atEnd() || c.left[0] != '"' {
		return nil, false
	}
	end := bytes.IndexByte(c.left[1:], '"')
	if end < 0 {
		return nil, false
	}
	text := c.left[1 : end+1]
	c.left = c.left[end+2:]
	return text, true
}

// word reads up to the next comma, closing brace or space.
func (c *cursor) word() []byte {
	end := bytes.IndexAny(c.left, ",} ")
	if end < 0 {
		end = len(c.left)
	}
	word := c.left[:end]
	c.left = c.left[end:]
	return word
}
