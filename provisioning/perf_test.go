package provisioning_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// Directories in which everybody depends on everybody. "growth" is the time per
// person for 10,000 people relative to that for 500; quadratic time gives twenty.
func BenchmarkKnotted(b *testing.B) {
	const small, large = 500, 10_000
	for name, test := range map[string]func(n int) (provisioning.Config, provisioning.Input){
		"everybody gets the next one's address, and waits": func(n int) (provisioning.Config, provisioning.Input) { // S2, S14
			cfg, in := okta(), crowd(n)
			for i := range n {
				in.Snapshot.Users[i].Email = in.Members[(i+1)%n].Email
			}
			return cfg, in
		},
		"a chain of newcomers waits for a record that comes back": func(n int) (provisioning.Config, provisioning.Input) { // S15
			cfg, in := okta(), crowd(n)
			none := 0
			cfg.Breakers.Create, cfg.Breakers.Reactivate = &provisioning.Limit{Count: &none}, &provisioning.Limit{Count: &none}
			for i := range n - 2 {
				in.Snapshot.Users[i].Manager.ID = in.Snapshot.Users[i+1].ID
			}
			in.Members = in.Members[n-1:]
			in.Members[0].Active = false
			in.Snapshot.Users[n-2].Email, in.Snapshot.Users[n-1].Email = in.Members[0].Email, "moved@acme.com"
			return cfg, in
		},
		"one group is listed over and over": func(n int) (provisioning.Config, provisioning.Input) { // S21
			cfg, in := okta(), crowd(n)
			cfg.Assignments = []assignment.Assignment{{ID: "a", Match: assignment.Match{Groups: []string{"g"}}}}
			var members []string
			for i := range 200 {
				members = append(members, fmt.Sprintf("u%03d", i))
			}
			for range n {
				in.Snapshot.Groups = append(in.Snapshot.Groups, sources.Group{ID: "g", Members: members})
			}
			return cfg, in
		},
		"everybody has one name, which is their manager's": func(n int) (provisioning.Config, provisioning.Input) { // S22
			cfg, in := okta(), crowd(n)
			for i := range n {
				u := &in.Snapshot.Users[i]
				u.GivenName, u.FamilyName, u.Manager.Name = "Ana", "Li", "Ana Li"
			}
			return cfg, in
		},
	} {
		b.Run(name, func(b *testing.B) {
			each := func(n int) time.Duration {
				cfg, in := test(n)
				r, took := resolver(b, cfg), time.Duration(0)
				for range b.N {
					start := time.Now()
					r.Resolve(in).Story("Ana Li")
					took += time.Since(start)
				}
				return took / time.Duration(n)
			}
			b.ReportMetric(float64(each(large))/float64(each(small)), "growth")
		})
	}
}
