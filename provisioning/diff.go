package provisioning

import (
	"maps"
	"slices"

	"github.com/usher-go/usher/assignment"
)

// changes returns the difference that a draft makes, in the order of the
// fields: those whose value changes or, if there is none, those that only get
// another owner.
func (d *draft) changes() []Change {
	before := d.before
	if before == nil {
		before = &Member{}
	}
	var values, owners []Change
	for f := range fieldCount {
		owner := d.after.Owners.Of(f)
		switch {
		case !sameField(before, &d.after, f):
			values = append(values, Change{Field: f, Old: fieldValue(before, f), New: fieldValue(&d.after, f), Owner: owner})
		case owner != before.Owners.Of(f):
			owners = append(owners, Change{Field: f, Old: fieldValue(before, f), New: fieldValue(&d.after, f), Owner: owner})
		}
	}
	if len(values) > 0 {
		return values
	}
	return owners
}

// sameField reports whether a and b have the same value in f.
func sameField(a, b *Member, f Field) bool {
	switch f {
	case FieldManaged:
		return a.Managed == b.Managed
	case FieldActive:
		return a.Active == b.Active
	case FieldOtherEmails:
		return slices.Equal(assignment.Set(a.OtherEmails), assignment.Set(b.OtherEmails))
	case FieldSeats:
		return slices.Equal(assignment.Set(a.Seats), assignment.Set(b.Seats))
	case FieldCapture:
		return slices.Equal(assignment.Set(a.Capture), assignment.Set(b.Capture))
	case FieldProfiles:
		return maps.Equal(a.Profiles, b.Profiles)
	case FieldExtra:
		return assignment.SameExtra(a.Extra, b.Extra)
	}
	return *textField(a, f) == *textField(b, f)
}

// fieldValue returns a field as a Change shows it: nil for nothing.
func fieldValue(m *Member, f Field) any {
	switch f {
	case FieldManaged:
		return m.Managed
	case FieldActive:
		return m.Active
	case FieldOtherEmails:
		return setValue(m.OtherEmails)
	case FieldSeats:
		return setValue(m.Seats)
	case FieldCapture:
		return setValue(m.Capture)
	case FieldProfiles:
		if len(m.Profiles) > 0 {
			return maps.Clone(m.Profiles)
		}
		return nil
	case FieldExtra:
		if len(m.Extra) > 0 {
			return maps.Clone(m.Extra)
		}
		return nil
	}
	if text := *textField(m, f); text != "" {
		return text
	}
	return nil
}

func setValue(set []string) any {
	if len(set) == 0 {
		return nil
	}
	return slices.Clone(assignment.Set(set))
}
