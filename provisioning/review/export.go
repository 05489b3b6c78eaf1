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

// redacted are the fields that a file of WriteHTML, which may be passed on,
// never contains: ways to reach people other than their work address.
var redacted = provisioning.Mask{
	provisioning.FieldPrivateEmail, provisioning.FieldOtherEmails, provisioning.FieldPhone, provisioning.FieldMobilePhone, provisioning.FieldPhoneExtension,
}

// HTMLConfig describes what WriteHTML omits, and the facts about the plan that
// it adds. The zero value omits only the fields that no such file contains, and
// adds nothing.
type HTMLConfig struct {
	// Hide are further fields of people to omit.
	Hide provisioning.Mask
	// Made is the time at which the file is made, and By the person for whom it
	// is made; both are optional.
	Made time.Time
	By   string
	// Evidence is the basis of the plan's decisions. The zero value adds
	// nothing.
	Evidence syncer.Evidence
}

// WriteHTML writes the plan as one HTML page that needs no server, no script
// and no other file. It contains no private address, no phone number, and no
// field that cfg hides. Every text of the directory is escaped. The size is
// proportional to that of the plan. It fails only if w does.
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

// exportHTML writes the plan without the fields that are hidden from the
// viewer.
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

// planFile starts the file of a plan.
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

// inert returns a cell that no spreadsheet interprets as a formula.
func inert(cell string) string {
	if strings.IndexAny(cell, "=+-@\t\r") == 0 {
		return "'" + cell
	}
	return cell
}

// exportJSON writes the canonical JSON. This is the complete plan, so that only
// viewers who may see all fields get it.
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
