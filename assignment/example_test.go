package assignment_test

import (
	"fmt"

	"github.com/usher-go/usher/assignment"
)

// A settings page checks the table of assignments before saving it, and shows
// which seats an assignment's settings need but do not have.
func Example() {
	rules := assignment.Rules{
		Assignments: []assignment.Assignment{
			{
				ID: "sales", Name: "Sales", Mode: assignment.Automatic,
				Match: assignment.Match{Groups: []string{"g-sales"}},
				Settings: assignment.Settings{
					Seats:    []string{"core"},
					Profiles: map[string]string{"revenue": "seller"},
					Capture:  []string{assignment.Recording},
				},
			},
			{ID: "partners", Match: assignment.Match{Query: "UserType = 'PowerPartner'"}},
			{ID: "sales", Match: assignment.Match{All: true}},
		},
		Default: &assignment.Assignment{ID: "default"},
	}
	seats := assignment.Seats{Requires: map[string][]string{"capture.recording": {"recorder"}}}

	for _, problem := range rules.Validate(seats) {
		fmt.Println(problem)
	}
	fmt.Println("queries:", rules.Queries())
	fmt.Println("sales lacks:", seats.Missing(&rules.Assignments[0].Settings))
	// Output:
	// assignments[0].seats: seat.missing:recorder: a setting needs this seat and will have no effect without it
	// assignments[2].id: "sales" is the id of assignments[0] as well; want each id once
	// queries: [UserType = 'PowerPartner']
	// sales lacks: [recorder]
}
