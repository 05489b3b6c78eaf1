package sourcetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

const (
	histories     = 25 // the number of random histories, which are the same in every run
	historyRounds = 6
)

// history makes random changes in a directory. After every few of them, it compares
// the snapshot that a round of changes gives with a full reading, and that with the
// directory.
func (h HTTPHarness) history(t *testing.T) error {
	for seed := range uint64(histories) {
		random := rand.New(rand.NewPCG(seed, 0))
		w := h.world()
		src := h.New(t, address, w.wire)
		var known *sources.Snapshot
		var at sources.Cursor
		var happened []string
		for range historyRounds {
			for range random.IntN(5) {
				time.Sleep(time.Duration(random.IntN(180)) * time.Second)
				happened = append(happened, h.happen(random, w.directory))
			}
			time.Sleep(time.Duration(random.IntN(1800)) * time.Second)
			happened = append(happened, "round")
			next, cursor, err := sources.Refresh(t.Context(), src, known, at, sources.CollectConfig{})
			if err != nil {
				return fmt.Errorf("after %q: the round: %w", happened, err)
			}
			full, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
			if err != nil {
				return fmt.Errorf("after %q: the full reading: %w", happened, err)
			}
			if err := sameListing(next, full); err != nil {
				return fmt.Errorf("after %q: %w", happened, err)
			}
			if err := errors.Join(sameUsers(full.Users, w.directory.Users()), sameGroups(full.Groups, w.directory.Groups())); err != nil {
				return fmt.Errorf("after %q: the full reading: %w", happened, err)
			}
			if next.Proven != full.Proven {
				return fmt.Errorf("after %q: the round proves %s, a full reading %s", happened, next.Proven, full.Proven)
			}
			known, at = next, cursor
		}
	}
	return nil
}

// happen makes one random change and describes it.
func (h HTTPHarness) happen(random *rand.Rand, d *fake.Directory) string {
	users, groups := d.Users(), d.Groups()
	gone := slices.DeleteFunc(slices.Clone(h.Users), func(u sources.User) bool {
		return slices.ContainsFunc(users, func(have sources.User) bool { return have.ID == u.ID })
	})
	var u sources.User
	var g sources.Group
	if len(users) > 0 {
		u = users[random.IntN(len(users))]
	}
	if len(groups) > 0 {
		g = groups[random.IntN(len(groups))]
	}
	switch what := random.IntN(8); {
	case what == 0 && len(users) > 0:
		u.Title = fmt.Sprintf("Title %d", random.IntN(100))
		d.PutUsers(u)
		return "user " + u.ID + " changes"
	case what == 1 && len(users) > 1:
		d.RemoveUsers(u.ID)
		return "user " + u.ID + " leaves"
	case what == 2 && len(gone) > 0:
		d.PutUsers(gone[0])
		return "user " + gone[0].ID + " comes back"
	case what == 3:
		added := h.Users[0].Clone()
		added.ID = nextID(slices.Concat(users, h.Users))
		d.PutUsers(added)
		return "user " + added.ID + " comes"
	case what == 4 && len(groups) > 0:
		g.Name = fmt.Sprintf("Name %d", random.IntN(100))
		d.PutGroups(g)
		return "group " + g.ID + " changes"
	case what == 5 && len(groups) > 1:
		d.RemoveGroups(g.ID)
		return "group " + g.ID + " goes"
	case what == 6 && len(groups) > 0 && len(users) > 0:
		g.Members = append(g.Members, u.ID)
		d.PutGroups(g)
		return "user " + u.ID + " joins " + g.ID
	case what == 7 && len(groups) > 0 && len(g.Members) > 0:
		g.Members = g.Members[1:]
		d.PutGroups(g)
		return "somebody leaves " + g.ID
	}
	return "nothing"
}
