package timezone_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/usher-go/usher/timezone"
)

// The time-zone attribute comes first, in any letter case: a name, with or
// without a label beside it, or a text that Windows, Rails, Google or Workday
// shows.
func ExampleResolve() {
	for _, zone := range []string{
		" america/new_york ",
		"Pacific Standard Time",
		"(GMT+01:00) Central European Standard Time (Europe/Paris)",
		"Europe/London (GMT)",
		"(UTC-05:00) Eastern Time (US & Canada)",
		"GMT-07:00 Mountain Standard Time (Phoenix)",
	} {
		r := timezone.Resolve(timezone.Hints{Zone: zone, Country: "JP"})
		fmt.Println(r.Zone, r.Basis)
	}
	// Output:
	// America/New_York zone
	// America/Los_Angeles zone
	// Europe/Paris zone
	// Europe/London zone
	// America/New_York zone
	// America/Phoenix zone
}

// A country with one zone decides; the state is not used.
func ExampleResolve_country() {
	for _, country := range []string{"FR", "FRA", "France", "French Republic"} {
		fmt.Println(timezone.Resolve(timezone.Hints{Country: country, State: "US-CA"}).Zone)
	}
	// Output:
	// Europe/Paris
	// Europe/Paris
	// Europe/Paris
	// Europe/Paris
}

// If the zones inside a country differ, the state decides. A state with several
// zones gives the zone of most of its people.
func ExampleResolve_state() {
	for _, h := range []timezone.Hints{
		{Country: "US", State: "CA"},
		{Country: "Brazil", State: "São Paulo"},
		{Country: "United States", State: "Indiana"},
		{State: "AU-WA"},
	} {
		r := timezone.Resolve(h)
		fmt.Println(r.Zone, r.Basis, slices.Collect(r.Notes.All()))
	}
	// Output:
	// America/Los_Angeles state []
	// America/Sao_Paulo state []
	// America/Indiana/Indianapolis state [tz.state_majority]
	// Australia/Perth state [tz.state_majority]
}

// A value that cannot be used is skipped and noted; the company's default is
// the last resort.
func ExampleResolve_default() {
	r := timezone.Resolve(timezone.Hints{
		Zone:    "-05:00",
		Country: "United States",
		State:   "Ontario",
		Default: "America/New_York",
	})
	fmt.Println(r.Zone, r.Basis)
	for note := range r.Notes.All() {
		fmt.Println(note)
	}
	// Output:
	// America/New_York default
	// tz.offset_unsupported
	// tz.unknown_state
	// tz.country_has_many
}

// Seven countries with several zones have one zone that represents them.
func ExampleResolve_primary() {
	for _, country := range []string{"ES", "US"} {
		r := timezone.Resolve(timezone.Hints{Country: country, Default: "UTC"})
		fmt.Println(r.Zone, r.Basis, slices.Collect(r.Notes.All()))
	}
	// Output:
	// Europe/Madrid country [tz.country_primary]
	// UTC default [tz.country_has_many]
}

// A Thursday evening in New York is already Friday in Riyadh, which is not a
// working day there.
func ExampleIsWorkingDay() {
	t := time.Date(2026, time.November, 26, 23, 0, 0, 0, time.UTC)
	fmt.Println(timezone.IsWorkingDay(t, "America/New_York", "en-US"))
	fmt.Println(timezone.IsWorkingDay(t, "Asia/Riyadh", "ar_SA"))
	// Output:
	// true
	// false
}

func ExampleParseLocale() {
	for _, s := range []string{"en_US", "zh_CN_PINYIN", "iw_IL", "de", ""} {
		l, ok := timezone.ParseLocale(s)
		fmt.Println(l, ok)
	}
	// Output:
	// en-US true
	// zh-CN true
	// he-IL true
	// de true
	// en-US false
}
