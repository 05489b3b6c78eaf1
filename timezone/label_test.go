package timezone_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/timezone"
)

func zoneOf(attribute string) string {
	return timezone.Resolve(timezone.Hints{Zone: attribute}).Zone
}

// R74, S26: a name with a slash is found at any position beside a label.
func TestNameBesideALabel(t *testing.T) {
	for label, want := range map[string]string{
		// Options of public forms whose value is the label.
		"America/New_York (EST)":          "America/New_York",
		"America/Denver (MST)":            "America/Denver",
		"Europe/London (GMT)":             "Europe/London",
		"Asia/Kolkata (IST)":              "Asia/Kolkata",
		"America/Montevideo (GMT-3)":      "America/Montevideo",
		"America/New_York (EST/EDT)":      "America/New_York",
		"Europe/Paris (CET, UTC+1)":       "Europe/Paris",
		"US/Eastern (EST)":                "America/New_York",
		"Asia/Calcutta (UTC+05:30) India": "Asia/Kolkata",
		// The label first, as Salesforce writes it.
		"(GMT-05:00) Eastern Standard Time (America/New_York)":    "America/New_York",
		"(GMT+14:00) Line Islands Time (Pacific/Kiritimati)":      "Pacific/Kiritimati",
		"(GMT\u221203:30) Newfoundland Time (america/st_johns)\t": "America/St_Johns",
		"(EST) America/New_York":                                  "America/New_York",
		"EST - America/New_York":                                  "America/New_York",
		"(GMT-05:00) America/New_York":                            "America/New_York",
		"UTC+0000 Europe/London":                                  "Europe/London",
		"GMT Europe/London":                                       "Europe/London",
		"US & Canada: Eastern Time [America/New_York]":            "America/New_York",
		"Eastern Time, America/New_York":                          "America/New_York",
		// As calendars (RFC 5545 section 3.2.19), POSIX and JSON write it.
		"TZID=America/New_York":           "America/New_York",
		"TZID=America/New_York:20261126":  "America/New_York",
		"TZ=Europe/London":                "Europe/London",
		"timezone:Asia/Kolkata":           "Asia/Kolkata",
		"'Europe/Berlin'":                 "Europe/Berlin",
		`{"timeZone":"Pacific/Auckland"}`: "Pacific/Auckland",
		"tz://Europe/London":              "",
		"TZ=:posix/Europe/London":         "",
		// Spaces in place of underscores.
		"America/New York":                                  "America/New_York",
		"America/New York (EST)":                            "America/New_York",
		"(GMT-06:00) America/North Dakota/New Salem (CST)":  "America/North_Dakota/New_Salem",
		"America/Port of Spain":                             "America/Port_of_Spain",
		"America/Argentina/Buenos Aires America/Sao Paulo2": "America/Argentina/Buenos_Aires",
		// Two names of one zone, and a slash that belongs to no name.
		"US/Eastern (America/New_York)":       "America/New_York",
		"US/Canada Eastern, America/New_York": "America/New_York",
		// Two names that disagree.
		"America/New_York (Europe/London)":                "",
		"America/New_York,Europe/London":                  "",
		"America/New_York America/Toronto (US/Eastern)":   "",
		"Etc/GMT+5 (America/New_York)":                    "",
		"America/New_York2 (EST)":                         "",
		"posix/America/New_York (EST)":                    "",
		"America/Foo Bar (EST)":                           "",
		strings.Repeat("x ", 200) + "Europe/Paris":        "", // longer than any label
		strings.Repeat("a/b ", 50) + "America/New_York x": "America/New_York",
		// A name without a slash beside a label is part of the label.
		"Eastern Time (EST)":              "",
		"Mountain Time (MST)":             "",
		"Hawaii Time (HST)":               "",
		"(GMT-05:00) Eastern Time (EST)":  "",
		"Central European Time (CET)":     "",
		"London (GMT)":                    "",
		"Azores (Portugal)":               "",
		"(GMT-01:00) Azores (Portugal)":   "",
		"Eastern Time (EST5EDT)":          "",
		"United Kingdom (GB)":             "",
		"Eastern Standard Time (Jamaica)": "America/Jamaica",
	} {
		assert.Equal(t, want, zoneOf(label), label)
	}
}

