package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/provtest"
	"github.com/usher-go/usher/sources"
)

// L6: if the team agrees with its directory, the decision about one pushed change
// alone is the same as the whole run's, for everybody it concerns; if that is not
// possible, Gather says so. This also holds for a sequence of changes, each decided
// with the rivals of the decisions before it.
func TestLawPartDecidesAsTheWhole(t *testing.T) {
	parts := 0
	check(t, func(t *rapid.T, r *provisioning.Resolver, in provisioning.Input) {
		cfg := r.Config()
		cfg.Breakers, cfg.KeepActive, cfg.Domains.Convert = noBreakers(), provisioning.KeepActive{}, false
		r, err := provisioning.New(cfg)
		require.NoError(t, err)
		in.Snapshot.Proven = sources.FactAll
		for _, query := range r.Queries() {
			if in.Snapshot.Matches[query] == nil {
				in.Snapshot.Matches = map[string][]string{query: {}}
			}
		}
		store, _ := storeWith(t, in.Members)
		settled := func() (rivals []provisioning.Rival, ok bool) { // applies whole runs until the team agrees with its directory
			for runs := 0; ; runs++ {
				in.Members = teamOf(t, store)
				plan := r.Resolve(in)
				if runs == 4 || len(plan.Actions)+len(plan.Breakers) == 0 {
					return plan.Rivals(), len(plan.Actions) == 0
				}
				applyAll(t, store, plan)
			}
		}
		rivals, ok := settled()
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "change"), 1))
		for range rapid.IntRange(1, 8).Draw(t, "changes in a row") {
			about := ""
			if ok {
				about = changeOne(random, in.Snapshot)
			}
			if about == "" {
				return
			}
			part, err := r.Gather(context.Background(), provisioning.Lookup{
				Tenant: "t", Team: store, Directory: sources.NewIndex(in.Snapshot), Rivals: rivals,
			}, about)
			if errors.Is(err, provisioning.ErrNeedsWholeRun) {
				rivals, ok = settled()
				continue
			}
			require.NoError(t, err)
			parts++
			want, got := r.Resolve(in), r.Resolve(part)
			require.Equal(t, decisions(want), decisions(got), "about %s, of %d people\nwhole\n%s\npart\n%s", about, len(in.Members), want, got)
			for _, id := range got.About { // the part reports about those people what the whole run reports
				require.Equal(t, told(want, id), told(got, id), "about %s, of %s\nwhole\n%s\npart\n%s", about, id, want, got)
			}
			applyAll(t, store, got)
			in.Members = teamOf(t, store)
			rivals = got.Rivals(rivals...)
			if len(r.Resolve(in).Actions) > 0 { // some companies need more than one run
				rivals, ok = settled()
			}
		}
	})
	require.NotZero(t, parts, "some changes are decided as a part")
}

