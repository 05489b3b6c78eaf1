package fake

import (
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/sources"
)

// A directory is the result of all changes to it, in the order of IDs, and
// lists each user's groups.
func TestDirectoryAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDirectory()
		users, groups := map[string]sources.User{}, map[string]sources.Group{}
		ids := rapid.SampledFrom([]string{"1", "2", "10", "11", "100"})
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			id := ids.Draw(t, "id")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				u := sources.User{ID: id, Title: rapid.StringN(0, 2, -1).Draw(t, "title")}
				d.PutUsers(u)
				users[id] = u
			case 1:
				d.RemoveUsers(id)
				delete(users, id)
				for key, g := range groups {
					g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m string) bool { return m == id && users[m].ID == "" })
					groups[key] = g
				}
			case 2:
				g := sources.Group{ID: id, Members: rapid.SliceOfNDistinct(ids, 0, 4, rapid.ID).Draw(t, "members")}
				d.PutGroups(g)
				groups[id] = g
			case 3:
				d.RemoveGroups(id)
				delete(groups, id)
			}
		}
		byID := func(a, b string) int { return compareIDs(a, b) }
		var wantUsers []string
		for _, u := range d.Users() {
			wantUsers = append(wantUsers, u.ID)
			require.Equal(t, users[u.ID], u)
		}
		require.Equal(t, slices.SortedFunc(maps.Keys(users), byID), slices.Clip(wantUsers))
		of := map[string][]string{}
		count := 0
		for _, g := range d.Groups() {
			count++
			require.ElementsMatch(t, groups[g.ID].Members, g.Members)
			for _, m := range g.Members {
				of[m] = append(of[m], g.ID)
			}
		}
		require.Len(t, groups, count)
		require.Equal(t, of, d.groupOf)
	})
}

func TestDirectoryKeepsItsValues(t *testing.T) {
	d := NewDirectory()
	u := sources.User{ID: "1", Attributes: map[string]sources.Values{"a": {"x"}}}
	g := sources.Group{ID: "2", Members: []string{"1"}}
	d.PutUsers(u)
	d.PutGroups(g)
	u.Attributes["a"][0], g.Members[0] = "changed", "changed"
	d.Users()[0].Attributes["a"][0] = "changed"
	d.Groups()[0].Members[0] = "changed"
	assert.Equal(t, sources.Values{"x"}, d.Users()[0].Attributes["a"])
	assert.Equal(t, []string{"1"}, d.Groups()[0].Members)
}

func TestDirectoryDatesChanges(t *testing.T) {
	d := NewDirectory()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d.SetClock(func() time.Time { now = now.Add(time.Second); return now })
	d.PutUsers(sources.User{ID: "1"}, sources.User{ID: "2"})
	d.PutUsers(sources.User{ID: "1", Title: "x"})
	d.RemoveUsers("2", "3")
	one := d.users.byID["1"]
	assert.Equal(t, stamp{1, now.Add(-4 * time.Second)}, one.created)
	assert.Equal(t, stamp{3, now.Add(-2 * time.Second)}, one.changed)
	assert.Equal(t, map[string]stamp{"2": {4, now.Add(-1 * time.Second)}}, d.users.removed)
}

func TestCompany(t *testing.T) {
	users, groups := Company(100, 7)
	again, _ := Company(100, 7)
	assert.Equal(t, users, again)
	require.Len(t, groups, 7)
	assert.Len(t, groups[0].Members, 100)
	known := map[string]bool{}
	for _, u := range users {
		assert.True(t, u.Manager.ID == "" || known[u.Manager.ID], "a manager stands before the reports")
		known[u.ID] = true
		_, err := strconv.Atoi(u.ID)
		require.NoError(t, err)
	}
	for _, g := range groups {
		slices.Sort(g.Members)
		assert.Len(t, slices.Compact(g.Members), len(g.Members))
	}
	_, groups = Company(3, 1)
	assert.Len(t, groups[0].Members, 3)
	users, groups = Company(0, 0)
	assert.Empty(t, append(users, make([]sources.User, len(groups))...))
}
