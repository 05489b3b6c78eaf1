package scim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
)

// DefaultUserExtension is the URN of the user extension that the handler
// declares if Config.UserExtension is empty.
const DefaultUserExtension = "urn:ietf:params:scim:schemas:extension:usher:2.0:User"

const (
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	coreMark      = "urn:ietf:params:scim:schemas:core:2.0:"
	messageMark   = "urn:ietf:params:scim:api:messages:2.0:"
)

// A ResourceType declares a type of resource that the handler serves in
// addition to users and groups, from the same Store. Declare the schema and the
// extensions with the schema package of elimity-com/scim.
type ResourceType struct {
	// Name is the type's name ("Device"), and Record.Type of its records.
	Name string
	// Endpoint is the path below the base ("/Devices").
	Endpoint    string
	Description string
	Schema      schema.Schema
	Extensions  []schema.Schema
}

// UserExtension returns the declaration of the user extension, which provider
// templates fill: attributes that a team member needs and the core user schema
// does not have (rules R57, R62, R63).
func UserExtension(urn string) schema.Schema {
	text := func(name, description string) schema.CoreAttribute {
		return schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{
			Name: name, Description: optional.NewString(description),
		}))
	}
	return schema.Schema{
		ID:          urn,
		Name:        optional.NewString("User Extension"),
		Description: optional.NewString("Attributes of a team member beyond the core user"),
		Attributes: schema.Attributes{
			text("country", "The country of the user: its name or an ISO 3166-1 code"),
			text("stateOrProvince", "The state or province of the user: its name or an ISO 3166-2 code"),
			text("managerEmail", "The email address of the user's manager"),
			text("managerFullName", "The name of the user's manager, given name first"),
			text("privateEmail", "The user's private email address"),
			schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{
				Name: "secondaryEmails", MultiValued: true,
				Description: optional.NewString("Further work email addresses"),
			})),
			text("primaryPhoneExt", "The extension of the primary phone number"),
		},
	}
}

// An attribute is a declared attribute, compiled so that it is found in any
// letter case.
type attribute struct {
	name       string
	kind       string // "string", "boolean", "complex", ...: the names of RFC 7643 section 2.3
	multi      bool
	caseExact  bool
	required   bool
	mutability string // "readWrite", "readOnly", "immutable", "writeOnly"
	returned   string // "default", "always", "never", "request"
	unique     bool
	textOnly   bool // a number is not accepted for a unique text
	subs       map[string]*attribute
	order      []*attribute // the attributes in subs, each once
	needed     []*attribute // the sub-attributes without which a value is refused
	fixed      bool         // a sub-attribute is readOnly or immutable
	onRequest  bool         // the attribute or a sub-attribute is served only on request
	closed     bool         // only declared sub-attributes can have a value
	label      string       // the sub-attribute that can name a value without value and $ref; see nameBy
}

// sub returns the declared sub-attribute, or nil.
func (a *attribute) sub(name string) *attribute {
	if a == nil {
		return nil
	}
	return lookup(a.subs, name)
}

func (a *attribute) readOnly() bool { return a != nil && a.mutability == "readOnly" }

func (a *attribute) immutable() bool { return a != nil && a.mutability == "immutable" }

// lookup finds name in any letter case; most names already have the declared
// one. The keys of m are the declared and the folded names.
func lookup(m map[string]*attribute, name string) *attribute {
	if a, ok := m[name]; ok {
		return a
	}
	return m[fold(name)]
}

// A container is a schema: the core of a type or one extension.
type container struct {
	urn   string
	attrs map[string]*attribute // by declared name and by folded name
	order []*attribute
	def   schema.Schema
}

// A resourceType is a ResourceType compiled.
type resourceType struct {
	name, endpoint, description string
	core                        container
	extensions                  []*container
	containers                  []*container // core and extensions
	links                       string       // the attribute that shows Record.Links: members or groups
	onRequest                   []string     // attributes that are, in part or whole, served only on request
	unique                      []attrPath   // attributes with unique values, except userName
	maxFilter                   int          // Config.MaxFilter
}

