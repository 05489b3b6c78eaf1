package assignment

// Rules are the assignments in the order of the table; the first that matches
// decides.
type Rules struct {
	Assignments []Assignment
	// Default governs everybody whom no assignment matches (R33). If it is nil,
	// they are out of scope (S17).
	Default *Assignment
}

// Unmatched is the position for no assignment.
const Unmatched = -1

// At returns the assignment at a position. The position after the last is that of
// the default; for Unmatched it returns nil.
func (r *Rules) At(position int32) *Assignment {
	switch {
	case position < 0:
		return nil
	case int(position) < len(r.Assignments):
		return &r.Assignments[position]
	}
	return r.Default
}

// Position returns the position of the assignment with the given ID, or
// Unmatched.
func (r *Rules) Position(id string) int32 {
	for i := range r.Assignments {
		if r.Assignments[i].ID == id {
			return int32(i)
		}
	}
	if r.Default != nil && r.Default.ID == id {
		return int32(len(r.Assignments))
	}
	return Unmatched
}

// Queries returns the queries of the assignments, each once, in the order of the
// table. Pass them to sources.Collect.
func (r *Rules) Queries() []string {
	var queries []string
	seen := make(map[string]bool)
	for i := range r.Assignments {
		if q := r.Assignments[i].Match.Query; q != "" && !seen[q] {
			seen[q] = true
			queries = append(queries, q)
		}
	}
	return queries
}
