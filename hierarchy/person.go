package hierarchy

import "fmt"

// Keys name a person's manager. The strongest key that is given decides: Email,
// then ID, then Name; a weaker one is looked at only if every stronger one is
// blank (rules R80 to R82, S22). The zero value names nobody.
type Keys struct {
	// Email compares with ASCII letters case-folded, surrounding space trimmed
	// and a domain beyond ASCII in its A-label form.
	Email string
	// ID compares exactly, surrounding space trimmed.
	ID string
	// Name is the full name, given name first. It compares case-folded and
	// with white space collapsed.
	Name string
}

// A Person is one person of the team as it is to be, with the manager it has
// and the manager its directory says.
type Person struct {
	// Key identifies the person among all that are given to Build. It is
	// unique and not empty.
	Key string
	// Current is the Key of the manager the person has now, "" for none. A
	// Current that names nobody who was given counts as none.
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
	// Active tells who can become somebody's manager. Somebody inactive keeps
	// the reports it has (rule S24).
	Active bool
	// Follow makes the edge to the manager follow the directory. Without it
	// the current edge stays whatever Manager says (rules R86 to R95).
	Follow bool
}

// A Finding says why a person's manager is not what the directory seems to say.
type Finding uint8

// The findings. Beside each of them the current edge stays as it is.
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
}

// String returns the stable code of f, which is empty for NoFinding.
func (f Finding) String() string {
	if int(f) < len(findingCodes) {
		return findingCodes[f]
	}
	return fmt.Sprintf("Finding(%d)", uint8(f))
}
