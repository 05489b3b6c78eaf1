package scim_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// people creates n users and returns their ids.
func people(tb testing.TB, post func(path, body string) answer, n int) []string {
	tb.Helper()
	var ids []string
	for i := range n {
		ids = append(ids, post("/Users", user(fmt.Sprintf("%s-%d", tb.Name(), i))).id())
	}
	return ids
}

// changed reads one round of changes. It returns the named users and groups,
// and the cursor for the next round.
func changed(tb testing.TB, src sources.DeltaSource, after sources.Cursor) (users, groups []string, next sources.Cursor) {
	tb.Helper()
	for c, err := range src.Changes(tb.Context(), after) {
		require.NoError(tb, err)
		switch {
		case c.User != nil:
			users = append(users, c.User.ID)
		case c.Group != nil:
			groups = append(groups, c.Group.ID)
		case c.UserRemoved != "":
			users = append(users, "-"+c.UserRemoved)
		case c.GroupRemoved != "":
			groups = append(groups, "-"+c.GroupRemoved)
		}
		next = c.Next
	}
	slices.Sort(users)
	slices.Sort(groups)
	return slices.Compact(users), slices.Compact(groups), next
}

// S38, S40: a round names every person that a group push affects, and no other
// member of the group, so that a person can be decided separately.
func TestDeltaNamesWhomAGroupPushConcerns(t *testing.T) {
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store})
	src := scim.AsSource(store, "t1", "c1")
	ids := people(t, func(path, body string) answer { return create(t, server, path, body) }, 6)
	slices.Sort(ids)
	a, b, c, d := ids[0], ids[1], ids[2], ids[3]
	g := create(t, server, "/Groups", group("g", a, b)).id()
	_, _, at := changed(t, src, "")
	patch := func(operation string) { // sends a push, then checks what the next round names
		t.Helper()
		r := send(t, server, testToken, "PATCH", "/Groups/"+g, ops(operation))
		require.Equal(t, 204, r.status, r.text)
	}
	for _, step := range []struct {
		what  string
		push  func()
		users []string
	}{
		{"one joins", func() { patch(`{"op":"add","path":"members","value":[{"value":"` + c + `"}]}`) }, []string{c}},
		{"who is there joins", func() { patch(`{"op":"add","path":"members","value":["` + a + `"]}`) }, nil},
		{"one leaves", func() { patch(`{"op":"remove","path":"members[value eq \"` + a + `\"]"}`) }, []string{a}},
		{"others take their place", func() { patch(`{"op":"replace","path":"members","value":["` + c + `","` + d + `"]}`) }, []string{b, d}},
		{"the group is renamed", func() { patch(`{"op":"replace","path":"displayName","value":"h"}`) }, nil},
		{"the group is replaced", func() {
			require.Equal(t, 200, send(t, server, testToken, "PUT", "/Groups/"+g, group("h", a, c)).status)
		}, []string{a, d}},
	} {
		step.push()
		users, groups, next := changed(t, src, at)
		want := slices.Clone(step.users)
		slices.Sort(want)
		assert.Equal(t, want, users, step.what)
		if step.what == "who is there joins" {
			assert.Empty(t, groups)
		} else {
			assert.Equal(t, []string{g}, groups, step.what)
		}
		at = next
	}
	require.Equal(t, 204, send(t, server, testToken, "DELETE", "/Groups/"+g, "").status)
	users, groups, _ := changed(t, src, at)
	assert.Equal(t, []string{a, c}, users, "the people of a deleted group")
	assert.Equal(t, []string{"-" + g}, groups)
}

