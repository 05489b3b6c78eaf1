package scim

import (
	"errors"
	"fmt"

	"github.com/usher-go/usher/sources"
)

// A UserReader reads users as other SCIM servers answer with them. What it makes
// of one is what the source of a directory makes of the same user after it was
// pushed (rule S33), and it is as tolerant as the handler is. It is safe for
// concurrent use.
type UserReader struct {
	source DirectorySource
	users  *resourceType
}

// NewUserReader returns a UserReader. The error says what is wrong with
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

// Read reads one user resource. Its id is the user's ID; without one there is an
// error, as there is for what is no JSON object. A value that is not of its
// attribute's type is read as far as it can be.
func (r *UserReader) Read(resource []byte) (sources.User, error) {
	body, err := parseObject(string(resource))
	if err != nil {
		return sources.User{}, err
	}
	id := textOf(body.get("id"))
	if blank(id) {
		return sources.User{}, errors.New("the user has no id")
	}
	for _, name := range [...]string{"schemas", "id", "meta", "groups"} { // say nothing more of the person
		body.drop(name)
	}
	doc, err := r.users.normalize(body)
	if err != nil {
		doc = body
	}
	return r.source.fromDoc(id, doc), nil
}
