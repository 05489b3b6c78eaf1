package hierarchy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/usher-go/usher/hierarchy"
)

var sizes = []int{10_000, 100_000, 1_000_000}

// organisation returns a company of n people. One eighth of them are managers,
// whom the keys name by email and who are already the people's managers. As in
// a resolver's input, the strings of the two sides share no memory, and
// managers stand at arbitrary positions.
func organisation(n int) []hierarchy.Person {
	people := make([]hierarchy.Person, n)
	managers := make([]hierarchy.Keys, n)
	for i := range people {
		people[i] = hierarchy.Person{
			Key: fmt.Sprintf("member-%07d", i), ID: fmt.Sprintf("00u%07d", i), Email: address(i),
			GivenName: fmt.Sprintf("Given%d", i%1000), FamilyName: fmt.Sprintf("Family%d", i/1000),
			Active: true, Follow: true,
		}
		if i > 0 {
			managers[i] = hierarchy.Keys{Email: address(managerOf(i))}
			people[i].Current, people[i].Manager = fmt.Sprintf("member-%07d", managerOf(i)), &managers[i]
		}
	}
	people[0].Current, people[0].Manager = "", nil
	return people
}

func managerOf(i int) int { return i * 7919 % (i/8 + 1) }

func address(i int) string { return fmt.Sprintf("given%d.family%d@example.com", i%1000, i/1000) }

func perPerson(b *testing.B, people int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(people), "ns/person")
}

func benchmarkBuild(b *testing.B, change func([]hierarchy.Person)) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("people=%d", n), func(b *testing.B) {
			people := organisation(n)
			change(people)
			b.ReportAllocs()
			for b.Loop() {
				hierarchy.Build(people)
			}
			perPerson(b, n)
		})
	}
}

// BenchmarkFloor is the reference for Build: the hash join of the same
// addresses with a Go map, without trimming, folding or any decision.
func BenchmarkFloor(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("people=%d", n), func(b *testing.B) {
			people := organisation(n)
			b.ReportAllocs()
			for b.Loop() {
				byEmail := make(map[string]int32, n)
				for i := range people {
					byEmail[people[i].Email] = int32(i)
				}
				manager := make([]int32, n)
				for i := range people {
					if m := people[i].Manager; m != nil {
						manager[i] = byEmail[m.Email]
					}
				}
			}
			perPerson(b, n)
		})
	}
}

func BenchmarkBuildUnchanged(b *testing.B) {
	benchmarkBuild(b, func([]hierarchy.Person) {})
}

func BenchmarkBuildOtherCase(b *testing.B) {
	benchmarkBuild(b, func(people []hierarchy.Person) {
		for _, p := range people[1:] {
			p.Manager.Email = strings.ToUpper(p.Manager.Email)
		}
	})
}

func BenchmarkBuildAllNew(b *testing.B) {
	benchmarkBuild(b, func(people []hierarchy.Person) {
		for i := range people {
			people[i].Current = ""
		}
	})
}

func BenchmarkBuildByName(b *testing.B) {
	benchmarkBuild(b, func(people []hierarchy.Person) {
		for i, p := range people[1:] {
			named := people[managerOf(i+1)]
			*p.Manager = hierarchy.Keys{Name: named.GivenName + " " + named.FamilyName}
		}
	})
}

// BenchmarkBuildAllKeys measures a directory that gives three keys for each
// manager.
func BenchmarkBuildAllKeys(b *testing.B) {
	benchmarkBuild(b, giveAllKeys)
}

// BenchmarkBuildKeysDiffer measures the same directory, in which one person in
// a thousand has keys of three different people, so that Build needs an index
// for each kind of key.
func BenchmarkBuildKeysDiffer(b *testing.B) {
	benchmarkBuild(b, func(people []hierarchy.Person) {
		giveAllKeys(people)
		for i := 1000; i < len(people); i += 1000 {
			people[i].Manager.Email = people[i-1].Email
			people[i].Manager.Name = people[i-2].GivenName + " " + people[i-2].FamilyName
		}
	})
}

func giveAllKeys(people []hierarchy.Person) {
	for i := 1; i < len(people); i++ {
		named := people[managerOf(i)]
		people[i].IDFirst = true
		*people[i].Manager = hierarchy.Keys{
			Email: strings.Clone(named.Email), ID: strings.Clone(named.ID), Name: named.GivenName + " " + named.FamilyName,
		}
	}
}

// BenchmarkTogether measures a company in which everybody who has a manager
// gets another one, and each pair of neighbours is one group.
func BenchmarkTogether(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("people=%d", n), func(b *testing.B) {
			people := organisation(n)
			for i := range people {
				people[i].Current, people[i].Manager = people[0].Key, &hierarchy.Keys{ID: people[0].ID}
			}
			people[0].Current, people[0].Manager = "", nil
			for i := 2; i < n; i += 2 {
				people[i].Current = people[i-1].Key
				people[i-1].Manager = &hierarchy.Keys{ID: people[i].ID}
			}
			c := hierarchy.Build(people)
			b.ReportAllocs()
			for b.Loop() {
				if len(c.Together()) != (n-1)/2 {
					b.Fatal("not every pair is a group")
				}
			}
			perPerson(b, n)
		})
	}
}

// BenchmarkBuildKnots measures the worst case that we know: everybody in a long
// chain is to report to the last person, so that each edge that is taken back
// uncovers the next cycle.
func BenchmarkBuildKnots(b *testing.B) {
	benchmarkBuild(b, func(people []hierarchy.Person) {
		last := len(people) - 1
		for i := range people {
			people[i].Manager = &hierarchy.Keys{ID: people[last].ID}
			people[i].Current = people[max(i-1, 0)].Key
			if i > last/2 {
				people[i].Manager = nil
			}
		}
		people[0].Current = ""
	})
}

func BenchmarkText(b *testing.B) {
	c := hierarchy.Build(organisation(100_000))
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Text(discard{}); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
