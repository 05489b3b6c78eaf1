package provisioning

import (
	"strings"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/set"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/timezone"
)

// A reader converts a user's values into the form in which members carry them. It
// caches expensive results, so each goroutine has its own.
type reader struct {
	*Resolver
	spellings map[string]string // locales in their one spelling
	phones    phones            // the phone numbers of the last user
	facts     map[string]map[string]string
	key       []byte // scratch space for facts
}

// maxSharedFacts limits how many facts are remembered to be shared.
const maxSharedFacts = 1 << 16

// because is the function because for reasons that many people have: reasons with
// the same facts share them.
func (r *reader) because(code Code, facts ...string) Reason {
	r.key = r.key[:0]
	for _, fact := range facts {
		r.key = append(append(r.key, fact...), 0)
	}
	shared, known := r.facts[string(r.key)]
	if !known {
		shared = because(code, facts...).Facts
		if r.facts == nil {
			r.facts = make(map[string]map[string]string)
		}
		if len(r.facts) < maxSharedFacts {
			r.facts[string(r.key)] = shared
		}
	}
	return Reason{Code: code, Facts: shared}
}

type phones struct {
	of, ofMobile *sources.User
	country      string
	work, mobile NormalizedPhone
}

func newReader(r *Resolver) *reader { return &reader{Resolver: r, spellings: make(map[string]string)} }

// wishedFields are the fields of the table that have a wish, in the order of the
// table.
var wishedFields = func() (at []fieldAt) {
	for f := range fieldCount {
		if fieldTable[f].wish != nil {
			at = append(at, f)
		}
	}
	return at
}()

// setFields sets the fields of a draft to the values of the source. A value always
// replaces the old one (R12, R37); an empty value never does (S11).
func (ds *drafts) setFields(d *draft) {
	ds.setEmail(d)
	for f := range fieldCount {
		switch spec := &fieldTable[f]; {
		case spec.wish != nil:
			value, report := spec.wish(ds.reader, d.user, &d.after)
			if report {
				spec.report(ds.reader, d, func(r Reason) { ds.problem(d, r) })
			}
			ds.setText(d, spec, value)
		case spec.list != nil:
			ds.setList(d, spec, spec.list(ds.reader, d.user, &d.after))
		}
	}
	ds.explainZone(d)
	if d.joins() {
		ds.setDefaults(d)
	}
	ds.setAttributes(d)
	if len(d.emptied) > 0 {
		ds.problem(d, ds.reader.because(CodeEmptyNotValue, "fields", strings.Join(d.emptied, ", ")))
	}
	if d.after.Owners.source&sourceFields != 0 { // the member has owners
		for _, f := range d.given {
			d.after.Owners = d.after.Owners.With(f, OwnerSource)
		}
	}
}

// setText sets a field to the text of the source.
func (ds *drafts) setText(d *draft, spec *fieldSpec, value string) {
	have := spec.value.text(&d.after)
	switch {
	case value == "":
		ds.leftEmpty(d, spec)
	case value == *have || spec.sameText(value, *have):
		d.given = append(d.given, spec.name)
	default:
		d.overwrite(spec.name, *have != "")
		*have = value
	}
}

// setList is setText for a set.
func (ds *drafts) setList(d *draft, spec *fieldSpec, values []string) {
	var wished Member
	spec.value.set(&wished, values)
	switch {
	case len(values) == 0:
		ds.leftEmpty(d, spec)
	case spec.value.equal(&wished, &d.after):
		d.given = append(d.given, spec.name)
	default:
		d.overwrite(spec.name, spec.value.get(&d.after) != nil)
		spec.value.set(&d.after, values)
	}
}

// setAttributes copies the mapped attributes (S35). An attribute that is no longer
// mapped keeps its value and loses its owner.
func (ds *drafts) setAttributes(d *draft) {
	for _, name := range ds.r.attributes {
		spec, value := Attribute(name).spec(), ds.reader.wishAttribute(d.user, name)
		switch value {
		case "":
			ds.leftEmpty(d, spec)
		case d.after.Attributes[name]:
			d.given = append(d.given, spec.name)
		default:
			d.overwrite(spec.name, d.after.Attributes[name] != "")
			d.after.setAttribute(name, value)
		}
	}
	for name, owner := range d.after.Owners.attributeOwners() {
		if owner == OwnerSource && !set.Has(ds.r.attributes, name) {
			d.after.Owners = d.after.Owners.With(Attribute(name), OwnerNobody)
			d.because(because(CodeUnmapped, "field", Attribute(name).String()))
		}
	}
}

// leftEmpty records that the source leaves a field empty. The value stays. If the
// source owned it, that is reported once, and a hand may set the field once (C6).
func (ds *drafts) leftEmpty(d *draft, spec *fieldSpec) {
	owned, untracked := d.after.Owners.Of(spec.name) == OwnerSource, d.before != nil && d.before.Owners == Owners{}
	if !owned && (!spec.required || !untracked) {
		return
	}
	d.after.Owners = d.after.Owners.With(spec.name, OwnerNobody)
	if spec.required {
		ds.problem(d, because(CodeRequiredMissing, "field", spec.name.String()))
	} else {
		d.emptied = append(d.emptied, spec.name.String())
	}
}

