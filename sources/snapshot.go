package sources

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// SnapshotFormat is the value of the field "format" in the JSON of a snapshot. It
// changes if a reader of the old form would misread the new one.
const SnapshotFormat = 1

// A Snapshot is a directory at one moment: what was read of it, and which parts of
// that are proven to be complete. It is plain data; in a test, write it as a
// literal or as JSON in a file. The zero Proven proves nothing, so by default
// nobody counts as absent (rule S12).
type Snapshot struct {
	Format     int    `json:"format"`
	Kind       string `json:"kind"`
	Connection string `json:"connection"`
	// Taken is when the reading began (rule S45), as CollectConfig.Taken states it;
	// zero if unknown. Its JSON form is that of RFC 3339.
	Taken time.Time `json:"taken,omitzero"`
	// Proven says what the listings proved complete.
	Proven Facts   `json:"proven"`
	Users  []User  `json:"users"`
	Groups []Group `json:"groups,omitempty"`
	// Matches holds for each answered query the IDs of the users that it selects. A
	// query without an entry was not answered completely; an empty entry means that
	// it selects nobody.
	Matches map[string][]string `json:"matches,omitempty"`
}

// Facts is a set of facts that listings can prove.
type Facts uint8

// The facts. Each is proven on its own. The zero Facts proves nothing.
const (
	FactUsers       Facts = 1 << iota // a user who is not listed is not in the directory
	FactGroups                        // a group that is not listed does not exist
	FactMemberships                   // a user who is not listed in a group is not in it
	FactManagers                      // a user without a manager key has no manager in the directory

	FactAll = FactUsers | FactGroups | FactMemberships | FactManagers
)

var factWords = [...]string{"users", "groups", "memberships", "managers"}

// Has reports whether all of want are in f.
func (f Facts) Has(want Facts) bool { return f&want == want }

// Words returns the facts as words, in the order of the constants.
func (f Facts) Words() []string {
	words := make([]string, 0, len(factWords))
	for i, word := range factWords {
		if f.Has(1 << i) {
			words = append(words, word)
		}
	}
	return words
}

// String returns the words separated by commas, or "nothing".
func (f Facts) String() string {
	if f == 0 {
		return "nothing"
	}
	return strings.Join(f.Words(), ", ")
}

// MarshalJSON implements json.Marshaler: an array of words.
func (f Facts) MarshalJSON() ([]byte, error) { return json.Marshal(f.Words()) }

// UnmarshalJSON implements json.Unmarshaler.
func (f *Facts) UnmarshalJSON(data []byte) error {
	var words []string
	if err := json.Unmarshal(data, &words); err != nil {
		return err
	}
	*f = 0
next:
	for _, word := range words {
		for i, known := range factWords {
			if word == known {
				*f |= 1 << i
				continue next
			}
		}
		return fmt.Errorf("proven %q: want users, groups, memberships or managers", word)
	}
	return nil
}

// Clone returns a copy of s that shares no memory with it.
func (s *Snapshot) Clone() *Snapshot {
	c := *s
	c.Users, c.Groups = slices.Clone(s.Users), slices.Clone(s.Groups)
	for i := range c.Users {
		c.Users[i] = c.Users[i].Clone()
	}
	for i := range c.Groups {
		c.Groups[i].Members = slices.Clone(c.Groups[i].Members)
	}
	c.Matches = maps.Clone(s.Matches)
	for query, ids := range c.Matches {
		c.Matches[query] = slices.Clone(ids)
	}
	return &c
}
