package provisioning

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
)

// A Story is what a plan decides about one person, and why.
type Story struct {
	ExternalID string `json:"external_id,omitempty"`
	MemberID   string `json:"member_id,omitempty"`
	Email      string `json:"email,omitempty"`
	Name       string `json:"name,omitempty"`
	// Outcome says what the plan does with the person: "done", "held", "skipped",
	// "unchanged", or "noted" for a person who only has a finding.
	Outcome StoryOutcome `json:"outcome"`
	// Does describes on one line what is done or would be done.
	Does string `json:"does,omitempty"`
	// Action is the action that is done or held; nil for the other outcomes.
	Action *Action `json:"action,omitempty"`
	// Steps are the reasons in the order of the decision.
	Steps []Step `json:"steps,omitempty"`
}

// A Step is one reason of a story, with its stage of the decision.
type Step struct {
	Stage  Stage  `json:"stage"`
	Reason Reason `json:"reason"`
}

// A Stage is one part of the decision about a person.
type Stage string

// The stages in the order of the decision.
const (
	StageEvidence    Stage = "evidence"    // the facts from the directory, and what is proven
	StageMatch       Stage = "match"       // which member this is
	StageEligibility Stage = "eligibility" // whether the person may come in
	StageAssignment  Stage = "assignment"  // which assignment governs
	StageFields      Stage = "fields"      // the fields that follow the source
	StageSeats       Stage = "seats"       // seats and settings
	StageManager     Stage = "manager"     // the place in the chart
	StageAccess      Stage = "access"      // whether access begins, ends or waits
)

var stages = [...]Stage{
	StageEvidence, StageMatch, StageEligibility, StageAssignment, StageFields, StageSeats, StageManager, StageAccess,
}

// stageOf returns the stage of a code by the family of the code.
func stageOf(code Code) Stage {
	family, _, _ := strings.Cut(string(code), ".")
	switch family {
	case "evidence", "snapshot", "groups", "absence":
		return StageEvidence
	case "match", "adopt", "email":
		return StageMatch
	case "ineligible", "domain", "scope":
		return StageEligibility
	case "assignment", "mode":
		return StageAssignment
	case "seat", "settings", "capture", "overwrites":
		return StageSeats
	case "hierarchy":
		return StageManager
	case "breaker", "protected", "keep_active", "active", "approval":
		return StageAccess
	case "source":
		switch code {
		case CodeSourceActive, CodeSourceInactive, CodeSourceStaged, CodeSourceStatus:
			return StageEvidence
		}
	}
	return StageFields
}

// Story returns what the plan says about a person. who is the ID in the directory
// or in the team, or any address or name that the person has, had or will get.
// There are several stories if several people have the name, and none if who is
// unknown. A plan that was read from JSON does not know the people whom it does not
// change.
func (p *Plan) Story(who string) []Story {
	who = text.Clean(who)
	if who == "" {
		return nil
	}
	var stories []Story
	for i := range p.Actions {
		if a := &p.Actions[i]; a.isAbout(who) {
			stories = append(stories, a.story(StoryDone, nil))
		}
	}
	for i := range p.Held {
		if h := &p.Held[i]; h.Action.isAbout(who) {
			stories = append(stories, h.Action.story(StoryHeld, h.Reasons))
		}
	}
	for i := range p.Skipped {
		s := &p.Skipped[i]
		if isAny(who, []string{s.ExternalID}, []string{s.Email}, []string{s.Name}) {
			story := Story{ExternalID: s.ExternalID, Email: s.Email, Name: s.Name, Outcome: StorySkipped}
			story.add(s.Reasons)
			stories = append(stories, story)
		}
	}
	if p.world != nil {
		stories = append(stories, p.unmentioned(who)...)
	}
	at := make(map[[2]string]int, len(stories)) // position of the first story, by external ID and by member ID
	enter := func(i int) {
		for _, id := range [][2]string{{"user", stories[i].ExternalID}, {"member", stories[i].MemberID}} {
			if _, known := at[id]; !known && id[1] != "" {
				at[id] = i
			}
		}
	}
	for i := range stories {
		enter(i)
	}
	for i := range p.Findings {
		f := &p.Findings[i]
		if !isAny(who, []string{f.ExternalID, f.MemberID}, []string{f.Email}, []string{f.Name}) {
			continue
		}
		story, known := at[[2]string{"user", f.ExternalID}]
		if byMember, too := at[[2]string{"member", f.MemberID}]; too && (!known || byMember < story) {
			story, known = byMember, true
		}
		if !known {
			story = len(stories)
			stories = append(stories, Story{ExternalID: f.ExternalID, MemberID: f.MemberID, Email: f.Email, Name: f.Name, Outcome: StoryNoted})
			enter(story)
		}
		stories[story].add([]Reason{f.Reason})
	}
	for i := range stories {
		stories[i].sort()
	}
	return stories
}