// overwrite makes the source the owner of a field that gets its value. It reports
// if the old value was a hand's.
func (d *draft) overwrite(f Field, present bool) {
	if present && d.after.Owners.Of(f) == OwnerHand {
		d.because(because(CodeOverwrites, "field", f.String()))
	}
	d.after.Owners = d.after.Owners.With(f, OwnerSource)
}

// setEmail sets the claimed address, if the claim was granted.
func (ds *drafts) setEmail(d *draft) {
	own, domain, ok := address.Parse(d.user.Email)
	if !ok {
		ds.leftEmpty(d, &fieldTable[atEmail])
		return
	}
	switch c := d.claim; {
	case c == nil:
		d.given = append(d.given, FieldEmail)
		if !ds.r.domains[domain] && !ds.r.cfg.Domains.Convert && !address.Same(own, d.after.Email) {
			ds.problem(d, because(CodeAddressKept, "address", d.after.Email, "source", own))
		}
	case c.denied == codeWaits: // reported beside the action that waits
	case c.denied != "":
		ds.problem(d, because(c.denied, ds.claimFacts(c)...))
	default:
		if c.converted {
			d.because(because(CodeDomainConverted, "from", own, "to", c.address))
		}
		if !address.Same(d.after.Email, c.address) {
			d.after.Email = c.address
		}
		d.after.Owners = d.after.Owners.with(atEmail, OwnerSource)
	}
	if !ds.r.knownDomain(d.after.Email) {
		ds.problem(d, because(CodeGrandfathered, "address", d.after.Email))
	}
}

// setDefaults sets the company's time zone and locale for a newcomer without them
// (R76, R69). They never replace a value later.
func (ds *drafts) setDefaults(d *draft) {
	if d.after.TimeZone == "" {
		if zone := ds.reader.zone(d.user); zone.Zone != "" {
			d.after.TimeZone = zone.Zone
			d.because(ds.reader.because(CodeZoneFromDefault, "timezone", zone.Zone))
		}
	}
	if d.after.Locale == "" {
		d.after.Locale = ds.r.cfg.Locale.Locale
	}
}

// wishText returns the wish of a field that takes the source's text as it is. The
// argument returns the texts of the source and of the member.
func wishText(texts func(*sources.User, *Member) (source, member string)) func(*reader, *sources.User, *Member) (string, bool) {
	return func(_ *reader, u *sources.User, m *Member) (string, bool) {
		value, have := texts(u, m)
		if value == have && hasCleanEnds(value) { // the common case: nothing changes
			return value, false
		}
		return text.Clean(value), false
	}
}

// hasCleanEnds reports whether value certainly has no white space at its ends.
func hasCleanEnds(value string) bool {
	return value == "" || value[0] > ' ' && value[0] < 0x80 && value[len(value)-1] > ' ' && value[len(value)-1] < 0x80
}

func wishPrivateEmail(_ *reader, u *sources.User, _ *Member) (string, bool) {
	if u.PrivateEmail == "" {
		return "", false
	}
	return text.Clean(address.Clean(u.PrivateEmail)), false
}

// wishOtherEmails returns the further work addresses (R66) as a set, without the
// primary one.
func wishOtherEmails(_ *reader, u *sources.User, m *Member) []string {
	var emails []string
	for _, value := range u.OtherEmails {
		if email := text.Clean(address.Clean(value)); email != "" && !address.Same(email, m.Email) {
			emails = append(emails, email)
		}
	}
	return set.Of(emails)
}

// wishAttribute returns the value of a mapped attribute. Several values are joined.
func (r *Resolver) wishAttribute(u *sources.User, name string) string {
	values := u.Attributes[r.cfg.Attributes[name]]
	if len(values) == 1 {
		return text.Clean(values[0])
	}
	return text.Clean(strings.Join(values, ", "))
}

// number normalizes the work number and its extension, once for both fields (R64,
// R65).
func (r *reader) number(u *sources.User, m *Member) *phones {
	if p := &r.phones; p.of != u || p.country != phoneCountry(u, m) {
		p.of, p.country = u, phoneCountry(u, m)
		p.work = r.normalize(Phone{text.Clean(u.Phone), text.Clean(u.PhoneExtension), p.country})
	}
	return &r.phones
}

// phoneCountry returns the country in which a person's numbers are parsed.
func phoneCountry(u *sources.User, m *Member) string {
	if country := text.Clean(u.Country); country != "" {
		return country
	}
	return m.Country
}

func wishPhone(r *reader, u *sources.User, m *Member) (string, bool) {
	if u.Phone == "" {
		return "", false
	}
	p := &r.number(u, m).work
	return p.Number, len(p.Codes) > 0
}

