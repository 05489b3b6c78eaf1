package timezone

import (
	"iter"
	"time"
)

// Days is a set of days of the week. The zero value is empty.
type Days uint8

// Has reports whether the set holds the day.
func (d Days) Has(day time.Weekday) bool { return d&(1<<day) != 0 }

// All yields the days of the set, Sunday first.
func (d Days) All() iter.Seq[time.Weekday] {
	return func(yield func(time.Weekday) bool) {
		for day := time.Sunday; day <= time.Saturday; day++ {
			if d.Has(day) && !yield(day) {
				return
			}
		}
	}
}

// Weekend returns the free days of the week where the locale is used (R69): in
// its region, else in the region where its language is mostly met. What is no
// locale counts as en-US. It follows the week data of CLDR, also where offices
// of a country keep other days. It does not allocate.
func Weekend(locale string) Days {
	t, ok := parseTag(locale)
	switch {
	case !ok:
		return defaultWeekend
	case t.isCountry:
		return Days(countryWeekends[t.country])
	case t.region != "":
		return defaultWeekend
	}
	if days, ok := scriptWeekend(t.languageCode(), t.script); ok {
		return days
	}
	return Days(languageWeekends[t.language])
}

// IsWorkingDay reports whether the instant t, in the person's zone, falls on a
// day that is no part of the weekend of the person's locale: a host that must
// not notify people on a free day asks this first (R69). Public holidays are
// not known.
//
// The zone is one that Resolve returned. With one that the system's time-zone
// data does not hold, the day is that of t's own location. The data is read on
// each call, which takes some 20 microseconds.
func IsWorkingDay(t time.Time, zone, locale string) bool {
	if zone != "" {
		if loc, err := time.LoadLocation(zone); err == nil {
			t = t.In(loc)
		}
	}
	return !Weekend(locale).Has(t.Weekday())
}