// R74: every name of a place is found beside a label, and with a second,
// different name there is no answer.
func TestAnyNameBesideALabel(t *testing.T) {
	var names []string
	for _, f := range vendored(t, "tzdb-names.tsv") {
		if strings.Contains(f[0], "/") {
			names = append(names, f[0])
		}
	}
	label := rapid.SampledFrom([]string{"", " ", "EST", "(EST)", "(GMT-05:00)", "GMT+1", "[x]", "Pacific Time", "(US & Canada)", "-", "N/A"})
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(names).Draw(rt, "name")
		other := rapid.SampledFrom(names).Draw(rt, "other")
		before, after := label.Draw(rt, "before"), label.Draw(rt, "after")
		want := zoneOf(name)
		require.NotEmpty(rt, want)
		for _, spelling := range []string{name, strings.ToLower(name), strings.ReplaceAll(name, "_", " ")} {
			require.Equal(rt, want, zoneOf(before+" "+spelling+" "+after))
			require.Equal(rt, want, zoneOf(before+" ("+spelling+") "+after))
		}
		if zoneOf(other) != want {
			require.Empty(rt, zoneOf(before+" "+name+" ("+other+") "+after))
		}
	})
}

// S26: the texts that Windows, Rails, Google and Workday show.
func TestShownNames(t *testing.T) {
	for label, want := range map[string]string{
		// Windows: the documentation of Azure SQL Managed Instance.
		"(UTC-05:00) Eastern Time (US & Canada)":                        "America/New_York",
		"(UTC-08:00) Pacific Time (US & Canada)":                        "America/Los_Angeles",
		"(UTC-06:00) Guadalajara, Mexico City, Monterrey":               "America/Mexico_City",
		"(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna":  "Europe/Berlin",
		"(UTC+01:00) Belgrade, Bratislava, Budapest, Ljubljana, Prague": "Europe/Budapest",
		"(UTC+00:00) Dublin, Edinburgh, Lisbon, London":                 "Europe/London",
		"(UTC) Dublin, Edinburgh, Lisbon, London":                       "Europe/London",
		"(UTC-07:00) Arizona":                                           "America/Phoenix",
		"(UTC-05:00) Indiana (East)":                                    "America/Indiana/Indianapolis",
		"(UTC-04:00) Atlantic Time (Canada)":                            "America/Halifax",
		"(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi":               "Asia/Kolkata",
		"(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi":             "Asia/Shanghai",
		"(UTC+13:00) Nuku'alofa":                                        "Pacific/Tongatapu",
		"(UTC) Coordinated Universal Time":                              "UTC",
		// From lists of older machines and programs.
		"(GMT-06:00) Guadalajara, Mexico City, Monterrey - New": "America/Mexico_City",
		"(GMT-07:00) Chihuahua, La Paz, Mazatlan - Old":         "America/Mazatlan",
		"(UTC+12:00) Petropavlovsk-Kamchatsky - Old":            "Asia/Kamchatka",
		"(GMT+08:00) Ulaan Bataar":                              "Asia/Ulaanbaatar",
		"Armenian Standard Time":                                "Asia/Yerevan",
		"Mexico Standard Time":                                  "America/Mexico_City",
		"Mexico Standard Time 2":                                "America/Mazatlan",
		"Eastern Time (US & Canada)":                            "America/New_York",
		"EASTERN TIME (US AND CANADA)":                          "America/New_York",
		"Eastern Daylight Time (US & Canada)":                   "America/New_York",
		"Mountain Time (US & Canada) (UTC-07:00)":               "America/Denver",
		"(UTC-05:00) Eastern Standard Time":                     "America/New_York",
		"(UTC+01:00) W. Europe Standard Time":                   "Europe/Berlin",
		// Rails: the names of ActiveSupport::TimeZone, alone and with the
		// offset that its to_s writes. A place has the zone of its own country.
		"Mexico City":            "America/Mexico_City",
		"(GMT+00:00) London":     "Europe/London",
		"Cape Verde Is.":         "Atlantic/Cape_Verde",
		"Sri Jayawardenepura":    "Asia/Colombo",
		"Kyiv":                   "Europe/Kyiv",
		"Quito":                  "America/Guayaquil", // Rails: America/Lima
		"Hanoi":                  "Asia/Ho_Chi_Minh",  // Rails: Asia/Bangkok
		"Abu Dhabi":              "Asia/Dubai",        // Rails: Asia/Muscat
		"Canberra":               "Australia/Sydney",  // Rails: Australia/Melbourne
		"(GMT-09:00) Alaska":     "America/Anchorage", // Rails: America/Juneau
		"(GMT+13:00) Samoa":      "Pacific/Apia",
		"(GMT-11:00) Samoa Time": "Pacific/Pago_Pago",
		// Workday.
		"GMT-08:00 Pacific Time (Los Angeles)":                  "America/Los_Angeles",
		"GMT-08:00 Pacific Time (Tijuana)":                      "America/Tijuana",
		"GMT-07:00 Mountain Standard Time (Phoenix)":            "America/Phoenix",
		"GMT-06:00 Central Standard Time (Regina)":              "America/Regina",
		"GMT-05:00 Eastern Time":                                "America/New_York",
		"GMT-05:00 Eastern Time (Indianapolis)":                 "America/Indiana/Indianapolis",
		"GMT-03:30 Newfoundland Time (St. John's)":              "America/St_Johns",
		"GMT-03:00 Argentina Standard Time (Buenos Aires)":      "America/Argentina/Buenos_Aires",
		"GMT United Kingdom Time (London)":                      "Europe/London",
		"GMT Western European Time (Casablanca)":                "Africa/Casablanca",
		"GMT+02:00 South Africa Standard Time (Johannesburg)":   "Africa/Johannesburg",
		"GMT+06:00 East Kazakhstan Time (Almaty)":               "Asia/Almaty",
		"GMT+07:00 Indochina Time (Ho Chi Minh City)":           "Asia/Ho_Chi_Minh",
		"GMT+08:00 Taipei Standard Time (Taipei)":               "Asia/Taipei",
		"GMT+10:00 Australian Eastern Standard Time (Brisbane)": "Australia/Brisbane",
		"GMT-10:00 Hawaii-Aleutian Standard Time (Honolulu)":    "Pacific/Honolulu",
		// Google Calendar, and its older list (npm google-timezones-json).
		"(GMT-05:00) Eastern Time - Toronto":                   "America/Toronto",
		"(GMT-06:00) Central Time - Center, North Dakota":      "America/North_Dakota/Center",
		"(GMT-05:00) Peru Standard Time":                       "America/Lima",
		"(GMT-04:00) Venezuela Time":                           "America/Caracas",
		"(GMT-03:00) Argentina Standard Time - San Juan":       "America/Argentina/San_Juan",
		"(GMT+00:00) Ireland Time":                             "Europe/Dublin",
		"(GMT+01:00) Morocco Time":                             "Africa/Casablanca",
		"(GMT+03:00) Moscow Standard Time - Minsk":             "Europe/Minsk",
		"(GMT+09:00) Japan Standard Time":                      "Asia/Tokyo",
		"(GMT-08:00) Pacific Time":                             "America/Los_Angeles",
		"(GMT-07:00) Mountain Time - Arizona":                  "America/Phoenix",
		"(GMT-05:00) Bogota":                                   "America/Bogota",
		"(GMT+01:00) Paris":                                    "Europe/Paris",
		"(GMT+10:00) Eastern Time - Brisbane":                  "Australia/Brisbane",
		"(GMT+11:00) Eastern Time - Melbourne, Sydney":         "Australia/Sydney",
		"(GMT+12:00) Moscow+09 - Petropavlovsk-Kamchatskiy":    "Asia/Kamchatka",
		"-08:00 Pacific Time - Los Angeles":                    "America/Los_Angeles", // npm @vvo/tzdb
		"Pacific Time UTC-8":                                   "America/Los_Angeles",
		"(GMT+00:00) GMT (no daylight saving)":                 "GMT",
		"(GMT+00:00) Greenwich Mean Time (GMT)":                "GMT",
		"UTC (Coordinated Universal Time)":                     "UTC",
		"British Summer Time":                                  "Europe/London",
		"Japan Time":                                           "Asia/Tokyo",
		"Eastern Time (New York)":                              "America/New_York",
		"Eastern Time (Canada)":                                "America/Toronto",
		"(GMT+02:00) Eastern European Time - Kaliningrad":      "Europe/Kaliningrad",
		"(GMT-08:00) Pacific Time - Whitehorse":                "America/Whitehorse", // until 2020
		"(GMT+05:00) West Kazakhstan Time - Aqtau":             "Asia/Aqtau",         // until 2024
		"(GMT+05:30) India Standard Time - Colombo":            "Asia/Colombo",
		"(GMT+00:00) Greenwich Mean Time - S\u00e3o Tom\u00e9": "Africa/Sao_Tome",
	} {
		r := timezone.Resolve(timezone.Hints{Zone: label, Country: "JP"})
		assert.Equal(t, timezone.Result{Zone: want, Basis: timezone.BasisZone}, r, label)
	}
	for _, label := range []string{
		// Names of several zones, in several countries.
		"Eastern Time", "Central Time", "Pacific Time", "(GMT+10:00) Eastern Time", "Eastern Time (GMT+10:00)", "Central European Time",
		"Central European Summer Time", "(GMT+01:00) Central European Time", "Gulf Standard Time", "Korean Standard Time",
		"(GMT+00:00) Greenwich Mean Time", "Greenwich Mean Time", "Atlantic Time", "(GMT-04:00) Atlantic Time",
		// Names that mean different zones in two lists.
		"International Date Line West", "Mid-Atlantic", "West Central Africa", "Hawaii-Aleutian Standard Time",
		// Names that are offsets.
		"(UTC-11:00) Coordinated Universal Time-11", "Coordinated Universal Time+12",
		// A city alone is not a zone unless Rails has a zone of that name.
		// Neither is a city beside a metazone to which it does not belong, or a
		// name that two cities share.
		"Toronto", "New York", "Los Angeles", "Pacific Time (New York)", "GMT-04:00 Atlantic Time (San Juan)", "(GMT-04:00) San Juan",
		"(GMT-04:00) St. John's", "(GMT+01:00) Cordoba", "(GMT+03:00) Petersburg", "(GMT-05:00) Springfield", "(GMT-05:00)", "GMT Time", "UTC Time",
		"Standard Time", "(GMT-05:00) Standard Time", "()", "( )", "(GMT) ()", "GMT (", "GMT-05:00 (", "Time", "summer time", "(UTC", "UTC)",
	} {
		assert.Empty(t, zoneOf(label), label)
	}
}

// Every zone of CLDR is found by the texts that CLDR produces for it.
func TestEveryMetazone(t *testing.T) {
	rows := vendored(t, "cldr-zone-labels.tsv")
	assert.Greater(t, len(rows), 450)
	for _, f := range rows {
		zone, city, name := zoneOf(f[0]), f[1], f[3]
		require.NotEmpty(t, zone, f[0])
		if name == "" || f[0] == "Etc/GMT" { // Salesforce calls this one GMT
			continue
		}
		generic := strings.Replace(name, " Standard Time", " Time", 1)
		for _, label := range []string{
			"(GMT+01:00) " + name + " - " + city,
			"GMT-01:00 " + name + " (" + city + ")",
			name + " (" + city + ")",
			strings.ToUpper(strings.Replace(generic, " Time", " Standard Time", 1)) + " " + city,
		} {
			assert.Equal(t, zone, zoneOf(label), label)
		}
	}
}
