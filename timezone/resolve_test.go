package timezone_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/timezone"
)

// answer is the result that a test expects of Resolve with the default UTC.
type answer struct {
	zone  string
	basis timezone.Basis
	notes []timezone.Note
}

func byDefault(notes ...timezone.Note) answer { return answer{"UTC", timezone.BasisDefault, notes} }

func check(t *testing.T, h timezone.Hints, want answer) {
	t.Helper()
	h.Default = "UTC"
	r := timezone.Resolve(h)
	got := answer{r.Zone, r.Basis, slices.Collect(r.Notes.All())}
	assert.Equal(t, want, got, "%+v", h)
}

const (
	offset   = timezone.NoteOffsetUnsupported
	noName   = timezone.NoteUnknownName
	abbrev   = timezone.NoteAbbreviation
	noPlace  = timezone.NoteUnknownCountry
	noState  = timezone.NoteUnknownState
	majority = timezone.NoteStateMajority
	many     = timezone.NoteCountryHasMany
	primary  = timezone.NoteCountryPrimary
	noZone   = timezone.NoteCountryNoZone
)

// R74, R75, S26: the time-zone attribute.
func TestZoneAttribute(t *testing.T) {
	for zone, want := range map[string]string{
		"America/New_York":          "America/New_York",
		"AMERICA/NEW_YORK":          "America/New_York",
		"\u2003europe/london\r\n":   "Europe/London",
		"America/Port-au-Prince":    "America/Port-au-Prince",
		"Antarctica/DumontDUrville": "Antarctica/DumontDUrville",
		"Etc/GMT-14":                "Etc/GMT-14",
		"etc/gmt+12":                "Etc/GMT+12",
		"GMT0":                      "GMT0",
		"GMT+0":                     "GMT+0",
		"Etc/Greenwich":             "Etc/Greenwich",
		"utc":                       "UTC",
		"PST8PDT":                   "PST8PDT",
		"W-SU":                      "Europe/Moscow",
		// Windows
		"Pacific Standard Time":             "America/Los_Angeles",
		"W. EUROPE STANDARD TIME":           "Europe/Berlin",
		"Central America Standard Time":     "America/Guatemala",
		"Central Standard Time (Mexico)":    "America/Mexico_City",
		" Mountain Standard Time (Mexico) ": "America/Mazatlan",
		"UTC-08":                            "Etc/GMT+8",
		"UTC+13":                            "Etc/GMT-13",
		"Russia Time Zone 11":               "Asia/Kamchatka",
		"Yukon Standard Time":               "America/Whitehorse",
		// Salesforce
		"(GMT-08:00) Pacific Standard Time (America/Los_Angeles)":        "America/Los_Angeles",
		"(GMT-07:00) Pacific Daylight Time (america/los_angeles)":        "America/Los_Angeles",
		"(GMT\u221203:30) Newfoundland Standard Time (America/St_Johns)": "America/St_Johns",
		"(GMT+00:00) Greenwich Mean Time (GMT)":                          "GMT",
		"(GMT+05:30) India Standard Time (Asia/Kolkata) ":                "Asia/Kolkata",
	} {
		check(t, timezone.Hints{Zone: zone, Country: "JP", State: "CA"}, answer{want, timezone.BasisZone, nil})
	}
	for _, name := range []string{"EST", "mst", "HST"} {
		check(t, timezone.Hints{Zone: name}, answer{strings.ToUpper(name), timezone.BasisZone, []timezone.Note{abbrev}})
	}
	for _, zone := range []string{
		"-05:00", "+05:30", "+0530", "-5", "+5", "−05:00", "05:30", "UTC-5", "utc+05:30", "GMT+2", "GMT -08:00", "UTC+5:45",
		"(UTC-05:00)", "GMT-0800", "+05.5", "±00:00", "-05:00:00", "UTC–3", "+14:00", " -03 ", "UTC+0", "GMT-08",
	} {
		check(t, timezone.Hints{Zone: zone}, byDefault(offset))
		check(t, timezone.Hints{Zone: zone, Country: "JP"}, answer{"Asia/Tokyo", timezone.BasisCountry, []timezone.Note{offset}})
	}
	for _, zone := range []string{
		"Local", "local", "Factory", "posix/America/New_York", "right/America/New_York", "posixrules", "localtime", "/",
		"America//New_York", "./America/New_York", "America/New_York/", "/America/New_York", "New_York", "New York",
		"America/New_York\x00", "America\\New_York", "../Europe/London", "America", "Etc/Unknown", "Etc/GMT+13", "Etc/GMT-15",
		"PST", "IST", "CST", "EDT", "BST", "CEST", "PDT", "Z", "Pacific Time", "Customized Time Zone",
		"tzone://Microsoft/Utc", "()", "(", ")", "12345", "0", "5", "EST5EDT,M3.2.0,M11.1.0", "null", "N/A",
		"Europe/Londres", "Ευρώπη", "\xff\xfe", strings.Repeat("A", 5000), "UTC+", "GMT-", "+", "-", ":", "+:30", "UTC+1 (Narnia)",
		"US/Pacific-New", "America/Los_Angeles2", "Pacific Standard", "Pacific Daylight Time", "America/New_York,Europe/London",
	} {
		check(t, timezone.Hints{Zone: zone}, byDefault(noName))
	}
	for _, blank := range []string{"", " ", "\t\n", "\u00a0\u2003"} {
		check(t, timezone.Hints{Zone: blank, Country: blank, State: blank}, byDefault())
	}
}

