package provisioning

import (
	"fmt"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/timezone"
)

// Locks says whether a field of a member may be edited by hand now, and if not, why
// (R70 to R73, R118, R131). It is for a host's edit form. It is pure and safe for
// concurrent use. Resolver.Locks returns one.
type Locks struct{ r *Resolver }

// Locks returns the locks under the resolver's config.
func (r *Resolver) Locks() Locks { return Locks{r} }

// A Lock says whether a field may be edited. The zero Lock says that it may.
type Lock struct {
	Locked bool
	// Reason says why the field is locked; zero if it is not.
	Reason Reason
}

func locked(code Code, facts ...string) Lock {
	return Lock{Locked: true, Reason: because(code, facts...)}
}

// Field returns whether a field of m may be edited by hand now. Members that are
// hand-made or of another connection are not locked (R30, R31), except that nobody
// without access is captured (R8, R18).
func (l Locks) Field(m Member, f Field) Lock {
	spec := f.spec()
	if f == FieldCapture && !m.Active {
		return locked(CodeCaptureNoAccess)
	}
	if spec == nil || !l.r.isLinked(&m) {
		return Lock{}
	}
	owner := m.Owners.Of(f)
	at, inTable := fieldPositions[f]
	switch {
	case spec.lock == lockNever:
	case spec.lock == lockSettings:
		if a := l.assignment(&m); a != nil && a.Mode == assignment.Automatic {
			return locked(CodeLockAutomatic, "assignment", a.ID)
		}
	case spec.lock == lockManager:
		return l.manager(&m)
	case spec.lock == lockAlways, inTable && l.r.traits.locked.has(at), owner == OwnerSource:
		return locked(CodeLockSource, "field", f.String())
	case owner == OwnerHand && (!inTable || !l.r.traits.unmapped.has(at)):
		return locked(CodeLockSetOnce, "field", f.String())
	}
	return Lock{}
}

// manager returns whether the manager may be set by hand: if the chart does not
// follow the source (R88, R93), or if the source could not place the member (R83).
func (l Locks) manager(m *Member) Lock {
	a := l.assignment(m)
	if l.r.cfg.Hierarchy.Ignore || a != nil && a.Mode == assignment.Manual ||
		m.ManagerID == "" || m.Owners.at(atManager) == OwnerHand {
		return Lock{}
	}
	return locked(CodeLockSource, "field", FieldManager.String())
}

func (l Locks) assignment(m *Member) *assignment.Assignment {
	return l.r.rules.At(l.r.rules.Position(m.AssignmentID))
}

// ToggleCapture returns whether a manager may switch the capture of a member on or
// off (R131 to R134): if the company allows it, for direct reports, unless capture
// follows the assignment (A14).
func (l Locks) ToggleCapture(manager, m Member) Lock {
	switch {
	case !l.r.cfg.Managers.ToggleCapture:
		return locked(CodeToggleOff)
	case !manager.Active || m.ManagerID == "" || m.ManagerID != manager.ID:
		return locked(CodeManagerNotDirect)
	}
	return l.Field(m, FieldCapture)
}

// A LockError is a refused edit of a locked field.
type LockError struct {
	Field  Field
	Reason Reason
}

// Error implements error.
func (e *LockError) Error() string {
	return fmt.Sprintf("provisioning: %s is locked: %s", e.Field, e.Reason)
}

// An EditError is a refused edit whose value does not fit the field.
type EditError struct {
	Field Field
	// Want is what was expected.
	Want string
}

// Error implements error.
func (e *EditError) Error() string {
	return fmt.Sprintf("provisioning: %s: want %s", e.Field, e.Want)
}

// Edit returns m with a field edited by hand, for the host to save. From then on
// the hand owns the field, so a set-once field is used up (R71); an empty value in
// an empty field uses up nothing (S37). The value has the type of the field:
// string, bool for "active", []string for sets, map[string]string for profiles,
// map[string]any for extra. Switching a member off also ends capture (R18).
// Locks.Effects returns what else the host has to do.
//
// The error is a *LockError if the field is locked, and an *EditError if the value
// does not fit the field. Use EditManager for managers. Members without a source
// are edited without locks, and have no owners.
func (l Locks) Edit(m Member, f Field, value any) (Member, error) {
	if f == FieldManager && value != "" {
		return m, &EditError{f, "EditManager, which knows who reports to whom"}
	}
	return l.edit(m, f, value)
}

