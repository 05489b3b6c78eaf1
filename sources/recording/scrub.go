package recording

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/usher-go/usher/sources/internal/rest"
)

// replayed replaces the value of a secret in a recording, so that a source that
// reads it has a credential to log in with.
const replayed = "removed"

// rewrite returns valid JSON with scrubbed texts. It replaces each text whose name
// is that of a secret. Everything else stays as it is: numbers, the order of
// members, repeated members.
func rewrite(body []byte, scrub func(string) string) []byte {
	out := make([]byte, 0, len(body))
	walk(body, func(before []byte, literal []byte, name string, isName bool) {
		out = append(out, before...)
		var text string
		switch {
		case literal == nil:
		case !isName && rest.SecretName(name):
			out = append(out, `"`+replayed+`"`...)
		case json.Unmarshal(literal, &text) != nil:
			out = append(out, literal...)
		default:
			if scrubbed := scrub(text); scrubbed != text {
				literal = encode(scrubbed)
			}
			out = append(out, literal...)
		}
	})
	return out
}

// secretsOf returns the texts of JSON whose names are those of secrets, unless
// there are more than a login gives, or they are too short.
func secretsOf(body []byte) []string {
	var secrets []string
	if !json.Valid(body) {
		return nil
	}
	walk(body, func(_, literal []byte, name string, isName bool) {
		var text string
		if literal != nil && !isName && len(secrets) <= mostOfLogin && rest.SecretName(name) && json.Unmarshal(literal, &text) == nil && len(text) >= minOfLogin {
			secrets = append(secrets, text)
		}
	})
	if len(secrets) > mostOfLogin {
		return nil
	}
	return secrets
}

// hasten returns valid JSON in which every inner answer that asks for a pause asks
// for none.
func hasten(body []byte) []byte {
	if !bytes.Contains(bytes.ToLower(body), []byte(`"retry-after"`)) {
		return body
	}
	out := make([]byte, 0, len(body))
	walk(body, func(before, literal []byte, name string, isName bool) {
		out = append(out, before...)
		if literal != nil && !isName && strings.EqualFold(name, retryAfter) {
			literal = []byte(`"0"`)
		}
		out = append(out, literal...)
	})
	return out
}

// walk visits the texts of valid JSON, each together with the JSON before it, and
// at the end the JSON behind the last text. A text is the name of a member, or a
// value with the name before it.
func walk(body []byte, visit func(before, literal []byte, name string, isName bool)) {
	name := ""
	for {
		start := bytes.IndexByte(body, '"')
		if start < 0 {
			visit(body, nil, name, false)
			return
		}
		end := start + 1
		for body[end] != '"' {
			if body[end] == '\\' {
				end++
			}
			end++
		}
		end++
		before, literal := body[:start], body[start:end]
		body = body[end:]
		isName := bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte(":"))
		if isName {
			_ = json.Unmarshal(literal, &name) // the literal is a text
		}
		visit(before, literal, name, isName)
	}
}

// encode returns a text as JSON, without HTML escapes.
func encode(text string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // encoding a text does not fail
	return bytes.TrimSpace(b.Bytes())
}
