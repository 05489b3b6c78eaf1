// Package timezone decides the time zone of a person from what a directory says
// about them, and knows the free days of their week (R69, R74-R79).
//
// # How a zone is chosen
//
// [Resolve] takes four hints and asks them in this order (R76):
//
//  1. The time-zone attribute, if it is a name of the TZ database (R74). Any
//     case and surrounding white space will do, and spaces for underscores; so
//     will a Windows id ("Pacific Standard Time"). A name with a slash counts
//     also beside a label, before or after it: "America/New_York (EST)",
//     Salesforce's "(GMT-08:00) Pacific Standard Time (America/Los_Angeles)".
//     Two that disagree are none. The texts that Windows, Rails, Google, Workday
//     and CLDR show to people are understood where they mean one zone:
//     "(UTC-05:00) Eastern Time (US & Canada)", "GMT-08:00 Pacific Time (Los
//     Angeles)", but not "Eastern Time" alone, which Australia has as well.
//     Offsets are not supported (R75), nor are abbreviations. EST, MST and HST
//     are names, but of fixed offsets: alone they are taken and noted.
//  2. The country, by an English name or an ISO 3166-1 code of two or three
//     letters (R77), if it has one zone, or several that keep the same rules
//     from now on: a person in Argentina gets Buenos Aires whatever the state.
//     Two names of the same country ("Eswatini (Swaziland)") are one, as are a
//     territory and its state ("Guam (USA)"), and a name and what goes before
//     it ("Korea, Rep. of").
//  3. The state or province, in a country whose zones differ (R78): by name, by
//     ISO 3166-2 code, whole ("US-CA") or its second part ("CA"), current or
//     retired, or by Salesforce's code. Beside its country a whole code needs no
//     hyphen ("USCA"). A state that has several zones gives the one of most of
//     its people and notes it (A20). An ISO code with its hyphen needs no
//     country, but one that contradicts the country is unknown.
//  4. For seven countries without a usable state, the zone that stands for them
//     in CLDR: Chile, China, Ecuador, New Zealand, Portugal, Spain, Ukraine
//     (A17). It is noted.
//  5. The company's default (R79), which must be a TZ database name.
//
// Names are compared without regard to case, diacritics, dots, apostrophes and
// punctuation; "&" is "and"; "St.", "Rep.", "Dem." and "Is." are the words that
// they abbreviate; a "the" at either end is ignored. Nothing is guessed:
// neither prefixes nor similar spellings are taken, nor cities other than those
// that lists call zones. Territories are
// countries and, those of the United States, states as well.
//
// A hint that is there and cannot be used is passed over, and the result says
// why in a [Note]; nothing fails (S26). The notes of a person in {Zone: "-05:00",
// Country: "US", State: "ZZ"} are tz.offset_unsupported, tz.unknown_state and
// tz.country_has_many, and the zone is the default.
//
// A name that the TZ database has replaced (US/Pacific, Asia/Calcutta) is
// answered with the current name of the same country. Names of no country, such
// as UTC, GMT and EST5EDT, are answered as they are. The answer is always spelt
// as the TZ database spells it, or empty.
//
// # Weekends
//
// [Weekend] gives the free days of the week where a locale is used, and
// [IsWorkingDay] says whether an instant is a working day of a person.
// [ParseLocale] reads the spellings of locales that providers send.
//
// # Tables
//
// The tables are generated from the TZ database 2026f and CLDR 48.2, see
// internal/gen. They are string constants of some 110 KiB: nothing is initialised
// when a program starts, and no look-up allocates. Only names are stored, never
// offsets, so the rules are those of the system that loads the zone. The
// functions are safe for concurrent use.
package timezone