// isAny reports whether who is one of the IDs, addresses or names.
func isAny(who string, ids, emails, names []string) bool {
	return slices.ContainsFunc(ids, func(id string) bool { return id != "" && id == who }) ||
		slices.ContainsFunc(emails, func(email string) bool { return email != "" && address.Same(email, who) }) ||
		slices.ContainsFunc(names, func(full string) bool { return full != "" && name.Same(full, who) })
}

// isAbout reports whether who names the member of the action, as it is, was or will
// be.
func (a *Action) isAbout(who string) bool {
	was := a.Member.Clone()
	ids := []string{a.Member.ExternalID, a.Member.ID}
	emails := slices.Concat([]string{a.Member.Email, a.Member.PrivateEmail}, a.Member.OtherEmails)
	for i := range a.Changes {
		if spec := a.Changes[i].Field.spec(); spec != nil {
			spec.value.set(&was, a.Changes[i].Old)
		}
	}
	ids = append(ids, was.ExternalID)
	emails = append(emails, was.Email, was.PrivateEmail)
	emails = append(emails, was.OtherEmails...)
	for _, r := range a.Reasons {
		emails = append(emails, r.Facts["from"], r.Facts["source"]) // the address in the directory, if it was converted
	}
	return isAny(who, ids, emails, []string{a.Member.Name(), was.Name()})
}

func (a *Action) story(outcome StoryOutcome, held []Reason) Story {
	s := Story{
		ExternalID: a.Member.ExternalID, MemberID: a.Member.ID, Email: a.Member.Email, Name: a.Member.Name(),
		Outcome: outcome, Does: a.Describe(), Action: a,
	}
	s.add(a.Reasons)
	s.add(held)
	return s
}

// add adds reasons that the story does not have yet.
func (s *Story) add(reasons []Reason) {
	for _, r := range reasons {
		if !slices.ContainsFunc(s.Steps, func(step Step) bool { return step.Reason.Code == r.Code && sameFacts(step.Reason, r) }) {
			s.Steps = append(s.Steps, Step{stageOf(r.Code), r})
		}
	}
}

// sameFacts reports whether two reasons with one code agree. One of them may have
// more facts.
func sameFacts(a, b Reason) bool {
	for fact, value := range a.Facts {
		if other, ok := b.Facts[fact]; ok && other != value {
			return false
		}
	}
	return true
}

func (s *Story) sort() {
	slices.SortStableFunc(s.Steps, func(a, b Step) int {
		return slices.Index(stages[:], a.Stage) - slices.Index(stages[:], b.Stage)
	})
}

// Explain returns the stories of a person as text: what is done, held, skipped or
// left unchanged, every value that changes, and a sentence for each reason.
func (p *Plan) Explain(who string) string {
	stories := p.Story(who)
	if len(stories) == 0 {
		if p.world == nil {
			return fmt.Sprintf("%s: the plan does not mention anybody of that name, address or id\n", text.Line(who))
		}
		return fmt.Sprintf("%s: nobody of that name, address or id is known, in the directory or in the team\n", text.Line(who))
	}
	var b strings.Builder
	for i := range stories {
		stories[i].explain(&b)
	}
	return b.String()
}

