package scim

// A trait is an attribute of a discovery document; all of them are readOnly.
// The schemas made of them are those of RFC 7643 section 8.7.2 and, for
// pagination, RFC 9865 section 4. They are nested deeper than the schema
// package can declare.
type trait struct {
	name, kind, description string
	multi, required, exact  bool
	words                   []string // canonicalValues
	refers                  []string // referenceTypes
	subs                    []trait
}

func (t trait) document() *object {
	o := &object{fields: []field{
		{"name", t.name}, {"type", t.kind}, {"multiValued", t.multi}, {"description", t.description},
		{"required", t.required}, {"caseExact", t.exact || t.kind == "reference"},
		{"mutability", "readOnly"}, {"returned", "default"}, {"uniqueness", "none"},
	}}
	if t.words != nil {
		o.set("canonicalValues", texts(t.words))
	}
	if t.kind == "reference" {
		o.set("referenceTypes", texts(t.refers))
	}
	if t.kind == "complex" {
		o.set("subAttributes", documents(t.subs))
	}
	return o
}

func texts(list []string) []any {
	out := make([]any, 0, len(list))
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

func documents(list []trait) []any {
	out := make([]any, 0, len(list))
	for _, t := range list {
		out = append(out, t.document())
	}
	return out
}

// discoverySchemas returns the schemas of the documents of the discovery
// endpoints.
func discoverySchemas() []described {
	var out []described
	for _, s := range []struct {
		name, title, description string
		traits                   []trait
	}{
		{"ServiceProviderConfig", "Service Provider Configuration", "What the service provider supports", configTraits()},
		{"ResourceType", "ResourceType", "A type of resource and the endpoint that serves it", typeTraits()},
		{"Schema", "Schema", "A schema: the attributes of resources", schemaTraits()},
	} {
		out = append(out, describeSchema(coreMark+s.name, &object{fields: []field{
			{"schemas", []any{coreMark + "Schema"}}, {"id", coreMark + s.name}, {"name", s.title},
			{"description", s.description}, {"attributes", documents(s.traits)},
		}}))
	}
	return out
}

func configTraits() []trait {
	feature := func(name, description string, required bool, more ...trait) trait {
		subs := append([]trait{{name: "supported", kind: "boolean", required: true, description: "Whether it is supported"}}, more...)
		return trait{name: name, kind: "complex", required: required, description: description, subs: subs}
	}
	number := func(name, description string) trait {
		return trait{name: name, kind: "integer", required: true, description: description}
	}
	text := func(name, description string, required bool) trait {
		return trait{name: name, kind: "string", required: required, description: description}
	}
	link := func(name, description string) trait {
		return trait{name: name, kind: "reference", refers: []string{"external"}, description: description}
	}
	flag := func(name, description string, required bool) trait {
		return trait{name: name, kind: "boolean", required: required, description: description}
	}
	scheme := text("type", "The authentication scheme", true)
	scheme.words = []string{"oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"}
	method := text("defaultPaginationMethod", "How results are paged that nobody asked to be paged", false)
	method.words = []string{"cursor", "index"}
	size := func(name, description string) trait {
		return trait{name: name, kind: "integer", description: description}
	}
	return []trait{
		link("documentationUri", "Documentation for people"),
		feature("patch", "Modification with PATCH", true),
		feature("bulk", "Bulk requests", true, number("maxOperations", "The most operations of a request"),
			number("maxPayloadSize", "The most bytes of a request")),
		feature("filter", "Filters", true, number("maxResults", "The most resources of an answer")),
		feature("changePassword", "Changing a password", true),
		feature("sort", "Sorting", true),
		feature("etag", "Entity tags", true),
		{name: "pagination", kind: "complex", description: "Paging of results (RFC 9865)", subs: []trait{
			flag("cursor", "Whether results can be paged by cursor", true), flag("index", "Whether results can be paged by startIndex", true), method,
			size("defaultPageSize", "The resources of a page where count is not given"), size("maxPageSize", "The most resources of a page"),
			size("cursorTimeout", "The least seconds for which a cursor is valid"),
		}},
		{name: "authenticationSchemes", kind: "complex", multi: true, required: true, description: "The ways to authenticate", subs: []trait{
			scheme, text("name", "The scheme's name", true), text("description", "What it is", true),
			link("specUri", "Its specification"), link("documentationUri", "How it is used here"),
			flag("primary", "Whether it is the preferred one", false),
		}},
	}
}

func typeTraits() []trait {
	schemaURI := func(description string) trait {
		return trait{name: "schema", kind: "reference", refers: []string{"uri"}, required: true, exact: true, description: description}
	}
	return []trait{
		{name: "id", kind: "string", description: "The identifier of the type"},
		{name: "name", kind: "string", required: true, description: "The type's name"},
		{name: "description", kind: "string", description: "What resources of the type are"},
		{name: "endpoint", kind: "reference", refers: []string{"uri"}, required: true, description: "The endpoint, relative to the base URL"},
		schemaURI("The URN of the type's schema"),
		{name: "schemaExtensions", kind: "complex", multi: true, description: "The schemas that extend it", subs: []trait{
			schemaURI("The URN of the extension"),
			{name: "required", kind: "boolean", required: true, description: "Whether each resource of the type has it"},
		}},
	}
}

func schemaTraits() []trait {
	characteristics := func() []trait {
		kind := trait{name: "type", kind: "string", required: true, description: "The type of its value",
			words: []string{"string", "complex", "boolean", "decimal", "integer", "dateTime", "reference", "binary"}}
		mutability := trait{name: "mutability", kind: "string", exact: true, description: "Whether and when it can be written",
			words: []string{"readOnly", "readWrite", "immutable", "writeOnly"}}
		returned := trait{name: "returned", kind: "string", exact: true, description: "When it is in an answer",
			words: []string{"always", "never", "default", "request"}}
		uniqueness := trait{name: "uniqueness", kind: "string", exact: true, description: "Where its value is unique",
			words: []string{"none", "server", "global"}}
		return []trait{
			{name: "name", kind: "string", exact: true, required: true, description: "The attribute's name"},
			kind,
			{name: "multiValued", kind: "boolean", required: true, description: "Whether it is a list"},
			{name: "description", kind: "string", exact: true, description: "What it is"},
			{name: "required", kind: "boolean", description: "Whether each resource has it"},
			{name: "canonicalValues", kind: "string", multi: true, exact: true, description: "Values that are suggested"},
			{name: "caseExact", kind: "boolean", description: "Whether letter case counts"},
			mutability, returned, uniqueness,
			{name: "referenceTypes", kind: "string", multi: true, exact: true, description: "What it refers to"},
		}
	}
	subs := trait{name: "subAttributes", kind: "complex", multi: true, description: "The attributes of a complex one", subs: characteristics()}
	return []trait{
		{name: "id", kind: "string", exact: true, required: true, description: "The schema's URN"},
		{name: "name", kind: "string", exact: true, description: "The schema's name"},
		{name: "description", kind: "string", description: "What the schema is for"},
		{name: "attributes", kind: "complex", multi: true, required: true, description: "The attributes", subs: append(characteristics(), subs)},
	}
}
