package terminal

import (
	"bytes"
	"io"
	"iter"
	"strings"

	"github.com/usher-go/usher/internal/text"
)

// Painted returns a writer for the text of a plan. On a terminal it colours the
// lines and folds long ones between words. Elsewhere it leaves the text as it is.
// Close writes an incomplete last line.
func (s *Screen) Painted() io.WriteCloser { return &painter{screen: s} }

// The colours are among the terminal's own sixteen, so that they fit its
// background.
const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	reset  = "\x1b[0m"
)

// sigils are the colours of lines, by their first character.
var sigils = map[byte]string{'+': green, '~': cyan, '-': red, '!': yellow, '.': dim, '=': dim}

type painter struct {
	screen *Screen
	rest   []byte // the incomplete last line
}

// Write implements io.Writer.
func (p *painter) Write(data []byte) (int, error) {
	if !p.screen.IsTerminal() {
		return p.screen.Write(data)
	}
	p.rest = append(p.rest, data...)
	end := bytes.LastIndexByte(p.rest, '\n') + 1
	if end == 0 {
		return len(data), nil
	}
	var b strings.Builder
	for line := range strings.Lines(string(p.rest[:end])) {
		paint(&b, strings.TrimSuffix(line, "\n"), p.screen.Columns(), p.screen.colours)
	}
	p.rest = append(p.rest[:0], p.rest[end:]...)
	_, err := io.WriteString(p.screen, b.String())
	return len(data), err
}

// Close implements io.Closer.
func (p *painter) Close() error {
	_, err := p.screen.Write(p.rest)
	p.rest = nil
	return err
}

// A span is a part of a line with one colour.
type span struct{ colour, text string }

// paint writes a line folded to so many columns, with colours if wanted.
func paint(b *strings.Builder, line string, columns int, colours bool) {
	spans, indent := parse(line)
	if last := &spans[len(spans)-1]; last.colour == dim && text.Columns(line) > columns {
		last.text = strings.TrimLeft(last.text, " ") // the codes are aligned only in lines that fit
		if len(spans) > 1 {
			last.text = "  " + last.text
		}
	}
	if 2*indent > columns {
		indent = min(8, columns/4)
	}
	current := ""
	use := func(colour string) {
		if !colours || colour == current {
			return
		}
		if current != "" {
			b.WriteString(reset)
		}
		b.WriteString(colour)
		current = colour
	}
	at, begun, spaces := 0, false, "" // the column; whether the row has a word; the spaces before the next word
	newRow := func() {
		use("")
		b.WriteString("\n" + strings.Repeat(" ", indent))
		at, begun, spaces = indent, false, ""
	}
	for _, s := range spans {
		for word := range words(s.text) {
			bare := strings.TrimRight(word, " ")
			gap := word[len(bare):]
			if bare != "" {
				if begun && at+len(spaces)+text.Columns(bare) > columns {
					newRow()
				}
				b.WriteString(spaces)
				at += len(spaces)
				spaces = ""
				for text.Columns(bare) > columns-at { // a word that is longer than a row
					fits := text.Fit(bare, columns-at)
					if fits == 0 {
						break
					}
					use(s.colour)
					b.WriteString(bare[:fits])
					bare = bare[fits:]
					newRow()
				}
				use(s.colour)
				b.WriteString(bare)
				at, begun = at+text.Columns(bare), true
			}
			spaces += gap
		}
	}
	use("")
	b.WriteString("\n")
}

// words yields the words of a text, each with the spaces after it; the first also
// with those before it. The sign before the codes stays with the first code.
func words(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(s) > 0 {
			end := 0
			for end < len(s) && s[end] != ' ' || strings.HasPrefix(s, "# ") && end == 1 {
				end++
			}
			for end < len(s) && s[end] == ' ' {
				end++
			}
			if !yield(s[:end]) {
				return
			}
			s = s[end:]
		}
	}
}

// parse returns the spans of a line of a plan, a difference or a story, and the
// column in which the description begins.
func parse(line string) (spans []span, indent int) {
	body := strings.TrimLeft(line, " ")
	margin := line[:len(line)-len(body)]
	body, codes := cutCodes(body, margin)
	colour, isRow := "", false
	if len(body) > 2 && body[1] == ' ' {
		colour, isRow = sigils[body[0]], sigils[body[0]] != ""
	}
	switch {
	case strings.HasPrefix(body, "+ comes in  ~ changes  "), strings.HasPrefix(body, "every line: "): // the legend
		return []span{{dim, margin + body + codes}}, 2
	case isRow:
		who, what := cutWho(body)
		spans, indent = []span{{colour, margin + who}, {"", what}}, text.Columns(margin+who)
	case margin == "" && (strings.HasPrefix(body, "plan for ") || strings.HasPrefix(body, "what if: ") || strings.HasSuffix(body, "):")):
		spans, indent = []span{{bold, body}}, 2
	case margin == "" && strings.HasPrefix(body, "breaker "):
		spans, indent = []span{{yellow, body}}, 2
	case strings.Contains(body, ": warning: "):
		where, what, _ := strings.Cut(body, ": warning: ")
		spans, indent = []span{{"", margin + where}, {yellow, ": warning: "}, {"", what}}, 2
	case strings.HasPrefix(body, "release with "):
		approval, names, _ := strings.Cut(body, ": ")
		spans, indent = []span{{yellow, margin + approval + ": "}, {"", names}}, len(margin)+2
	default:
		spans, indent = []span{{"", margin + body}}, len(margin)+2
	}
	if codes != "" {
		spans = append(spans, span{dim, codes})
	}
	return spans, indent
}

// cutCodes cuts the codes of the reasons off the end of a line: "  # code, code" in
// a plan, "  [code]" in a story.
func cutCodes(body, margin string) (rest, codes string) {
	at := strings.LastIndex(body, "  # ")
	if at < 0 && len(margin) == 4 && strings.HasSuffix(body, "]") {
		at = strings.LastIndex(body, "  [")
	}
	if at < 0 {
		return body, ""
	}
	spaces := len(body[:at]) - len(strings.TrimRight(body[:at], " "))
	return body[:at-spaces], body[at-spaces:]
}

// cutWho divides a row after the name of the person and the spaces or the colon
// behind it.
func cutWho(body string) (who, what string) {
	end := len(body)
	for _, mark := range []string{"  ", ": "} {
		if i := strings.Index(body[2:], mark); i >= 0 {
			end = min(end, 2+i+len(mark))
		}
	}
	for end < len(body) && body[end] == ' ' {
		end++
	}
	return body[:end], body[end:]
}
