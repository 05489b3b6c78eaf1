package main

import (
	"cmp"
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
	zone := cmp.Or(w.current[subject], subject)
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

// settleLabels applies labels.txt and adds the texts that CLDR makes for zones:
// the name of the metazone with the city; the name alone where it stands for
// one zone, or for a country that decides; the time of the city, or of the
// country, where there is no metazone. Texts written by hand stay as they are.
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
	add := func(space key.Space, text, zone string) error {
		if byHand[entryKey{space, foldLabel(text)}] {
			return nil
		}
		return w.labels.add(space, text, zone)
	}
	rows, err := table("cldr-zone-labels.tsv")
	if err != nil {
		return err
	}
	home := w.homes()
	metazones := map[string][]string{} // the zones that are of one now, by its folded name
	isOfOne := map[string]bool{}
	for _, f := range rows {
		zone, city, state, name := cmp.Or(w.current[f[0]], f[0]), f[1], f[2], f[3]
		cities := append(citiesOf(f[0], zone), city)
		for _, city := range cities {
			if err := add(key.Cities, city, zone); err != nil {
				return err
			}
			if name == "" {
				continue
			}
			if err := add(key.Labels, name+" "+city, zone); err != nil {
				return err
			}
		}
		if state == "current" {
			isOfOne[zone] = true
			k := foldLabel(name)
			if !slices.Contains(metazones[k], zone) {
				metazones[k] = append(metazones[k], zone)
			}
		}
	}
	for name, zones := range metazones {
		if zone := w.onlyZone(zones, home); zone != "" {
			if err := add(key.Labels, name, zone); err != nil {
				return err
			}
		}
	}
	for _, f := range rows {
		zone := cmp.Or(w.current[f[0]], f[0])
		if isOfOne[zone] {
			continue
		}
		place := f[1]
		if c := w.countries[home[zone]]; len(c.zones) == 1 {
			place = c.names[1] // the first is the alpha-3 code
		}
		if err := add(key.Labels, place+" time", zone); err != nil {
			return err
		}
	}
	for _, name := range w.zones {
		for _, city := range citiesOf(name) {
			if err := add(key.Cities, city, cmp.Or(w.current[name], name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// citiesOf returns the cities or islands in names of two parts. Those of three
// parts, such as America/Indiana/Petersburg, need their state.
func citiesOf(names ...string) (cities []string) {
	for _, name := range names {
		area, city, _ := strings.Cut(name, "/")
		if slices.Contains(areas, area) && !strings.Contains(city, "/") {
			cities = append(cities, strings.ReplaceAll(city, "_", " "))
		}
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
