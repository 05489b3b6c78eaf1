package provisioning

import (
	"bytes"
	"encoding/json"
)

// ResolveWithoutShortcut resolves as Resolve does, but decides about everybody
// in full, also about those of whom a glance says that nothing changes.
func (r *Resolver) ResolveWithoutShortcut(in Input) *Plan { return r.resolve(in, false) }

// Sealed returns the JSON of a plan with the hash that it should have, or data
// if it is no plan.
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
