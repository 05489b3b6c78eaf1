package provisioning

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/usher-go/usher/internal/strictjson"
)

// seal sets the hash of the plan.
func (p *Plan) seal() { p.Hash = p.digest() }

// digest returns the hash that the plan should carry.
func (p *Plan) digest() string {
	content := *p
	content.Hash = ""
	sum := sha256.New()
	if err := content.WriteJSON(sum); err != nil {
		return "" // JSON cannot express a value; a plan with an empty hash is never applied
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// hashJSON returns the hash of the canonical JSON of a value, or "" if JSON cannot
// express it.
func hashJSON(value any) string {
	sum := sha256.New()
	encoder := json.NewEncoder(sum)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// WriteJSON writes the plan's canonical JSON: fields in the order of the types,
// sorted map keys, no white space, no HTML escapes, a newline at the end. Equal
// plans give equal bytes. It holds the JSON of one action in memory at a time.
func (p *Plan) WriteJSON(w io.Writer) error {
	out := jsonWriter{out: bufio.NewWriterSize(w, 32<<10)}
	out.encoder = json.NewEncoder(&out.element)
	out.encoder.SetEscapeHTML(false)
	out.object("format", p.Format)
	out.field("tenant", p.Tenant, p.Tenant == "")
	out.field("source", p.Source, false)
	out.field("connection", p.Connection, false)
	out.field("config_revision", p.ConfigRevision, p.ConfigRevision == "")
	out.field("about", p.About, p.About == nil)
	writeList(&out, "actions", p.Actions, false)
	writeList(&out, "held", p.Held, len(p.Held) == 0)
	writeList(&out, "skipped", p.Skipped, len(p.Skipped) == 0)
	writeList(&out, "findings", p.Findings, len(p.Findings) == 0)
	writeList(&out, "breakers", p.Breakers, len(p.Breakers) == 0)
	out.field("unchanged", p.Unchanged, false)
	out.field("hash", p.Hash, false)
	out.text("}\n")
	if out.err == nil {
		out.err = out.out.Flush()
	}
	return out.err
}

// A jsonWriter writes an object field by field. It keeps the first error.
type jsonWriter struct {
	out     *bufio.Writer
	element bytes.Buffer
	encoder *json.Encoder
	err     error
}

func (w *jsonWriter) text(s string) {
	if w.err == nil {
		_, w.err = w.out.WriteString(s)
	}
}

func (w *jsonWriter) value(v any) {
	w.element.Reset()
	if w.err == nil {
		w.err = w.encoder.Encode(v)
	}
	if w.err == nil {
		_, w.err = w.out.Write(bytes.TrimSuffix(w.element.Bytes(), []byte("\n")))
	}
}

func (w *jsonWriter) object(name string, v any) {
	w.text(`{"` + name + `":`)
	w.value(v)
}

func (w *jsonWriter) field(name string, v any, omit bool) {
	if !omit {
		w.text(`,"` + name + `":`)
		w.value(v)
	}
}

func writeList[T any](w *jsonWriter, name string, list []T, omit bool) {
	if omit {
		return
	}
	w.text(`,"` + name + `":[`)
	for i := range list {
		if i > 0 {
			w.text(",")
		}
		w.value(&list[i])
	}
	w.text("]")
}

// ReadPlan parses a plan's JSON. Unknown fields, another format, and a hash that is
// not that of the content are errors: so the plan that is applied is the one that
// was stored and approved.
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

// ReadMembers parses the JSON form of a team: {"format": 1, "members": [...]}, or
// the array alone. Unknown fields are errors. Sets are sorted.
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