func (s *Story) explain(b *strings.Builder) {
	who := text.Line(cmp.Or(s.Email, s.Name, s.ExternalID, s.MemberID))
	switch s.Outcome {
	case StoryDone:
		fmt.Fprintf(b, "%s %s: %s\n", s.Action.Kind.sigil(), who, s.Does)
	case StoryHeld:
		fmt.Fprintf(b, "! %s: held: %s\n", who, s.Does)
	case StorySkipped:
		fmt.Fprintf(b, ". %s: skipped\n", who)
	case StoryNoted:
		fmt.Fprintf(b, "! %s: to be looked at\n", who)
	default:
		fmt.Fprintf(b, "= %s: %s\n", who, cmp.Or(s.Does, "unchanged"))
	}
	for _, step := range s.Steps {
		fmt.Fprintf(b, "    %s  [%s]\n", step.Reason.Text(), step.Reason.Code.line())
	}
	if s.Action == nil {
		return
	}
	for i := range s.Action.Changes {
		if c := &s.Action.Changes[i]; c.IsValue() {
			fmt.Fprintf(b, "    %s: %s -> %s\n", c.Field.line(), showValue(c.Old), showValue(c.New))
		}
	}
	for _, e := range s.Action.Effects {
		fmt.Fprintf(b, "    then: %s\n", text.Line(strings.TrimSpace(string(e.Kind)+" "+e.To)))
	}
}

// StoryOutcome says what a plan does with a person.
type StoryOutcome string

// The outcomes of a story.
const (
	StoryDone      StoryOutcome = "done"
	StoryHeld      StoryOutcome = "held"
	StorySkipped   StoryOutcome = "skipped"
	StoryUnchanged StoryOutcome = "unchanged"
	StoryNoted     StoryOutcome = "noted"
)

// unmentioned returns the stories of people whom who names and whom the plan does
// not mention.
func (p *Plan) unmentioned(who string) []Story {
	mentioned := make(map[string]bool) // member IDs and external IDs
	for a := range p.all() {
		mentioned[a.Member.ID] = true
	}
	for i := range p.Skipped {
		mentioned[p.Skipped[i].ExternalID] = true
	}
	w := p.world
	var stories []Story
	for i := range w.members {
		m := &w.members[i]
		emails := slices.Concat(m.OtherEmails, []string{m.Email, m.PrivateEmail})
		if user := w.userOf[i]; user != none {
			emails = append(append(emails, w.users[user].Email), w.users[user].OtherEmails...)
		}
		if mentioned[m.ID] || m.ExternalID != "" && mentioned[m.ExternalID] || !isAny(who, []string{m.ExternalID, m.ID}, emails, []string{m.Name()}) {
			continue
		}
		story := Story{ExternalID: m.ExternalID, MemberID: m.ID, Email: m.Email, Name: m.Name(), Outcome: StoryUnchanged}
		story.Does, story.Steps = w.whyUnchanged(int32(i), m)
		stories = append(stories, story)
	}
	return stories
}

// whyUnchanged says why a member stays as it is.
func (s *survey) whyUnchanged(person int32, m *Member) (does string, steps []Step) {
	user := s.userOf[person]
	state := "active"
	if !m.Active {
		state = "deactivated"
	}
	switch {
	case !m.Managed:
		return "unchanged: made by hand, and nobody in the directory is this person", nil
	case !s.r.isLinked(m):
		return "unchanged: of another connection, " + text.Line(m.Connection), nil
	case user == none:
		return "unchanged: " + state + ", and not in the directory", nil
	}
	var story Story
	if s.users[user].Status == sources.StatusActive {
		story.add([]Reason{because(CodeSourceActive)})
	}
	if a := s.r.rules.At(s.governing[user]); a != nil && !s.isOpen(user) {
		code := CodeAssignmentMatch
		if int(s.governing[user]) == len(s.r.rules.Assignments) {
			code = CodeAssignmentElse
		}
		story.add([]Reason{because(code, "assignment", cmp.Or(a.Name, a.ID))})
	}
	does = "unchanged: " + state
	if m.AssignmentID != "" {
		does += " in " + text.Line(m.AssignmentID)
	}
	for at := range settingFields.all() {
		if spec := &fieldTable[at]; spec.value.get(m) != nil {
			does += ", " + spec.name.String() + " " + showValue(spec.value.get(m))
		}
	}
	if manager := s.nameOfMember(m); manager != "" {
		does += ", under " + text.Line(manager)
	}
	return does, story.Steps
}
