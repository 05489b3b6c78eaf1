package scimtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	userURN  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN = "urn:ietf:params:scim:schemas:core:2.0:Group"
	patchURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	bulkURN  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
)

// A client sends requests with one token.
type client struct {
	target Target
	token  string
}

func (t Target) client() client { return client{t, t.Token} }
func (t Target) other() client  { return client{t, t.OtherToken} }

// An answer is the answer to a request.
type answer struct {
	status int
	text   string
	body   map[string]any // of a JSON object; otherwise nil
}

func (a answer) String() string { return fmt.Sprintf("%d %.300s", a.status, a.text) }

func (a answer) id() string {
	id, _ := a.body["id"].(string)
	return id
}

// send sends one request; body is nil or is encoded as JSON. The error means
// that there was no answer.
func (c client) send(ctx context.Context, method, path string, body any) (answer, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return answer{}, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.target.BaseURL, "/")+path, bytes.NewReader(text))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	sender := c.target.Client
	if sender == nil {
		sender = http.DefaultClient
	}
	resp, err := sender.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, text: string(got)}
	_ = json.Unmarshal(got, &a.body) // a text that is not an object has no fields
	return a, nil
}

// must sends a request that must be answered with one of the statuses.
func (c client) must(ctx context.Context, method, path string, body any, statuses ...int) (answer, error) {
	a, err := c.send(ctx, method, path, body)
	if err == nil && !slices.Contains(statuses, a.status) {
		err = fmt.Errorf("%s %s: want status %d, got %s", method, path, statuses, a)
	}
	return a, err
}

type object = map[string]any

func userBody(name string) object { return object{"schemas": []string{userURN}, "userName": name} }

func groupBody(name string, members ...string) object {
	return object{"schemas": []string{groupURN}, "displayName": name, "members": values(members...)}
}

func values(ids ...string) []object {
	list := make([]object, 0, len(ids))
	for _, id := range ids {
		list = append(list, object{"value": id})
	}
	return list
}

func patchBody(ops ...object) object {
	return object{"schemas": []string{patchURN}, "Operations": ops}
}

func op(name, path string, value any) object {
	return object{"op": name, "path": path, "value": value}
}

func filtered(path, filter string) string { return path + "?filter=" + url.QueryEscape(filter) }

// newWord returns a word that no other run uses.
func newWord() string { return "w" + strings.ToLower(rand.Text()[:10]) }

// memberIDs returns the "value" of each member of a group.
func memberIDs(group answer) []string {
	var out []string
	list, _ := group.body["members"].([]any)
	for _, e := range list {
		member, _ := e.(map[string]any)
		id, _ := member["value"].(string)
		out = append(out, id)
	}
	return out
}
