package provisioning

import (
	"slices"
	"strings"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/timezone"
)

// identity brings a draft's identity fields up to what the source says: a
// value always wins over what was there (R12, R37), an empty one never does
// (S11).
func (p *pass) identity(d *draft) {
	p.email(d)
	p.required(d, FieldGivenName, trimmed(d.user.GivenName))
	p.required(d, FieldFamilyName, trimmed(d.user.FamilyName))
	p.text(d, FieldTitle, trimmed(d.user.Title))
	p.otherEmails(d)
	p.text(d, FieldPrivateEmail, memberAddress(d.user.PrivateEmail))
	p.phones(d)
	p.text(d, FieldCountry, trimmed(d.user.Country))
	p.text(d, FieldState, trimmed(d.user.State))
	p.timeZone(d)
	p.locale(d)
	if d.emptied != 0 {
		p.problem(d, because(CodeEmptyNotValue, "fields", strings.Join(d.emptied.Names(), ", ")))
	}
	if d.after.Owners.source&sourceFields != 0 { // from now on owners are kept exactly
		for f := range d.given.All() {
			d.after.Owners = d.after.Owners.With(f, Source)
		}
	}
}

// problem records what somebody should know: as a finding, and as a reason of
// the action, if there comes to be one.
func (p *pass) problem(d *draft, r Reason) {
	d.because(r)
	f := Finding{ExternalID: d.user.ID, MemberID: d.after.ID, Email: d.after.Email, Name: fullName(d.after.GivenName, d.after.FamilyName), Reason: r}
	if d.before == nil {
		f.Email, f.Name = trimmed(d.user.Email), fullName(trimmed(d.user.GivenName), trimmed(d.user.FamilyName))
	}
	p.findings = append(p.findings, f)
}

// email takes over the address that was claimed, if it could be had.
func (p *pass) email(d *draft) {
	own, _, ok := parseAddress(d.user.Email)
	if !ok {
		p.problem(d, because(CodeRequiredMissing, "field", FieldEmail.String()))
		return
	}
	switch c := d.claim; {
	case c == nil:
		d.given |= 1 << FieldEmail
	case c.denied != "" && d.kind != KindRehire:
		p.problem(d, because(c.denied, "address", c.address))
	default:
		if c.converted {
			d.because(because(CodeDomainConverted, "from", own, "to", c.address))
		}
		if !sameAddress(d.after.Email, c.address) {
			d.after.Email = c.address
		}
		d.after.Owners = d.after.Owners.With(FieldEmail, Source)
	}
	if !p.knownDomain(d.after.Email) {
		p.problem(d, because(CodeGrandfathered, "address", d.after.Email))
	}
}

// required is text, for a field that an eligible person has.
func (p *pass) required(d *draft, f Field, value string) {
	if value == "" {
		p.problem(d, because(CodeRequiredMissing, "field", f.String()))
		return
	}
	p.text(d, f, value)
}

// text sets one text field.
func (p *pass) text(d *draft, f Field, value string) {
	field := textField(&d.after, f)
	switch value {
	case "":
		p.empty(d, f, *field != "")
	case *field:
		d.given |= 1 << f
	default:
		d.overwrite(f, *field != "")
		*field = value
	}
}

// empty notes that the source leaves a field empty: the value stays, and if it
// was the source's, a hand may now set it once (C6).
func (p *pass) empty(d *draft, f Field, present bool) {
	owner := d.after.Owners.Of(f)
	if owner == Source || present && d.kind == KindUpdate && d.before.Owners == (Owners{}) {
		d.emptied |= 1 << f
	}
	if owner == Source {
		d.after.Owners = d.after.Owners.With(f, Nobody)
	}
}

// overwrite makes the source the owner of a field that gets its value, and
// tells if that was a hand's.
func (d *draft) overwrite(f Field, present bool) {
	if present && d.after.Owners.Of(f) == Hand {
		d.because(because(CodeOverwrites, "field", f.String()))
	}
	d.after.Owners = d.after.Owners.With(f, Source)
}

// textField returns the field of m that holds text. For other fields it
// returns an empty one.
func textField(m *Member, f Field) *string {
	switch f {
	case FieldConnection:
		return &m.Connection
	case FieldExternalID:
		return &m.ExternalID
	case FieldEmail:
		return &m.Email
	case FieldPrivateEmail:
		return &m.PrivateEmail
	case FieldGivenName:
		return &m.GivenName
	case FieldFamilyName:
		return &m.FamilyName
	case FieldTitle:
		return &m.Title
	case FieldPhone:
		return &m.Phone
	case FieldMobilePhone:
		return &m.MobilePhone
	case FieldPhoneExtension:
		return &m.PhoneExtension
	case FieldTimeZone:
		return &m.TimeZone
	case FieldCountry:
		return &m.Country
	case FieldState:
		return &m.State
	case FieldLocale:
		return &m.Locale
	case FieldManager:
		return &m.ManagerID
	case FieldAssignment:
		return &m.AssignmentID
	case FieldHome:
		return &m.Home
	}
	return new(string)
}

