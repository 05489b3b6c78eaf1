package provisioning

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/alike"
	"github.com/usher-go/usher/internal/text"
)

const (
	summaryLines   = 25  // the largest number of lines
	summaryColumns = 100 // the width of Summary
	minColumns     = 60  // the smallest width: each approval fits
	summaryNames   = 10  // how many entries of a list are named
)

// Summary returns an overview of the plan for the person who decides whether to
// apply it: at most 25 lines of 100 columns. First come losses of access, person by
// person; then what waits, each class with the approval that releases it; then
// newcomers and changes, with one line and a number for equal changes; then
// findings, and who is left out, by cause. A list that is cut ends with the number
// of the rest. For more, see String (a line for each person), Explain (sentences)
// and the JSON (everything).
func (p *Plan) Summary() string { return p.SummaryIn(summaryColumns) }

// SummaryIn is Summary for another width, at least 60 columns. Wide letters and
// emoji take two columns.
func (p *Plan) SummaryIn(columns int) string {
	columns = max(columns, minColumns)
	head, _, _ := strings.Cut(p.sums(), "\n") // the breakers are shown beside what they hold
	lines := []string{head}
	if what, sums, _ := strings.Cut(head, ": "); text.Columns(head) > columns {
		lines = []string{what + ":"}
		for at := 0; len(sums)+2 > columns; sums = sums[at+2:] { // numbers and words in ASCII
			at = strings.LastIndex(sums[:columns-2], ", ")
			lines = append(lines, "  "+sums[:at+1])
		}
		lines = append(lines, "  "+sums)
	}
	legend := []string{"+ comes in  ~ changes  - loses  ! needs somebody  . left out", "every line: -all, the data: -json"}
	if joined := strings.Join(legend, "; "); len(joined) <= columns {
		legend = []string{joined}
	}
	sections := []section{
		p.summaryOfLosses(), p.summaryOfHeld(columns / 3), p.summaryOfActions(KindCreate, KindAdopt, KindClaim, KindRehire, KindReactivate),
		p.summaryOfActions(KindUpdate), p.summaryOfFindings(), p.summaryOfSkipped(),
	}
	sections = slices.DeleteFunc(sections, func(s section) bool { return len(s.lines) == 0 })
	cuts := cutSections(sections, summaryLines-len(lines)-len(legend))
	for i := range sections {
		lines = append(append(lines, sections[i].title), sections[i].fit(cuts[i])...)
	}
	if len(sections) > 0 {
		lines = append(lines, legend...)
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(text.Cut(line, columns) + "\n")
	}
	return b.String()
}

// A section is one list of a summary.
type section struct {
	title string
	lines []summaryLine
	whole int // the number of first lines that are never cut
}

// A summaryLine is a line about some people.
type summaryLine struct {
	text   string
	people int
}

// cutSections returns the number of lines of each section, if all sections with
// their titles may have so many lines together. It gives lines first to what must
// not be cut, then to the first section, which lists losses of access, then to the
// others in turn.
func cutSections(sections []section, room int) []int {
	cuts := make([]int, len(sections))
	for i := range sections {
		cuts[i] = min(len(sections[i].lines), sections[i].whole+1)
		room -= 1 + cuts[i]
	}
	grow := func(i, most int) {
		for most = min(most, len(sections[i].lines)); cuts[i] < most && room > 0; room-- {
			cuts[i]++
		}
	}
	for i := range sections {
		grow(i, sections[i].whole+2)
	}
	for most := range summaryNames + 1 {
		if len(sections) > 0 {
			grow(0, summaryNames)
		}
		for i := range sections {
			grow(i, most)
		}
	}
	return cuts
}

// fit returns at most n lines. If it cuts the list, the last line has the number of
// the remaining people.
func (s *section) fit(n int) []string {
	texts := make([]string, 0, n)
	rest := 0
	for i, line := range s.lines {
		if len(s.lines) <= n || i < n-1 {
			texts = append(texts, line.text)
		} else {
			rest += line.people
		}
	}
	if rest > 0 {
		texts = append(texts, fmt.Sprintf("  and %d more", rest))
	}
	return texts
}

// summaryOfLosses lists everybody who loses access, a seat, a profile or capture.
func (p *Plan) summaryOfLosses() section {
	s := section{}
	var who []string
	width := 0
	for i := range p.Actions {
		a := &p.Actions[i]
		if !a.TakesAccess() {
			continue
		}
		why := ""
		if len(a.Reasons) > 0 && a.Kind == KindDeactivate {
			why = ": " + codeTexts[a.Reasons[0].Code]
		}
		who = append(who, text.Line(a.Who()))
		width = max(width, min(text.Columns(who[len(who)-1]), whoBound))
		s.lines = append(s.lines, summaryLine{a.describeLosses() + why, 1})
	}
	for i := range s.lines {
		s.lines[i].text = "  - " + who[i] + text.Pad(who[i], width) + "  " + s.lines[i].text
	}
	s.title = fmt.Sprintf("loses access, seats, profiles or capture (%d):", len(s.lines))
	return s
}

// TakesAccess reports whether a member who may sign in loses access, a seat, a
// profile or capture (S41).
func (a *Action) TakesAccess() bool {
	return slices.ContainsFunc(a.Effects, func(e Effect) bool { return e.Kind == AccessEnded || e.Kind == AccessReduced })
}