// Nested groups are expanded in the listing, in a delta and for one person,
// also if they contain each other.
func TestGroupsInGroups(t *testing.T) {
	store := &scim.Memory{}
	server := mount(t, scim.Config{Store: store})
	src := scim.AsSource(store, "t1", "c1")
	post := func(path, body string) answer { return create(t, server, path, body) }
	ids := people(t, post, 5)
	inner := post("/Groups", group("inner", ids[0], ids[1])).id()
	middle := post("/Groups", group("middle", inner, ids[1], ids[2])).id()
	outer := post("/Groups", group("outer", middle, inner)).id()
	alone := post("/Groups", group("alone", ids[4])).id()
	add := func(to, member string) {
		t.Helper()
		r := send(t, server, testToken, "PATCH", "/Groups/"+to, ops(`{"op":"add","path":"members","value":["`+member+`"]}`))
		require.Equal(t, 204, r.status, r.text)
	}
	members := func() map[string][]string {
		t.Helper()
		all := map[string][]string{}
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.NoError(t, err)
		for _, g := range snapshot.Groups {
			slices.Sort(g.Members)
			all[g.ID] = g.Members
		}
		return all
	}
	sorted := func(list ...string) []string { slices.Sort(list); return list }
	assert.Equal(t, map[string][]string{
		inner: sorted(ids[0], ids[1]), middle: sorted(ids[0], ids[1], ids[2]), outer: sorted(ids[0], ids[1], ids[2]), alone: {ids[4]},
	}, members())
	groupsOf := func(id string) []string {
		t.Helper()
		one, err := src.One(t.Context(), id)
		require.NoError(t, err)
		require.True(t, one.Found)
		var all []string
		for _, g := range one.Groups {
			assert.NotEmpty(t, g.Name)
			all = append(all, g.ID)
		}
		slices.Sort(all)
		return all
	}
	assert.Equal(t, sorted(inner, middle, outer), groupsOf(ids[0]))
	assert.Equal(t, sorted(middle, outer), groupsOf(ids[2]))
	assert.Empty(t, groupsOf(ids[3]))

	snapshot, at, err := sources.Refresh(t.Context(), src, nil, "", sources.CollectConfig{})
	require.NoError(t, err)
	step := func(what string, push func(), concerned ...string) {
		t.Helper()
		push()
		users, _, _ := changed(t, src, at)
		for _, id := range concerned {
			assert.Contains(t, users, id, what)
		}
		assert.NotContains(t, users, ids[4], what)
		snapshot, at, err = sources.Refresh(t.Context(), src, snapshot, at, sources.CollectConfig{})
		require.NoError(t, err)
		full, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
		require.NoError(t, err)
		for _, s := range []*sources.Snapshot{snapshot, full} {
			for i := range s.Groups {
				slices.Sort(s.Groups[i].Members)
			}
		}
		assert.ElementsMatch(t, full.Groups, snapshot.Groups, "%s: folding the delta gives the listing", what)
	}
	step("who joins a group is in those above it", func() { add(inner, ids[3]) }, ids[3])
	step("a circle", func() { add(inner, outer) }, ids[0], ids[1], ids[2], ids[3])
	all := sorted(ids[0], ids[1], ids[2], ids[3])
	assert.Equal(t, map[string][]string{inner: all, middle: all, outer: all, alone: {ids[4]}}, members())
	assert.Equal(t, sorted(inner, middle, outer), groupsOf(ids[0]))
	step("a group in itself", func() { add(outer, outer) })
	step("one leaves", func() {
		send(t, server, testToken, "PATCH", "/Groups/"+inner, ops(`{"op":"remove","path":"members[value eq \"`+ids[0]+`\"]"}`))
	}, ids[0])
	step("a group in between goes", func() {
		require.Equal(t, 204, send(t, server, testToken, "DELETE", "/Groups/"+middle, "").status)
	}, ids[1], ids[2])
}

// S40: when a group is removed from another, or the outer group is deleted,
// every person in it is named, although the feed does not record where the
// group was.
func TestDeltaNamesWhomAGroupTakesAlong(t *testing.T) {
	for _, end := range []string{"remove", "replace", "delete"} {
		t.Run(end, func(t *testing.T) {
			store := &scim.Memory{}
			server := mount(t, scim.Config{Store: store})
			src := scim.AsSource(store, "t1", "c1")
			ids := people(t, func(path, body string) answer { return create(t, server, path, body) }, 3)
			inner := create(t, server, "/Groups", group("inner", ids[0], ids[1])).id()
			outer := create(t, server, "/Groups", group("outer", ids[2])).id()
			_, _, at := changed(t, src, "")
			patch := func(operation string) {
				t.Helper()
				r := send(t, server, testToken, "PATCH", "/Groups/"+outer, ops(operation))
				require.Equal(t, 204, r.status, r.text)
			}
			patch(`{"op":"add","path":"members","value":[{"value":"` + inner + `"}]}`)
			users, _, at := changed(t, src, at)
			require.Subset(t, users, ids[:2])
			switch end {
			case "remove":
				patch(`{"op":"remove","path":"members[value eq \"` + inner + `\"]"}`)
			case "replace":
				patch(`{"op":"replace","path":"members","value":["` + ids[2] + `"]}`)
			case "delete":
				require.Equal(t, 204, send(t, server, testToken, "DELETE", "/Groups/"+outer, "").status)
			}
			users, _, at = changed(t, src, at)
			require.Subset(t, users, ids[:2])
			users, _, _ = changed(t, src, at)
			require.Empty(t, users)
		})
	}
}
