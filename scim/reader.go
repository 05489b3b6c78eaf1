package scim

import (
	"errors"
	"fmt"

	"github.com/usher-go/usher/sources"
)

// A UserReader reads users from the answers of other SCIM servers. It returns
// the same user as the source of a directory to which the resource was pushed
// (rule S33), and is as tolerant as the handler. It is safe for concurrent use.
type UserReader struct {
	source DirectorySource
	users  *resourceType
}

// NewUserReader returns a UserReader. The error describes a wrong
// SourceConfig.UserExtension.
func NewUserReader(cfg SourceConfig) (*UserReader, error) {
	types, err := compileTypes(Config{UserExtension: cfg.UserExtension})
	if err != nil {
		return nil, fmt.Errorf("scim: UserExtension: %w", err)
	}
	r := &UserReader{source: *AsSource(nil, "", "", cfg)}
	for _, rt := range types {
		if rt.name == TypeUser {
			r.users = rt
		}
	}
	return r, nil
}

// Read reads one user resource. Its id is the user's ID; a missing id is an
// error, as is a resource that is no JSON object. A value that does not have
// its attribute's type is read as far as possible.
func (r *UserReader) Read(resource []byte) (sources.User, error) {
	body, err := parseObject(string(resource))
	if err != nil {
		return sources.User{}, err
	}
	id := textOf(body.get("id"))
	if blank(id) {
		return sources.User{}, errors.New("the user has no id")
	}
	for _, name := range [...]string{"schemas", "id", "meta", "groups"} { // these have no further data of the person
		body.drop(name)
	}
	doc, err := r.users.normalize(body)
	if err != nil {
		doc = r.normalizeEach(body)
	}
	return r.source.fromDoc(id, doc), nil
}

// normalizeEach normalizes every attribute that can be normalized, and leaves the
// others as they are, so that one malformed value does not change how the others are
// read.
func (r *UserReader) normalizeEach(body *object) *object {
	good, bad := &object{}, &object{}
	for _, f := range body.fields {
		into := good
		if _, err := r.users.normalize(&object{fields: []field{f}}); err != nil {
			into = bad
		}
		into.fields = append(into.fields, f)
	}
	doc, err := r.users.normalize(good)
	if err != nil {
		return body
	}
	for _, f := range bad.fields {
		if n, ok := f.value.(number); ok { // such as a user name, which the handler refuses
			f.value = string(n)
		}
		doc.set(f.name, f.value)
	}
	return doc
}