// R77: countries in every spelling.
func TestCountrySpellings(t *testing.T) {
	for alpha2, spellings := range map[string]string{
		"US": "US|usa|United States|united states of america|U.S.|U.S.A.|The United States|United States of America (the)",
		"GB": "GB|UK|u.k.|GBR|United Kingdom|Great Britain|England|United Kingdom of Great Britain and Northern Ireland",
		"CI": "Côte d’Ivoire|Cote d'Ivoire|COTE DIVOIRE|Ivory Coast|CIV|C\u006f\u0302te d\u02bcIvoire",
		"TR": "Türkiye|Turkiye|Turkey|TU\u0308RKI\u0307YE|Republic of Türkiye",
		"CZ": "Czechia|Czech Republic|CZE",
		// "Korea" is South Korea in Faker's lists, which list North Korea under
		// its official name.
		"KR": "South Korea|Korea, Republic of|Republic of Korea|Korea (the Republic of)|KOR|korea,republic of|Korea|Korea, South|Korea (South)|Korea, S.|" +
			"Rep. of Korea|Korea, Rep.|Korea (Republic)|Korea, Rep. of|South Korea (Republic of Korea)|S. Korea|Korea (ROK)",
		"KP": "North Korea|Korea, Democratic People's Republic of|DPRK|PRK|Korea, Dem. People's Rep.|Korea, North|Korea (DPR)|Dem. People's Rep. of Korea|" +
			"Democratic People's Republic of Korea (North Korea)|Korea, D.P.R.",
		"CD": "Congo - Kinshasa|Congo (DRC)|Congo, The Democratic Republic of the|Democratic Republic of the Congo|DR Congo|COD|D.R. Congo|Congo-Kinshasa|" +
			"Congo (Kinshasa)|Congo, DR|Congo, Dem. Rep.|Congo, Dem. Rep. of the|Congo (Democratic Republic of the)|Dem. Rep. of the Congo|Dem. Rep. Congo|" +
			"Democratic Republic of the Congo (Kinshasa)|Democratic Republic of Congo (DRC)|DRC (Congo, Democratic Republic)|DRC|" +
			"R\u00e9publique d\u00e9mocratique du Congo|RD Congo|Zaire|Congo (Zaire)",
		"CG": "Congo|Congo - Brazzaville|Congo (Republic)|Republic of the Congo|Congo, Republic of the|COG|Congo-Brazzaville|Congo (Brazzaville)|Congo, Rep.|" +
			"Congo, Rep. of the|Congo (Rep.)|Rep. of the Congo|Congo (the)|The Republic of Congo|Republic of the Congo (Brazzaville)|R\u00e9publique du Congo",
		"BA": "Bosnia and Herzegovina|Bosnia & Herzegovina|BOSNIA  &  HERZEGOVINA|Bosnia",
		"KN": "St. Kitts & Nevis|Saint Kitts and Nevis|St Kitts and Nevis|St.Kitts and Nevis|KNA",
		"VC": "St. Vincent & the Grenadines|Saint Vincent and the Grenadines",
		"GM": "Gambia|The Gambia|Gambia, The|Gambia (the)",
		"BS": "Bahamas|The Bahamas|Bahamas, The",
		"NL": "Netherlands|The Netherlands|Holland|Netherlands (Kingdom of the)",
		"MM": "Myanmar (Burma)|Myanmar|Burma|MMR|BUR|Burma/Myanmar|Myanmar, Burma",
		"VN": "Vietnam|Viet Nam|Việt Nam|Socialist Republic of Viet Nam",
		"LA": "Laos|Lao People's Democratic Republic|Lao PDR",
		"MK": "North Macedonia|Macedonia|FYROM|Macedonia, the former Yugoslav Republic of",
		"SZ": "Eswatini|Swaziland|Kingdom of Eswatini|Eswatini (Swaziland)",
		"DE": "Germany (DE)|Federal Republic of Germany (DEU)| germany ( De ) ",
		"CV": "Cape Verde|Cabo Verde",
		"TL": "Timor-Leste|Timor Leste|East Timor|TP",
		"PS": "Palestine|State of Palestine|Palestine, State of|Palestinian Territories|PSE",
		"VA": "Vatican City|Holy See|Holy See (Vatican City State)|VAT",
		"RU": "Russia|Russian Federation|RUS",
		"TW": "Taiwan|Taiwan, Province of China|TWN",
		"HK": "Hong Kong|Hong Kong SAR China|Hong Kong S.A.R.|China - Hong Kong|China (Hong Kong)|Hong Kong (SAR)|Hong Kong, China",
		"MO": "Macao|Macau|Macao SAR China",
		"IR": "Iran|Iran, Islamic Republic of|Iran (Islamic Republic of)",
		"MD": "Moldova|Moldova, Republic of|Republic of Moldova",
		"TZ": "Tanzania|Tanzania, United Republic of|United Republic of Tanzania",
		"VE": "Venezuela|Venezuela, Bolivarian Republic of",
		"BO": "Bolivia|Bolivia, Plurinational State of|Plurinational State of Bolivia",
		"SY": "Syria|Syrian Arab Republic",
		"FM": "Micronesia|Micronesia, Federated States of|Federated States of Micronesia",
		"ST": "ST|São Tomé & Príncipe|Sao Tome and Principe|STP",
		"AX": "Åland Islands|Aland|ALA",
		// Abbreviations that statistical offices and airlines use.
		"CF": "Central African Rep.|Central African Republic (CAR)",
		"AE": "United Arab Emir.|U.A.E.|United Arab Emirates (UAE)",
		"SB": "Solomon Is.", "TC": "Turks & Caicos Is.", "KY": "Cayman Is.",
		"FK": "Falkland Islands (the) [Malvinas]|Falkland Is. (Malvinas)",
		"SK": "Slovakia (Slovak Republic)|Slovak Rep.",
		"AQ": "Antarctica (the territory South of 60 deg S)",
		// Texts in two parts: two names, a territory and its state, or a name
		// and the words that precede it.
		"EH": "Western Sahara|W. Sahara|Sahara, Western",
		"PR": "Puerto Rico (US)|Puerto Rico, USA|United States - Puerto Rico|US/PR",
		"GU": "Guam (USA)|Guam, United States",
		"GP": "Guadeloupe (France)|France (Guadeloupe)",
		"GL": "Greenland (Denmark)|Greenland, Denmark",
		"SG": "Singapore, Republic of|Republic of Singapore|Singapore (Republic of)",
		"RS": "Serbia, Republic of|Serbia (Rep.)",
		"ZA": "South Africa, Republic of|S. Africa|Africa, South",
		"GQ": "Guinea, Equatorial|Eq. Guinea",
		"RE": "Réunion|Reunion|REU",
		"CW": "Curaçao|Curacao",
		"BL": "St. Barthélemy|Saint Barthélemy|Saint-Barthélemy",
		"XK": "Kosovo|XK|XKX|XKK",
		"GE": "Georgia|GE|GEO|Republic of Georgia",
		"JO": "Jordan", "TD": "Chad", "GN": "Guinea", "DO": "Dominican Republic|Dominican Rep.", "DM": "Dominica", "NE": "Niger", "NG": "Nigeria",
		"WS": "Samoa|Samoa, Western", "AS": "American Samoa|Samoa (American)|Samoa, American", "SS": "South Sudan|Sudan, South|S. Sudan", "SD": "Sudan", "LC": "St. Lucia",
	} {
		for s := range strings.SplitSeq(spellings, "|") {
			got, ok := timezone.Country(s)
			assert.True(t, ok, s)
			assert.Equal(t, alpha2, got, s)
		}
	}
	for _, s := range []string{
		"", " ", "XX", "ZZ", "EU", "AN", "YU", "SU", "CS", "Narnia", "United", "Unit", "France (DE)", "Germany/France", "Georgia (US)", "Georgia, USA", "Samoa, US", "Ireland, UK", "France, Republic", "Paris, France", "Congo, Belgium", "Guiana", "Micronesia (US)", "Kinshasa", "America", "Sudan/South Sudan", "Canary Islands", "France (x)", "x (France)", "France (FR) (FR)", "Germny", "Virgin Islands", "840", "Europe",
		"Yugoslavia", "USSR", "U", "A1", "the", "The", "&", "中国", "Россия", "France Germany", "California", "US-CA", "\xff\xff", "..",
		strings.Repeat("x", 200), "Saint", "St.", "N/A", "AA", "QO", "001",
	} {
		got, ok := timezone.Country(s)
		assert.False(t, ok, s)
		assert.Empty(t, got, s)
	}
	check(t, timezone.Hints{Country: "Narnia"}, byDefault(noPlace))
	check(t, timezone.Hints{Zone: "PST", Country: "Narnia"}, byDefault(noName, noPlace))
}

