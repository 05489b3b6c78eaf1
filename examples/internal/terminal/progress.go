package terminal

import (
	"fmt"
	"sync"
	"time"

	"github.com/usher-go/usher/internal/text"
)

// A Progress tells how far something long has come, not too often: on a terminal
// in one line that is written over, elsewhere in lines. A nil Progress tells
// nothing. It may be used by several goroutines.
type Progress struct {
	mu   sync.Mutex
	out  *Screen
	op   string // what is told of
	line string // what is still to be told
	told time.Time
}

// NewProgress returns a progress on a standard error: nil, unless that is a
// terminal or it is asked for.
func NewProgress(out *Screen, asked bool) *Progress {
	if !out.escapes && !asked {
		return nil
	}
	return &Progress{out: out}
}

// Tell tells how far an operation has come; an operation of another name begins
// a line of its own.
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

// End tells the last that was to be told, so that other text may follow.
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

// Line writes a line of progress: on a terminal over the one before, as much of
// it as fits, elsewhere as any other.
func (s *Screen) Line(line string) {
	if s.escapes {
		s.drawn = true
		fmt.Fprint(s, clearLine+text.Cut(line, s.Columns()-1))
	} else {
		fmt.Fprintln(s, line)
	}
}

// Erase takes the line of progress off a terminal, if one stands there.
func (s *Screen) Erase() {
	if s.drawn {
		s.drawn = false
		fmt.Fprint(s, clearLine)
	}
}

// keep ends the line of progress that stands on a terminal.
func (s *Screen) keep() {
	if s.drawn {
		s.drawn = false
		fmt.Fprintln(s)
	}
}
