package key

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Fold writes the key of a name to buf and returns its length. It returns 0 if the
// name has no key: if it is empty, too long, or has letters that are not Latin. A
// name in several parts is the name with spaces between them.
//
// Folding removes case, diacritics, dots and apostrophes; replaces every run of
// other punctuation and white space by one space, and "&" by "and"; writes out
// "St.", "Rep.", "Dem." and "Is."; and removes a "the" at either end.
func Fold(buf *[Max]byte, parts ...string) int {
	f := folder{buf: buf}
	for _, s := range parts {
		for i := 0; i < len(s) && !f.bad; {
			if c := s[i]; c < utf8.RuneSelf {
				i++
				f.ascii(c)
				continue
			}
			r, size := utf8.DecodeRuneInString(s[i:])
			i += size
			f.wide(r)
		}
		f.endWord()
	}
	return f.finish()
}

// seasons are the words before "time" in the name of a zone that FoldLabel removes.
var seasons = [...]string{" standard", " daylight", " summer"}

// FoldLabel writes the key of a zone's name as lists show it: that of Fold without
// the season. "Eastern Standard Time" and "Eastern Daylight Time" become "eastern
// time".
func FoldLabel(buf *[Max]byte, s string) int {
	n := Fold(buf, s)
	for _, season := range seasons {
		if i := bytes.Index(buf[:n], []byte(season+" time")); i > 0 {
			n = i + copy(buf[i:n], buf[i+len(season):n])
		}
	}
	return n
}

// A folder holds the words written so far, divided by single spaces, and the
// current word.
type folder struct {
	buf  *[Max]byte
	n    int  // bytes written
	word int  // where the current word starts
	bad  bool // the name has no key
}

func (f *folder) ascii(c byte) {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		f.put(c)
	case 'A' <= c && c <= 'Z':
		f.put(c | 0x20)
	case c == '\'' || c == '`':
	case c == '.':
		if f.expansion() != "" { // "St.Lucia"
			f.endWord()
		}
	case c == '&':
		f.endWord()
		if f.n > 0 { // it joins two names; alone it would be Andorra's code
			f.putAll("and")
			f.endWord()
		}
	default:
		f.endWord()
	}
}

// latin has the letters to which U+00C0 to U+017F are folded, two bytes each.
const latin = "" +
	"a a a a a a aec e e e e i i i i d n o o o o o   o u u u u y thss" +
	"a a a a a a aec e e e e i i i i d n o o o o o   o u u u u y thy " +
	"a a a a a a c c c c c c c c d d d d e e e e e e e e e e g g g g " +
	"g g g g h h h h i i i i i i i i i i ijijj j k k q l l l l l l l " +
	"l l l n n n n n n n ngngo o o o o o oeoer r r r r r s s s s s s " +
	"s s t t t t t t u u u u u u u u u u u u w w y y y z z z z z z s "

func (f *folder) wide(r rune) {
	switch {
	case 0xC0 <= r && r < 0x180:
		f.letters(latin[2*(r-0xC0)], latin[2*(r-0xC0)+1])
	case 0x300 <= r && r < 0x370: // combining marks of decomposed letters
	case r == 0x2018 || r == 0x2019 || r == 0xB4 || r == 0x2032 || r == 0x2033: // apostrophes and primes
	case 0x2B9 <= r && r < 0x2C0: // letters, too: signs of ISO 9 and of Arabic
	case r == 0x200B || r == 0xFEFF || r == 0xAD: // invisible
	case 0x1EA0 <= r && r < 0x1EFA:
		f.put(vietnamese(r))
	case 0x218 <= r && r < 0x21C: // Romanian
		f.put("sstt"[r-0x218])
	case 0x1CD <= r && r < 0x1DD: // Pinyin
		f.put("aaiioouuuuuuuuuu"[r-0x1CD])
	case unicode.IsLetter(r) || r == utf8.RuneError:
		f.bad = true
	default:
		f.endWord()
	}
}

// letters writes the one or two letters of an entry of latin. The signs of
// multiplication and division have none.
func (f *folder) letters(first, second byte) {
	if first == ' ' {
		f.endWord()
		return
	}
	f.put(first)
	if second != ' ' {
		f.put(second)
	}
}

func vietnamese(r rune) byte {
	switch {
	case r < 0x1EB8:
		return 'a'
	case r < 0x1EC8:
		return 'e'
	case r < 0x1ECC:
		return 'i'
	case r < 0x1EE4:
		return 'o'
	case r < 0x1EF2:
		return 'u'
	}
	return 'y'
}

func (f *folder) put(c byte) {
	if f.n == Max {
		f.bad = true
		return
	}
	f.buf[f.n] = c
	f.n++
}

func (f *folder) putAll(s string) {
	for i := range len(s) {
		f.put(s[i])
	}
}

// expansion returns what the current word is the abbreviation of, or "".
func (f *folder) expansion() string {
	switch string(f.buf[f.word:f.n]) {
	case "st":
		return "saint"
	case "rep":
		return "republic"
	case "dem":
		return "democratic"
	case "is":
		return "islands"
	}
	return ""
}

// endWord ends the current word, if there is one, with a space.
func (f *folder) endWord() {
	if f.n == f.word {
		return
	}
	if whole := f.expansion(); whole != "" {
		f.n = f.word
		f.putAll(whole)
	}
	f.put(' ')
	f.word = f.n
}

// finish removes the last space and a "the" at either end.
func (f *folder) finish() int {
	const article = "the"
	if f.bad || f.n == 0 {
		return 0
	}
	words := f.buf[:f.n-1]
	if n := len(words) - len(article); n > 0 && string(words[n:]) == article && words[n-1] == ' ' {
		words = words[:n-1]
	}
	if n := len(article); len(words) > n && string(words[:n]) == article && words[n] == ' ' {
		words = words[:copy(words, words[n+1:])]
	}
	return len(words)
}