// R76, R78, A17, A20, S26: country and state.
func TestCountryAndState(t *testing.T) {
	state, country := timezone.BasisState, timezone.BasisCountry
	for _, c := range []struct {
		country, state string
		want           answer
	}{
		// The country decides before the state.
		{"FR", "US-CA", answer{"Europe/Paris", country, nil}},
		{"FR", "RE", answer{"Europe/Paris", country, nil}},
		{"NL", "CW", answer{"Europe/Amsterdam", country, nil}},
		{"AR", "Mendoza", answer{"America/Argentina/Buenos_Aires", country, nil}},
		{"DE", "nonsense", answer{"Europe/Berlin", country, nil}},
		// The state decides if the zones of the country differ.
		{"US", "CA", answer{"America/Los_Angeles", state, nil}},
		{"us", "us-ca", answer{"America/Los_Angeles", state, nil}},
		{"USA", "US_CA", answer{"America/Los_Angeles", state, nil}},
		{"United States", " California ", answer{"America/Los_Angeles", state, nil}},
		{"US", "State of California", answer{"America/Los_Angeles", state, nil}},
		{"US", "Washington State", answer{"America/Los_Angeles", state, nil}},
		{"US", "Washington, D.C.", answer{"America/New_York", state, nil}},
		{"US", "Commonwealth of Massachusetts", answer{"America/New_York", state, nil}},
		{"BR", "Estado de São Paulo", answer{"America/Sao_Paulo", state, nil}},
		{"CL", "Región del Maule", answer{"America/Santiago", state, nil}},
		{"CL", "Región de Magallanes", answer{"America/Punta_Arenas", state, nil}},
		{"RU", "City of Moscow", answer{"Europe/Moscow", state, nil}},
		{"ES", "Murcia, Región de", answer{"Europe/Madrid", state, nil}},
		{"US", "D.C.", answer{"America/New_York", state, nil}},
		{"US", "Georgia", answer{"America/New_York", state, nil}},
		{"US", "TX", answer{"America/Chicago", state, []timezone.Note{majority}}},
		{"CA", "CA-ON", answer{"America/Toronto", state, []timezone.Note{majority}}},
		{"CA", "Newfoundland", answer{"America/St_Johns", state, []timezone.Note{majority}}},
		{"RU", "St. Petersburg", answer{"Europe/Moscow", state, nil}},
		{"RU", "Republic of Tatarstan", answer{"Europe/Moscow", state, nil}},
		{"CN", "Guangdong Province", answer{"Asia/Shanghai", state, nil}},
		{"ES", "Canarias", answer{"Atlantic/Canary", state, nil}},
		{"Mexico", "México", answer{"America/Mexico_City", state, nil}},
		// Beside its country a code needs no hyphen; Salesforce allows none.
		{"US", "USCA", answer{"America/Los_Angeles", state, nil}},
		{"US", "us ca", answer{"America/Los_Angeles", state, nil}},
		{"ES", "ES/B", answer{"Europe/Madrid", state, nil}},
		{"US", "CAON", byDefault(noState, many)},
		{"US", "USC", byDefault(noState, many)},
		{"US", "USCALI", byDefault(noState, many)},
		{"US", "USOHIO", byDefault(noState, many)},
		{"US", "CA-IN", byDefault(noState, many)},
		{"US", "MXCO", byDefault(noState, many)},
		{"", "USCA", byDefault(noState)},
		{"", "US CA", byDefault(noState)},
		{"ID", " ST ", answer{"Asia/Makassar", state, nil}},
		{"ID", "id-st", answer{"Asia/Makassar", state, nil}},
		// Two spellings of one state, or the state and its country.
		{"US", "California (CA)", answer{"America/Los_Angeles", state, nil}},
		{"US", "CA - California", answer{"America/Los_Angeles", state, nil}},
		{"US", "Texas/TX", answer{"America/Chicago", state, []timezone.Note{majority}}},
		{"US", "California, USA", answer{"America/Los_Angeles", state, nil}},
		{"US", "Georgia (US)", answer{"America/New_York", state, nil}},
		{"US", "United States - Ohio", answer{"America/New_York", state, nil}},
		{"CA", "Ontario, CA", answer{"America/Toronto", state, []timezone.Note{majority}}},
		{"US", "Ontario, CA", byDefault(noState, many)}, // a city in California, or a mistake
		{"US", "Washington (TX)", byDefault(noState, many)},
		{"US", "Texas (El Paso)", byDefault(noState, many)},
		{"US", "California, Canada", byDefault(noState, many)},
		{"US", "US (USA)", byDefault(noState, many)},
		{"US", "()", byDefault(noState, many)},
		// Cities and counties that have the names of other states.
		{"US", "Virginia City", byDefault(noState, many)}, // in Nevada
		{"US", "Michigan City", byDefault(noState, many)}, // in Indiana
		{"US", "Nevada County", byDefault(noState, many)}, // in California and Arkansas
		{"US", "City of Washington", answer{"America/New_York", state, nil}},
		// Territories are both countries and states.
		{"PR", "", answer{"America/Puerto_Rico", country, nil}},
		{"US", "PR", answer{"America/Puerto_Rico", state, nil}},
		{"US", "US-GU", answer{"Pacific/Guam", state, nil}},
		{"US", "Virgin Islands", answer{"America/St_Thomas", state, nil}},
		{"CN", "HK", answer{"Asia/Hong_Kong", state, nil}},
		{"GE", "", answer{"Asia/Tbilisi", country, nil}},
		{"Georgia", "GA", answer{"Asia/Tbilisi", country, nil}},
		// Whole codes need no country.
		{"", "US-CA", answer{"America/Los_Angeles", state, nil}},
		{"", "au-qld", answer{"Australia/Brisbane", state, []timezone.Note{majority}}},
		{"", "FR-75", answer{"Europe/Paris", state, nil}},
		{"Narnia", "US-CA", answer{"America/Los_Angeles", state, []timezone.Note{noPlace}}},
		// Nothing usable.
		{"", "CA", byDefault(noState)},
		{"", "California", byDefault(noState)},
		{"", "Georgia", byDefault(noState)},
		{"", "XX-CA", byDefault(noState)},
		{"", "US-ZZ", byDefault(noState)},
		{"", "US-", byDefault(noState)},
		{"", "AQ-01", byDefault(noState)},
		{"Narnia", "CA", byDefault(noPlace, noState)},
		{"US", "", byDefault(many)},
		{"US", "CA-ON", byDefault(noState, many)},
		{"US", "Ontario", byDefault(noState, many)},
		{"US", "AE", byDefault(noState, many)},
		{"US", "AP", byDefault(noState, many)},
		{"US", "AA", byDefault(noState, many)},
		{"US", "UM", byDefault(noState, many)},
		{"US", "Cali", byDefault(noState, many)},
		{"US", "San Francisco", byDefault(noState, many)},
		{"CA", "Labrador", byDefault(noState, many)}, // most of it keeps a different time from its province
		{"US", "State of", byDefault(noState, many)},
		{"US", "of California", byDefault(noState, many)},
		{"US", "State", byDefault(noState, many)},
		{"CA", "BC ON", byDefault(noState, many)},
		{"AQ", "", byDefault(many)},
		{"AQ", "McMurdo", byDefault(noState, many)},
		{"UM", "", byDefault(many)},
		{"UM", "79", answer{"Pacific/Wake", state, nil}},
		{"UM", "81", byDefault(noState, many)},
		{"BV", "", byDefault(noZone)},
		{"HM", "", byDefault(noZone)},
		// A17: seven countries have a zone that represents them.
		{"CL", "", answer{"America/Santiago", country, []timezone.Note{primary}}},
		{"CN", "", answer{"Asia/Shanghai", country, []timezone.Note{primary}}},
		{"EC", "", answer{"America/Guayaquil", country, []timezone.Note{primary}}},
		{"ES", "", answer{"Europe/Madrid", country, []timezone.Note{primary}}},
		{"NZ", "", answer{"Pacific/Auckland", country, []timezone.Note{primary}}},
		{"PT", "", answer{"Europe/Lisbon", country, []timezone.Note{primary}}},
		{"UA", "", answer{"Europe/Kyiv", country, []timezone.Note{primary}}},
		{"Spain", "Ontario", answer{"Europe/Madrid", country, []timezone.Note{noState, primary}}},
	} {
		check(t, timezone.Hints{Country: c.country, State: c.state}, c.want)
	}
}