// commonAttributes returns the attributes of every resource (RFC 7643
// section 3.1).
func commonAttributes() map[string]*attribute {
	text := func(name string, exact bool, mutability, returned string) *attribute {
		return &attribute{name: name, kind: "string", caseExact: exact, mutability: mutability, returned: returned}
	}
	meta := &attribute{name: "meta", kind: "complex", closed: true, mutability: "readOnly", returned: "default", subs: map[string]*attribute{}}
	for _, sub := range []*attribute{
		text("resourceType", true, "readOnly", "default"),
		text("location", true, "readOnly", "default"),
		text("version", true, "readOnly", "default"),
		{name: "created", kind: "dateTime", mutability: "readOnly", returned: "default"},
		{name: "lastModified", kind: "dateTime", mutability: "readOnly", returned: "default"},
	} {
		meta.subs[sub.name] = sub
		meta.subs[fold(sub.name)] = sub
	}
	schemas := text("schemas", false, "readWrite", "always")
	schemas.multi = true
	common := map[string]*attribute{}
	for _, a := range []*attribute{text("id", true, "readOnly", "always"), text("externalId", true, "readWrite", "default"), schemas, meta} {
		common[a.name] = a
		common[fold(a.name)] = a
	}
	return common
}

func compileAttributes(list schema.Attributes, path string) ([]*attribute, map[string]*attribute, error) {
	var order []*attribute
	byName := make(map[string]*attribute, 2*len(list))
	for _, def := range list {
		a := &attribute{
			name: def.Name(), kind: def.AttributeType(), multi: def.MultiValued(),
			caseExact: def.CaseExact() || exactKind(def.AttributeType()),
			required:  def.Required(), mutability: def.Mutability(), returned: def.Returned(),
			unique: def.Uniqueness() != "none",
		}
		at := path + a.name
		if a.required && a.mutability == "readOnly" {
			return nil, nil, fmt.Errorf("%s: an attribute cannot be required and readOnly", at)
		}
		if byName[fold(a.name)] != nil {
			return nil, nil, fmt.Errorf("%s: the name occurs twice", at)
		}
		var err error
		if a.order, a.subs, err = compileAttributes(def.SubAttributes(), at+"."); err != nil {
			return nil, nil, err
		}
		a.onRequest = a.returned == "request"
		for _, sub := range a.order {
			if sub.required {
				a.needed = append(a.needed, sub)
			}
			a.fixed = a.fixed || sub.readOnly() || sub.immutable()
			a.onRequest = a.onRequest || sub.onRequest
		}
		order = append(order, a)
		byName[a.name] = a
		byName[fold(a.name)] = a
	}
	return order, byName, nil
}

// exactKind reports whether values of a type are case-sensitive whatever their
// declaration says (RFC 7643 sections 2.3.6 and 2.3.7).
func exactKind(kind string) bool { return kind == "reference" || kind == "binary" }

func compileSchema(def schema.Schema) (container, error) {
	if def.ID == "" {
		return container{}, fmt.Errorf("schema %q: ID is empty", def.Name.Value())
	}
	def.Attributes = slices.Clone(def.Attributes)
	c := container{urn: def.ID, def: def}
	var err error
	c.order, c.attrs, err = compileAttributes(def.Attributes, def.ID+":")
	return c, err
}

