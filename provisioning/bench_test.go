package provisioning_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// benchSizes are the populations of the budgets in design section 5.
var benchSizes = []int{10_000, 100_000, 1_000_000}

// company returns a company of n people under 20 assignments, with time zones and
// an org chart of ten reports for each manager, and the team after a full apply, so
// that nothing has to change. The two sides share no string, as if one came from a
// provider and the other from a database.
func company(tb testing.TB, n int) (*provisioning.Resolver, provisioning.Input) {
	tb.Helper()
	cfg := provisioning.Config{Source: "okta", Connection: "okta-1", Domains: provisioning.Domains{Primary: "acme.com"},
		Locale: provisioning.Locale{TimeZone: "America/New_York"}}
	groups := make([]sources.Group, 20)
	for i := range groups {
		groups[i].ID = fmt.Sprintf("g%02d", i)
		a := assignment.Assignment{ID: fmt.Sprintf("a%02d", i), Mode: assignment.Automatic, Match: assignment.Match{Groups: []string{groups[i].ID}}}
		a.Seats = []string{"core"}
		a.Profiles = map[string]string{"ws1": "standard"}
		a.Capture = []string{"email-import", "recording"}
		cfg.Assignments = append(cfg.Assignments, a)
	}
	r, err := provisioning.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	zones := []string{"America/New_York", "Europe/Paris", "Asia/Tokyo", "Australia/Sydney"}
	snapshot := &sources.Snapshot{
		Format: 1, Kind: "okta", Connection: "okta-1",
		Proven: sources.FactUsers | sources.FactGroups | sources.FactMemberships | sources.FactManagers,
		Users:  make([]sources.User, n), Groups: groups,
	}
	members := make([]provisioning.Member, n)
	fields := []provisioning.Field{provisioning.FieldEmail, provisioning.FieldGivenName, provisioning.FieldFamilyName, provisioning.FieldTitle,
		provisioning.FieldPhone, provisioning.FieldTimeZone, provisioning.FieldLocale, provisioning.FieldManager,
		provisioning.FieldSeats, provisioning.FieldHome, provisioning.FieldProfiles, provisioning.FieldCapture, provisioning.FieldExtra}
	var owners provisioning.Owners
	for _, f := range fields {
		owners = owners.With(f, provisioning.OwnerSource)
	}
	for i := range n {
		text := func(format string) string { return fmt.Sprintf(format, i) }
		u := &snapshot.Users[i]
		u.ID, u.Status, u.Email = text("00u%017d"), sources.StatusActive, text("person.%07d@acme.com")
		u.GivenName, u.FamilyName, u.Title = text("Given%d"), text("Family%d"), fmt.Sprintf("Engineer %d", i%50)
		u.Phone, u.TimeZone, u.Locale = text("+1 212 %07d"), zones[i%4], "en-US"
		if i > 0 {
			u.Manager.Email = fmt.Sprintf("person.%07d@acme.com", i/10)
		}
		group := &groups[i%20]
		group.Members = append(group.Members, u.ID)
		// The team has another order than the directory.
		m := &members[(i*7919+13)%n]
		*m = provisioning.Member{
			ID: text("m%09d"), Connection: "okta-1", ExternalID: text("00u%017d"), Managed: true, Active: true,
			Email: text("person.%07d@acme.com"), GivenName: text("Given%d"), FamilyName: text("Family%d"), Title: fmt.Sprintf("Engineer %d", i%50),
			Phone: text("+1 212 %07d"), TimeZone: string([]byte(zones[i%4])), Locale: "en-US",
			AssignmentID: fmt.Sprintf("a%02d", i%20), Owners: owners, Revision: "1",
		}
		if i > 0 {
			m.ManagerID = fmt.Sprintf("m%09d", i/10)
		} else {
			m.Owners = owners.With(provisioning.FieldManager, provisioning.OwnerNobody)
		}
		m.Settings = cfg.Assignments[i%20].Settings.Clone()
	}
	return r, provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: members}
}

// BenchmarkResolve measures a run in which nothing changes, and beside it the
// floor: a plain Go hash join of the same two lists.
func BenchmarkResolve(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("people=%d", n), func(b *testing.B) {
			r, in := company(b, n)
			runtime.GC()
			b.Run("plan", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					plan := r.Resolve(in)
					if len(plan.Actions)+len(plan.Findings) != 0 {
						b.Fatalf("something to do:\n%.500s", plan)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/person")
			})
			b.Run("floor", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if joined := join(in); joined != n {
						b.Fatal(joined)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/person")
			})
		})
	}
}

// join is the floor: it finds the member of each user by ID, and compares nothing.
func join(in provisioning.Input) int {
	byID := make(map[string]int32, len(in.Members))
	for i := range in.Members {
		byID[in.Members[i].ExternalID] = int32(i)
	}
	joined := 0
	for i := range in.Snapshot.Users {
		if _, ok := byID[in.Snapshot.Users[i].ID]; ok {
			joined++
		}
	}
	return joined
}

// BenchmarkOne measures the decision about one person of a tenant, including the
// reads by key. The budget is 3x from 1,000 people to 1,000,000.
func BenchmarkOne(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("people=%d", n), func(b *testing.B) {
			r, in := company(b, n)
			store := new(provisioning.Memory)
			for i := range in.Members {
				store.Put("t", in.Members[i])
			}
			directory := sources.NewIndex(in.Snapshot)
			changed := &in.Snapshot.Users[n/2]
			changed.Title = "Director"
			in.Members = nil
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				part, err := r.Gather(b.Context(), provisioning.Lookup{Tenant: "t", Team: store, Directory: directory}, changed.ID)
				if err != nil {
					b.Fatal(err)
				}
				if plan := r.Resolve(part); len(plan.Actions) != 1 {
					b.Fatalf("%.500s", plan)
				}
			}
		})
	}
}
