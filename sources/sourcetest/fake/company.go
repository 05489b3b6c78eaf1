package fake

import (
	"fmt"
	"strconv"

	"github.com/usher-go/usher/sources"
)

// Company returns a made-up company with so many users and groups, the same every
// time. IDs are digits. User 0 is at the top; every other user has an earlier one
// as manager. The first group has all users as members, and each user is in up to
// three other groups.
func Company(users, groups int) ([]sources.User, []sources.Group) {
	const firstUser, firstGroup = 100_000_001, 500_001
	people := make([]sources.User, users)
	for i := range people {
		login := fmt.Sprintf("p%d", i)
		u := sources.User{
			ID: strconv.Itoa(firstUser + i), UserName: login, Email: login + "@acme.example", Status: sources.StatusActive,
			GivenName: "Given" + strconv.Itoa(i%997), FamilyName: "Family" + strconv.Itoa(i%9973), Title: "Account Executive",
			Phone: fmt.Sprintf("+1 555 %07d", i), Locale: "en-US",
		}
		if i > 0 {
			u.Manager.ID = people[(i-1)/8].ID
		}
		if i%50 == 49 {
			u.Status = sources.StatusInactive
		}
		people[i] = u
	}
	teams := make([]sources.Group, groups)
	for i := range teams {
		teams[i] = sources.Group{ID: strconv.Itoa(firstGroup + i), Name: "Team " + strconv.Itoa(i)}
	}
	for i, u := range people {
		in := map[int]bool{}
		for k := range 4 {
			team := 0
			if k > 0 && groups > 1 {
				team = 1 + (i*(2*k-1)+k)%(groups-1)
			}
			if groups > 0 && !in[team] {
				in[team] = true
				teams[team].Members = append(teams[team].Members, u.ID)
			}
		}
	}
	return people, teams
}
