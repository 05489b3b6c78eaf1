package review

import (
	"bufio"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
)

// A page is the answer to a request. Its beginning is sent when its rest is
// known, or earlier, so that a waiting viewer sees which page it is.
type page struct {
	w          http.ResponseWriter
	title      string
	access     Access
	connection string
	live       bool // send each piece as soon as it is made

	mu    sync.Mutex
	begun bool
}

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"shown":   shown,
	"when":    when,
	"long":    shownLong,
	"short":   func(hash string) string { return clip(hash, 12) },
	"words":   classWords,
	"verdict": func(b provisioning.Breaker) string { return verdict(&b) },
	"query":   query,
	"count":   count,
	"may":     func(a Access, what string) bool { return a.May.Has(abilityWords[what]) },
	"pair": func(sigil string, part groupPart, hash string) map[string]any {
		return map[string]any{"Sigil": sigil, "Part": part, "Hash": hash}
	},
	"names":  names,
	"took":   took,
	"number": thousands,
	"sigilTone": func(sigil string) string {
		return map[string]string{"-": "bad", "!": "warn", "+": "good"}[sigil]
	},
	"proves": func(e syncer.Evidence) string { return proves(&e) },
	"count64": func(n int64, one, many string) string {
		return strings.TrimSpace(count(int(n), one, many))
	},
	"texts": func(c provisioning.Change) [2]string {
		before, after := c.Texts()
		return [2]string{shownLong(before), shownLong(after)}
	},
}).ParseFS(assets, "assets/*.html"))

var abilityWords = map[string]Ability{"history": History, "export": Export, "plan": Plan, "operate": Operate}

// query returns a relative URL of a page with pairs of name and value; pairs
// with an empty value are omitted.
func query(path string, pairs ...string) string {
	values := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%s %s", thousands(n), many)
}

// A nameList is the first names of a longer list.
type nameList struct {
	Title    string
	Names    []string
	Of, Rest int
}

func names(title string, all []string) nameList {
	some := all[:min(len(all), maxFound)]
	return nameList{title, some, len(all), len(all) - len(some)}
}

// thousands formats a number with commas.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// when formats a time and adds how long ago it was.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	ago := time.Since(t)
	words := "just now"
	switch {
	case ago >= 48*time.Hour:
		words = fmt.Sprintf("%d days ago", int(ago.Hours()/24))
	case ago >= time.Hour:
		words = count(int(ago.Hours()), "hour", "hours") + " ago"
	case ago >= time.Minute:
		words = count(int(ago.Minutes()), "minute", "minutes") + " ago"
	}
	return t.UTC().Format("2006-01-02 15:04 MST") + " (" + words + ")"
}

// shownLong is like shown, for a value that a viewer reads completely.
func shownLong(s string) string { return clip(s, 2000) }

// startLate sends the beginning of the page after the given time, unless it is
// sent before. The returned function cancels this. If the writer cannot flush,
// nothing is sent early, so that the status is always that of the whole answer.
func (p *page) startLate(after time.Duration) (stop func()) {
	if !flushes(p.w) {
		return func() {}
	}
	timer := time.AfterFunc(after, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.begun { // the answer may already be complete
			return
		}
		p.begin(http.StatusOK, "")
		p.flush()
	})
	return func() { timer.Stop(); p.mu.Lock(); p.begun = true; p.mu.Unlock() }
}

// begin sends the status and the beginning, once. The caller holds mu.
func (p *page) begin(status int, connection string) {
	if p.begun {
		return
	}
	p.begun = true
	p.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	p.w.WriteHeader(status)
	_ = templates.ExecuteTemplate(p.w, "head", map[string]any{ // if writing fails, the viewer has left
		"Title": p.title, "Access": p.access, "Connection": connection,
	})
}

// flushes reports whether a writer, or a writer that it wraps, can send the
// data written so far, as http.ResponseController requests it.
func flushes(w http.ResponseWriter) bool {
	for {
		switch wrapper := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = wrapper.Unwrap()
		default:
			return false
		}
	}
}

func (p *page) flush() { _ = http.NewResponseController(p.w).Flush() } // a writer that cannot flush sends everything at the end

// show sends the page; the named template makes its rest from data.
func (p *page) show(name string, data any) error { return p.send(http.StatusOK, name, data) }

func (p *page) send(status int, name string, data any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begin(status, p.connection)
	buffer := bufio.NewWriterSize(p.w, 16<<10)
	var out io.Writer = buffer
	if p.live {
		out = eager{p}
	}
	if err := templates.ExecuteTemplate(out, name, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	if err := templates.ExecuteTemplate(out, "foot", nil); err != nil {
		return err
	}
	return buffer.Flush()
}

// eager is a writer that flushes after each write.
type eager struct{ p *page }

func (e eager) Write(b []byte) (int, error) {
	n, err := e.p.w.Write(b)
	e.p.flush()
	return n, err
}

// fail sends a failure instead of the page.
func (p *page) fail(f *failure) {
	p.mu.Lock()
	if p.title == "" {
		p.title = http.StatusText(f.Status)
	}
	p.mu.Unlock()
	_ = p.send(f.Status, "failure", f) // if writing fails, the viewer has left
}

// redirect redirects the sender of a form to a page. The URL stays relative,
// because only the host knows where the handler is mounted; http.Redirect would
// make it absolute.
func (q *request) redirect(to string) error {
	q.page.w.Header().Set("Location", to)
	q.page.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// file starts a file for download. The returned writer is not buffered; callers
// use their own buffers.
func (q *request) file(contentType, name string) io.Writer {
	q.page.mu.Lock()
	defer q.page.mu.Unlock()
	q.page.begun = true
	header := q.page.w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Disposition", `attachment; filename="`+strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, name)+`"`)
	return q.page.w
}
