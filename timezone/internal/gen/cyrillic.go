package main

import (
	"fmt"
	"slices"
	"strings"
)

// A romanisation maps Cyrillic letters in lower case to Latin ones. Folding
// drops diacritics and the signs of hard and soft consonants, so they are not
// written here. Letters that it lacks are those of plain.
type romanisation map[rune]string

// plain are the letters that all systems write alike.
var plain = romanisation{
	'а': "a", 'б': "b", 'в': "v", 'г': "g", 'д': "d", 'е': "e", 'ё': "e", 'з': "z", 'и': "i", 'к': "k", 'л': "l", 'м': "m",
	'н': "n", 'о': "o", 'п': "p", 'р': "r", 'с': "s", 'т': "t", 'у': "u", 'ф': "f", 'ъ': "", 'ы': "y", 'ь': "", 'э': "e",
	'ө': "o", 'ү': "u",
}

// romanisations by country: what each calls the letters that differ.
var romanisations = map[string][]romanisation{
	"RU": {
		{'ж': "z", 'й': "j", 'х': "h", 'ц': "c", 'ч': "c", 'ш': "s", 'щ': "s", 'ю': "u", 'я': "a"},           // ISO 9:1995
		{'ж': "z", 'й': "j", 'х': "h", 'ц': "c", 'ч': "c", 'ш': "s", 'щ': "sc", 'ю': "ju", 'я': "ja"},        // ISO/R 9:1968
		{'ж': "zh", 'й': "j", 'х': "h", 'ц': "c", 'ч': "ch", 'ш': "sh", 'щ': "shh", 'ю': "ju", 'я': "ja"},    // the same in ASCII
		{'ж': "zh", 'й': "j", 'х': "kh", 'ц': "c", 'ч': "ch", 'ш': "sh", 'щ': "shh", 'ю': "ju", 'я': "ja"},   // GOST 16876-71
		{'ж': "zh", 'й': "y", 'х': "kh", 'ц': "ts", 'ч': "ch", 'ш': "sh", 'щ': "shch", 'ю': "yu", 'я': "ya"}, // BGN/PCGN
		{'ж': "zh", 'й': "i", 'х': "kh", 'ц': "ts", 'ч': "ch", 'ш': "sh", 'щ': "shch", 'ю': "iu", 'я': "ia"}, // passports
	},
	"MN": {
		{'й': "j", 'х': "h", 'я': "a"},                       // ISO 9:1995
		{'й': "j", 'х': "h", 'я': "ja"},                      // ISO/R 9:1968
		{'й': "y", 'х': "h", 'я': "ya", 'ь': "i"},            // ISO 3166-2
		{'й': "y", 'х': "kh", 'я': "ya", 'ь': "i"},           // BGN/PCGN
		{'й': "i", 'х': "kh", 'я': "ya", 'ь': "i"},           // MNS 5217
		{'й': "i", 'х': "kh", 'я': "ya", 'ь': "i", 'ө': "u"}, // the same as it is spoken
		{'й': "i", 'х': "h", 'я': "ya", 'ь': "i", 'ө': "u"},  // and without digraphs
	},
}

// addCyrillic adds the romanised forms of names that are not there yet.
func (w *world) addCyrillic(code string, names []string) error {
	s := w.state(code)
	for _, name := range names {
		for _, system := range romanisations[code[:2]] {
			latin, err := system.write(name)
			if err != nil {
				return err
			}
			forms := []string{latin}
			if stem, ok := strings.CutSuffix(latin, "iy"); ok { // "Khabarovsky"
				forms = append(forms, stem+"y")
			}
			for _, form := range forms {
				if k := fold(form); !slices.ContainsFunc(s.names, func(have string) bool { return fold(have) == k }) {
					s.names = append(s.names, form)
				}
			}
		}
	}
	return nil
}

func (system romanisation) write(name string) (string, error) {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		latin, ok := system[r]
		if !ok {
			latin, ok = plain[r]
		}
		switch {
		case ok:
			b.WriteString(latin)
		case strings.ContainsRune(" -()", r):
			b.WriteRune(r)
		default:
			return "", fmt.Errorf("%q: no romanisation of %q", name, r)
		}
	}
	return b.String(), nil
}