// R79: the default is the last resort, and only a TZ database name is accepted.
func TestDefault(t *testing.T) {
	for given, want := range map[string]string{
		"Europe/Paris": "Europe/Paris", "\teurope/paris\n": "Europe/Paris", "US/Eastern": "America/New_York", "EST": "EST",
	} {
		assert.Equal(t, timezone.Result{Zone: want, Basis: timezone.BasisDefault}, timezone.Resolve(timezone.Hints{Default: given}))
	}
	for _, given := range []string{"", "Local", "-05:00", "Pacific Standard Time", "(GMT+01:00) CET (Europe/Paris)", "Narnia/City"} {
		assert.Equal(t, timezone.Result{}, timezone.Resolve(timezone.Hints{Default: given}), given)
	}
}

func TestWords(t *testing.T) {
	b, err := json.Marshal([]timezone.Basis{0, 1, 2, 3, 4})
	require.NoError(t, err)
	assert.JSONEq(t, `["none","zone","country","state","default"]`, string(b))
	_, err = timezone.Basis(9).MarshalText()
	assert.Error(t, err)

	notes := timezone.Resolve(timezone.Hints{Zone: "-5", Country: "US", State: "ZZ"}).Notes
	assert.Equal(t, 3, notes.Len())
	assert.True(t, notes.Has(timezone.NoteOffsetUnsupported))
	assert.False(t, notes.Has(timezone.NoteUnknownName))
	assert.False(t, notes.Has("tz.no_such_note"))
	for n := range notes.All() {
		assert.Equal(t, timezone.NoteOffsetUnsupported, n, "a loop may stop at once")
		break
	}
	assert.Zero(t, timezone.Notes(0).Len())
}

