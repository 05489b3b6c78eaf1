package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A world is everything the tables say, in words.
type world struct {
	zones     []string            // every TZ database name, sorted
	current   map[string]string   // a name that is replaced, and by which
	windows   map[string]string   // Windows id to zone
	labels    labels              // what lists show, by space
	countries map[string]*country // by alpha-2 code
	languages map[string]string   // ISO 639 code, current or retired, to the current one
	scripts   []string            // ISO 15924 codes, sorted
	likely    map[string]string   // language, or language and script, to the likely region
	weekends  map[string]uint8    // region to its set of free days; "001" for the rest
	retired   map[string][]string // code of a state that is no more, to its successors
}

type country struct {
	code    string
	names   []string // alpha-3 and former codes too
	zones   []string // of zone.tab
	answer  string   // the zone if the country decides, or its primary zone
	primary bool     // answer is a primary zone: the state decides before it
	states  map[string]*state
	of      string // the country whose territory it is, or ""

	otherStates string // the zone of the states that no line names
}

// A state is a subdivision, by the second part of its code.
type state struct {
	names    []string
	zone     string // "" if it has none of its own
	majority bool   // it has others beside
	nowhere  bool   // it is known to have none
}

// table reads a vendored file of tab-separated fields.
func table(name string) ([][]string, error) {
	b, err := data.ReadFile("data/" + name)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for line := range strings.Lines(string(b)) {
		rows = append(rows, strings.Split(strings.TrimRight(line, "\n"), "\t"))
	}
	return rows, nil
}

