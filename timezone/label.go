package timezone

import (
	"strings"

	"github.com/usher-go/usher/timezone/internal/key"
)

// maxLabel bounds the texts that are read as labels, in bytes.
const maxLabel = 256

// byLabel reads a time-zone attribute that is a text for people: a name of the TZ
// database among other words ("America/New_York (EST)"), or a text of the lists of
// Windows, Rails, Google and CLDR ("(UTC-05:00) Eastern Time (US & Canada)").
func byLabel(s string) (zone uint16, note Notes) {
	if isOffset(s) {
		return 0, noteOffsetUnsupported
	}
	if len(s) > maxLabel {
		return 0, noteUnknownName
	}
	zone, named := findNamed(s)
	if !named {
		zone = findShown(s)
	}
	if zone == 0 {
		return 0, noteUnknownName
	}
	return zone, 0
}

// findNamed finds a name of the TZ database with a slash among the words of s. It
// ignores abbreviations and names that are no places. If there are two names of
// different zones, it returns 0 and true.
func findNamed(s string) (zone uint16, ok bool) {
	for {
		start := strings.IndexByte(s, '/')
		if start < 0 {
			return zone, ok
		}
		end := start
		for start > 0 && !isDivider(s[start-1]) {
			start--
		}
		for end < len(s) && !isDivider(s[end]) {
			end++
		}
		if found, length := findSpaced(s[start:]); found != 0 {
			if ok && found != zone {
				return 0, true
			}
			zone, ok, end = found, true, start+length
		}
		s = s[end:]
	}
}

// isDivider reports whether a byte ends a word. Names are ASCII.
func isDivider(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '(', ')', '[', ']', '{', '}', '<', '>', ',', ';', '|', '"', '\'', '`', '=', ':':
		return true
	}
	return c >= 0x80
}

// findSpaced finds the longest name at the start of s, in which spaces may replace
// underscores ("America/New York"), and its length in s.
func findSpaced(s string) (zone uint16, length int) {
	const (
		maxName  = 32
		maxWords = 3 // "America/North Dakota/New Salem"
	)
	var name [maxName + 1]byte
	words := 1
	for i := 0; i <= maxName; i++ {
		if i < len(s) && !isDivider(s[i]) {
			name[i] = s[i]
			continue
		}
		if found, ok := find(key.Zones, name[:i]); ok {
			zone, length = found, i
		}
		if i == len(s) || s[i] != ' ' || words == maxWords {
			break
		}
		name[i] = '_'
		words++
	}
	return zone, length
}

// findShown finds a name that lists show to people, also behind or before an
// offset. The offset itself is not used (R75), but some names, such as those of
// cities, count only beside one.
func findShown(s string) (zone uint16) {
	var buf [key.Max]byte
	if zone, ok := find(key.Labels, buf[:key.FoldLabel(&buf, s)]); ok {
		return zone
	}
	text, offset := cutOffset(s)
	if offset == none {
		return 0
	}
	label := buf[:key.FoldLabel(&buf, text)]
	if offset == west {
		if zone, ok := find(key.West, label); ok {
			return zone
		}
	}
	if zone, ok := find(key.Windows, text); ok {
		return zone
	}
	if zone, ok := find(key.Labels, label); ok {
		return zone
	}
	zone, _ = find(key.Cities, label)
	return zone
}