// EditManager returns m with a manager set by hand, "" for none. lookup returns the
// member with an ID, and false if there is none; it is called for the manager and
// everybody above. An edit that would make somebody their own manager, directly or
// through others, is refused (S37).
func (l Locks) EditManager(m Member, managerID string, lookup func(memberID string) (Member, bool)) (Member, error) {
	seen := map[string]bool{m.ID: true}
	for id := managerID; id != ""; {
		above, ok := lookup(id)
		switch {
		case !ok && id == managerID:
			return m, &EditError{FieldManager, "the ID of a member"}
		case seen[id]:
			if id == m.ID {
				return m, &EditError{FieldManager, "somebody who does not report to the member"}
			}
			id = ""
			continue
		}
		seen[id] = true
		id = above.ManagerID
	}
	return l.edit(m, FieldManager, managerID)
}

func (l Locks) edit(m Member, f Field, value any) (Member, error) {
	if lock := l.Field(m, f); lock.Locked {
		return m, &LockError{Field: f, Reason: lock.Reason}
	}
	spec := f.spec()
	if spec == nil || f == FieldConnection || f == FieldExternalID || f == FieldManaged || f == FieldAssignment {
		return m, &EditError{f, "a field that is edited by hand"}
	}
	edited := m.Clone()
	value, err := checkHandValue(f, value)
	if err != nil {
		return m, err
	}
	if value == nil || !spec.value.set(&edited, value) {
		return m, &EditError{f, fmt.Sprintf("another value than a %T", value)}
	}
	if spec.value.equal(&m, &edited) && spec.value.get(&m) == nil {
		return m, nil
	}
	if f == FieldActive && !edited.Active {
		edited.Capture = nil
	}
	if l.r.isLinked(&m) {
		edited.Owners = edited.Owners.With(f, OwnerHand)
	}
	return edited, nil
}

// checkHandValue checks a value that was edited by hand (S37), and returns it in
// the form in which members carry it.
func checkHandValue(f Field, value any) (any, error) {
	if name, ok := f.attribute(); ok && (name == "" || !text.Storable(name)) {
		return nil, &EditError{f, "an attribute with a name that a database keeps"}
	}
	typed, isText := value.(string)
	if !isText {
		for range text.Unstorable(value) {
			return nil, &EditError{f, "text without NUL, in UTF-8"}
		}
		if problem := settingProblem(f, value); problem != "" {
			return nil, &EditError{f, "a setting as an assignment gives it: " + problem}
		}
		if emails, ok := value.([]string); ok && f == FieldOtherEmails {
			cleaned := make([]string, len(emails))
			for i, email := range emails {
				own, _, valid := address.Parse(email)
				if !valid {
					return nil, &EditError{f, fmt.Sprintf("email addresses such as ana@example.com, got %q", email)}
				}
				cleaned[i] = own
			}
			return cleaned, nil
		}
		return value, nil
	}
	typed = text.Clean(typed)
	if typed == "" {
		if f == FieldEmail || f == FieldGivenName || f == FieldFamilyName {
			return nil, &EditError{f, "a value: it is required"}
		}
		return "", nil
	}
	switch f {
	case FieldEmail, FieldPrivateEmail:
		own, _, ok := address.Parse(typed)
		if !ok {
			return nil, &EditError{f, "an email address such as ana@example.com"}
		}
		return own, nil
	case FieldTimeZone:
		if zone := timezone.Resolve(timezone.Hints{Default: typed}); zone.Zone != "" {
			return zone.Zone, nil
		}
		return nil, &EditError{f, "a TZ database name such as Europe/Paris"}
	case FieldLocale:
		if locale, ok := timezone.ParseLocale(typed); ok {
			return locale.String(), nil
		}
		return nil, &EditError{f, "a locale such as en-US"}
	}
	return typed, nil
}

// settingProblem says why no assignment could give this setting, or returns "".
func settingProblem(f Field, value any) string {
	var m Member
	if at, ok := fieldPositions[f]; ok && settingFields.has(at) && fieldTable[at].value.set(&m, value) {
		for _, p := range m.Settings.Validate() {
			if !p.Warning {
				return p.String()
			}
		}
	}
	return ""
}

// Effects returns what a host has to do, besides saving, after an edit that turned
// before into after: end access that ended, check access that was reduced (S37,
// S41).
func (l Locks) Effects(before, after Member) []Effect { return accessEffects(&before, &after) }
