package hierarchy_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/hierarchy"
)

// reference implements the rules of Build without regard to speed: it compares
// every person with every other, and searches for cycles again in each round.
func reference(people []hierarchy.Person) map[string]outcome {
	n := len(people)
	current, manager := make([]int, n), make([]int, n)
	finding := make([]hierarchy.Finding, n)
	for i, p := range people {
		current[i] = slices.IndexFunc(people, func(q hierarchy.Person) bool { return p.Current != "" && q.Key == p.Current })
		manager[i], finding[i] = referenceNamed(people, i)
		switch {
		case manager[i] < 0:
			manager[i] = current[i]
		case manager[i] != current[i] && people[manager[i]].Open:
			manager[i], finding[i] = current[i], hierarchy.ManagerOpen
		}
	}
	onCycle := func(i int) bool {
		j := manager[i]
		for range n {
			if j < 0 || j == i {
				break
			}
			j = manager[j]
		}
		return j == i
	}
	for again := true; again; {
		again = false
		next := slices.Clone(manager)
		for i := range people {
			if !onCycle(i) {
				continue
			}
			finding[i] = hierarchy.Cycle
			if manager[i] != current[i] {
				next[i], again = current[i], true
			}
		}
		manager = next
	}
	all := make(map[string]outcome)
	for i, p := range people {
		o := outcome{changed: manager[i] != current[i], finding: finding[i]}
		if manager[i] >= 0 {
			o.manager = people[manager[i]].Key
		}
		all[p.Key] = o
	}
	return all
}

// A referenceKey is one key that the directory gives for a manager.
type referenceKey struct {
	bears     func(hierarchy.Person) bool
	ambiguous hierarchy.Finding
}

// referenceKeys returns the non-blank keys of the manager of p, in the order in
// which they decide.
func referenceKeys(p hierarchy.Person) []referenceKey {
	if p.Manager == nil {
		return nil
	}
	email, id, named := strings.TrimSpace(p.Manager.Email), strings.TrimSpace(p.Manager.ID), strings.TrimSpace(p.Manager.Name)
	var all []referenceKey
	if email != "" {
		all = append(all, referenceKey{ambiguous: hierarchy.AmbiguousEmail, bears: func(q hierarchy.Person) bool {
			return lowerASCII(q.Email) == lowerASCII(email) || lowerASCII(q.Alias) == lowerASCII(email)
		}})
	}
	if id != "" {
		key := referenceKey{ambiguous: hierarchy.AmbiguousID, bears: func(q hierarchy.Person) bool { return strings.TrimSpace(q.ID) == id }}
		if p.IDFirst {
			all = append([]referenceKey{key}, all...)
		} else {
			all = append(all, key)
		}
	}
	if named != "" {
		all = append(all, referenceKey{ambiguous: hierarchy.AmbiguousName, bears: func(q hierarchy.Person) bool {
			return strings.EqualFold(spelled(q.GivenName+" "+q.FamilyName), spelled(named))
		}})
	}
	return all
}

func referenceNamed(people []hierarchy.Person, i int) (int, hierarchy.Finding) {
	if !people[i].Follow {
		return -1, hierarchy.NoFinding
	}
	given := referenceKeys(people[i])
	if len(given) == 0 {
		return -1, hierarchy.NoManagerKey
	}
	manager, finding := referenceFind(people, i, given[0])
	if finding == hierarchy.AmbiguousEmail && len(given) > 1 && given[1].ambiguous == hierarchy.AmbiguousID {
		if j, _ := referenceFind(people, i, given[1]); j >= 0 && j != i {
			manager, finding = j, hierarchy.NoFinding
		}
	}
	if manager < 0 {
		return manager, finding
	}
	for _, key := range given {
		if !key.bears(people[manager]) && slices.ContainsFunc(people, key.bears) {
			finding = hierarchy.KeysDiffer
		}
	}
	return manager, finding
}

// referenceFind returns the person whom one key names as the manager of person
// i.
func referenceFind(people []hierarchy.Person, i int, key referenceKey) (int, hierarchy.Finding) {
	var active []int
	inactive := false
	for j, q := range people {
		switch {
		case j == i || !key.bears(q):
		case q.Active:
			active = append(active, j)
		default:
			inactive = true
		}
	}
	switch {
	case len(active) == 1:
		return active[0], hierarchy.NoFinding
	case len(active) > 1:
		return -1, key.ambiguous
	case key.bears(people[i]):
		return i, hierarchy.NoFinding
	case inactive:
		return -1, hierarchy.ManagerInactive
	}
	return -1, hierarchy.ManagerNotFound
}

// spelled removes, from the names of confusedTeam, the differences that S36
// ignores.
func spelled(name string) string {
	name = strings.NewReplacer("C\u0327", "Ç", "c\u0327", "ç", "\u2019", "'", "\u2011", "-").Replace(name)
	return strings.Join(strings.Fields(name), " ")
}

func lowerASCII(address string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII {
			return unicode.ToLower(r)
		}
		return r
	}, address))
}

