package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/elimity-com/scim/schema"
)

// discovery holds the documents of the three discovery endpoints (RFC 7644
// section 4).
type discovery struct {
	config  described
	types   []described
	schemas []described
}

// described is a document as it is served, without its location, which depends
// on the URL of the request.
type described struct {
	id     string
	before []byte // the text before the location
	path   string // the path in the location
}

func describe(id, kind, path string, doc *object) described {
	text := appendJSON(nil, doc)
	text = append(text[:len(text)-1], `,"meta":{"resourceType":`...)
	return described{id, append(appendString(text, kind), `,"location":`...), path}
}

// append appends the document as served below base.
func (d described) append(dst []byte, base string) []byte {
	return append(appendString(append(dst, d.before...), base+d.path), "}}"...)
}

func newDiscovery(cfg Config, types []*resourceType) (discovery, error) {
	d := discovery{config: describe("", "ServiceProviderConfig", "/ServiceProviderConfig", serviceProviderConfig(cfg))}
	seen := map[string]bool{}
	for _, rt := range types {
		extensions := []any{}
		for _, c := range rt.containers {
			if c != &rt.core {
				extensions = append(extensions, &object{fields: []field{{"schema", c.urn}, {"required", false}}})
			}
			if seen[fold(c.urn)] {
				continue
			}
			seen[fold(c.urn)] = true
			doc, err := schemaDocument(c.def)
			if err != nil {
				return d, err
			}
			d.schemas = append(d.schemas, describeSchema(c.def.ID, doc))
		}
		d.types = append(d.types, describe(rt.name, "ResourceType", "/ResourceTypes/"+rt.name, &object{fields: []field{
			{"schemas", []any{coreMark + "ResourceType"}},
			{"id", rt.name},
			{"name", rt.name},
			{"description", rt.description},
			{"endpoint", rt.endpoint},
			{"schema", rt.core.urn},
			{"schemaExtensions", extensions},
		}}))
	}
	d.schemas = append(d.schemas, discoverySchemas()...)
	return d, nil
}

func describeSchema(id string, doc *object) described {
	return describe(id, "Schema", "/Schemas/"+id, doc)
}

// schemaDocument returns the document of a schema.
func schemaDocument(def schema.Schema) (*object, error) {
	text, err := json.Marshal(def)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", def.ID, err)
	}
	doc, err := parseObject(string(text))
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", def.ID, err)
	}
	exactKinds(doc.get("attributes"))
	ordered := &object{}
	for _, name := range [...]string{"schemas", "id", "name", "description", "attributes"} {
		ordered.set(name, dropNulls(doc.get(name)))
	}
	return ordered, nil
}

// exactKinds sets caseExact where the type decides about it.
func exactKinds(attributes any) {
	list, _ := attributes.([]any)
	for _, e := range list {
		if a, ok := e.(*object); ok {
			if exactKind(a.text("type")) {
				a.set("caseExact", true)
			}
			exactKinds(a.get("subAttributes"))
		}
	}
}

func serviceProviderConfig(cfg Config) *object {
	supported := func(more ...field) *object {
		return &object{fields: append([]field{{"supported", true}}, more...)}
	}
	doc := &object{fields: []field{
		{"schemas", []any{coreMark + "ServiceProviderConfig"}},
		{"patch", supported()},
		{"bulk", supported(field{"maxOperations", itoa(cfg.MaxOperations)}, field{"maxPayloadSize", number(strconv.FormatInt(cfg.MaxBody, 10))})},
		{"filter", supported(field{"maxResults", itoa(cfg.MaxPageSize)})},
		{"changePassword", &object{fields: []field{{"supported", false}}}},
		{"sort", supported()},
		{"etag", supported()},
		{"pagination", &object{fields: []field{
			{"cursor", true}, {"index", true}, {"defaultPaginationMethod", "index"},
			{"defaultPageSize", itoa(cfg.PageSize)}, {"maxPageSize", itoa(cfg.MaxPageSize)},
		}}},
		{"authenticationSchemes", []any{&object{fields: []field{
			{"type", "oauthbearertoken"},
			{"name", "OAuth Bearer Token"},
			{"description", "A token in the Authorization header (RFC 6750)"},
			{"specUri", "https://www.rfc-editor.org/info/rfc6750"},
			{"primary", true},
		}}}},
	}}
	if cfg.OmitPagination {
		doc.drop("pagination")
	}
	return doc
}

func itoa(n int) number { return number(strconv.Itoa(n)) }

// discover serves a discovery endpoint; rest is the path after its name.
func (x *exchange) discover(name string, rest []string) error {
	values, err := x.urlValues()
	if err != nil {
		return err
	}
	if values.Has("filter") {
		return fail(403, "", "filter: the discovery endpoints do not take one")
	}
	if name == "serviceproviderconfig" {
		if len(rest) > 0 {
			return notFound("there is no such endpoint")
		}
		x.respond(http.StatusOK, x.discovery.config.append(nil, x.base))
		return nil
	}
	documents, kind := x.discovery.types, "ResourceType"
	if name == "schemas" {
		documents, kind = x.discovery.schemas, "Schema"
	}
	if len(rest) > 1 {
		return notFound("there is no such endpoint")
	}
	if len(rest) == 1 {
		for _, d := range documents {
			if sameName(d.id, rest[0]) {
				x.respond(http.StatusOK, d.append(nil, x.base))
				return nil
			}
		}
		return notFound("there is no %s %q", kind, clip(rest[0]))
	}
	size := 256
	for _, d := range documents {
		size += len(d.before) + len(x.base) + len(d.path) + 8
	}
	body := appendJSON(make([]byte, 0, size), &object{fields: []field{
		{"schemas", []any{messageMark + "ListResponse"}},
		{"totalResults", itoa(len(documents))},
		{"itemsPerPage", itoa(len(documents))},
		{"startIndex", number("1")},
	}})
	body = append(body[:len(body)-1], `,"Resources":[`...)
	for i, d := range documents {
		if i > 0 {
			body = append(body, ',')
		}
		body = d.append(body, x.base)
	}
	x.respond(http.StatusOK, append(body, "]}"...))
	return nil
}