// compileTypes compiles the types that cfg declares, users and groups first.
func compileTypes(cfg Config) ([]*resourceType, error) {
	userExtension := cfg.UserExtension
	if userExtension == "" {
		userExtension = DefaultUserExtension
	}
	declared := append([]ResourceType{{
		Name: TypeUser, Endpoint: "/Users", Description: "User Account", Schema: schema.CoreUserSchema(),
		Extensions: append([]schema.Schema{schema.ExtensionEnterpriseUser(), UserExtension(userExtension)}, cfg.UserExtensions...),
	}, {
		Name: TypeGroup, Endpoint: "/Groups", Description: "Group", Schema: schema.CoreGroupSchema(),
		Extensions: cfg.GroupExtensions,
	}}, cfg.Types...)

	var types []*resourceType
	names := map[string]bool{"/me": true, "/bulk": true, "/schemas": true, "/resourcetypes": true, "/serviceproviderconfig": true, "/.search": true}
	for _, decl := range declared {
		if decl.Name == "" || len(decl.Endpoint) < 2 || decl.Endpoint[0] != '/' || strings.ContainsAny(decl.Endpoint[1:], "/?#%") {
			return nil, fmt.Errorf("type %q: want a Name and an Endpoint such as \"/Devices\", got %q", decl.Name, decl.Endpoint)
		}
		for _, name := range []string{fold(decl.Endpoint), fold(decl.Name)} {
			if names[name] {
				return nil, fmt.Errorf("type %q: the name or endpoint %q is taken", decl.Name, decl.Endpoint)
			}
			names[name] = true
		}
		rt := &resourceType{name: decl.Name, endpoint: decl.Endpoint, description: decl.Description, links: "groups", maxFilter: cfg.MaxFilter}
		if decl.Name == TypeGroup {
			rt.links = "members"
		}
		var err error
		if rt.core, err = compileSchema(decl.Schema); err != nil {
			return nil, fmt.Errorf("type %s: %w", decl.Name, err)
		}
		for name, a := range commonAttributes() {
			rt.core.attrs[name] = a
		}
		if rt.core.attrs[rt.links] == nil { // the handler computes this attribute; clients may not write it
			rt.core.attrs[rt.links] = &attribute{name: rt.links, kind: "complex", multi: true, mutability: "readOnly", returned: "default",
				subs: map[string]*attribute{"value": {name: "value", kind: "string", returned: "default"}}}
		}
		rt.core.attrs[rt.links].closed = true
		if id := rt.core.attrs[rt.links].sub("value"); id != nil {
			id.caseExact = true // as the id attribute
		}
		if decl.Name == TypeUser {
			rt.core.attrs[KeyUserName].textOnly = true
			for _, name := range [...]string{"roles", "entitlements"} { // the value is what they grant
				list := rt.core.attrs[name]
				list.needed = []*attribute{list.sub("value")}
			}
		}
		for _, def := range decl.Extensions {
			ext, err := compileSchema(def)
			if err != nil {
				return nil, fmt.Errorf("type %s: %w", decl.Name, err)
			}
			if rt.extension(ext.urn) != nil || sameName(ext.urn, rt.core.urn) {
				return nil, fmt.Errorf("type %s: the schema %s is declared twice", decl.Name, ext.urn)
			}
			if manager := ext.attrs["manager"]; manager != nil && ext.urn == enterpriseURN {
				manager.label = "displayName"
			}
			rt.extensions = append(rt.extensions, &ext)
		}
		rt.containers = append([]*container{&rt.core}, rt.extensions...)
		for _, c := range rt.containers {
			for _, a := range c.order {
				path := rt.pathOf(c, a)
				if a.unique && a.kind != "complex" && (decl.Name != TypeUser || path.String() != KeyUserName) {
					rt.unique = append(rt.unique, path)
				}
				for _, sub := range a.order {
					if sub.unique {
						inner := path
						inner.sub, inner.subDef = sub.name, sub
						rt.unique = append(rt.unique, inner)
					}
				}
				if a.onRequest {
					rt.onRequest = append(rt.onRequest, path.String())
				}
			}
		}
		types = append(types, rt)
	}
	return types, nil
}

// extension returns the declared extension with that URN, or nil.
func (rt *resourceType) extension(urn string) *container {
	for _, ext := range rt.extensions {
		if sameName(ext.urn, urn) {
			return ext
		}
	}
	return nil
}

// pathOf returns the path of a declared attribute.
func (rt *resourceType) pathOf(c *container, def *attribute) attrPath {
	return rt.schemaPath(c).inner(def)
}

// schemaPath returns the path of a declared extension, or the empty path of the
// core.
func (rt *resourceType) schemaPath(c *container) attrPath {
	if c == &rt.core {
		return attrPath{}
	}
	return attrPath{urn: c.urn}
}