// decisions lists what a plan does and holds, as text, without what only the whole
// run knows.
func decisions(plan *provisioning.Plan) []string {
	var lines []string
	for _, a := range allActions(plan) {
		line := fmt.Sprintf("%s %s %s", a.Kind, a.Member.ID, a.Revision)
		for _, c := range a.Changes {
			line += fmt.Sprintf("; %s %v -> %v (%s)", c.Field, c.Old, c.New, c.Owner)
		}
		for _, e := range a.Effects {
			line += fmt.Sprintf("; %s %s %s", e.Kind, e.To, e.About)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// told lists the reasons for which a plan skips or mentions a person.
func told(plan *provisioning.Plan, externalID string) []string {
	var lines []string
	for _, s := range plan.Skipped {
		if s.ExternalID == externalID {
			lines = append(lines, fmt.Sprint("skipped ", s.Reasons))
		}
	}
	for _, f := range plan.Findings {
		if f.ExternalID == externalID {
			lines = append(lines, f.Reason.String())
		}
	}
	slices.Sort(lines)
	return lines
}

// changeOne makes one change in a directory, like a push, and returns the external
// ID that the push is about, or "" if nothing could change.
func changeOne(random *rand.Rand, s *sources.Snapshot) string {
	if len(s.Users) < 2 {
		return ""
	}
	i := random.IntN(len(s.Users))
	u, other := &s.Users[i], s.Users[random.IntN(len(s.Users))]
	if slices.IndexFunc(s.Users, func(v sources.User) bool { return v.ID == u.ID }) != i {
		return "" // the person has another listing as well
	}
	id := u.ID
	switch random.IntN(14) {
	case 0:
		u.Title = "Changed"
	case 1:
		u.Email = "changed@acme.com"
	case 2:
		u.Email = other.Email
	case 3:
		u.Status = sources.StatusInactive
	case 4:
		u.Status = sources.StatusActive
	case 5:
		s.Users = slices.DeleteFunc(s.Users, func(v sources.User) bool { return v.ID == id })
	case 6:
		u.GivenName, u.FamilyName = other.GivenName, other.FamilyName
	case 7:
		u.Manager = sources.Manager{Email: other.Email}
	case 8:
		u.Manager = sources.Manager{ID: other.ID}
	case 9:
		u.Manager = sources.Manager{Name: other.GivenName + " " + other.FamilyName}
	case 10:
		for g := range s.Groups {
			s.Groups[g].Members = slices.DeleteFunc(s.Groups[g].Members, func(member string) bool { return member == id })
		}
	case 11:
		if len(s.Groups) > 0 {
			g := &s.Groups[random.IntN(len(s.Groups))]
			g.Members = append(g.Members, id)
		}
	case 12:
		u.Email = strings.ToUpper(u.Email)
	case 13:
		id = "brand-new"
		v := sources.User{ID: id, Status: sources.StatusActive, Email: "brand-new@acme.com", GivenName: other.GivenName, FamilyName: other.FamilyName, Manager: u.Manager}
		if random.IntN(3) == 0 {
			v.Email = other.Email
		}
		s.Users = append(s.Users, v)
	}
	return id
}

// L6: if a seat is kept for a person whose action is held, a part that is about
// other people gives it to nobody.
func TestGatherKnowsForWhomSeatsAreKept(t *testing.T) {
	cfg := okta()
	cfg.Assignments = []assignment.Assignment{{ID: "a", Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{"g"}}, Settings: assignment.Settings{Seats: []string{"core"}}}}
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Automatic}
	cfg.Breakers.Create = &provisioning.Limit{Count: number(1)}
	cfg.Seats.Pools = map[string]int{"core": 2}
	r := resolver(t, cfg)

	bo := activeUser("y1", "bo@acme.com")
	snapshot := allProven(bo, activeUser("x1", "x1@acme.com"), activeUser("x2", "x2@acme.com"))
	snapshot.Groups = []sources.Group{{ID: "g", Members: []string{"x1", "x2"}}}
	store, team := storeWith(t, []provisioning.Member{memberFor(bo)})
	_, err := provisioning.Apply(t.Context(), store, "t", r.Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: team}))
	require.NoError(t, err)
	in := provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: teamOf(t, store)}
	before := r.Resolve(in)
	require.Empty(t, before.Actions)
	require.Len(t, before.Held, 2)

	snapshot.Groups[0].Members = append(snapshot.Groups[0].Members, "y1")
	part, err := r.Gather(t.Context(), provisioning.Lookup{
		Tenant: "t", Team: store, Directory: sources.NewIndex(snapshot), Rivals: before.Rivals(),
	}, "y1")
	require.NoError(t, err)
	want, got := r.Resolve(in), r.Resolve(part)
	require.Equal(t, decisions(want), decisions(got))
	require.Contains(t, got.Explain("y1"), string(provisioning.CodeSeatExhausted))
}

// L6, R104, R129: a part knows whether the manager of a newcomer has a recorded
// report, also if other reports have recording on and lack the seat that it needs.
func TestGatherFindsTheRecordedReport(t *testing.T) {
	cfg := okta()
	cfg.Default = &assignment.Assignment{ID: "default", Mode: assignment.Manual}
	cfg.Managers.Notify = true
	cfg.Seats.Requires = map[string][]string{"capture.recording": {"core"}}
	r := resolver(t, cfg)
	boss := activeUser("u0", "boss@acme.com")
	for recorded := range 4 { // the position of the only report who has the seat; 3: nobody has it
		snapshot := allProven(boss)
		team := []provisioning.Member{memberFor(boss)}
		for i := range 3 {
			u := activeUser(fmt.Sprintf("r%d", i), fmt.Sprintf("r%d@acme.com", i))
			m := memberFor(u)
			m.ManagerID, m.Capture = team[0].ID, []string{assignment.Recording}
			if i == recorded {
				m.Seats = []string{"core"}
			}
			snapshot.Users, team = append(snapshot.Users, u), append(team, m)
		}
		newcomer := activeUser("n", "new@acme.com")
		newcomer.Manager.Email = boss.Email
		snapshot.Users = append(snapshot.Users, newcomer)
		store, _ := storeWith(t, team)
		part, err := r.Gather(t.Context(), provisioning.Lookup{
			Tenant: "t", Team: store, Directory: sources.NewIndex(snapshot), Rivals: []provisioning.Rival{},
		}, "n")
		require.NoError(t, err)
		got := provtest.Find(t, r.Resolve(part), "n").Action.Effects
		require.Equal(t, recorded < 3, len(got) == 1, "report %d has the seat", recorded)
		whole := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: teamOf(t, store)})
		require.Equal(t, provtest.Find(t, whole, "n").Action.Effects, got)
	}
}
