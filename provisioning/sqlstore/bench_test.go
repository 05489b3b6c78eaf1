package sqlstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
)

// benchPeople is the size of the plan and of the team in the benchmarks.
const benchPeople = 10_000

// BenchmarkApply applies a plan that creates everybody, then one that changes
// everybody, to a file and beside it to memory, which is the floor.
func BenchmarkApply(b *testing.B) {
	stores := []struct {
		name string
		open func(b *testing.B) provisioning.Store
	}{
		{"Memory", func(*testing.B) provisioning.Store { return new(provisioning.Memory) }},
		{"SQLite", func(b *testing.B) provisioning.Store { return openStore(b, fileDSN(b)) }},
	}
	for _, s := range stores {
		b.Run("create/"+s.name, func(b *testing.B) {
			plan := &provisioning.Plan{Actions: hires(benchPeople)}
			for b.Loop() {
				b.StopTimer()
				store := s.open(b)
				b.StartTimer()
				benchApply(b, store, plan)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*benchPeople), "µs/action")
		})
		b.Run("update/"+s.name, func(b *testing.B) {
			store := s.open(b)
			benchApply(b, store, &provisioning.Plan{Actions: hires(benchPeople)})
			for b.Loop() {
				b.StopTimer()
				plan := new(provisioning.Plan)
				for m, err := range store.Members(b.Context(), tenant) {
					require.NoError(b, err)
					plan.Actions = append(plan.Actions, retitle(m, "Senior "+m.Title))
				}
				b.StartTimer()
				benchApply(b, store, plan)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*benchPeople), "µs/action")
		})
	}
}

func benchApply(b *testing.B, store provisioning.Store, plan *provisioning.Plan) {
	outcome, err := provisioning.Apply(b.Context(), store, tenant, plan)
	require.NoError(b, err)
	require.Zero(b, outcome.Refused)
}

// BenchmarkMembers reads a team.
func BenchmarkMembers(b *testing.B) {
	store := openStore(b, fileDSN(b))
	benchApply(b, store, &provisioning.Plan{Actions: hires(benchPeople)})
	for b.Loop() {
		n := 0
		for _, err := range store.Members(b.Context(), tenant) {
			require.NoError(b, err)
			n++
		}
		require.Equal(b, benchPeople, n)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*benchPeople), "µs/member")
}
