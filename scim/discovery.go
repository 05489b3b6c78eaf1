package scim

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/elimity-com/scim/schema"
)

// discovery holds the documents of the three discovery endpoints (RFC 7644
// section 4), but for their meta, which depends on where they are asked.
type discovery struct {
	config  *object
	types   []described
	schemas []described
}

type described struct {
	id  string
	doc *object
}

func newDiscovery(cfg Config, types []*resourceType) (discovery, error) {
	d := discovery{config: serviceProviderConfig(cfg)}
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
			if err := d.describe(c.def); err != nil {
				return d, err
			}
		}
		d.types = append(d.types, described{rt.name, &object{fields: []field{
			{"schemas", []any{coreMark + "ResourceType"}},
			{"id", rt.name},
			{"name", rt.name},
			{"description", rt.description},
			{"endpoint", rt.endpoint},
			{"schema", rt.core.urn},
			{"schemaExtensions", extensions},
		}}})
	}
	d.schemas = append(d.schemas, discoverySchemas()...)
	return d, nil
}

// describe adds the document of a schema.
func (d *discovery) describe(def schema.Schema) error {
	text, err := json.Marshal(def)
	if err != nil {
		return fmt.Errorf("schema %s: %w", def.ID, err)
	}
	doc, err := parseObject(string(text))
	if err != nil {
		return fmt.Errorf("schema %s: %w", def.ID, err)
	}
	ordered := &object{}
	for _, name := range [...]string{"schemas", "id", "name", "description", "attributes"} {
		ordered.set(name, dropNulls(doc.get(name)))
	}
	d.schemas = append(d.schemas, described{def.ID, ordered})
	return nil
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

// discover serves a discovery endpoint; rest is the path behind its name.
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
		x.respond(200, appendJSON(nil, x.withMeta(x.discovery.config, "ServiceProviderConfig", "/ServiceProviderConfig")))
		return nil
	}
	documents, kind, path := x.discovery.types, "ResourceType", "/ResourceTypes"
	if name == "schemas" {
		documents, kind, path = x.discovery.schemas, "Schema", "/Schemas"
	}
	if len(rest) > 1 {
		return notFound("there is no such endpoint")
	}
	all := make([]any, 0, len(documents))
	for _, d := range documents {
		doc := x.withMeta(d.doc, kind, path+"/"+d.id)
		if len(rest) == 1 && sameName(d.id, rest[0]) {
			x.respond(200, appendJSON(nil, doc))
			return nil
		}
		all = append(all, doc)
	}
	if len(rest) == 1 {
		return notFound("there is no %s %q", kind, clip(rest[0]))
	}
	x.respond(200, appendJSON(nil, &object{fields: []field{
		{"schemas", []any{messageMark + "ListResponse"}},
		{"totalResults", itoa(len(all))},
		{"itemsPerPage", itoa(len(all))},
		{"startIndex", number("1")},
		{"Resources", all},
	}}))
	return nil
}

// withMeta returns the document with its meta; the document stays as it is.
func (x *exchange) withMeta(doc *object, kind, path string) *object {
	fields := make([]field, len(doc.fields), len(doc.fields)+1)
	copy(fields, doc.fields)
	return &object{fields: append(fields, field{"meta", &object{fields: []field{
		{"resourceType", kind}, {"location", x.base + path},
	}}})}
}
