package main

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/timezone/internal/key"
)

// remark is the bit of a value that carries what there is to say about a zone:
// that a name is an abbreviation, that a state has other zones as well.
const remark = 1 << 15

// The classes of countries, as package timezone knows them.
const (
	classOne     = iota // its zone decides
	classPrimary        // the state decides, else its primary zone
	classMany           // the state decides, else nothing
	classNone           // nothing decides
)

const bucketBits = 13

type tables struct {
	text     strings.Builder // every name and key; entries are spans of it
	zones    []span          // by zone number; number 0 is no zone
	number   map[string]uint16
	keys     map[entryKey]uint16
	entries  []entry
	codes    []string       // alpha-2, by country number
	alpha2   [26 * 26]uint8 // by the two letters: country number + 1, or 0
	country  []uint32       // class and state space, zone
	of       []uint8        // by country number: number of the sovereign + 1, or 0
	language []string       // by language number
	scripts  []string

	weekend         []uint8 // by country number
	languageWeekend []uint8 // by language number
	scriptWeekend   []string
	defaultWeekend  uint8
}

type span struct{ start, length int }

type entryKey struct {
	space key.Space
	text  string // as it is looked up: in lower case
}

type entry struct {
	entryKey
	shown string // as it is stored
	value uint16
}

func build(w *world) (*tables, error) {
	t := &tables{number: map[string]uint16{"": 0}, keys: map[entryKey]uint16{}}
	t.zones = append(t.zones, span{})
	for i, z := range w.zones {
		t.number[z] = uint16(i + 1)
	}
	for _, add := range []func(*world) error{t.addZones, t.addCountries, t.addLocales} {
		if err := add(w); err != nil {
			return nil, err
		}
	}
	t.layText(w)
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

// add enters a key. Keys of zones and Windows ids are stored as they are
// written, since the answer is a part of the text.
func (t *tables) add(space key.Space, shown string, value uint16) error {
	k := entryKey{space, strings.ToLower(shown)}
	if have, ok := t.keys[k]; ok {
		if have != value {
			return fmt.Errorf("%q of space %d means %d and %d", shown, space, have, value)
		}
		return nil
	}
	t.keys[k] = value
	t.entries = append(t.entries, entry{k, shown, value})
	return nil
}

func (t *tables) addZones(w *world) error {
	for _, z := range w.zones {
		value := t.number[w.now(z)]
		if slices.Contains(abbreviations, z) {
			value |= remark
		}
		if err := t.add(key.Zones, z, value); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.windows)) {
		if err := t.add(key.Windows, id, t.number[w.windows[id]]); err != nil {
			return err
		}
	}
	for _, space := range slices.Sorted(maps.Keys(w.labels)) {
		for _, label := range slices.Sorted(maps.Keys(w.labels[space])) {
			if zone := w.labels[space][label]; zone != "" {
				if err := t.add(space, label, t.number[zone]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (t *tables) addCountries(w *world) error {
	space := key.States
	codes := slices.Sorted(maps.Keys(w.countries))
	for i, code := range codes {
		if i == 255 {
			return errors.New("more countries than alpha2 can number")
		}
		c := w.countries[code]
		t.codes = append(t.codes, code)
		t.weekend = append(t.weekend, w.weekend(code))
		t.of = append(t.of, uint8(slices.Index(codes, c.of)+1))
		if err := t.addAlpha2(strings.ToLower(code), i); err != nil {
			return err
		}
		for _, name := range c.names {
			if err := t.addCountryName(name, i); err != nil {
				return err
			}
		}
		class, states := classOne, key.Space(0)
		switch {
		case c.primary:
			class = classPrimary
		case c.answer == "" && len(c.zones) > 0:
			class = classMany
		case c.answer == "":
			class = classNone
		}
		if len(c.states) > 0 {
			states = space
			space++
			if err := t.addStates(states, c); err != nil {
				return fmt.Errorf("%s: %w", code, err)
			}
		}
		t.country = append(t.country, uint32(class)|uint32(states)<<8|uint32(t.number[c.answer])<<16)
	}
	if space >= 1<<5 {
		return fmt.Errorf("%d spaces do not fit an entry", space)
	}
	return nil
}

// addCountryName enters names of two letters into a table of their own: codes
// are what most people have.
func (t *tables) addCountryName(name string, number int) error {
	if k := fold(name); len(k) == 2 {
		return t.addAlpha2(k, number)
	}
	return t.addFolded(key.Countries, name, uint16(number))
}

func (t *tables) addAlpha2(k string, number int) error {
	if strings.Trim(k, "abcdefghijklmnopqrstuvwxyz") != "" {
		return fmt.Errorf("%q is not two letters", k)
	}
	place := &t.alpha2[26*int(k[0]-'a')+int(k[1]-'a')]
	if *place != 0 && int(*place) != number+1 {
		return fmt.Errorf("%q is two countries", k)
	}
	*place = uint8(number + 1)
	return nil
}

func (t *tables) addFolded(space key.Space, name string, value uint16) error {
	k := fold(name)
	if k == "" {
		return fmt.Errorf("%q has no key", name)
	}
	return t.add(space, k, value)
}

// addStates enters codes first: a name that is another state's code, or two
// states' name, must lead to the same zone.
func (t *tables) addStates(space key.Space, c *country) error {
	parts := slices.Sorted(maps.Keys(c.states))
	value := func(s *state) uint16 {
		if s.majority {
			return t.number[s.zone] | remark
		}
		return t.number[s.zone]
	}
	for _, part := range parts {
		if !strings.HasPrefix(part, "X-") { // ours, not a code
			if err := t.add(space, strings.ToLower(part), value(c.states[part])); err != nil {
				return err
			}
		}
	}
	for _, part := range parts {
		for _, name := range c.states[part].names {
			v := value(c.states[part])
			if have, ok := t.keys[entryKey{space, fold(name)}]; ok && have&^remark == v&^remark {
				continue
			}
			if err := t.addFolded(space, name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tables) addLocales(w *world) error {
	number := map[string]int{}
	for _, code := range slices.Sorted(maps.Keys(w.languages)) {
		if w.languages[code] == code {
			number[code] = len(t.language)
			t.language = append(t.language, code)
			t.languageWeekend = append(t.languageWeekend, w.weekend(w.likely[code]))
		}
	}
	for _, code := range slices.Sorted(maps.Keys(w.languages)) {
		n, ok := number[w.languages[code]]
		if !ok {
			return fmt.Errorf("language %s is replaced by an unknown one", code)
		}
		if err := t.add(key.Languages, code, uint16(n)); err != nil {
			return err
		}
	}
	t.scripts = slices.Sorted(slices.Values(w.scripts))
	for _, k := range slices.Sorted(maps.Keys(w.likely)) {
		code, script, ok := strings.Cut(k, "-")
		days := w.weekend(w.likely[k])
		if ok && w.languages[code] == code && days != t.languageWeekend[number[code]] {
			t.scriptWeekend = append(t.scriptWeekend, fmt.Sprintf("%s %s %d", code, script, days))
		}
	}
	t.defaultWeekend = w.weekend("001")
	return nil
}

// layText writes every stored key into one text, a key that is a part of a
// longer one only once, and orders the entries by the buckets of their hashes.
func (t *tables) layText(w *world) {
	shown := make([]string, 0, len(t.entries))
	for _, e := range t.entries {
		shown = append(shown, e.shown)
	}
	slices.SortFunc(shown, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, s := range shown {
		if !strings.Contains(t.text.String(), s) {
			t.text.WriteString(s)
		}
	}
	for _, z := range w.zones {
		t.zones = append(t.zones, t.span(z))
	}
	slices.SortFunc(t.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(bucket(a), bucket(b)), cmp.Compare(a.space, b.space), strings.Compare(a.text, b.text))
	})
}

func (t *tables) span(s string) span {
	return span{strings.Index(t.text.String(), s), len(s)}
}

func bucket(e entry) uint64 { return key.Hash(e.space, e.text) >> (64 - bucketBits) }

// check refuses tables that the packed forms cannot hold.
func (t *tables) check() error {
	fullest, run := 0, 0
	for i, e := range t.entries {
		if len(e.shown) >= 1<<7 {
			return fmt.Errorf("%q is too long", e.shown)
		}
		if i > 0 && bucket(e) == bucket(t.entries[i-1]) {
			run++
		} else {
			run = 1
		}
		fullest = max(fullest, run)
	}
	switch {
	case t.text.Len() >= 1<<20, len(t.entries) >= 1<<16, len(t.zones) >= remark:
		return fmt.Errorf("too much: %d bytes of text, %d entries, %d zones", t.text.Len(), len(t.entries), len(t.zones))
	case fullest > 10:
		return fmt.Errorf("a bucket holds %d entries; choose another hash or more buckets", fullest)
	}
	return nil
}

// packedEntries holds six bytes an entry: where its text starts (20 bits), its
// length (7), its space (5), and its value.
func (t *tables) packedEntries() []byte {
	var b []byte
	for _, e := range t.entries {
		s := t.span(e.shown)
		b = binary.LittleEndian.AppendUint32(b, uint32(s.start)<<12|uint32(s.length)<<5|uint32(e.space))
		b = binary.LittleEndian.AppendUint16(b, e.value)
	}
	return b
}

// packedBuckets holds two bytes a bucket: its first entry; and the end.
func (t *tables) packedBuckets() []byte {
	var b []byte
	next := 0
	for i := range uint64(1 << bucketBits) {
		b = binary.LittleEndian.AppendUint16(b, uint16(next))
		for next < len(t.entries) && bucket(t.entries[next]) == i {
			next++
		}
	}
	return binary.LittleEndian.AppendUint16(b, uint16(next))
}

// packedZones holds four bytes a zone: where its name starts (20 bits) and its
// length.
func (t *tables) packedZones() []byte {
	var b []byte
	for _, s := range t.zones {
		b = binary.LittleEndian.AppendUint32(b, uint32(s.start)<<12|uint32(s.length))
	}
	return b
}

// packedCountries holds four bytes a country: class, state space, zone.
func (t *tables) packedCountries() []byte {
	var b []byte
	for _, c := range t.country {
		b = binary.LittleEndian.AppendUint32(b, c)
	}
	return b
}