// zoneNames returns the set of all possible answers.
func zoneNames(tb testing.TB) map[string]bool {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("internal", "gen", "data", "tzdb-names.tsv"))
	require.NoError(tb, err)
	names := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, "\t")
		names[name] = name != "Factory"
	}
	return names
}

// whole checks the properties that hold for every answer to any hints.
func whole(tb testing.TB, names map[string]bool, h timezone.Hints) {
	tb.Helper()
	r := timezone.Resolve(h)
	switch {
	case r.Basis == timezone.BasisNone:
		assert.Empty(tb, r.Zone)
	case !names[r.Zone]:
		tb.Errorf("%+v: %q is no name", h, r.Zone)
	}
	assert.Equal(tb, r, timezone.Resolve(timezone.Hints{
		Zone: " " + h.Zone + "\n", Country: "\t" + h.Country, State: h.State + " ", Default: " " + h.Default,
	}), "white space around a value means nothing")
	if n := testing.AllocsPerRun(10, func() { timezone.Resolve(h) }); n > 0 {
		tb.Errorf("%+v: %v allocations", h, n)
	}
}

// S26: Resolve answers any hints with a name or nothing, and without
// allocation.
func FuzzResolve(f *testing.F) {
	for _, h := range []timezone.Hints{
		{Zone: "America/New_York"}, {Zone: "(GMT-08:00) Pacific Standard Time (America/Los_Angeles)"}, {Zone: "UTC-5"},
		{Country: "St. Vincent & the Grenadines"}, {Country: "Côte d’Ivoire"}, {Country: "US", State: "State of Washington"},
		{Country: "RU", State: "Ханты"}, {State: "US-CA"}, {Country: "Việt Nam", Default: "utc"}, {Zone: ")", Country: ".", State: "-"},
		{Zone: "±", Country: strings.Repeat("st ", 40)}, {Zone: "America/New York (EST)", Country: "Korea, Rep. of", State: "USCA"},
		{Zone: "GMT-08:00 Pacific Time (Los Angeles)", Country: "Guam (USA)"}, {Zone: "(UTC-05:00) Eastern Time (US & Canada)", Country: "US", State: "California, USA"},
	} {
		f.Add(h.Zone, h.Country, h.State, h.Default)
	}
	names := zoneNames(f)
	f.Fuzz(func(t *testing.T, zone, country, state, def string) {
		whole(t, names, timezone.Hints{Zone: zone, Country: country, State: state, Default: def})
	})
}

// The same for hints that are likely to be found: pieces of real values.
func TestAnyHints(t *testing.T) {
	names := zoneNames(t)
	piece := rapid.SampledFrom([]string{
		"", " ", "US", "CA", "US-CA", "Canada", "Ontario", "The ", "St. ", "&", "É", "o\u0302", "America/", "New_York", "UTC", "+5", "(", ")",
		"Pacific Standard Time", "RU", "Oblast", "Republic of ", "Saint", "\xff", "XK", "-", "_", "EST", "GMT-05:00 ", "Eastern Time", "Paris", "/", ", ", " - ", "Rep. of",
	})
	value := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(piece, 0, 4).Draw(t, "pieces"), "") })
	rapid.Check(t, func(rt *rapid.T) {
		whole(t, names, timezone.Hints{
			Zone: value.Draw(rt, "zone"), Country: value.Draw(rt, "country"), State: value.Draw(rt, "state"), Default: value.Draw(rt, "default"),
		})
	})
}
