package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A progress tells how far a long reading or applying has come, at most once in
// its interval: on a terminal in one line that is written over, elsewhere in
// lines. A nil progress tells nothing.
type progress struct {
	w        io.Writer
	terminal bool
	op, line string // what was told last, or is still to be told
	untold   bool
	told     time.Time
}

// newProgress returns a progress for standard error: it tells if that is a
// terminal, or if it is asked to.
func newProgress(stderr io.Writer, asked bool) *progress {
	terminal := false
	if file, ok := stderr.(*os.File); ok {
		info, err := file.Stat()
		terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if !terminal && !asked {
		return nil
	}
	return &progress{w: stderr, terminal: terminal}
}

// minTold is how many things there have to be before progress is told.
const minTold = sources.ProgressEvery

func (p *progress) tell(op, line string) {
	if p == nil {
		return
	}
	if op != p.op {
		p.end()
	}
	p.op, p.line, p.untold = op, line, true
	interval := time.Second
	if p.terminal {
		interval /= 10
	}
	if now := time.Now(); now.Sub(p.told) >= interval {
		p.told = now
		p.show()
	}
}

func (p *progress) show() {
	p.untold = false
	if p.terminal {
		const clear = "\r\x1b[K"
		fmt.Fprint(p.w, clear+p.line)
	} else {
		fmt.Fprintln(p.w, p.line)
	}
}

// end tells the last that was to be told, so that other text may follow.
func (p *progress) end() {
	if p == nil || p.op == "" {
		return
	}
	if p.untold {
		p.show()
	}
	if p.terminal {
		fmt.Fprintln(p.w)
	}
	p.op, p.told = "", time.Time{}
}

// reading tells of a listing, if it is long.
func (p *progress) reading(now sources.Progress) {
	switch {
	case now.Changes+now.Users+now.Groups+now.Matches < minTold:
	case strings.HasPrefix(now.Op, "match "):
		p.tell("match", fmt.Sprintf("answers to the filters: %d", now.Matches))
	default:
		p.tell(now.Op, fmt.Sprintf("%s: %d users, %d groups, %d memberships", now.Op, now.Users, now.Groups, now.Memberships))
	}
}

// A toldStore is a team that tells how far the applying has come. Apply gives it
// the actions in batches.
type toldStore struct {
	*teamStore
	progress *progress
	done, of int // actions
}

// Apply implements provisioning.Store.
func (s *toldStore) Apply(ctx context.Context, tenant string, actions []provisioning.Action) ([]provisioning.Result, error) {
	results, err := s.teamStore.Apply(ctx, tenant, actions)
	s.done += len(results)
	if s.of = max(s.of, s.done); s.of >= minTold { // approved ones come on top
		s.progress.tell("apply", fmt.Sprintf("apply: %d of %d", s.done, s.of))
	}
	return results, err
}
