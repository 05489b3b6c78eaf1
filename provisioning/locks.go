package provisioning

import (
	"fmt"
	"slices"

	"github.com/usher-go/usher/assignment"
)

// Locks answers for a host's edit form: may this field of this member be
// edited by hand now, and if not, why (R70 to R73, R118, R131). It is pure and
// safe for concurrent use. Get one from a Resolver.
type Locks struct{ r *Resolver }

// Locks returns the locks under the resolver's config.
func (r *Resolver) Locks() Locks { return Locks{r} }

// A Lock says that a field may not be edited. The zero Lock says it may.
type Lock struct {
	Locked bool
	// Reason is why; zero if it is not locked.
	Reason Reason
}

func locked(code Code, facts ...string) Lock {
	return Lock{Locked: true, Reason: because(code, facts...)}
}

const (
	// lockedEverywhere are locked with any source, whoever wrote them last
	// (R72).
	lockedEverywhere FieldSet = 1<<FieldConnection | 1<<FieldExternalID | 1<<FieldManaged | 1<<FieldAssignment |
		1<<FieldGivenName | 1<<FieldFamilyName | 1<<FieldEmail | 1<<FieldOtherEmails | 1<<FieldPrivateEmail | 1<<FieldTitle
	// lockedBySalesforce are locked as well with that source (R73).
	lockedBySalesforce FieldSet = 1<<FieldPhone | 1<<FieldMobilePhone | 1<<FieldPhoneExtension | 1<<FieldLocale | 1<<FieldTimeZone
)

// neverMapped returns the fields that a source does not have: they are free to
// edit at any time, for as long as nothing else fills them (R36, C6).
func neverMapped(kind string) FieldSet {
	switch kind {
	case "salesforce":
		return Fields(FieldCountry, FieldState)
	case "okta", "onelogin", "rippling":
		return Fields(FieldMobilePhone)
	case "entra":
		return Fields(FieldMobilePhone, FieldPhoneExtension)
	}
	return 0
}

// Field says whether a field of m may be edited by hand now. Hand-made
// members, and those of another connection, are free (R30, R31).
func (l Locks) Field(m Member, f Field) Lock {
	owner := m.Owners.Of(f)
	switch {
	case !l.r.isLinked(&m):
		return Lock{}
	case settingFields.Has(f):
		if a := l.assignment(&m); a != nil && a.Mode == assignment.Automatic {
			return locked(CodeLockAutomatic, "assignment", a.ID)
		}
		return Lock{}
	case f == FieldActive:
		return Lock{} // people can always be removed by hand (R35)
	case f == FieldManager:
		return l.manager(&m)
	case lockedEverywhere.Has(f), l.r.cfg.Source == "salesforce" && lockedBySalesforce.Has(f), owner == Source:
		return locked(CodeLockSource, "field", f.String())
	case owner == Hand && !neverMapped(l.r.cfg.Source).Has(f):
		return locked(CodeLockSetOnce, "field", f.String())
	}
	return Lock{}
}

// manager says whether the manager may be set by hand: where the chart does
// not follow the source (R88, R93), and where the source could not place the
// member (R83).
func (l Locks) manager(m *Member) Lock {
	a := l.assignment(m)
	if l.r.cfg.Hierarchy.Ignore || a != nil && a.Mode == assignment.Manual ||
		m.ManagerID == "" || m.Owners.Of(FieldManager) == Hand {
		return Lock{}
	}
	return locked(CodeLockSource, "field", FieldManager.String())
}

func (l Locks) assignment(m *Member) *assignment.Assignment {
	return l.r.rules.At(l.r.rules.Position(m.AssignmentID))
}

// ToggleCapture says whether a manager may turn the capture of a member on or
// off (R131 to R134): if the company allows it, for direct reports, and not
// where capture follows the assignment (A14).
func (l Locks) ToggleCapture(manager, m Member) Lock {
	switch {
	case !l.r.cfg.Managers.ToggleCapture:
		return locked(CodeToggleOff)
	case !manager.Active || m.ManagerID == "" || m.ManagerID != manager.ID:
		return locked(CodeManagerNotDirect)
	}
	return l.Field(m, FieldCapture)
}

// A LockError says that an edit was refused because a field is locked.
type LockError struct {
	Field  Field
	Reason Reason
}

// Error implements error.
func (e *LockError) Error() string {
	return fmt.Sprintf("provisioning: %s is locked: %s", e.Field, e.Reason)
}

// Edit returns m with a field edited by hand, the way a host saves it: the
// hand owns the field from then on, which uses up a set-once field (R71). The
// value is of the field's type: string, bool for "active", []string for sets,
// map[string]string for profiles, map[string]any for extra. The error is a
// *LockError if the field is locked. Members that no source manages are edited
// as freely, and keep no owners.
func (l Locks) Edit(m Member, f Field, value any) (Member, error) {
	if lock := l.Field(m, f); lock.Locked {
		return m, &LockError{Field: f, Reason: lock.Reason}
	}
	m = m.Clone()
	if err := m.set(f, value); err != nil {
		return m, err
	}
	if l.r.isLinked(&m) {
		m.Owners = m.Owners.With(f, Hand)
	}
	return m, nil
}

// set gives a field a value of its type.
func (m *Member) set(f Field, value any) error {
	switch v := value.(type) {
	case string:
		if field := textField(m, f); f == FieldHome || f == FieldManager || sourceFields.Has(f) && f != FieldOtherEmails {
			*field = trimmed(v)
			return nil
		}
	case bool:
		if f == FieldActive {
			m.Active = v
			return nil
		}
	case []string:
		set := slices.Clone(assignment.Set(v))
		switch f {
		case FieldOtherEmails:
			m.OtherEmails = set
			return nil
		case FieldSeats:
			m.Seats = set
			return nil
		case FieldCapture:
			m.Capture = set
			return nil
		}
	case map[string]string:
		if f == FieldProfiles {
			m.Profiles = v
			m.Settings = m.Settings.Clone()
			return nil
		}
	case map[string]any:
		if f == FieldExtra {
			m.Extra = v
			m.Settings = m.Settings.Clone()
			return nil
		}
	}
	return fmt.Errorf("provisioning: %s: cannot be set to a %T by hand", f, value)
}
