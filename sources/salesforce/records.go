package salesforce

import (
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/usher-go/usher/internal/soql"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// A place is the field of a user that gets the value of a Salesforce field.
type place uint8

const (
	placeAttribute place = iota // an attribute, under its own name
	placeAbout                  // none: Salesforce's data about the record
	placeType
	placeID
	placeUserName
	placeActive
	placeEmail
	placeGivenName
	placeFamilyName
	placeTitle
	placePhone
	placeMobilePhone
	placeExtension
	placeZone
	placeLocale
	placeCountry
	placeCountryCode
	placeState
	placeStateCode
	placeManagerID
	placeManagerEmail
	placeManagerName
	places // how many there are
)

// fieldPlaces are the Salesforce fields that fill a field of a user, by path in
// lower case (rules R56, R73).
var fieldPlaces = map[string]place{
	"attributes": placeAbout, "attributes.type": placeType, "attributes.url": placeAbout,
	"id": placeID, "username": placeUserName, "isactive": placeActive, "email": placeEmail,
	"firstname": placeGivenName, "lastname": placeFamilyName, "title": placeTitle,
	"phone": placePhone, "mobilephone": placeMobilePhone, "extension": placeExtension,
	"timezonesidkey": placeZone, "localesidkey": placeLocale,
	"country": placeCountry, "countrycode": placeCountryCode, "state": placeState, "statecode": placeStateCode,
	"managerid": placeManagerID, "manager.id": placeManagerID, "manager.email": placeManagerEmail, "manager.name": placeManagerName,
}

// fieldNames are the fields that are read by default, in Salesforce's spelling, by
// path in lower case: a file may have DEPARTMENT as the name of a column.
var fieldNames = func() map[string]string {
	names := map[string]string{}
	for _, name := range slices.Concat(requiredFields, optionalFields) {
		names[strings.ToLower(name)] = name
	}
	return names
}()

// placeOf returns the place of a field by its path in lower case. The members of an
// object have no place if the object stands where a value is expected.
func placeOf(lower string) place {
	if p, ok := fieldPlaces[lower]; ok {
		return p
	}
	first, _, _ := strings.Cut(lower, ".")
	if _, ok := fieldPlaces[first]; ok {
		return placeAbout
	}
	return placeAttribute
}

// commonNames are the fields whose values are also given under the names that all
// sources share (rule S35). Salesforce has no cost center; most orgs that have one
// use these custom fields.
var commonNames = map[string]string{
	"department": sources.AttributeDepartment, "division": sources.AttributeDivision,
	"employeenumber": sources.AttributeEmployeeNumber, "companyname": sources.AttributeOrganization,
	"cost_center__c": sources.AttributeCostCenter, "costcenter__c": sources.AttributeCostCenter,
}

// alsoAttributes are the places whose values are attributes as well: a user has
// only one value for country and code, and one for state and code.
var alsoAttributes = [places]bool{
	placeAttribute: true, placeManagerName: true,
	placeCountry: true, placeCountryCode: true, placeState: true, placeStateCode: true,
}

// decoder converts records to users, for the live listing and the saved answer.
type decoder struct{ log *slog.Logger }

// user converts the record of the user with the given ID. A value of the wrong type
// (an object instead of a text, "yes" instead of a boolean) is left out, and its
// field is logged with the user's ID. An empty field never clears a value (rule
// S11) and an unknown status decides nothing. So a broken field has the effect of a
// missing one: a person who lacks a required value is skipped or kept as is, and
// the plan says so.
func (d decoder) user(rec *record, id string) sources.User {
	var (
		text   [places]string
		active sources.Status
		broken []string
	)
	for _, c := range rec.given {
		v := rec.values[c.at]
		switch c.place {
		case placeAttribute, placeAbout:
			continue
		case placeActive:
			if isActive, ok := v.Bool(); ok {
				active = sources.StatusInactive
				if isActive {
					active = sources.StatusActive
				}
				continue
			}
		default:
			if value, ok := v.Text(); ok {
				if text[c.place] == "" { // ManagerId and Manager.Id are the same
					text[c.place] = value
				}
				continue
			}
		}
		if !v.IsNull() {
			broken = append(broken, c.path)
		}
	}
	u := sources.User{
		ID:             id,
		UserName:       text[placeUserName],
		Status:         active,
		Email:          text[placeEmail], // may be a sandbox's "x=acme.com@example.com.invalid" (S8)
		GivenName:      text[placeGivenName],
		FamilyName:     text[placeFamilyName],
		Title:          text[placeTitle],
		Phone:          text[placePhone],
		MobilePhone:    text[placeMobilePhone],
		PhoneExtension: text[placeExtension],
		TimeZone:       unlabel(text[placeZone], zoneKey),
		Locale:         unlabel(text[placeLocale], localeKey),
		Country:        country(text[placeCountryCode], text[placeCountry]),
		State:          state(text[placeStateCode], text[placeState]),
		Manager:        sources.Manager{ID: soql.LongID(text[placeManagerID]), Email: text[placeManagerEmail]},
		Attributes:     attributesOf(rec),
	}
	if u.Manager == (sources.Manager{}) {
		u.Manager.Name = text[placeManagerName]
	}
	if len(broken) > 0 {
		d.log.Warn("fields of a user could not be read", "id", u.ID, "fields", broken)
	}
	return u
}

// attributesOf returns the fields of a record under their own names, those of
// relationships with a dot ("Profile.Name"), and some also under the names that all
// sources share. Each is one text: numbers and booleans as in JSON, the choices of
// a multi-select picklist as "A;B". Empty fields are left out.
func attributesOf(rec *record) map[string]sources.Values {
	n := 0
	for _, c := range rec.given {
		if !alsoAttributes[c.place] || rec.values[c.at].String() == "" {
			continue
		}
		if n++; c.common != "" {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	attributes := make(map[string]sources.Values, n)
	texts := make([]string, 0, n) // one array for the values of all fields
	add := func(name, text string) {
		at := len(texts)
		texts = append(texts, text)
		attributes[name] = texts[at : at+1 : at+1]
	}
	for _, c := range rec.given {
		text := rec.values[c.at].String()
		if !alsoAttributes[c.place] || text == "" {
			continue
		}
		add(c.path, text)
		if c.common != "" {
			add(c.common, text)
		}
	}
	return attributes
}

// idKeys are the prefixes of the IDs of an object's records.
var idKeys = map[string]string{"User": "005", "Group": "00G", "GroupMember": "011", "UserRole": "00E"}

// idOf returns the ID of a record of an object. It returns an error if the record
// belongs to another query, which its type or the prefix of its ID shows.
func (r *record) idOf(object string) (string, error) {
	if of := r.text("attributes.type"); of != "" && of != object {
		return "", rest.Malformed("a record of %.40q, want %s", of, object)
	}
	id, err := r.id()
	if err == nil && !strings.HasPrefix(id, idKeys[object]) {
		err = rest.Malformed("a record with the Id %s, which is none of %s", id, object)
	}
	return id, err
}

// managerKnown reports whether the record says who the manager is, or that there is
// none.
func (r *record) managerKnown() bool {
	for _, path := range [...]string{"ManagerId", "Manager.Id", "Manager.Email", "Manager.Name"} {
		if r.value(path) != nil {
			return true
		}
	}
	return false
}

var (
	zoneKey   = regexp.MustCompile(`^(?:[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+|GMT|UTC)$`)
	localeKey = regexp.MustCompile(`^[a-z]{2,3}(?:[_-][A-Za-z0-9]{2,8})*$`)
)

// unlabel returns the key of a picklist value in the form of toLabel() and of
// reports, which contains the label: the last text in parentheses of "(GMT+14:00)
// Line Islands Time (Pacific/Kiritimati)". It returns any other text unchanged.
func unlabel(value string, key *regexp.Regexp) string {
	trimmed := strings.TrimSpace(value)
	open := strings.LastIndexByte(trimmed, '(')
	if open < 0 || !strings.HasSuffix(trimmed, ")") {
		return value
	}
	if token := trimmed[open+1 : len(trimmed)-1]; key.MatchString(token) {
		return token
	}
	return value
}

// In an org with state and country picklists, a user has a code and a name for
// both. The code of a country is that of ISO 3166-1 for Salesforce's own countries;
// for a country that the org added, the org chose the code. The org may change the
// codes of states, and Salesforce's own are not always ISO's: CH is Chihuahua, CN
// is Cavan. So the state is read from its name, and the country from its code if
// that is one of ISO, otherwise from its name. All four are attributes, too.

// country returns the code or the name of a country.
func country(code, name string) string {
	if name == "" || len(code) == 2 && strings.Contains(isoCountries, " "+strings.ToUpper(code)) {
		return code
	}
	return name
}

// state returns the name or the code of a state.
func state(code, name string) string {
	if name == "" {
		return code
	}
	return name
}

// isoCountries are the codes of ISO 3166-1, alpha-2.
const isoCountries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN " +
	"BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ " +
	"DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL " +
	"GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM " +
	"JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME " +
	"MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP " +
	"NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD " +
	"SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO " +
	"TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