// describeLosses describes what an action takes from a member who may sign in.
func (a *Action) describeLosses() string {
	if a.Kind == KindDeactivate {
		return "deactivate"
	}
	var parts []string
	for i := range a.Changes {
		switch c := &a.Changes[i]; c.Field {
		case FieldSeats, FieldProfiles, FieldCapture:
			if c.Old != nil && c.IsValue() {
				parts = append(parts, c.describe(false))
			}
		}
	}
	return strings.Join(parts, ", ")
}

// summaryOfHeld lists what waits: by class, with names in so many columns, and what
// no approval releases.
func (p *Plan) summaryOfHeld(columns int) section {
	s := section{title: fmt.Sprintf("waits (%d):", len(p.Held))}
	for i := range p.Breakers {
		b := &p.Breakers[i]
		var names []string
		for k := range p.Held {
			if h := &p.Held[k]; slices.Contains(h.Classes, b.Class) {
				names = append(names, h.Action.Who())
			}
		}
		release := fmt.Sprintf("-approve %s=%.12s", b.Class, b.Hash)
		if len(p.Breakers) <= 3 {
			s.lines = append(s.lines, summaryLine{fmt.Sprintf("  ! %s, %s; %s:", b.Class, b.people(), b.why()), b.Count},
				summaryLine{text: "      release with " + release + ": " + listed(names, columns)})
		} else {
			s.lines = append(s.lines, summaryLine{fmt.Sprintf("  ! %d wait for %s", b.Count, release), b.Count})
		}
	}
	s.whole = len(s.lines)
	var causes alike.Groups[string]
	for i := range p.Held {
		if h := &p.Held[i]; len(h.Classes) == 0 {
			causes.Add(h.Reasons[0].Cause(), h.Action.Who())
		}
	}
	s.lines = append(s.lines, grouped("!", &causes)...)
	return s
}

// summaryOfActions lists the actions of some kinds. Equal actions share a line.
func (p *Plan) summaryOfActions(kinds ...Kind) section {
	var changes alike.Groups[string]
	n := 0
	for i := range p.Actions {
		a := &p.Actions[i]
		if !slices.Contains(kinds, a.Kind) {
			continue
		}
		n++
		changes.Add(a.DescribeAlike(), a.Who())
	}
	title, sigil := "comes in", "+"
	if slices.Contains(kinds, KindUpdate) {
		title, sigil = "changes", "~"
	}
	return section{title: fmt.Sprintf("%s (%d):", title, n), lines: grouped(sigil, &changes)}
}

// DescribeAlike is Describe without what is personal, such as the name of a new
// member. Actions with the same text do the same for different people.
func (a *Action) DescribeAlike() string {
	if a.Kind == KindUpdate {
		return a.Describe()
	}
	parts := []string{a.Kind.String()}
	if a.Member.AssignmentID != "" {
		parts[0] += " in " + text.Line(a.Member.AssignmentID)
	}
	for c := range a.changesWithKept() {
		if at, ok := fieldPositions[c.Field]; ok && settingFields.has(at) {
			parts = append(parts, c.describe(a.returns()))
		}
	}
	return strings.Join(parts, ", ")
}

func (p *Plan) summaryOfFindings() section {
	var causes alike.Groups[string]
	for i := range p.Findings {
		causes.Add(p.Findings[i].Reason.Cause(), p.Findings[i].Who())
	}
	return section{title: fmt.Sprintf("to look at (%d):", len(p.Findings)), lines: grouped("!", &causes)}
}

func (p *Plan) summaryOfSkipped() section {
	var causes alike.Groups[string]
	for i := range p.Skipped {
		causes.Add(p.Skipped[i].Reasons[0].Cause(), p.Skipped[i].Who())
	}
	return section{title: fmt.Sprintf("left out (%d):", len(p.Skipped)), lines: grouped(".", &causes)}
}

// grouped returns a line for each text, the most frequent first, with the number of
// its people and two of their names.
func grouped(sigil string, people *alike.Groups[string]) []summaryLine {
	groups := people.Sorted()
	lines := make([]summaryLine, len(groups))
	for i, group := range groups {
		what, names := group.What, group.Of
		lines[i].people = len(names)
		switch len(names) {
		case 1:
			lines[i].text = fmt.Sprintf("  %s %s  %s", sigil, text.Line(names[0]), what)
		case 2:
			lines[i].text = fmt.Sprintf("  %s 2 people: %s (%s, %s)", sigil, what, text.Line(names[0]), text.Line(names[1]))
		default:
			lines[i].text = fmt.Sprintf("  %s %d people: %s (%s, %s, ...)", sigil, len(names), what, text.Line(names[0]), text.Line(names[1]))
		}
	}
	return lines
}

// listed names the first entries, at least one and as many as fit into so many
// columns, and the number of the rest.
func listed(names []string, columns int) string {
	shown := make([]string, 0, summaryNames)
	for _, name := range names[:min(len(names), summaryNames)] {
		shown = append(shown, text.Line(name))
	}
	line := strings.Join(shown, ", ")
	for rest := len(names) - len(shown); ; rest++ {
		tail := ""
		if rest > 0 {
			tail = fmt.Sprintf(" and %d more", rest)
		}
		if text.Columns(line+tail) <= columns || len(shown) == 1 {
			return line + tail
		}
		shown = shown[:len(shown)-1]
		line = strings.Join(shown, ", ")
	}
}
