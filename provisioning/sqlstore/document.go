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
	values map[string]any // texts and numbers, by what stands for them in a document
	owners map[string]provisioning.Owners
}

// maxKept bounds how many texts, values and owners are kept, of each.
const maxKept = 4096

// once returns the kept copy of a text.
func (p *documentParser) once(text string) string {
	if kept, ok := p.texts[text]; ok {
		return kept
	}
	return keep(&p.texts, text, text)
}

// onceBytes returns the kept copy of a text that is about to be overwritten.
func (p *documentParser) onceBytes(text []byte) string {
	if kept, ok := p.texts[string(text)]; ok {
		return kept
	}
	return p.once(string(text))
}

// keep puts a value into a map that is not full, and returns it.
func keep[T any](in *map[string]T, key string, value T) T {
	if *in == nil {
		*in = make(map[string]T)
	}
	if len(*in) < maxKept {
		(*in)[key] = value
	}
	return value
}

// parse reads a document into the field that a pointer is to. No document is an
// empty one.
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
	case !json.Valid(text): // strconv knows numbers that JSON does not
		return nil, false
	}
	number, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return nil, false
	}
	return keep(&p.values, string(token), any(number)), true
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