// confusedTeam draws a small team in which keys are often shared, missing or
// unknown.
func confusedTeam() *rapid.Generator[[]hierarchy.Person] {
	email := rapid.SampledFrom([]string{"", " ", "a@x.com", "A@x.COM", " b@x.com", "b@x.com", "c@x.com", "a.rather.long.address@x.com", "A.rather.LONG.address@x.com"})
	id := rapid.SampledFrom([]string{"", " ", "1", "2 ", "2", "3"})
	given := rapid.SampledFrom([]string{"", "Ana", "ANA", "Bo", "Çelik", "c\u0327elik", "D'Or"})
	family := rapid.SampledFrom([]string{"", "Doe", " doe", "ÑU"})
	named := rapid.SampledFrom([]string{"", "ana doe", "ANA  DOE", "bo", "çelik ñu", "C\u0327ELIK doe", "d\u2019or doe", "doe", "x"})
	return rapid.Custom(func(t *rapid.T) []hierarchy.Person {
		people := make([]hierarchy.Person, rapid.IntRange(0, 12).Draw(t, "people"))
		key := rapid.SampledFrom(strings.Split(" ,a,b,c,d,e,f,g,h,i,j,k,l,ghost", ","))
		for i := range people {
			people[i] = hierarchy.Person{
				Key: string(rune('a' + i)), Current: strings.TrimSpace(key.Draw(t, "current")),
				ID: id.Draw(t, "id"), Email: email.Draw(t, "email"), Alias: email.Draw(t, "alias"),
				GivenName: given.Draw(t, "given"), FamilyName: family.Draw(t, "family"),
				Active: rapid.IntRange(0, 3).Draw(t, "active") > 0,
				Open:   rapid.IntRange(0, 5).Draw(t, "open") == 0, IDFirst: rapid.Bool().Draw(t, "id first"),
				Follow: rapid.IntRange(0, 4).Draw(t, "follow") > 0,
			}
			if rapid.IntRange(0, 5).Draw(t, "named") > 0 {
				people[i].Manager = keys(email.Draw(t, "by email"), id.Draw(t, "by id"), named.Draw(t, "by name"))
			}
		}
		return people
	})
}

// knottedTeam draws a team in which every key is valid. The current and the new
// edges are random, so both kinds form cycles, one below another.
func knottedTeam() *rapid.Generator[[]hierarchy.Person] {
	return rapid.Custom(func(t *rapid.T) []hierarchy.Person {
		n := rapid.IntRange(1, 40).Draw(t, "people")
		anybody := rapid.IntRange(0, n-1)
		people := make([]hierarchy.Person, n)
		name := func(i int) string { return string(rune('A' + i)) }
		for i := range people {
			people[i] = hierarchy.Person{Key: name(i), ID: name(i), Active: true, Follow: true}
			if rapid.IntRange(0, 9).Draw(t, "has a manager") > 0 {
				people[i].Current = name(anybody.Draw(t, "current"))
			}
			if rapid.Bool().Draw(t, "named") {
				people[i].Manager = keys("", name(anybody.Draw(t, "manager")), "")
			}
		}
		return people
	})
}

func checkBuild(t *rapid.T, people []hierarchy.Person) {
	got := outcomes(people)
	assert.Equal(t, reference(people), got)

	shuffled := rapid.Permutation(people).Draw(t, "shuffled") // S23, L1
	assert.Equal(t, got, outcomes(shuffled), "another order")

	c := hierarchy.Build(people)
	applied := slices.Clone(people)
	for i, p := range people {
		if p.Current != "" && slices.ContainsFunc(people, func(q hierarchy.Person) bool { return q.Key == p.Current }) {
			assert.NotEqual(t, hierarchy.None, c.Manager(i), "flattened") // R89, S25
		}
		if c.Changed(i) { // S24
			for manager := range c.Chain(i) {
				assert.NotEqual(t, i, c.Manager(manager), "a changed edge is on a cycle")
			}
			assert.NotEqual(t, i, c.Manager(i))
			assert.Contains(t, []hierarchy.Finding{hierarchy.NoFinding, hierarchy.KeysDiffer}, c.Finding(i))
			assert.False(t, people[c.Manager(i)].Open) // S44
			applied[i].Current = people[c.Manager(i)].Key
		}
	}

	again := outcomes(applied) // L2
	for key, o := range got {
		o.changed = false
		assert.Equal(t, o, again[key], "after applying the result")
	}
}

func TestConfusedTeams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkBuild(t, confusedTeam().Draw(t, "team")) })
}

func TestKnottedTeams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkBuild(t, knottedTeam().Draw(t, "team")) })
}

// A part of a team has the same result as the whole team if the part has
// everybody who matters for it.
func TestPartOfATeam(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.OneOf(confusedTeam(), knottedTeam()).Draw(t, "team")
		whole := outcomes(people)
		in := make([]bool, len(people))
		var queue []int
		add := func(i int) {
			if i >= 0 && !in[i] {
				in[i] = true
				queue = append(queue, i)
			}
		}
		for i := range people {
			if rapid.IntRange(0, 5).Draw(t, "about") == 0 {
				add(i)
			}
		}
		current := currentEdges(people)
		for at := 0; at < len(queue); at++ {
			i := queue[at]
			add(current[i])
			if !people[i].Follow {
				continue
			}
			for _, key := range referenceKeys(people[i]) {
				for j := range people {
					if key.bears(people[j]) {
						add(j)
					}
				}
			}
		}
		var part []hierarchy.Person
		for i := range people {
			if in[i] {
				part = append(part, people[i])
			}
		}
		for key, o := range outcomes(part) {
			assert.Equal(t, whole[key], o, key)
		}
	})
}
