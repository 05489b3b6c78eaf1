// Package clienttest replays conversations of SCIM clients, written as text,
// against a server. It knows nothing but HTTP, so that the same conversations
// check the handler in a test, another store behind it, and a server anywhere.
//
// A conversation is a text of steps. A line says by its first characters what
// it is:
//
//	# a comment
//	-- name of the step --
//	> POST /Users                the request: method, path below the base
//	> Content-Type: text/plain   a header of it; without a value: not sent
//	{"userName": "a"}            its body, up to the next line of another kind
//	< 201 204                    the allowed statuses
//	< Location: /Users/          a header of the answer contains this
//	= active true                a value of the answer, as JSON
//	= emails[type=work].value "a@example.com"
//	= members # 2                how many elements
//	= password -                 absent, null or empty
//	= id ?                       present
//	= id => user                 present, and saved as {{user}}
//
// In all lines {{name}} stands for a saved value, {{random}} for a word that is
// new in every run, and {{base}} for the base URL. Values compare as JSON.
package clienttest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// A Target is the server to talk to.
type Target struct {
	// Base is the URL below which the SCIM endpoints are.
	Base string
	// Token is the bearer token.
	Token string
	// Client sends the requests; nil is http.DefaultClient.
	Client *http.Client
}

type step struct {
	name    string
	line    int
	method  string
	path    string
	headers [][2]string
	body    string
	expect  []string // lines that start with < or =
}

// Run replays the conversation as a subtest for each step. A step that fails
// does not stop those after it.
func Run(t *testing.T, target Target, text string) {
	t.Helper()
	steps, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var word [6]byte
	_, _ = rand.Read(word[:]) // never fails
	saved := map[string]string{"random": "r" + hex.EncodeToString(word[:]), "base": target.Base}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			if err := s.run(target, saved); err != nil {
				t.Errorf("line %d: %v", s.line, err)
			}
		})
	}
}

func parse(text string) ([]step, error) {
	var steps []step
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
			continue
		case strings.HasPrefix(line, "-- ") && strings.HasSuffix(trimmed, " --"):
			steps = append(steps, step{name: strings.TrimSuffix(line[3:], " --"), line: i + 1})
			continue
		case len(steps) == 0:
			return nil, fmt.Errorf("line %d: before the first step", i+1)
		}
		s := &steps[len(steps)-1]
		switch {
		case strings.HasPrefix(line, "> ") && s.method == "":
			s.method, s.path, _ = strings.Cut(trimmed[2:], " ")
		case strings.HasPrefix(line, "> "):
			name, value, _ := strings.Cut(trimmed[2:], ":")
			s.headers = append(s.headers, [2]string{name, strings.TrimSpace(value)})
		case strings.HasPrefix(line, "< "), strings.HasPrefix(line, "= "):
			s.expect = append(s.expect, trimmed)
		default:
			s.body += line + "\n"
		}
	}
	return steps, nil
}

func substitute(text string, saved map[string]string) string {
	for name, value := range saved {
		text = strings.ReplaceAll(text, "{{"+name+"}}", value)
	}
	return text
}

func (s step) run(target Target, saved map[string]string) error {
	body := substitute(s.body, saved)
	path := strings.ReplaceAll(substitute(s.path, saved), " ", "%20")
	req, err := http.NewRequest(s.method, target.Base+strings.ReplaceAll(path, `"`, "%22"), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+target.Token)
	req.Header.Set("Accept", "application/scim+json")
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for _, h := range s.headers {
		if req.Header.Set(h[0], substitute(h[1], saved)); h[1] == "" {
			req.Header.Del(h[0])
		}
	}
	client := http.DefaultClient
	if target.Client != nil {
		client = target.Client
	}
	direct := *client // as providers' clients do, least of all with a body and a token
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := direct.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer any
	if len(text) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(text))
		if err := decoder.Decode(&answer); err != nil {
			return fmt.Errorf("the answer is not JSON: %w", err)
		}
	}
	for _, line := range s.expect {
		if err := check(line, resp, answer, saved); err != nil {
			return fmt.Errorf("%s %s: %s: %w\n%d %s", req.Method, req.URL, line, err, resp.StatusCode, text)
		}
	}
	return nil
}

func check(line string, resp *http.Response, answer any, saved map[string]string) error {
	rest := substitute(line[2:], saved)
	if line[0] == '<' {
		if name, value, ok := strings.Cut(rest, ":"); ok {
			if got := resp.Header.Get(name); !strings.Contains(got, strings.TrimSpace(value)) || got == "" {
				return fmt.Errorf("got %q", got)
			}
			return nil
		}
		for _, status := range strings.Fields(rest) {
			if status == strconv.Itoa(resp.StatusCode) {
				return nil
			}
		}
		return fmt.Errorf("got status %d", resp.StatusCode)
	}
	if answer == nil && resp.StatusCode == http.StatusNoContent {
		return nil // nothing is said, so nothing wrong either
	}
	path, want, _ := strings.Cut(rest, " ")
	got := find(answer, path)
	name, save := strings.CutPrefix(want, "=> ")
	count, counted := strings.CutPrefix(want, "# ")
	switch {
	case want == "-":
		if !empty(got) {
			return fmt.Errorf("got %v", got)
		}
		return nil
	case want == "?" || save:
		if empty(got) {
			return fmt.Errorf("it is absent")
		}
		if save {
			saved[name] = fmt.Sprint(got)
		}
		return nil
	case counted:
		list, _ := got.([]any)
		if strconv.Itoa(len(list)) != count {
			return fmt.Errorf("got %d elements", len(list))
		}
		return nil
	}
	var value any
	if err := json.Unmarshal([]byte(want), &value); err != nil {
		return fmt.Errorf("the expected value is not JSON: %w", err)
	}
	if !reflect.DeepEqual(got, value) {
		return fmt.Errorf("got %#v", got)
	}
	return nil
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// find follows a path: names, [0], [sub=value]; a URN is one name in quotes.
func find(v any, path string) any {
	for path != "" {
		var name string
		switch path[0] {
		case '.':
			path = path[1:]
			continue
		case '"':
			name, path, _ = strings.Cut(path[1:], `"`)
		case '[':
			var inside string
			inside, path, _ = strings.Cut(path[1:], "]")
			v = element(v, inside)
			continue
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			name, path = path[:end], path[end:]
		}
		o, _ := v.(map[string]any)
		v = o[name]
	}
	return v
}

func element(v any, inside string) any {
	list, _ := v.([]any)
	if i, err := strconv.Atoi(inside); err == nil {
		if i < len(list) {
			return list[i]
		}
		return nil
	}
	name, want, _ := strings.Cut(inside, "=")
	for _, e := range list {
		o, _ := e.(map[string]any)
		if fmt.Sprint(o[name]) == want {
			return o
		}
	}
	return nil
}
