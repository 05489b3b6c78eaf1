package timezone_test

import (
	"testing"

	"github.com/usher-go/usher/timezone"
)

var sink timezone.Result

// BenchmarkResolve asks each kind of question twice: of Resolve, and of a plain
// map with a ready key, which is the floor. The keys change from call to call,
// as they do between people.
func BenchmarkResolve(b *testing.B) {
	for _, c := range []struct {
		name  string
		hints []timezone.Hints
	}{
		{"zone", []timezone.Hints{
			{Zone: "America/New_York", Country: "US", State: "NY"}, {Zone: "Europe/London"}, {Zone: "Asia/Kolkata"}, {Zone: "UTC"},
			{Zone: "America/Los_Angeles"}, {Zone: "Europe/Paris"}, {Zone: "Australia/Sydney"}, {Zone: "Asia/Tokyo"},
		}},
		{"zone_in_lower_case", []timezone.Hints{{Zone: "america/new_york"}, {Zone: "europe/london"}, {Zone: "asia/kolkata"}}},
		{"windows", []timezone.Hints{{Zone: "Pacific Standard Time"}, {Zone: "GMT Standard Time"}, {Zone: "India Standard Time"}}},
		{"label", []timezone.Hints{{Zone: "(GMT-08:00) Pacific Standard Time (America/Los_Angeles)"}}},
		{"country_code", []timezone.Hints{{Country: "DE"}, {Country: "FR"}, {Country: "JP"}, {Country: "GB"}, {Country: "IN"}, {Country: "SE"}}},
		{"country_name", []timezone.Hints{{Country: "Germany"}, {Country: "France"}, {Country: "United Kingdom"}, {Country: "Sri Lanka"}}},
		{"country_folded", []timezone.Hints{{Country: "Côte d’Ivoire"}, {Country: "Korea, Republic of"}, {Country: "St. Lucia"}}},
		{"state_code", []timezone.Hints{{Country: "US", State: "CA"}, {Country: "CA", State: "ON"}, {Country: "US", State: "TX"}}},
		{"state_name", []timezone.Hints{{Country: "United States", State: "California"}, {Country: "Canada", State: "Ontario"}}},
		{"state_folded", []timezone.Hints{{Country: "Brazil", State: "São Paulo"}, {Country: "Mexico", State: "Nuevo León"}}},
		{"state_with_its_kind", []timezone.Hints{{Country: "RU", State: "Sverdlovsk Oblast"}}},
		{"nothing_usable", []timezone.Hints{{Zone: "Eastern Time (US & Canada)", Country: "Narnia", State: "X", Default: "UTC"}}},
	} {
		ready := make([]string, len(c.hints))
		answers := map[string]timezone.Result{}
		for i, h := range c.hints {
			ready[i] = h.Zone + h.Country + h.State
			answers[ready[i]] = timezone.Resolve(h)
		}
		b.Run(c.name+"/table", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				sink = timezone.Resolve(c.hints[i%len(c.hints)])
			}
		})
		b.Run(c.name+"/map", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				sink = answers[ready[i%len(ready)]]
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
