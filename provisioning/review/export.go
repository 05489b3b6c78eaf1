package review

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/provisioning"
)

// redacted are the fields that no file for passing on has: how to reach people
// beside their address at work.
var redacted = provisioning.Mask{
	provisioning.FieldPrivateEmail, provisioning.FieldOtherEmails, provisioning.FieldPhone, provisioning.FieldMobilePhone, provisioning.FieldPhoneExtension,
}

// exportHTML writes the plan as one file that needs nothing else, without what is
// hidden from the viewer and how to reach people in private.
func (q *request) exportHTML() error {
	v, err := q.plan()
	if err != nil {
		return err
	}
	style, err := assets.ReadFile("assets/style.css")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(style)
	whole := newView(v.plan, redacted)
	out := q.file("text/html; charset=utf-8", "plan-"+whole.plan.Connection+"-"+whole.plan.Hash[:12]+".html")
	if err := templates.ExecuteTemplate(out, "export", map[string]any{
		"Plan": whole.plan, "Sections": whole.sections, "Made": time.Now().UTC(), "By": q.access.Actor,
		"Style":  template.CSS(style), //nolint:gosec // the package's own
		"Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}); err != nil {
		return err
	}
	return out.Flush()
}

// exportCSV writes a line for each person.
func (q *request) exportCSV() error {
	v, err := q.plan()
	if err != nil {
		return err
	}
	out := q.file("text/csv; charset=utf-8", "plan-"+v.plan.Connection+"-"+v.plan.Hash[:12]+".csv")
	w := csv.NewWriter(out)
	write := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = inert(text.Line(clip(cell, 4*maxShown)))
		}
		_ = w.Write(cells) // w keeps the error
	}
	write("section", "who", "id", "kind", "what", "reasons", "assignment")
	for _, s := range v.sections {
		for _, g := range s.Groups {
			for _, e := range g.Of {
				assignment := ""
				if e.action != nil {
					assignment = e.action.Member.AssignmentID
				}
				var codes []string
				for _, list := range e.reasons {
					for _, r := range list {
						codes = append(codes, string(r.Code))
					}
				}
				write(s.ID, e.Who, e.ID, e.kind, e.Does(), strings.Join(codes, " "), assignment)
			}
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("csv: %w", err)
	}
	return out.Flush()
}

// inert is a cell that no spreadsheet reads as a formula.
func inert(cell string) string {
	if strings.IndexAny(cell, "=+-@\t\r") == 0 {
		return "'" + cell
	}
	return cell
}

// exportJSON writes the canonical JSON, which is whole, and so only for whoever
// may see all of it.
func (q *request) exportJSON() error {
	v, err := q.plan()
	if err != nil {
		return err
	}
	if len(q.access.Hide) > 0 {
		return &failure{403, "The canonical JSON of a plan is whole, and something of it is hidden from you. Take the CSV or the HTML."}
	}
	out := q.file("application/json", "plan-"+v.plan.Connection+"-"+v.plan.Hash[:12]+".json")
	if err := v.whole.WriteJSON(out); err != nil {
		return err
	}
	return out.Flush()
}
