package provisioning

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/blocks"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/timezone"
)

// hush marks the members of whom nothing changes and nothing is to be told. It
// is the one path that nearly everybody takes, and where the time goes in a
// large company: into waiting for memory, since users stand in another order
// than members. So it goes by blocks, which are fetched before they are
// compared, and with every processor there is.
func (w *work) hush() {
	blocks.Each(len(w.members), func() func(start, end int) {
		l := listener{work: w, spellings: make(spellings)}
		return func(start, end int) {
			l.fetch(start, end)
			for i := start; i < end; i++ {
				w.quiet[i] = l.unchanged(int32(i))
			}
		}
	})
}

// A listener is one worker of hush.
type listener struct {
	*work
	spellings
}

// fetch reads a little of each user of a block of members, and of the texts
// that are about to be compared. Asked for one after the other, without
// anything in between that depends on the answer, they come many at a time.
func (l listener) fetch(start, end int) (sum int) {
	for _, user := range l.userOf[start:end] {
		if user != none {
			u := &l.users[user]
			sum += len(u.Email) + len(u.Title) + len(u.TimeZone) + len(u.Manager.Email)
		}
	}
	for i := range l.members[start:end] {
		m := &l.members[start+i]
		sum += len(m.Profiles[""])
		if len(m.Seats) > 0 && len(m.Capture) > 0 {
			sum += len(m.Seats[0]) + len(m.Capture[0])
		}
	}
	for _, user := range l.userOf[start:end] {
		if user != none {
			u := &l.users[user]
			sum += first(u.Email) + first(u.GivenName) + first(u.FamilyName) + first(u.Title) + first(u.Phone) + first(u.Manager.Email)
		}
	}
	return sum
}

func first(text string) int {
	if text == "" {
		return 0
	}
	return int(text[0])
}

// unchanged reports whether a member is active in the source and in the team,
// is governed, and has everything as it should be. It allocates nothing and may
// say no in doubt.
func (l listener) unchanged(member int32) bool {
	user := l.userOf[member]
	if user == none || l.mixed[user] {
		return false
	}
	m, u, position := &l.members[member], &l.users[user], l.governing[user]
	if !m.Active || u.Status != sources.StatusActive || position == assignment.Unmatched {
		return false
	}
	if u.Email != m.Email || u.GivenName != m.GivenName || u.FamilyName != m.FamilyName ||
		u.GivenName == "" || u.FamilyName == "" || !tidy(u.GivenName) || !tidy(u.FamilyName) || !l.settled(m, position) || !l.knownDomain(m.Email) {
		return false
	}
	given := FieldSet(1<<FieldEmail | 1<<FieldGivenName | 1<<FieldFamilyName)
	same := quietField(&given, FieldTitle, u.Title, m.Title) &&
		quietField(&given, FieldPrivateEmail, memberAddress(u.PrivateEmail), m.PrivateEmail) &&
		l.quietPhones(&given, u, m) &&
		quietField(&given, FieldCountry, u.Country, m.Country) &&
		quietField(&given, FieldState, u.State, m.State) &&
		l.quietPlace(&given, u, m)
	if !same {
		return false
	}
	if len(u.OtherEmails) > 0 {
		given |= 1 << FieldOtherEmails
		if len(u.OtherEmails) != len(m.OtherEmails) {
			return false
		}
		for i, email := range u.OtherEmails {
			if email != m.OtherEmails[i] || memberAddress(email) != email || sameAddress(email, m.Email) || i > 0 && u.OtherEmails[i-1] >= email {
				return false
			}
		}
	}
	owned := m.Owners.source & sourceFields
	if owned == 0 { // owners are not tracked: what the source leaves empty is told each time
		return m.Owners != Owners{} || !hasMore(m, given)
	}
	return owned == given && (m.Owners.source&(1<<FieldManager) == 0 || u.Manager != sources.Manager{})
}

func quietField(given *FieldSet, f Field, source, member string) bool {
	if source == "" {
		return true
	}
	*given |= 1 << f
	return source == member && tidy(source)
}

// tidy reports whether text has no white space around it.
func tidy(text string) bool {
	if text == "" {
		return true
	}
	first, last := text[0], text[len(text)-1]
	return first > ' ' && first < utf8.RuneSelf && last > ' ' && last < utf8.RuneSelf || trimmed(text) == text
}

// quietPhones reports whether the phone numbers stay as they are and nothing is
// to be told about them.
func (l listener) quietPhones(given *FieldSet, u *sources.User, m *Member) bool {
	if u.Phone == "" && u.MobilePhone == "" && u.PhoneExtension == "" {
		return true
	}
	country := cmp.Or(trimmed(u.Country), m.Country)
	number, extension, codes := l.normalize(trimmed(u.Phone), trimmed(u.PhoneExtension), country)
	mobile, more := l.mobile(trimmed(u.MobilePhone), country)
	return len(codes)+len(more) == 0 &&
		quietField(given, FieldPhone, number, m.Phone) &&
		quietField(given, FieldPhoneExtension, extension, m.PhoneExtension) &&
		quietField(given, FieldMobilePhone, mobile, m.MobilePhone)
}

// hasMore reports whether m has a value in a source field that is not in
// given.
func hasMore(m *Member, given FieldSet) bool {
	for f := range (sourceFields &^ given).All() {
		if f == FieldOtherEmails && len(m.OtherEmails) > 0 || f != FieldOtherEmails && *textField(m, f) != "" {
			return true
		}
	}
	return false
}

// knownDomain reports whether the address is of a domain whose people may come
// in; if not, its member is in by grandfather's right (S7).
func (r *Resolver) knownDomain(address string) bool {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	if r.domains[domain] {
		return true
	}
	domain, ok := parseDomain(domain) // the host may spell it in another way
	return ok && r.domains[domain]
}

// settled reports whether a member's assignment and settings are what they
// should be, with nothing to tell about them. Who has all that the assignment
// gives was refused no seat.
func (w *work) settled(m *Member, position int32) bool {
	a := w.rules.At(position)
	if a == nil {
		return position == keepPosition
	}
	if m.AssignmentID != a.ID {
		return false
	}
	return a.Mode == assignment.Manual || len(w.missing[position]) == 0 && m.Settings.Equal(&a.Settings)
}

// quietPlace reports whether time zone and locale stay as they are and nothing
// is to be told about them.
func (l listener) quietPlace(given *FieldSet, u *sources.User, m *Member) bool {
	if u.Locale == DefaultLocale && m.Locale == DefaultLocale { // nearly everybody
		*given |= 1 << FieldLocale
	} else if !quietField(given, FieldLocale, l.spelling(u.Locale), m.Locale) || u.Locale != "" && l.spelling(u.Locale) == "" {
		return false
	}
	zone := l.zone(u)
	if zone.Notes != 0 {
		for note := range zone.Notes.All() {
			if !informative(note) {
				return false
			}
		}
	}
	if zone.Basis == timezone.BasisDefault {
		return true
	}
	return quietField(given, FieldTimeZone, zone.Zone, m.TimeZone)
}