// load reads the vendored files and corrects them by hand.
func load() (*world, error) {
	w := &world{
		current:   map[string]string{},
		windows:   map[string]string{},
		labels:    labels{},
		countries: map[string]*country{},
		languages: map[string]string{},
		likely:    map[string]string{},
		weekends:  map[string]uint8{},
		retired:   map[string][]string{},
	}
	steps := []struct {
		file string
		read func(fields []string)
	}{
		{"tzdb-names.tsv", w.readZone},
		{"tzdb-zone-tab.tsv", func(f []string) { c := w.country(f[0]); c.zones = append(c.zones, f[1]) }},
		{"cldr-countries.tsv", w.readCountry},
		{"cldr-windows-zones.tsv", func(f []string) { w.windows[f[0]] = f[1] }},
		{"cldr-languages.tsv", w.readLanguage},
		{"cldr-retired-languages.tsv", w.readRetiredLanguage},
		{"cldr-weekends.tsv", func(f []string) { w.weekends[f[0]] = daysBetween(f[1], f[2]) }},
		{"cldr-subdivisions.tsv", func(f []string) { w.state(f[0]) }},
		{"iso-subdivision-names.tsv", w.readStateName},
		{"cldr-subdivision-names.tsv", w.readStateName},
		{"cldr-retired-subdivisions.tsv", func(f []string) { w.retired[f[0]] = strings.Fields(f[1]) }},
	}
	for _, s := range steps {
		rows, err := table(s.file)
		if err != nil {
			return nil, err
		}
		for _, fields := range rows {
			s.read(fields)
		}
	}
	for _, file := range []string{"byhand.txt", "cyrillic.txt"} {
		if err := w.readByHand(file); err != nil {
			return nil, err
		}
	}
	for _, settle := range []func() error{w.settleLinks, w.settleStates, w.settleCountries, w.settleLabels} {
		if err := settle(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) readZone(f []string) {
	if f[0] != "Factory" { // a placeholder that says that no zone was set
		w.zones = append(w.zones, f[0])
	}
}

func (w *world) country(code string) *country {
	c := w.countries[code]
	if c == nil {
		c = &country{code: code, states: map[string]*state{}}
		w.countries[code] = c
	}
	return c
}

// notCountries are codes with an alpha-3 code in CLDR that are no country of
// ISO 3166-1.
var notCountries = strings.Fields("AC CP CQ DG EU QO TA XA XB ZZ")

func (w *world) readCountry(f []string) {
	if !slices.Contains(notCountries, f[0]) {
		c := w.country(f[0])
		c.names = append(c.names, f[1], f[2])
	}
}

func (w *world) readLanguage(f []string) {
	w.likely[f[0]] = f[1]
	code, script, _ := strings.Cut(f[0], "-")
	w.languages[code] = code
	if script != "" && !slices.Contains(w.scripts, script) {
		w.scripts = append(w.scripts, script)
	}
}

// readRetiredLanguage drops what a replacement says beyond the language: "sh"
// is "sr" here, not "sr-Latn".
func (w *world) readRetiredLanguage(f []string) {
	w.languages[f[0]], _, _ = strings.Cut(f[1], "-")
}

func (w *world) state(code string) *state {
	alpha2, part, _ := strings.Cut(code, "-")
	c := w.country(alpha2)
	s := c.states[part]
	if s == nil {
		s = &state{}
		c.states[part] = s
	}
	return s
}

// readStateName takes a name and, of forms such as "Murcia, Región de", the
// natural order as well.
func (w *world) readStateName(f []string) {
	s := w.state(f[0])
	s.names = append(s.names, f[1])
	if name, kind, ok := strings.Cut(f[1], ", "); ok {
		s.names = append(s.names, kind+" "+name, name)
	}
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// daysBetween returns the set of the days from first to last, Sunday as bit 0.
func daysBetween(first, last string) uint8 {
	var days uint8
	for i := slices.Index(weekdays, first); ; i = (i + 1) % 7 {
		days |= 1 << i
		if weekdays[i] == last {
			return days
		}
	}
}

// weekend returns the free days of a region, those of the world where CLDR has
// no others.
func (w *world) weekend(region string) uint8 {
	return cmp.Or(w.weekends[region], w.weekends["001"])
}

// now returns the current name of the same place.
func (w *world) now(name string) string { return cmp.Or(w.current[name], name) }

// homes returns the country of every zone of zone.tab.
func (w *world) homes() map[string]string {
	home := map[string]string{}
	for _, c := range w.countries {
		for _, z := range c.zones {
			home[z] = c.code
		}
	}
	return home
}

// settleLinks decides which names are replaced (S26): those whose successor in
// CLDR is a zone of a country, unless zone.tab itself uses the name. CLDR's
// sets never cross a border, which the TZ database's links do.
func (w *world) settleLinks() error {
	home := w.homes()
	rows, err := table("cldr-zone-aliases.tsv")
	if err != nil {
		return err
	}
	for _, f := range rows {
		if home[f[0]] == "" && home[f[1]] != "" && !slices.Contains(ofNoCountry, f[0]) && slices.Contains(w.zones, f[0]) {
			w.current[f[0]] = f[1]
		}
	}
	for _, zones := range []map[string]string{w.current, w.windows} {
		for from, to := range zones {
			if next, ok := w.current[to]; ok {
				zones[from] = next
			}
			if !slices.Contains(w.zones, zones[from]) {
				return fmt.Errorf("%s leads to %s, which is no name", from, zones[from])
			}
		}
	}
	return nil
}

// abbreviations are names that read like the abbreviation of a zone with
// daylight saving time, but stand for a fixed offset.
var abbreviations = []string{"EST", "HST", "MST"}

// ofNoCountry are names that several countries keep, although CLDR counts them
// to the zone of one.
var ofNoCountry = append([]string{"CET", "CST6CDT", "EET", "EST5EDT", "MET", "MST7MDT", "PST8PDT", "WET"}, abbreviations...)

// settleStates gives every state its zone: by its own line, by its country's
// "*", by its successors.
func (w *world) settleStates() error {
	for _, c := range w.countries {
		for part, s := range c.states {
			if s.zone == "" && !s.nowhere && w.retired[c.code+"-"+part] == nil {
				s.zone = c.otherStates
			}
		}
	}
	for code, successors := range w.retired {
		s := w.state(code)
		if s.zone != "" || s.nowhere {
			continue // a territory, which is a country and a state
		}
		for _, next := range successors {
			zone, majority := w.country(next[:2]).answer, false
			if len(next) > 2 {
				zone, majority = w.state(next).zone, w.state(next).majority
			} else if zone == "" {
				zone = w.country(next).zones[0]
			}
			if zone == "" {
				return fmt.Errorf("%s: its successor %s has no zone", code, next)
			}
			if s.zone != "" && s.zone != zone {
				return fmt.Errorf("%s: its successors keep %s and %s", code, s.zone, zone)
			}
			s.zone, s.majority = zone, s.majority || majority
		}
	}
	for _, c := range w.countries {
		for part, s := range c.states {
			if !slices.Contains(w.zones, s.zone) && !s.nowhere {
				return fmt.Errorf("%s-%s has no zone, or an unknown one: %q", c.code, part, s.zone)
			}
		}
	}
	return nil
}

// settleCountries decides what a country answers by itself.
func (w *world) settleCountries() error {
	rows, err := table("cldr-primary-zones.tsv")
	if err != nil {
		return err
	}
	for _, f := range rows {
		c, zone := w.countries[f[0]], f[1]
		if next, ok := w.current[zone]; ok {
			zone = next
		}
		switch {
		case c.answer == "":
			c.answer, c.primary = zone, true
		case c.answer != zone:
			return fmt.Errorf("%s: by hand %s, but its primary zone is %s", c.code, c.answer, zone)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(w.countries)) {
		c := w.countries[code]
		if c.answer == "" && len(c.zones) == 1 {
			c.answer = c.zones[0]
		}
		if c.answer != "" && !slices.Contains(w.zones, c.answer) {
			return fmt.Errorf("%s: %s is no name", code, c.answer)
		}
		if c.answer != "" && !c.primary {
			c.states = nil // the country decides
		}
	}
	return nil
}
