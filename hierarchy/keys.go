package hierarchy

import (
	"bytes"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/invisible"
	"github.com/usher-go/usher/internal/name"
)

// A kind is a kind of key by which people are found.
type kind uint8

const (
	byKey kind = iota
	byEmail
	byID
	byName

	kinds = iota
)

// ambiguous is the finding for a key that several people have, by kind.
var ambiguous = [kinds]Finding{byKey: ManagerNotFound, byEmail: AmbiguousEmail, byID: AmbiguousID, byName: AmbiguousName}

// The orders of the keys of a manager, strongest first (rule S22).
var (
	emailFirst = [...]kind{byEmail, byID, byName}
	idFirst    = [...]kind{byID, byEmail, byName}
)

// key returns the key of one kind.
func (m *Keys) key(k kind) string {
	switch k {
	case byEmail:
		return m.Email
	case byID:
		return m.ID
	case byName:
		return m.Name
	}
	return ""
}

// deciding returns the strongest key that the directory gives for the manager of p.
// The key is empty if there is none.
func (p *Person) deciding() (kind, string) {
	if p.Manager == nil {
		return byKey, ""
	}
	order := &emailFirst
	if p.IDFirst {
		order = &idFirst
	}
	for _, k := range order {
		if key := p.Manager.key(k); !blank(key) {
			return k, key
		}
	}
	return byKey, ""
}

func blank(key string) bool { return key == "" || invisible.Trim(key) == "" }

// own appends the comparable form of p's value of this kind.
func (k kind) own(buffer []byte, p *Person) []byte {
	switch k {
	case byEmail:
		return address.AppendKey(buffer, p.Email)
	case byID:
		return append(buffer, invisible.Trim(p.ID)...)
	case byName:
		return name.AppendKey(buffer, p.GivenName, p.FamilyName)
	}
	return append(buffer, p.Key...)
}

// given appends the comparable form of a key of this kind.
func (k kind) given(buffer []byte, key string) []byte {
	switch k {
	case byEmail:
		return address.AppendKey(buffer, key)
	case byID:
		return append(buffer, invisible.Trim(key)...)
	case byName:
		return name.AppendKey(buffer, key)
	}
	return append(buffer, key...)
}

// has reports whether p has the value of this kind with the given comparable form.
// An address may be the alias.
func (k kind) has(p *Person, value []byte) bool {
	var buffer [64]byte
	return bytes.Equal(k.own(buffer[:0], p), value) ||
		k == byEmail && bytes.Equal(address.AppendKey(buffer[:0], p.Alias), value)
}

// names reports whether a key of this kind names p.
func (k kind) names(p *Person, key string) bool {
	if k.written(p, key) {
		return true
	}
	var buffer [64]byte
	return k.has(p, k.given(buffer[:0], key))
}

// written reports whether p has the key in the same spelling. That is the common
// case and needs no folding.
func (k kind) written(p *Person, key string) bool {
	switch k {
	case byEmail:
		return p.Email == key
	case byID:
		return p.ID == key
	case byName:
		given := len(p.GivenName)
		return len(key) == given+1+len(p.FamilyName) &&
			key[:given] == p.GivenName && key[given] == ' ' && key[given+1:] == p.FamilyName
	}
	return p.Key == key
}
