// Package elimity lets resource handlers that were written for the server of
// github.com/elimity-com/scim run behind the handler of this module: it makes
// them a scim.Store.
//
//	store, err := elimity.NewStore(
//		elimity.Type{Name: "User", Schema: schema.CoreUserSchema(), Handler: users},
//		elimity.Type{Name: "Group", Schema: schema.CoreGroupSchema(), Handler: groups},
//	)
//
// Filters, PATCH, paging, attribute selection and entity tags are then done
// here; of the old handler only Create, Get, GetAll, Replace and Delete are
// called, and never with a value of ours that it could spoil. What a
// ResourceHandler cannot give is not there: a change log, so that
// scim.AsSource does not work over it, an atomic compare-and-swap between
// processes, and memberships as rows. The groups that a user shows, and what
// becomes of the memberships of a deleted one, are decided by the handlers.
package elimity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/filter"
	"github.com/elimity-com/scim/schema"

	usher "github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// A Type is one resource type and its handler.
type Type struct {
	// Name is the type's name: "User", "Group", or that of a ResourceType of
	// the handler's Config.
	Name string
	// Schema and Extensions are those the handler was registered with.
	Schema     schema.Schema
	Extensions []schema.Schema
	Handler    scim.ResourceHandler
}

// A Store is a scim.Store over resource handlers. Writes are made one at a
// time, so that a compare-and-swap holds within this process.
type Store struct {
	types map[string]Type
	mu    sync.Mutex
}

var _ usher.Store = (*Store)(nil)

// NewStore returns a store over the handlers. A type without a name or a
// handler, or named twice, is an error.
func NewStore(types ...Type) (*Store, error) {
	s := &Store{types: map[string]Type{}}
	for _, t := range types {
		if t.Name == "" || t.Handler == nil {
			return nil, fmt.Errorf("elimity: type %q: want a name and a handler", t.Name)
		}
		if _, ok := s.types[t.Name]; ok {
			return nil, fmt.Errorf("elimity: type %q is named twice", t.Name)
		}
		s.types[t.Name] = t
	}
	return s, nil
}

type directoryKey struct{}

// DirectoryOf returns the directory that a request to a ResourceHandler is
// about: the handlers get it in the context of their request.
func DirectoryOf(r *http.Request) usher.Directory {
	dir, _ := r.Context().Value(directoryKey{}).(usher.Directory)
	return dir
}

func request(ctx context.Context, dir usher.Directory, method string) (*http.Request, error) {
	return http.NewRequestWithContext(context.WithValue(ctx, directoryKey{}, dir), method, "/", nil)
}

// Get implements scim.Store.
func (s *Store) Get(ctx context.Context, dir usher.Directory, ref usher.Ref, links bool) (usher.Record, error) {
	t, ok := s.types[ref.Type]
	if !ok {
		return usher.Record{}, usher.ErrNotFound
	}
	r, err := request(ctx, dir, http.MethodGet)
	if err != nil {
		return usher.Record{}, err
	}
	resource, err := t.Handler.Get(r, ref.ID)
	if err != nil {
		return usher.Record{}, translate(err)
	}
	rec, err := t.record(resource)
	if !links {
		rec.Links = nil
	}
	return rec, err
}

// List implements scim.Store. The ordinal of a record is its place in the
// handler's listing.
func (s *Store) List(ctx context.Context, dir usher.Directory, q usher.Query) (usher.Page, error) {
	var page usher.Page
	for _, name := range s.names(q.Type) {
		t := s.types[name]
		r, err := request(ctx, dir, http.MethodGet)
		if err != nil {
			return usher.Page{}, err
		}
		if err := t.each(r, q.Where, func(place int64, rec usher.Record) {
			switch rec.Ordinal = place; {
			case !hasAll(rec, q.Where) || !hasAny(rec, q.Any):
				return
			case place <= q.After:
			case q.Offset > 0:
				q.Offset--
			case len(page.Records) < q.Limit:
				if !q.Links {
					rec.Links = nil
				}
				page.Records = append(page.Records, rec)
			}
			if q.Count {
				page.Total++
			}
		}); err != nil {
			return usher.Page{}, translate(err)
		}
	}
	return page, nil
}

