package terminal

import (
	"fmt"
	"sync"
	"time"

	"github.com/usher-go/usher/internal/text"
)

// A Progress shows how far a long operation has come, a few times a second: on a
// terminal in one line that is overwritten, elsewhere in several lines. A nil
// Progress shows nothing. It is safe for concurrent use.
type Progress struct {
	mu   sync.Mutex
	out  *Screen
	op   string // the current operation
	line string // the line that is not shown yet
	told time.Time
}

// NewProgress returns a progress on standard error. It returns nil if that is no
// terminal and asked is false.
func NewProgress(out *Screen, asked bool) *Progress {
	if !out.escapes && !asked {
		return nil
	}
	return &Progress{out: out}
}

// Tell shows the progress of an operation. Another operation begins a new line.
func (p *Progress) Tell(op, line string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if op != p.op {
		p.end()
	}
	p.op, p.line = op, line
	interval := time.Second
	if p.out.escapes {
		interval /= 10
	}
	if now := time.Now(); now.Sub(p.told) >= interval {
		p.told = now
		p.show()
	}
}

func (p *Progress) show() {
	if p.line != "" {
		p.out.Line(p.line)
		p.line = ""
	}
}

// End shows the last line, so that other text may follow.
func (p *Progress) End() {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.end()
	}
}

func (p *Progress) end() {
	p.show()
	p.out.keep()
	p.op, p.told = "", time.Time{}
}

const clearLine = "\r\x1b[K"

// Line writes a line of progress: on a terminal it overwrites the previous one and
// is cut to fit, elsewhere it is an ordinary line.
func (s *Screen) Line(line string) {
	if s.escapes {
		s.drawn = true
		fmt.Fprint(s, clearLine+text.Cut(line, s.Columns()-1))
	} else {
		fmt.Fprintln(s, line)
	}
}

// Erase removes a line of progress from a terminal.
func (s *Screen) Erase() {
	if s.drawn {
		s.drawn = false
		fmt.Fprint(s, clearLine)
	}
}

// keep ends the line of progress on a terminal.
func (s *Screen) keep() {
	if s.drawn {
		s.drawn = false
		fmt.Fprintln(s)
	}
}
