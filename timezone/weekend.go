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

// Weekend returns the free days of the week of a locale (R69): those of its region,
// or else of the region where most speakers of its language live. A text that is no
// locale counts as en-US. The days are those of CLDR's week data, even if offices
// of the country keep other days. It does not allocate.
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

// IsWorkingDay reports whether the instant t, in the person's zone, is on a day
// outside the weekend of the person's locale. A host calls it before it sends
// notifications (R69). It does not know public holidays.
//
// The zone is a result of Resolve. If the system's time-zone data does not have it,
// the day is that of t's own location. Each call reads that data, which takes about
// 20 microseconds.
func IsWorkingDay(t time.Time, zone, locale string) bool {
	if zone != "" {
		if loc, err := time.LoadLocation(zone); err == nil {
			t = t.In(loc)
		}
	}
	return !Weekend(locale).Has(t.Weekday())
}
