package provisioning

import (
	"bytes"
	"encoding/json"
)

// ResolveWithoutShortcut is Resolve, but decides in full about everybody, also
// about members whom the shortcut finds unchanged.
func (r *Resolver) ResolveWithoutShortcut(in Input) *Plan { return r.resolve(in, false) }

// Sealed returns the JSON of a plan with the correct hash, or data if it is no
// plan.
func Sealed(data []byte) []byte {
	var p Plan
	if json.Unmarshal(data, &p) != nil {
		return data
	}
	p.seal()
	var b bytes.Buffer
	if p.WriteJSON(&b) != nil {
		return data
	}
	return b.Bytes()
}