// memberAddress returns an address as members carry it; one that is not an
// address is kept as text.
func memberAddress(text string) string {
	if address, _, ok := parseAddress(text); ok {
		return address
	}
	return trimmed(text)
}

// otherEmails sets the further work addresses (R66): a set, without the
// primary one.
func (p *pass) otherEmails(d *draft) {
	var emails []string
	for _, text := range d.user.OtherEmails {
		if address := memberAddress(text); address != "" && !sameAddress(address, d.after.Email) {
			emails = append(emails, address)
		}
	}
	emails = assignment.Set(emails)
	present := len(d.after.OtherEmails) > 0
	switch {
	case len(emails) == 0:
		p.empty(d, FieldOtherEmails, present)
	case slices.Equal(emails, d.after.OtherEmails):
		d.given |= 1 << FieldOtherEmails
	default:
		d.overwrite(FieldOtherEmails, present)
		d.after.OtherEmails = emails
	}
}

// phones sets the phone numbers and the extension (R64, R65).
func (p *pass) phones(d *draft) {
	u := d.user
	country := trimmed(u.Country)
	if country == "" {
		country = d.after.Country
	}
	number, extension, codes := p.normalize(trimmed(u.Phone), trimmed(u.PhoneExtension), country)
	p.tellPhone(d, FieldPhone, codes)
	p.text(d, FieldPhone, number)
	p.text(d, FieldPhoneExtension, extension)
	mobile, codes := p.mobile(trimmed(u.MobilePhone), country)
	p.tellPhone(d, FieldMobilePhone, codes)
	p.text(d, FieldMobilePhone, mobile)
}

func (p *pass) tellPhone(d *draft, f Field, codes []string) {
	for _, code := range codes {
		p.problem(d, because(Code(code), "field", f.String()))
	}
}

// mobile is normalize for a mobile number. It has no field for an extension,
// so that one with an extension is kept as it is rather than cut.
func (r *Resolver) mobile(number, country string) (string, []string) {
	normalized, extension, codes := r.normalize(number, "", country)
	if extension != "" {
		return number, []string{"phone.unparsed"}
	}
	return normalized, codes
}

// normalize brings a phone number into the form in which members carry it.
func (r *Resolver) normalize(number, extension, country string) (string, string, []string) {
	switch {
	case number == "":
		return "", extension, nil
	case r.cfg.Phones != nil:
		return r.cfg.Phones.Normalize(number, extension, country)
	}
	return splitExtension(number, extension, country)
}

// timeZone sets the zone by the order of R76. The company's default is for
// people who come in; later it does not compete with what they have.
func (p *pass) timeZone(d *draft) {
	zone := p.zone(d.user)
	for note := range zone.Notes.All() {
		r := because(Code(note), "timezone", d.user.TimeZone, "country", d.user.Country, "state", d.user.State)
		if informative(note) {
			d.because(r)
		} else {
			p.problem(d, r)
		}
	}
	if zone.Zone != "" && zone.Basis != timezone.BasisDefault {
		if d.after.TimeZone != zone.Zone {
			d.because(because(Code("tz.from_"+zone.Basis.String()), "timezone", zone.Zone))
		}
		p.text(d, FieldTimeZone, zone.Zone)
		return
	}
	p.text(d, FieldTimeZone, "")
	if d.joins() && d.after.TimeZone == "" && zone.Zone != "" {
		d.after.TimeZone = zone.Zone
		d.because(because("tz.from_default", "timezone", zone.Zone))
	}
}

func (w *work) zone(u *sources.User) timezone.Result {
	return timezone.Resolve(timezone.Hints{Zone: u.TimeZone, Country: u.Country, State: u.State, Default: w.cfg.Locale.TimeZone})
}

// informative reports whether a note only says how sure an answer is, which is
// told with the change and not on every run.
func informative(note timezone.Note) bool {
	return note == timezone.NoteCountryPrimary || note == timezone.NoteStateMajority || note == timezone.NoteAbbreviation
}

// locale sets the locale in its one spelling; who comes in without one gets
// the company's (R69).
func (p *pass) locale(d *draft) {
	value := p.spelling(d.user.Locale)
	if value == "" && trimmed(d.user.Locale) != "" {
		p.problem(d, because(CodeLocaleUnknown, "locale", d.user.Locale))
	}
	p.text(d, FieldLocale, value)
	if d.joins() && d.after.Locale == "" {
		d.after.Locale = p.cfg.Locale.Locale
	}
}

// spellings remembers the one spelling of each locale met so far.
type spellings map[string]string

// spelling returns the one spelling of a locale, or "" if it is none.
func (s spellings) spelling(text string) string {
	if text == "" {
		return ""
	}
	if spelling, known := s[text]; known {
		return spelling
	}
	spelling := ""
	if locale, ok := timezone.ParseLocale(text); ok {
		spelling = locale.String()
	}
	s[strings.Clone(text)] = spelling
	return spelling
}
