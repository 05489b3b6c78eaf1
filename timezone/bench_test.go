package timezone

import "testing"

// BenchmarkResolve stands beside BenchmarkMap: the same questions, answered by
// a plain map that is asked with a ready key.
func BenchmarkResolve(b *testing.B) {
	for _, c := range []struct {
		name  string
		hints Hints
	}{
		{"zone", Hints{Zone: "America/New_York", Country: "US", State: "NY", Default: "UTC"}},
		{"zone_lower", Hints{Zone: "america/new_york"}},
		{"windows", Hints{Zone: "Pacific Standard Time"}},
		{"label", Hints{Zone: "(GMT-08:00) Pacific Standard Time (America/Los_Angeles)"}},
		{"country_code", Hints{Country: "DE"}},
		{"country_name", Hints{Country: "United Kingdom"}},
		{"country_folded", Hints{Country: "Côte d’Ivoire"}},
		{"state_code", Hints{Country: "US", State: "CA"}},
		{"state_name", Hints{Country: "United States", State: "California"}},
		{"state_folded", Hints{Country: "Brazil", State: "São Paulo"}},
		{"state_kind", Hints{Country: "RU", State: "Sverdlovsk Oblast"}},
		{"default", Hints{Default: "Europe/Paris"}},
		{"unknown", Hints{Zone: "Eastern Time (US & Canada)", Country: "Narnia", State: "X", Default: "UTC"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = Resolve(c.hints)
			}
		})
	}
}

var sink Result

func BenchmarkMap(b *testing.B) {
	m := map[string]string{}
	for _, z := range allZones() {
		m[z] = z
	}
	for i := range country(len(countryCodes) / 2) {
		m[i.code()] = zoneName(i.zone())
	}
	for _, k := range []string{"America/New_York", "DE"} {
		b.Run(k, func(b *testing.B) {
			for b.Loop() {
				sink.Zone = m[k]
			}
		})
	}
}

func allZones() []string {
	var all []string
	for i := range len(zones)/4 - 1 {
		all = append(all, zoneName(uint16(i+1)))
	}
	return all
}

func BenchmarkWeekend(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sink.Notes = Notes(Weekend("ar_SA"))
	}
}

func BenchmarkParseLocale(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		l, _ := ParseLocale("zh_CN_PINYIN")
		sink.Zone = l.Region
	}
}
