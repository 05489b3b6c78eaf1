// Package elimitytest has a ResourceHandler for elimity-com/scim as a good host
// would write one: in memory, copying what it gives out, with an index for the
// user name. Benchmarks compare with it, and the adapter is tested on it.
package elimitytest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
	filter "github.com/scim2/filter-parser/v2"
)

// Handler keeps resources of one type.
type Handler struct {
	mu     sync.RWMutex
	next   int
	order  []string
	byID   map[string]*stored
	byName map[string]string // folded user name to id
}

var _ scim.ResourceHandler = (*Handler)(nil)

type stored struct {
	attributes        scim.ResourceAttributes
	created, modified time.Time
	version           int
}

// New returns an empty handler.
func New() *Handler {
	return &Handler{byID: map[string]*stored{}, byName: map[string]string{}}
}

// NewServer returns elimity's own server over a new handler for users.
func NewServer() (http.Handler, error) {
	return scim.NewServer(&scim.ServerArgs{
		ServiceProviderConfig: &scim.ServiceProviderConfig{SupportFiltering: true, SupportPatch: true},
		ResourceTypes: []scim.ResourceType{{
			ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: schema.CoreUserSchema(),
			SchemaExtensions: []scim.SchemaExtension{{Schema: schema.ExtensionEnterpriseUser()}},
			Handler:          New(),
		}},
	})
}

func nameOf(attributes scim.ResourceAttributes) string {
	name, _ := attributes["userName"].(string)
	return strings.ToLower(name)
}

// clone copies an attribute's value, as far as handlers change values.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			out[name] = clone(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

func (h *Handler) resource(id string) scim.Resource {
	s := h.byID[id]
	attributes := make(scim.ResourceAttributes, len(s.attributes)+3)
	for name, v := range s.attributes {
		attributes[name] = clone(v)
	}
	created, modified := s.created, s.modified
	external := optional.String{}
	if text, ok := attributes["externalId"].(string); ok {
		external = optional.NewString(text)
	}
	return scim.Resource{
		ID: id, ExternalID: external, Attributes: attributes,
		Meta: scim.Meta{Created: &created, LastModified: &modified, Version: fmt.Sprintf("v%d", s.version)},
	}
}

// Create implements scim.ResourceHandler.
func (h *Handler) Create(_ *http.Request, attributes scim.ResourceAttributes) (scim.Resource, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := nameOf(attributes)
	if _, taken := h.byName[name]; taken && name != "" {
		return scim.Resource{}, errors.ScimErrorUniqueness
	}
	h.next++
	id := fmt.Sprintf("%08d", h.next)
	now := time.Now()
	h.byID[id] = &stored{attributes: maps.Clone(attributes), created: now, modified: now, version: 1}
	h.order = append(h.order, id)
	if name != "" {
		h.byName[name] = id
	}
	return h.resource(id), nil
}

// Get implements scim.ResourceHandler.
func (h *Handler) Get(_ *http.Request, id string) (scim.Resource, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.byID[id] == nil {
		return scim.Resource{}, errors.ScimErrorResourceNotFound(id)
	}
	return h.resource(id), nil
}

// GetAll implements scim.ResourceHandler; userName eq goes by the index.
func (h *Handler) GetAll(_ *http.Request, p scim.ListRequestParams) (scim.Page, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	ids := h.order
	if p.FilterValidator != nil {
		e, ok := p.FilterValidator.GetFilter().(*filter.AttributeExpression)
		if !ok || e.Operator != filter.EQ || !strings.EqualFold(e.AttributePath.AttributeName, "userName") {
			return scim.Page{}, errors.ScimErrorInvalidFilter
		}
		ids = nil
		name, _ := e.CompareValue.(string)
		if id, found := h.byName[strings.ToLower(name)]; found {
			ids = []string{id}
		}
	}
	page := scim.Page{TotalResults: len(ids), Resources: []scim.Resource{}}
	start := min(max(p.StartIndex-1, 0), len(ids))
	for _, id := range ids[start:min(start+p.Count, len(ids))] {
		page.Resources = append(page.Resources, h.resource(id))
	}
	return page, nil
}

// Replace implements scim.ResourceHandler.
func (h *Handler) Replace(_ *http.Request, id string, attributes scim.ResourceAttributes) (scim.Resource, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.change(id, func(s *stored) { s.attributes = maps.Clone(attributes) })
}

// Patch implements scim.ResourceHandler, for values without a path or with the
// name of an attribute.
func (h *Handler) Patch(_ *http.Request, id string, operations []scim.PatchOperation) (scim.Resource, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.change(id, func(s *stored) {
		for _, op := range operations {
			if op.Path != nil {
				s.attributes[op.Path.AttributePath.AttributeName] = op.Value
			} else if values, ok := op.Value.(map[string]any); ok {
				maps.Copy(s.attributes, values)
			}
		}
	})
}

func (h *Handler) change(id string, change func(*stored)) (scim.Resource, error) {
	s := h.byID[id]
	if s == nil {
		return scim.Resource{}, errors.ScimErrorResourceNotFound(id)
	}
	before := nameOf(s.attributes)
	next := &stored{attributes: maps.Clone(s.attributes), created: s.created, modified: time.Now(), version: s.version + 1}
	change(next)
	name := nameOf(next.attributes)
	if other, taken := h.byName[name]; taken && other != id {
		return scim.Resource{}, errors.ScimErrorUniqueness
	}
	delete(h.byName, before)
	if name != "" {
		h.byName[name] = id
	}
	h.byID[id] = next
	return h.resource(id), nil
}

// Delete implements scim.ResourceHandler.
func (h *Handler) Delete(_ *http.Request, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.byID[id]
	if s == nil {
		return errors.ScimErrorResourceNotFound(id)
	}
	delete(h.byName, nameOf(s.attributes))
	delete(h.byID, id)
	h.order = slices.DeleteFunc(h.order, func(other string) bool { return other == id })
	return nil
}