// path returns the attribute of an extension that a name in its object means:
// an attribute, or a dotted sub-attribute. c is nil for an undeclared
// extension, whose names are taken as they are.
func (c *container) path(urn, name string) attrPath {
	path := attrPath{urn: urn, attr: name}
	if c == nil {
		return path
	}
	if path.def = lookup(c.attrs, name); path.def == nil {
		path.attr, path.sub, _ = strings.Cut(name, ".")
		path.def = lookup(c.attrs, path.attr)
	}
	if path.def != nil {
		path.attr = path.def.name
	}
	if path.subDef = path.def.sub(path.sub); path.subDef != nil {
		path.sub = path.subDef.name
	}
	return path
}

// An attrPath is a resolved attribute name. If attr is empty, it means a whole
// extension. def and subDef are nil if the attribute or sub-attribute is not
// declared.
type attrPath struct {
	urn       string // URN of the extension; empty for the core
	attr, sub string
	def       *attribute
	subDef    *attribute
}

// whole returns the path of the attribute without a sub-attribute.
func (p attrPath) whole() attrPath { return attrPath{urn: p.urn, attr: p.attr, def: p.def} }

// inner returns the path of an attribute of the schema, or of a sub-attribute
// of the attribute, that p means.
func (p attrPath) inner(def *attribute) attrPath {
	if p.attr == "" {
		return attrPath{urn: p.urn, attr: def.name, def: def}
	}
	p.sub, p.subDef = def.name, def
	return p
}

// String returns the path as a client writes it.
func (p attrPath) String() string {
	s := p.attr
	if p.urn != "" {
		s = strings.TrimSuffix(p.urn+":"+p.attr, ":")
	}
	if p.sub != "" {
		s += "." + p.sub
	}
	return s
}

// leaf returns the declaration of the last element of the path.
func (p attrPath) leaf() *attribute {
	if p.sub != "" {
		return p.subDef
	}
	return p.def
}

// readOnly reports whether a client may not write the value: the attribute or
// the sub-attribute is readOnly.
func (p attrPath) readOnly() bool { return p.def.readOnly() || p.subDef.readOnly() }

// resolve resolves an attribute name: plain, dotted, or qualified with the URN
// of the core or of an extension, in any letter case. A plain name that only an
// extension declares means that extension's attribute (Entra sends "manager").
func (rt *resourceType) resolve(text string) (attrPath, bool) {
	rest := text
	var in *container
	urn := ""
	if isURN(text) {
		for _, c := range rt.containers {
			after, ok := cutName(text, c.urn)
			if ok && (after == "" || after[0] == ':' || after[0] == '.') { // some clients write a dot after the URN
				in = c
				rest = strings.TrimLeft(after, ":.")
				break
			}
		}
		switch {
		case in == nil: // an undeclared extension: what follows the last colon is the attribute
			cut := strings.LastIndexByte(text, ':')
			urn, rest = text[:cut], text[cut+1:]
		case in != &rt.core:
			urn = in.urn
		}
		if rest == "" {
			return attrPath{urn: urn}, urn != "" && in != nil
		}
	} else {
		in = &rt.core
	}
	name, sub, dotted := strings.Cut(rest, ".")
	p := attrPath{urn: urn, attr: name, sub: sub}
	if in != nil {
		p.def = lookup(in.attrs, name)
	}
	if p.def == nil && in == &rt.core {
		for _, ext := range rt.extensions {
			if def := lookup(ext.attrs, name); def != nil {
				p.urn, p.def = ext.urn, def
				break
			}
		}
	}
	if p.def != nil {
		p.attr = p.def.name
		if p.subDef = p.def.sub(sub); p.subDef != nil {
			p.sub = p.subDef.name
		}
	}
	// Only undeclared names need a check: a declared name was found by its
	// folded form.
	if p.def == nil && !validName(name) || dotted && p.subDef == nil && !validName(sub) {
		return attrPath{}, false
	}
	return p, true
}

// validName reports whether an attribute's name is valid (RFC 7643
// section 2.1). It is lenient: it accepts any name that cannot be mistaken for
// another part of a path.
func validName(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '$':
		default:
			return false
		}
	}
	return true
}
