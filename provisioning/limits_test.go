package provisioning

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// S14: a limit trips above it, not at it; if it has both parts, both must be
// exceeded; below the least population only the count matters.
func TestLimitTrips(t *testing.T) {
	percent, count := func(p float64) *float64 { return &p }, func(n int) *int { return &n }
	both := Limit{Percent: percent(20), Count: count(10)}
	for _, test := range []struct {
		limit             Limit
		count, population int
		trips             bool
	}{
		{both, 11, 50, true}, {both, 10, 50, false}, {both, 10, 51, false}, {both, 11, 54, true}, {both, 11, 55, false}, {both, 12, 55, true}, {both, 20, 100, false}, {both, 21, 100, true},
		{both, 10, 49, false}, {both, 11, 49, true}, {both, 1, 1, false}, // the count alone
		{Limit{Percent: percent(20)}, 10, 50, false}, {Limit{Percent: percent(20)}, 11, 50, true}, {Limit{Percent: percent(20)}, 49, 49, true}, {Limit{Percent: percent(20)}, 10, 49, false}, // a count of 10 below the least population
		{Limit{Count: count(0)}, 0, 100, false}, {Limit{Count: count(0)}, 1, 100, true}, {Limit{Count: count(3)}, 3, 4, false}, {Limit{Count: count(3)}, 4, 4, true},
		{Limit{Percent: percent(0)}, 1, 1000, true}, {Limit{Percent: percent(100)}, 50, 50, false}, {Limit{}, 50, 50, false},
		{Limit{Percent: percent(12.5)}, 10, 80, false}, {Limit{Percent: percent(12.5)}, 11, 80, true},
	} {
		require.Equal(t, test.trips, test.limit.at(test.population, 50).trips(test.count, test.population), "%d of %d, %s", test.count, test.population, test.limit)
	}
}

// The defaults of each class (S14).
func TestDefaultLimits(t *testing.T) {
	limits, least := Breakers{}.limits()
	require.Equal(t, 50, least)
	for class, want := range map[Class]string{
		ClassDeactivate: "limit 20 % and 10 people", ClassDowngrade: "limit 20 %", ClassRewriteIdentity: "limit 10 %", ClassReparent: "limit 30 %", ClassCreate: "no limit", ClassReactivate: "no limit",
		ClassAdopt: "limit 20 % and 10 people", ClassGrant: "limit 20 % and 10 people", ClassIdentity: "limit 0 people",
	} {
		require.Equal(t, want, limits[class].String(), class)
	}
	one := 1
	limits, least = Breakers{Create: &Limit{Count: &one}, MinPopulation: &one}.limits()
	require.Equal(t, 1, least)
	require.Equal(t, "limit 1 person", limits[ClassCreate].String())
	require.Equal(t, "limit 20 % and 10 people", limits[ClassDeactivate].String(), "the others keep theirs")
}
