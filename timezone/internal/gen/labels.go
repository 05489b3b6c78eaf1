package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usher-go/usher/timezone/internal/key"
)

// labels holds the zone of each text that lists show to people, by space and
// folded. No zone means that the text stands for several.
type labels map[key.Space]map[string]string

// add refuses a text that stands for another zone already.
func (l labels) add(space key.Space, text, zone string) error {
	k := foldLabel(text)
	if k == "" {
		return fmt.Errorf("%q has no key", text)
	}
	if l[space] == nil {
		l[space] = map[string]string{}
	}
	if have, ok := l[space][k]; ok && have != zone {
		return fmt.Errorf("%q is %q and %q", text, have, zone)
	}
	l[space][k] = zone
	return nil
}

func foldLabel(text string) string {
	var buf [key.Max]byte
	return string(buf[:key.FoldLabel(&buf, text)])
}

// addLabels adds texts that are shown for a zone, or for a Windows id.
func (w *world) addLabels(space key.Space, subject string, texts []string) error {
	zone := w.now(subject)
	if !slices.Contains(w.zones, zone) {
		zone = w.windows[subject]
	}
	if zone == "" {
		return fmt.Errorf("%q is neither a zone nor a Windows id", subject)
	}
	for _, text := range texts {
		if err := w.labels.add(space, text, zone); err != nil {
			return err
		}
	}
	return nil
}

// A label is a text that lists show for a zone.
type label struct {
	space      key.Space
	text, zone string
}

// settleLabels applies labels.txt and adds the texts that CLDR makes for zones,
// and their cities. Texts written by hand stay as they are.
func (w *world) settleLabels() error {
	if err := w.readByHand("labels.txt"); err != nil {
		return err
	}
	byHand := map[entryKey]bool{}
	for space, texts := range w.labels {
		for text := range texts {
			byHand[entryKey{space, text}] = true
		}
	}
	rows, err := table("cldr-zone-labels.tsv")
	if err != nil {
		return err
	}
	for _, l := range slices.Concat(w.cityLabels(rows), w.lonelyLabels(rows), w.cities()) {
		if byHand[entryKey{l.space, foldLabel(l.text)}] {
			continue
		}
		if err := w.labels.add(l.space, l.text, l.zone); err != nil {
			return err
		}
	}
	return nil
}

// cityLabels returns the exemplar cities, and the names of the metazones with
// the city: "Pacific Time Los Angeles".
func (w *world) cityLabels(rows [][]string) (made []label) {
	for _, f := range rows {
		zone, name := w.now(f[0]), f[3]
		for _, city := range slices.Concat(citiesOf(f[0]), citiesOf(zone), f[1:2]) {
			made = append(made, label{key.Cities, city, zone})
			if name != "" {
				made = append(made, label{key.Labels, name + " " + city, zone})
			}
		}
	}
	return made
}

// lonelyLabels returns the texts without a city: the name of a metazone that
// has one zone now, or is a country's that decides ("Japan Time"), and the time
// of the country or of the city where there is no metazone ("Jordan Time").
func (w *world) lonelyLabels(rows [][]string) (made []label) {
	home := w.homes()
	metazones := map[string][]string{} // by folded name
	hasOne := map[string]bool{}
	for _, f := range rows {
		if zone, name := w.now(f[0]), foldLabel(f[3]); f[2] == "current" {
			hasOne[zone] = true
			if !slices.Contains(metazones[name], zone) {
				metazones[name] = append(metazones[name], zone)
			}
		}
	}
	for name, zones := range metazones {
		if zone := w.onlyZone(zones, home); zone != "" {
			made = append(made, label{key.Labels, name, zone})
		}
	}
	for _, f := range rows {
		zone, place := w.now(f[0]), f[1]
		if hasOne[zone] {
			continue
		}
		if c := w.countries[home[zone]]; len(c.zones) == 1 {
			place = c.names[1] // the first is the alpha-3 code
		}
		made = append(made, label{key.Labels, place + " time", zone})
	}
	return made
}

// cities returns the cities of all names, those that are replaced too.
func (w *world) cities() (made []label) {
	for _, name := range w.zones {
		for _, city := range citiesOf(name) {
			made = append(made, label{key.Cities, city, w.now(name)})
		}
	}
	return made
}

// citiesOf returns the city or island in a name of two parts. Those of three
// parts, such as America/Indiana/Petersburg, need their state.
func citiesOf(name string) (cities []string) {
	area, city, _ := strings.Cut(name, "/")
	if slices.Contains(areas, area) && !strings.Contains(city, "/") {
		cities = append(cities, strings.ReplaceAll(city, "_", " "))
	}
	return cities
}

// areas are the first parts of names whose second part is a city or an island.
var areas = strings.Fields("Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific")

// onlyZone returns the zone that stands for all zones of a metazone, or "".
func (w *world) onlyZone(zones []string, home map[string]string) string {
	country := w.countries[home[zones[0]]]
	for _, z := range zones {
		if home[z] == "" || home[z] != country.code {
			return ""
		}
	}
	switch {
	case len(zones) == 1:
		return zones[0]
	case !country.primary:
		return country.answer
	}
	return ""
}
