package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/sources"
)

// A progress shows how far a reading has come: on a terminal as one line that is
// overwritten, elsewhere as several lines. It is also the logger of the source,
// which reports the pauses that the provider imposes.
type progress struct {
	screen   *terminal.Screen
	expected int // expected number of people, from the team; 0 if unknown

	mu      sync.Mutex
	at      sources.Progress
	pages   int
	waits   int
	waited  time.Duration
	drawn   time.Time
	waiting time.Time // the end of a pause, if it is in the future
}

func newProgress(screen *terminal.Screen, expected int) *progress {
	return &progress{screen: screen, expected: expected}
}

// read is called with the progress of Collect.
func (p *progress) read(at sources.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
	if p.screen.Redraws() {
		p.draw(true)
		return
	}
	if at.Users+at.Groups+at.Memberships+at.Matches >= sources.ProgressEvery {
		fmt.Fprintf(p.screen, "%s: %s\n", at.Op, p.sums())
	}
}

// counting returns a transport that counts pages.
func (p *progress) counting(base http.RoundTripper) http.RoundTripper { return &counter{base, p} }

type counter struct {
	base http.RoundTripper
	*progress
}

// RoundTrip implements http.RoundTripper.
func (c *counter) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(req)
	if err == nil && resp.StatusCode < 300 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pages++
		c.draw(false)
	}
	return resp, err
}

// line writes a separate line.
func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.screen.Erase()
	fmt.Fprintf(p.screen, format+"\n", args...)
}

// finish writes the result of the reading.
func (p *progress) finish(whole bool) {
	end := "read"
	if !whole {
		end = "read in part"
	}
	p.mu.Lock()
	sums := p.sums()
	p.mu.Unlock()
	p.line("%s: %s", end, sums)
}

// clear removes the line from the terminal.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.screen.Erase()
}

func (p *progress) sums() string {
	text := fmt.Sprintf("%d people, %d groups, %d memberships", p.at.Users, p.at.Groups, p.at.Memberships)
	if p.at.Matches > 0 {
		text += fmt.Sprintf(", %d answers to queries", p.at.Matches)
	}
	text += fmt.Sprintf(", %d pages", p.pages)
	if p.waits > 0 {
		text += fmt.Sprintf(", waited %s for the rate limit", p.waited.Round(time.Second))
	}
	return text
}

const (
	barWidth  = 20
	drawEvery = 100 * time.Millisecond
)

// draw writes the line of a terminal, at most a few times a second unless now is
// set.
func (p *progress) draw(now bool) {
	if !p.screen.Redraws() || !now && time.Since(p.drawn) < drawEvery {
		return
	}
	text := p.sums()
	if p.expected > 0 {
		full := min(barWidth*p.at.Users/p.expected, barWidth)
		text = fmt.Sprintf("[%s%s] of about %d: %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), p.expected, text)
	}
	if left := time.Until(p.waiting).Round(time.Second); left > 0 {
		text += fmt.Sprintf(" (waits %s)", left)
	}
	p.screen.Line(text)
	p.drawn = time.Now()
}

// Enabled implements slog.Handler.
func (*progress) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler: it counts pauses and shows warnings.
func (p *progress) Handle(_ context.Context, record slog.Record) error {
	var attrs strings.Builder
	var wait time.Duration
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "wait" && a.Value.Kind() == slog.KindDuration {
			wait = a.Value.Duration()
		}
		fmt.Fprintf(&attrs, " %s=%v", a.Key, a.Value)
		return true
	})
	switch {
	case wait >= time.Second/2:
		p.mu.Lock()
		p.waits++
		p.waited += wait
		p.waiting = time.Now().Add(wait)
		p.draw(true)
		p.mu.Unlock()
		if !p.screen.Redraws() {
			p.line("waits %s:%s", wait.Round(time.Second), attrs.String())
		}
	case record.Level >= slog.LevelWarn:
		p.line("%s:%s", record.Message, attrs.String())
	}
	return nil
}

// WithAttrs implements slog.Handler; no source uses it.
func (p *progress) WithAttrs([]slog.Attr) slog.Handler { return p }

// WithGroup implements slog.Handler; no source uses it.
func (p *progress) WithGroup(string) slog.Handler { return p }
