package timezone_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/timezone"
)

var sink timezone.Result

// A floor is the reference for look-ups: plain Go maps of the names and codes
// in the vendored files, for hints that are spelt as in those files. A state
// takes two look-ups, as in the tables.
type floor struct {
	zones     map[string]timezone.Result
	countries map[string]*place
}

type place struct {
	answer timezone.Result
	states map[string]timezone.Result // for countries whose zones differ
}

func newFloor(b *testing.B) *floor {
	f := &floor{map[string]timezone.Result{}, map[string]*place{}}
	for _, file := range []string{"tzdb-names.tsv", "cldr-windows-zones.tsv"} {
		for _, row := range vendored(b, file) {
			f.zones[row[0]] = timezone.Resolve(timezone.Hints{Zone: row[0]})
		}
	}
	states := map[string]map[string]timezone.Result{}
	for _, file := range []string{"cldr-subdivisions.tsv", "cldr-subdivision-names.tsv", "iso-subdivision-names.tsv"} {
		for _, row := range vendored(b, file) {
			country, part, _ := strings.Cut(row[0], "-")
			if states[country] == nil {
				states[country] = map[string]timezone.Result{}
			}
			for _, s := range append(row, part) {
				states[country][s] = timezone.Resolve(timezone.Hints{Country: country, State: s})
			}
		}
	}
	for _, row := range vendored(b, "cldr-countries.tsv") {
		p := &place{timezone.Resolve(timezone.Hints{Country: row[0]}), states[row[0]]}
		for _, s := range row {
			f.countries[s] = p
		}
	}
	return f
}

func (f *floor) resolve(h timezone.Hints) timezone.Result {
	if h.Zone != "" {
		return f.zones[h.Zone]
	}
	p := f.countries[h.Country]
	if h.State != "" {
		return p.states[h.State]
	}
	return p.answer
}

// BenchmarkResolve measures each kind of look-up twice: with Resolve and with
// the floor. The keys change from call to call, as they do between people.
func BenchmarkResolve(b *testing.B) {
	f := newFloor(b)
	for _, c := range []struct {
		name  string
		hints []timezone.Hints
		ready []timezone.Hints // the hints as the floor spells them, if that differs
	}{
		{name: "zone", hints: []timezone.Hints{
			{Zone: "America/New_York", Country: "US", State: "NY"}, {Zone: "Europe/London"}, {Zone: "Asia/Kolkata"}, {Zone: "UTC"},
			{Zone: "America/Los_Angeles"}, {Zone: "Europe/Paris"}, {Zone: "Australia/Sydney"}, {Zone: "Asia/Tokyo"},
		}},
		{
			name:  "zone_in_lower_case",
			hints: []timezone.Hints{{Zone: "america/new_york"}, {Zone: "europe/london"}, {Zone: "asia/kolkata"}},
			ready: []timezone.Hints{{Zone: "America/New_York"}, {Zone: "Europe/London"}, {Zone: "Asia/Kolkata"}},
		},
		{name: "windows", hints: []timezone.Hints{
			{Zone: "Pacific Standard Time"}, {Zone: "GMT Standard Time"}, {Zone: "India Standard Time"},
		}},
		{
			name:  "label",
			hints: []timezone.Hints{{Zone: "(GMT-08:00) Pacific Standard Time (America/Los_Angeles)"}},
			ready: []timezone.Hints{{Zone: "America/Los_Angeles"}},
		},
		{
			name:  "shown",
			hints: []timezone.Hints{{Zone: "(UTC-05:00) Eastern Time (US & Canada)"}, {Zone: "GMT-08:00 Pacific Time (Los Angeles)"}},
			ready: []timezone.Hints{{Zone: "America/New_York"}, {Zone: "America/Los_Angeles"}},
		},
		{name: "country_code", hints: []timezone.Hints{
			{Country: "DE"}, {Country: "FR"}, {Country: "JP"}, {Country: "GB"}, {Country: "IN"}, {Country: "SE"},
		}},
		{name: "country_name", hints: []timezone.Hints{
			{Country: "Germany"}, {Country: "France"}, {Country: "United Kingdom"}, {Country: "Sri Lanka"}, {Country: "India"}, {Country: "South Korea"},
		}},
		{
			name:  "country_folded",
			hints: []timezone.Hints{{Country: "Côte d’Ivoire"}, {Country: "Korea, Republic of"}, {Country: "St. Lucia"}},
			ready: []timezone.Hints{{Country: "Côte d’Ivoire"}, {Country: "South Korea"}, {Country: "St. Lucia"}},
		},
		{
			name:  "country_in_two_parts",
			hints: []timezone.Hints{{Country: "Serbia, Republic of"}, {Country: "Guam (USA)"}},
			ready: []timezone.Hints{{Country: "Serbia"}, {Country: "Guam"}},
		},
		{name: "state_code", hints: []timezone.Hints{
			{Country: "US", State: "CA"}, {Country: "CA", State: "ON"}, {Country: "US", State: "TX"}, {Country: "AU", State: "NSW"}, {Country: "BR", State: "SP"},
		}},
		{name: "state_name", hints: []timezone.Hints{
			{Country: "United States", State: "California"}, {Country: "Canada", State: "Ontario"}, {Country: "Australia", State: "Queensland"},
			{Country: "United States", State: "New York"}, {Country: "Brazil", State: "Bahia"},
		}},
		{name: "state_folded", hints: []timezone.Hints{{Country: "Brazil", State: "São Paulo"}, {Country: "Mexico", State: "Nuevo León"}}},
		{
			name:  "state_with_its_country",
			hints: []timezone.Hints{{Country: "US", State: "USCA"}, {Country: "US", State: "California, USA"}},
			ready: []timezone.Hints{{Country: "US", State: "CA"}, {Country: "US", State: "California"}},
		},
		{
			name:  "state_with_its_kind",
			hints: []timezone.Hints{{Country: "RU", State: "Sverdlovsk Oblast"}, {Country: "CN", State: "Guangdong Province"}},
			ready: []timezone.Hints{{Country: "RU", State: "Sverdlovsk"}, {Country: "CN", State: "Guangdong"}},
		},
		{name: "country_of_many", hints: []timezone.Hints{{Country: "US"}, {Country: "RU"}, {Country: "AQ"}}},
	} {
		ready := c.ready
		if ready == nil {
			ready = c.hints
		}
		for i, h := range ready {
			require.Equal(b, timezone.Resolve(c.hints[i]), f.resolve(h), "%v", h)
		}
		b.Run(c.name+"/table", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				sink = timezone.Resolve(c.hints[i%len(c.hints)])
			}
		})
		b.Run(c.name+"/map", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				sink = f.resolve(ready[i%len(ready)])
			}
		})
	}
}

func BenchmarkWeekend(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sink.Notes = timezone.Notes(timezone.Weekend("ar_SA"))
	}
}

func BenchmarkParseLocale(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		l, _ := timezone.ParseLocale("zh_CN_PINYIN")
		sink.Zone = l.Region
	}
}
