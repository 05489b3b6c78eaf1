package hierarchy

import "fmt"

// Keys name a person's manager. One of them decides (rule S22): the first that
// is not blank, in the order Email, ID, Name (rules R80 to R82), or in the
// order ID, Email, Name for a person with [Person.IDFirst]. An Email that
// several active people have gives way to an ID that names exactly one. The
// zero value names nobody.
type Keys struct {
	// Email compares as rule S7 says: ASCII case and surrounding space aside,
	// with domains in A-label form.
	Email string
	// ID compares exactly, surrounding space trimmed.
	ID string
	// Name is the full name, given name first. It compares as rule S36 says:
	// letter case, normal form, white space and the typographic form of
	// apostrophes and hyphens aside.
	Name string
}

// A Person is one person of the team as it is to be, with the manager it has
// and the manager its directory says.
type Person struct {
	// Key identifies the person among all that are given to Build. It is
	// unique and not empty.
	Key string
	// Current is the Key of the manager the person has now, "" for none. For
	// the chart, a Current that names nobody who was given is no edge.
	Current string

	// ID is the directory id by which Keys.ID may name this person, Email the
	// address by which Keys.Email may, and Alias a second address that does so
	// too. Each may be empty.
	ID, Email, Alias string
	// GivenName and FamilyName, in this order, are the full name by which
	// Keys.Name may name this person.
	GivenName, FamilyName string

	// Manager is what the directory says. Nil and zero both say nothing, which
	// is not an order to clear a manager (rule S11).
	Manager *Keys
	// IDFirst makes Manager.ID decide before Manager.Email. It is meant for
	// directories whose manager id is a reference to another of their users,
	// rather than free text (rules S22, S33).
	IDFirst bool
	// Follow makes the edge to the manager follow the directory. Without it
	// the current edge stays whatever Manager says (rules R86 to R95).
	Follow bool
	// Active tells who can become somebody's manager. Somebody inactive keeps
	// the reports it has (rule S24).
	Active bool
	// Open tells that missing evidence could remove this person (rule S44).
	// Somebody open who is Active has keys like anybody else, but gets no new
	// reports.
	Open bool
}

// A Finding is what there is to tell about the edge from a person to its
// manager.
type Finding uint8

// The findings. Beside KeysDiffer the edge is what the directory says, as
// beside NoFinding; beside every other one the current edge stays as it is.
const (
	// NoFinding is the zero value: the edge is what the directory says, or
	// does not follow it.
	NoFinding Finding = iota
	// NoManagerKey: the directory gives no email, id or name (rule R82).
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
	// Cycle: the person is on a cycle. Either the directory's edges would
	// close it, a manager of oneself included, and are not applied; or the
	// current edges form it already, and stay (rule S24). It is found of
	// everybody on the cycle, also of those who do not follow the directory,
	// and stands in place of any other finding.
	Cycle
	// ManagerOpen: the deciding key names somebody who is Open and not the
	// current manager (rule S44).
	ManagerOpen
	// KeysDiffer: the edge goes to the person whom the deciding key names, but
	// another key is somebody else's and not that person's (rule S22).
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

// String returns the stable code of f, which is empty for NoFinding.
func (f Finding) String() string {
	if int(f) < len(findingCodes) {
		return findingCodes[f]
	}
	return fmt.Sprintf("Finding(%d)", uint8(f))
}