func wishPhoneExtension(r *reader, u *sources.User, m *Member) (string, bool) {
	if u.Phone == "" && u.PhoneExtension == "" {
		return "", false
	}
	return r.number(u, m).work.Extension, false
}

// wishMobilePhone keeps a number with an extension as it is, since there is no
// field for the extension.
func wishMobilePhone(r *reader, u *sources.User, m *Member) (string, bool) {
	if u.MobilePhone == "" {
		return "", false
	}
	p := &r.phones
	if p.ofMobile != u {
		p.ofMobile = u
		number := Phone{Number: text.Clean(u.MobilePhone), Country: phoneCountry(u, m)}
		if p.mobile = r.normalize(number); p.mobile.Extension != "" {
			p.mobile = NormalizedPhone{Number: number.Number, Codes: []Code{CodePhoneUnparsed}}
		}
	}
	return p.mobile.Number, len(p.mobile.Codes) > 0
}

func reportPhone(r *reader, _ *draft, tell func(Reason)) {
	tellPhone(FieldPhone, r.phones.work.Codes, tell)
}

func reportMobilePhone(r *reader, _ *draft, tell func(Reason)) {
	tellPhone(FieldMobilePhone, r.phones.mobile.Codes, tell)
}

func tellPhone(f Field, codes []Code, tell func(Reason)) {
	for _, code := range codes {
		tell(because(code, "field", f.String()))
	}
}

// normalize converts a phone number into the form in which members carry it.
func (r *Resolver) normalize(p Phone) NormalizedPhone {
	switch {
	case p.Number == "":
		return NormalizedPhone{Extension: p.Extension}
	case r.cfg.Phones != nil:
		return r.cfg.Phones.NormalizePhone(p)
	}
	return splitExtension(p)
}

// wishTimeZone returns the zone in the order of R76, without the company's default,
// which is not a wish of the source.
func wishTimeZone(r *reader, u *sources.User, _ *Member) (string, bool) {
	zone := r.zone(u)
	report := false
	for note := range zone.Notes.All() {
		report = report || !informative(note)
	}
	if zone.Basis == timezone.BasisDefault {
		return "", report
	}
	return zone.Zone, report
}

// reportTimeZone says why a stronger key could not be used (S26).
func reportTimeZone(r *reader, d *draft, tell func(Reason)) {
	for note := range r.zone(d.user).Notes.All() {
		if !informative(note) {
			tell(r.zoneReason(note, d.user))
		}
	}
}

func (r *Resolver) zone(u *sources.User) timezone.Result {
	return timezone.Resolve(timezone.Hints{Zone: u.TimeZone, Country: u.Country, State: u.State, Default: r.cfg.Locale.TimeZone})
}

// zoneReason returns the reason of a note with the hints that it is about.
func (r *reader) zoneReason(note timezone.Note, u *sources.User) Reason {
	switch note {
	case timezone.NoteOffsetUnsupported, timezone.NoteUnknownName, timezone.NoteAbbreviation:
		return r.because(Code(note), "timezone", u.TimeZone)
	case timezone.NoteUnknownState, timezone.NoteStateMajority, timezone.NoteCountryHasMany:
		return r.because(Code(note), "country", u.Country, "state", u.State)
	default:
		return r.because(Code(note), "country", u.Country)
	}
}

// informative reports whether a note only says how certain a zone is. Such a note
// is reported with a change of the zone, and not in every run.
func informative(note timezone.Note) bool {
	return note == timezone.NoteCountryPrimary || note == timezone.NoteStateMajority || note == timezone.NoteAbbreviation
}

// explainZone adds the reasons of a new time zone.
func (ds *drafts) explainZone(d *draft) {
	zone := ds.reader.zone(d.user)
	if zone.Zone == "" || d.after.TimeZone != zone.Zone || d.before != nil && d.before.TimeZone == zone.Zone || zone.Basis == timezone.BasisDefault {
		return
	}
	for note := range zone.Notes.All() {
		if informative(note) {
			d.because(ds.reader.zoneReason(note, d.user))
		}
	}
	d.because(ds.reader.because(Code("tz.from_"+zone.Basis.String()), "timezone", zone.Zone))
}

// wishLocale returns the locale in its one spelling.
func wishLocale(r *reader, u *sources.User, m *Member) (string, bool) {
	if u.Locale == DefaultLocale && m.Locale == DefaultLocale { // the common case
		return DefaultLocale, false
	}
	value := r.spelling(u.Locale)
	return value, value == "" && text.Clean(u.Locale) != ""
}

func reportLocale(_ *reader, d *draft, tell func(Reason)) {
	tell(because(CodeLocaleUnknown, "locale", d.user.Locale))
}

// spelling returns the one spelling of a locale, or "" if the text is no locale.
func (r *reader) spelling(locale string) string {
	if locale == "" {
		return ""
	}
	if spelling, known := r.spellings[locale]; known {
		return spelling
	}
	spelling := ""
	if parsed, ok := timezone.ParseLocale(locale); ok {
		spelling = parsed.String()
	}
	r.spellings[strings.Clone(locale)] = spelling
	return spelling
}
