package provisioning

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/usher-go/usher/internal/strictjson"
)

// seal writes the hash over everything else into the plan.
func (p *Plan) seal() {
	p.Hash = p.digest()
}

// digest returns the hash that the plan should carry.
func (p *Plan) digest() string {
	content := *p
	content.Hash = ""
	sum := sha256.New()
	if err := content.encode(sum); err != nil {
		return "" // a value that JSON cannot express; nothing is ever approved under an empty hash
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// encode writes the canonical form: fields in the order of the types, map keys
// sorted, no white space, no HTML escapes, and a newline at the end.
func (p *Plan) encode(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(p)
}

// WriteJSON writes the plan's canonical JSON: the same plan, the same bytes.
func (p *Plan) WriteJSON(w io.Writer) error { return p.encode(w) }

// ReadPlan reads a plan's JSON. It refuses unknown fields, another format, and
// a plan whose hash is not that of its content: what was stored to be approved
// is what will be applied.
func ReadPlan(data []byte) (*Plan, error) {
	p := new(Plan)
	if err := strictjson.Decode(data, p); err != nil {
		return nil, fmt.Errorf("provisioning: plan: %w", err)
	}
	if p.Format != PlanFormat {
		return nil, fmt.Errorf("provisioning: plan: format: is %d; want %d", p.Format, PlanFormat)
	}
	if p.Hash == "" || p.Hash != p.digest() {
		return nil, fmt.Errorf("provisioning: plan: hash: is not that of the content; the plan was changed after it was made")
	}
	return p, nil
}

// members is the JSON form of a team.
type members struct {
	Format  int      `json:"format"`
	Members []Member `json:"members"`
}

// ReadMembers reads the JSON form of a team: {"format": 1, "members": [...]},
// or the array alone. Unknown fields are refused; sets are brought into order.
func ReadMembers(data []byte) ([]Member, error) {
	var file members
	var into any = &file
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("[")) {
		file.Format, into = 1, &file.Members
	}
	if err := strictjson.Decode(data, into); err != nil {
		return nil, fmt.Errorf("provisioning: members: %w", err)
	}
	if file.Format != 1 {
		return nil, fmt.Errorf("provisioning: members: format: is %d; want 1", file.Format)
	}
	ids := make(map[string]int, len(file.Members))
	for i := range file.Members {
		m := &file.Members[i]
		if m.ID == "" {
			return nil, fmt.Errorf("provisioning: members[%d].id: is empty; want the member's id", i)
		}
		if first, twice := ids[m.ID]; twice {
			return nil, fmt.Errorf("provisioning: members[%d].id: %q is that of members[%d] as well", i, m.ID, first)
		}
		ids[m.ID] = i
		m.Normalize()
	}
	return file.Members, nil
}

// WriteMembers writes the JSON form of a team.
func WriteMembers(w io.Writer, team []Member) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	return encoder.Encode(members{Format: 1, Members: team})
}
