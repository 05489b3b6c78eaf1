// Package view is how the example programs show a plan, as their flags say, and
// how somebody approves of it.
package view

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/usher-go/usher/examples/internal/files"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/hierarchy"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/review"
)

// Warn prints what is unwise in the rules of a file.
func Warn(stderr *terminal.Screen, file string, rules *provisioning.Resolver) {
	for _, warning := range rules.Warnings() {
		fmt.Fprintf(stderr.Painted(), "%s: warning: %s\n", file, warning)
	}
}

// A View is what of a plan is shown, and where.
type View struct {
	All, JSON bool
	Explain   string
	chart     chart
	page      string
}

// Register adds the flags of a view.
func (v *View) Register(flags *flag.FlagSet) {
	flags.BoolVar(&v.All, "all", false, "print a line of the plan for each person, in place of its first screen")
	flags.BoolVar(&v.JSON, "json", false, "print the plan as canonical JSON, and all else to standard error")
	flags.StringVar(&v.Explain, "explain", "", "print one person's story in the plan, by `email`, ID or full name, and change nothing")
	flags.Var(&v.chart, "chart", "draw the org chart after the plan in a `form`: svg, dot, mermaid or text; on standard output, and all else on standard error, or with form=FILE into a file")
	flags.StringVar(&v.page, "html", "", "write the plan as a page into a `file`, without private addresses and phone numbers")
}

// Wrong says what is wrong with a combination of the flags, or nothing.
func (v *View) Wrong() string {
	given := 0
	for _, is := range []bool{v.All, v.JSON, v.Explain != "", v.chart.onOutput()} {
		if is {
			given++
		}
	}
	if given > 1 {
		return "-all, -json, -explain and -chart without a file exclude one another"
	}
	return ""
}

// Draws reports whether something besides a text is made of the plan.
func (v *View) Draws() bool { return v.chart.form != "" || v.page != "" }

// Told returns where what is told beside the plan goes: standard output, unless
// that holds data and nothing else.
func (v *View) Told(stdout, stderr *terminal.Screen) *terminal.Screen {
	if v.JSON || v.chart.onOutput() {
		return stderr
	}
	return stdout
}

// Show shows a plan for a team.
func (v *View) Show(stdout, stderr *terminal.Screen, plan *provisioning.Plan, team []provisioning.Member) error {
	if err := v.chart.draw(stdout, stderr, plan, team); err != nil {
		return err
	}
	if v.page != "" {
		if err := writeFile(v.page, stderr, func(w io.Writer) error { return review.WriteHTML(w, plan, review.HTMLConfig{Made: time.Now()}) }); err != nil {
			return err
		}
	}
	out := stdout.Painted()
	var err error
	switch {
	case v.chart.onOutput():
	case v.JSON:
		err = plan.WriteJSON(stdout)
	case v.Explain != "":
		_, err = io.WriteString(out, plan.Explain(v.Explain))
	case v.All:
		if err = plan.WriteText(out); err == nil {
			_, err = io.WriteString(out, releases(plan))
		}
	case stdout.IsTerminal():
		_, err = io.WriteString(out, plan.SummaryIn(stdout.Columns()))
	default:
		_, err = io.WriteString(out, plan.Summary())
	}
	return errors.Join(err, out.Close())
}

// releases says how to release the classes that wait.
func releases(plan *provisioning.Plan) string {
	var b strings.Builder
	for i := range plan.Breakers {
		breaker := &plan.Breakers[i]
		fmt.Fprintf(&b, "\n%s; if it is meant: -approve %s=%.*s\n", people(breaker.Count), breaker.Class, minHash, breaker.Hash)
	}
	return b.String()
}

func people(n int) string {
	if n == 1 {
		return "1 person waits for an approval"
	}
	return fmt.Sprintf("%d people wait for an approval", n)
}

// A chart is a form of the org chart, and the file it goes to.
type chart struct {
	form, path string
}

var forms = map[string]func(*hierarchy.Chart, io.Writer) error{
	"svg":     func(c *hierarchy.Chart, w io.Writer) error { return c.SVG(w, hierarchy.SVG{}) },
	"dot":     func(c *hierarchy.Chart, w io.Writer) error { return c.DOT(w) },
	"mermaid": func(c *hierarchy.Chart, w io.Writer) error { return c.Mermaid(w) },
	"text":    func(c *hierarchy.Chart, w io.Writer) error { return c.Text(w) },
}

// String implements flag.Value.
func (c *chart) String() string { return c.form }

// Set implements flag.Value.
func (c *chart) Set(text string) error {
	form, path, withFile := strings.Cut(text, "=")
	if forms[form] == nil || withFile && path == "" {
		return errors.New("want svg, dot, mermaid or text, or one of them with =FILE")
	}
	c.form, c.path = form, path
	return nil
}

func (c *chart) onOutput() bool { return c.form != "" && c.path == "" }

func (c *chart) draw(stdout, stderr *terminal.Screen, plan *provisioning.Plan, team []provisioning.Member) error {
	switch {
	case c.form == "":
		return nil
	case c.path == "":
		return forms[c.form](Chart(After(plan, team)), stdout)
	}
	return writeFile(c.path, stderr, func(w io.Writer) error { return forms[c.form](Chart(After(plan, team)), w) })
}

// writeFile writes a file and says so.
func writeFile(path string, stderr *terminal.Screen, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return files.InFile(path, err)
	}
	out := bufio.NewWriter(file)
	if err := errors.Join(write(out), out.Flush(), file.Close()); err != nil {
		return files.InFile(path, err)
	}
	fmt.Fprintf(stderr, "written: %s\n", path)
	return nil
}

// After returns the team as a plan leaves it that is applied without what it
// holds.
func After(plan *provisioning.Plan, team []provisioning.Member) []provisioning.Member {
	at := make(map[string]int, len(team))
	after := append([]provisioning.Member(nil), team...)
	for i := range after {
		at[after[i].ID] = i
	}
	for i := range plan.Actions {
		m := &plan.Actions[i].Member
		if is, known := at[m.ID]; known {
			after[is] = *m
		} else {
			after = append(after, *m)
		}
	}
	return after
}

// Chart returns who reports to whom, of those who are active.
func Chart(team []provisioning.Member) *hierarchy.Chart {
	var people []hierarchy.Person
	for i := range team {
		if m := &team[i]; m.Active {
			people = append(people, hierarchy.Person{
				Key: m.ID, Current: m.ManagerID, Active: true, Email: m.Email, GivenName: m.GivenName, FamilyName: m.FamilyName,
			})
		}
	}
	return hierarchy.Build(people)
}
