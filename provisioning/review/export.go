package review

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
)

// redacted are the fields that no file for passing on has: how to reach people
// beside their address at work.
var redacted = provisioning.Mask{
	provisioning.FieldPrivateEmail, provisioning.FieldOtherEmails, provisioning.FieldPhone, provisioning.FieldMobilePhone, provisioning.FieldPhoneExtension,
}

// HTMLConfig says what WriteHTML leaves out and what it says about the plan
// beside the plan. The zero value leaves out what no file has and says nothing.
type HTMLConfig struct {
	// Hide are further fields of people to leave out.
	Hide provisioning.Mask
	// Made is when the file is made, and By for whom; neither is required.
	Made time.Time
	By   string
	// Evidence is what the plan was decided on. Its zero value says nothing.
	Evidence syncer.Evidence
}

// WriteHTML writes the plan as one HTML page that needs no server, no script and
// no other file. It shows no private address and no phone number, and none of
// what cfg hides; every text of the directory is escaped. Its size is in
// proportion to the plan's. It fails only if w does.
func WriteHTML(w io.Writer, plan *provisioning.Plan, cfg HTMLConfig) error {
	style, err := assets.ReadFile("assets/style.css")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(style)
	v := newView(plan, slices.Concat(redacted, cfg.Hide))
	out := bufio.NewWriterSize(w, 32<<10)
	if err := templates.ExecuteTemplate(out, "export", map[string]any{
		"Plan": v.plan, "Sections": v.sections, "Made": cfg.Made, "By": cfg.By, "Evidence": cfg.Evidence, "Sums": planSums(v.plan),
		"Style":  template.CSS(style), //nolint:gosec // the package's own
		"Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}); err != nil {
		return fmt.Errorf("review: html: %w", err)
	}
	return out.Flush()
}

// exportHTML writes the plan without what is hidden from the viewer.
func (q *request) exportHTML() error {
	v, err := q.plan()
	if err != nil {
		return err
	}
	target := syncer.Target{Tenant: q.access.Tenant, Connection: v.plan.Connection}
	evidence, err := q.cfg.Syncer.Evidence(q.ctx, target, v.plan.Hash)
	if err != nil {
		return err
	}
	return WriteHTML(q.planFile("text/html; charset=utf-8", v.plan, "html"), v.whole, HTMLConfig{
		Hide: q.access.Hide, Made: time.Now().UTC(), By: q.access.Actor, Evidence: evidence,
	})
}

// planFile begins the file of a plan.
func (q *request) planFile(contentType string, plan *provisioning.Plan, extension string) io.Writer {
	return q.file(contentType, fmt.Sprintf("plan-%s-%.12s.%s", plan.Connection, plan.Hash, extension))
}

// exportCSV writes a line for each person.
func (q *request) exportCSV() error {
	v, err := q.plan()
	if err != nil {
		return err
	}
	w := csv.NewWriter(q.planFile("text/csv; charset=utf-8", v.plan, "csv"))
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
	return nil
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
	return v.whole.WriteJSON(q.planFile("application/json", v.plan, "json"))
}
