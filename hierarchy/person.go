package hierarchy

import "fmt"

// Keys name a person's manager. One of them decides (rule S22): the first that is
// not blank, in the order Email, ID, Name (rules R80 to R82), or in the order ID,
// Email, Name for a person with [Person.IDFirst]. If several active people have the
// Email, and an ID names exactly one of them, the ID decides. The zero value names
// nobody.
type Keys struct {
	// Email is compared by rule S7: without regard to ASCII case and surrounding
	// space, and with domains in A-label form.
	Email string
	// ID is compared exactly, without surrounding space.
	ID string
	// Name is the full name, given name first. It is compared by rule S36: without
	// regard to letter case, normal form, white space, and the typographic form of
	// apostrophes and hyphens.
	Name string
}

// A Person is one person of the team as it will be, with the present manager and
// the manager that the directory names.
type Person struct {
	// Key identifies the person among all people given to Build. It is unique and
	// not empty.
	Key string
	// Current is the Key of the present manager, "" for none. If it names nobody
	// given to Build, the chart has no edge.
	Current string

	// ID is the directory ID by which Keys.ID names this person. Email is the
	// address, and Alias a second address, by which Keys.Email does. Each may be
	// empty.
	ID, Email, Alias string
	// GivenName and FamilyName, in this order, are the full name by which Keys.Name
	// names this person.
	GivenName, FamilyName string

	// Manager is what the directory says. Nil and the zero value both mean that it
	// says nothing; that never removes a manager (rule S11).
	Manager *Keys
	// IDFirst makes Manager.ID decide before Manager.Email. It is for directories
	// whose manager ID refers to another of their users and is not free text (rules
	// S22, S33).
	IDFirst bool
	// Follow makes the edge follow the directory. If it is false, the current edge
	// stays whatever Manager says (rules R86 to R95).
	Follow bool
	// Active says that the person can become a manager. An inactive person keeps
	// the present reports (rule S24).
	Active bool
	// Open says that missing evidence could remove this person (rule S44). An open
	// person who is Active can be named like anybody else, but gets no new reports.
	Open bool
}

// A Finding is what somebody should know about the edge from a person to the
// manager.
type Finding uint8

// The findings. With NoFinding and KeysDiffer, the edge is what the directory says.
// With every other finding, the current edge stays.
const (
	// NoFinding is the zero value: the edge is what the directory says, or does not
	// follow it.
	NoFinding Finding = iota
	// NoManagerKey: the directory gives no email, ID or name (rule R82).
	NoManagerKey
	// ManagerNotFound: the deciding key names nobody. Weaker keys are not
	// tried (rule A19).
	ManagerNotFound
	// AmbiguousEmail, AmbiguousID and AmbiguousName: the deciding key names
	// several active people (rule R83).
	AmbiguousEmail
	AmbiguousID
	AmbiguousName
	// ManagerInactive: the deciding key names nobody active, but somebody
	// inactive (rule S24).
	ManagerInactive
	// Cycle: the person is on a cycle. Either the directory's edges would close it,
	// for instance with a person as their own manager, and are not applied; or the
	// current edges form it already, and stay (rule S24). Everybody on the cycle
	// has this finding, also people who do not follow the directory. It replaces
	// any other finding.
	Cycle
	// ManagerOpen: the deciding key names a person who is Open and not the current
	// manager (rule S44).
	ManagerOpen
	// KeysDiffer: the edge goes to the person whom the deciding key names, but
	// another key names somebody else and not that person (rule S22).
	KeysDiffer
)

var findingCodes = [...]string{
	"",
	"hierarchy.no_manager_key",
	"hierarchy.manager_not_found",
	"hierarchy.ambiguous_email",
	"hierarchy.ambiguous_id",
	"hierarchy.ambiguous_name",
	"hierarchy.manager_inactive",
	"hierarchy.cycle",
	"hierarchy.manager_open",
	"hierarchy.keys_differ",
}

// String returns the stable code of f, or "" for NoFinding.
func (f Finding) String() string {
	if int(f) < len(findingCodes) {
		return findingCodes[f]
	}
	return fmt.Sprintf("Finding(%d)", uint8(f))
}