// names are the types a query is about, in a fixed order.
func (s *Store) names(typ string) []string {
	if _, ok := s.types[typ]; ok {
		return []string{typ}
	}
	var names []string
	if typ == "" {
		for name := range s.types {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	return names
}

// Apply implements scim.Store.
func (s *Store) Apply(ctx context.Context, dir usher.Directory, w usher.Write) (usher.Record, error) {
	t, ok := s.types[w.Ref.Type]
	if !ok {
		return usher.Record{}, usher.ErrNotFound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var current usher.Record
	if w.Op != usher.Create {
		var err error
		if current, err = s.Get(ctx, dir, w.Ref, true); err != nil {
			return usher.Record{}, err
		}
		if w.IfVersion != 0 && w.IfVersion != current.Version {
			return usher.Record{}, usher.ErrConflict
		}
	}
	r, err := request(ctx, dir, http.MethodPut)
	if err != nil {
		return usher.Record{}, err
	}
	switch w.Op {
	case usher.Delete:
		return current, translate(t.Handler.Delete(r, w.Ref.ID))
	case usher.Create, usher.Update:
	default:
		return usher.Record{}, fmt.Errorf("write with unknown operation %d", w.Op)
	}
	doc := w.Doc
	if doc == nil {
		doc = current.Doc
	}
	attributes := scim.ResourceAttributes{}
	if err := json.Unmarshal(doc, &attributes); err != nil {
		return usher.Record{}, err
	}
	delete(attributes, "schemas")
	if w.Ref.Type == usher.TypeGroup {
		if list := members(current.Links, w.Members); len(list) > 0 {
			attributes["members"] = list
		}
	}
	var resource scim.Resource
	if w.Op == usher.Create {
		resource, err = t.Handler.Create(r, attributes)
	} else {
		resource, err = t.Handler.Replace(r, w.Ref.ID, attributes)
	}
	if err != nil {
		return usher.Record{}, translate(err)
	}
	rec, err := t.record(resource)
	rec.Links = nil
	return rec, err
}

// Changes implements scim.Store: a ResourceHandler keeps no log of changes.
func (s *Store) Changes(context.Context, usher.Directory, int64, int) ([]usher.Record, error) {
	return nil, sources.ErrUnsupported
}

// translate makes the handler's errors the store's. Other SCIM errors go to
// the client as they are.
func translate(err error) error {
	var refused scimerrors.ScimError
	if pointer := (*scimerrors.ScimError)(nil); errors.As(err, &pointer) {
		refused = *pointer
	} else if !errors.As(err, &refused) {
		return err
	}
	switch refused.Status {
	case http.StatusNotFound:
		return usher.ErrNotFound
	case http.StatusConflict:
		return usher.ErrDuplicate
	}
	return err
}

// members is the list of members after a change.
func members(current []usher.Link, change *usher.MemberChange) []any {
	if change == nil {
		change = &usher.MemberChange{}
	}
	kept := slices.Clone(current)
	if change.Replace {
		kept = nil
	}
	kept = slices.DeleteFunc(kept, func(link usher.Link) bool { return slices.Contains(change.Remove, link.ID) })
	for _, link := range change.Add {
		if at := slices.IndexFunc(kept, func(have usher.Link) bool { return have.ID == link.ID }); at >= 0 {
			kept[at].Display = link.Display
		} else {
			kept = append(kept, link)
		}
	}
	list := make([]any, 0, len(kept))
	for _, link := range kept {
		member := map[string]any{"value": link.ID}
		if link.Display != "" {
			member["display"] = link.Display
		}
		if link.Type != "" {
			member["type"] = link.Type
		}
		list = append(list, member)
	}
	return list
}

const pageSize = 100

// each visits every resource the handler lists for the keys, as far as it can
// select by them.
func (t Type) each(r *http.Request, where []usher.Key, visit func(place int64, rec usher.Record)) error {
	params := scim.ListRequestParams{Count: pageSize, StartIndex: 1, FilterValidator: t.filter(where)}
	for {
		page, err := t.Handler.GetAll(r, params)
		if err != nil && params.FilterValidator != nil && params.StartIndex == 1 { // a filter that the handler does not know
			params.FilterValidator = nil
			continue
		}
		if err != nil {
			return err
		}
		for i, resource := range page.Resources {
			rec, err := t.record(resource)
			if err != nil {
				return err
			}
			visit(int64(params.StartIndex+i), rec)
		}
		params.StartIndex += len(page.Resources)
		if len(page.Resources) == 0 || params.StartIndex > page.TotalResults {
			return nil
		}
	}
}

// filter hands the first key that the schema knows to the handler; the others
// are checked here.
func (t Type) filter(where []usher.Key) *filter.Validator {
	for _, key := range where {
		if key.Name != usher.KeyUserName && key.Name != usher.KeyDisplayName {
			continue
		}
		value, err := json.Marshal(key.Value)
		if err != nil {
			continue
		}
		validator, err := filter.NewValidator(key.Name+" eq "+string(value), t.Schema, t.Extensions...)
		if err == nil && validator.Validate() == nil {
			return &validator
		}
	}
	return nil
}

// record makes a record of a resource. Its version is a hash of the handler's
// version, or of everything where the handler has none.
func (t Type) record(resource scim.Resource) (usher.Record, error) {
	attributes := make(map[string]any, len(resource.Attributes)+1)
	schemas := []string{t.Schema.ID}
	for name, v := range resource.Attributes {
		switch {
		case name == "id" || name == "meta" || name == "schemas" || name == "groups" && t.Name != usher.TypeGroup:
		case name == "members" && t.Name == usher.TypeGroup:
		default:
			attributes[name] = v
		}
	}
	for _, extension := range t.Extensions {
		if _, ok := attributes[extension.ID]; ok {
			schemas = append(schemas, extension.ID)
		}
	}
	attributes["schemas"] = schemas
	if resource.ExternalID.Present() {
		attributes["externalId"] = resource.ExternalID.Value()
	}
	doc, err := json.Marshal(attributes)
	if err != nil {
		return usher.Record{}, fmt.Errorf("%s %s: %w", t.Name, resource.ID, err)
	}
	rec := usher.Record{Ref: usher.Ref{Type: t.Name, ID: resource.ID}, Doc: doc}
	if resource.Meta.Created != nil {
		rec.Created = *resource.Meta.Created
	}
	if resource.Meta.LastModified != nil {
		rec.LastModified = *resource.Meta.LastModified
	}
	text := func(name string) string { s, _ := attributes[name].(string); return s }
	for _, name := range []string{usher.KeyUserName, usher.KeyExternalID, usher.KeyDisplayName} {
		rec.Keys = append(rec.Keys, usher.Key{Name: name, Value: text(name)})
	}
	for _, email := range objects(attributes["emails"]) {
		value, _ := email["value"].(string)
		rec.Keys = append(rec.Keys, usher.Key{Name: usher.KeyEmail, Value: value})
	}
	list := "groups"
	if t.Name == usher.TypeGroup {
		rec.Display, list = text("displayName"), "members"
	}
	for _, o := range objects(resource.Attributes[list]) {
		link := usher.Link{Ref: usher.Ref{Type: usher.TypeUser}}
		if t.Name != usher.TypeGroup {
			link.Type = usher.TypeGroup
		}
		link.ID, _ = o["value"].(string)
		link.Display, _ = o["display"].(string)
		if typ, ok := o["type"].(string); ok && t.Name == usher.TypeGroup {
			link.Type = typ
		}
		rec.Links = append(rec.Links, link)
	}
	sum := fnv.New64a()
	if resource.Meta.Version != "" {
		fmt.Fprint(sum, resource.Meta.Version)
	} else {
		fmt.Fprint(sum, string(doc), rec.Links)
	}
	rec.Version = int64(sum.Sum64()>>1) | 1
	return rec, nil
}

func objects(v any) []map[string]any {
	var out []map[string]any
	switch list := v.(type) {
	case []map[string]any:
		return list
	case []any:
		for _, e := range list {
			if o, ok := e.(map[string]any); ok {
				out = append(out, o)
			}
		}
	}
	return out
}

// hasAll checks the keys on the attributes as the handler gave them, which are
// not folded.
func hasAll(rec usher.Record, where []usher.Key) bool {
	return !slices.ContainsFunc(where, func(want usher.Key) bool { return !has(rec, want) })
}

// hasAny checks in the same way that a record has one of the keys, if there are
// any.
func hasAny(rec usher.Record, keys []usher.Key) bool {
	return len(keys) == 0 || slices.ContainsFunc(keys, func(want usher.Key) bool { return has(rec, want) })
}

func has(rec usher.Record, want usher.Key) bool {
	switch want.Name {
	case usher.KeyID:
		return rec.ID == want.Value
	case usher.KeyMember, usher.KeyGroup:
		return (want.Name == usher.KeyMember) == (rec.Type == usher.TypeGroup) &&
			slices.ContainsFunc(rec.Links, func(link usher.Link) bool { return link.ID == want.Value })
	}
	return slices.ContainsFunc(rec.Keys, func(have usher.Key) bool {
		return have.Name == want.Name && (have.Value == want.Value || want.Name != usher.KeyExternalID && strings.EqualFold(have.Value, want.Value))
	})
}
