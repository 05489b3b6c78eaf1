package scim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// body reads the request's body: one JSON object, of bounded size and in
// bounded time. rt is the type of the resource that it is, or nil.
func (x *exchange) body(rt *resourceType) (*object, error) {
	most := x.cfg.MaxBody
	if rt != nil && rt.links == "members" {
		most = x.cfg.MaxGroupBody
	}
	if ct := x.r.Header.Get("Content-Type"); ct != "" {
		media, parameters, _ := strings.Cut(ct, ";")
		media = strings.ToLower(strings.TrimSpace(media))
		if media != mediaSCIM && media != mediaJSON || strings.Contains(strings.ToLower(parameters), "charset") &&
			!strings.Contains(strings.ToLower(parameters), "utf-8") {
			return nil, fail(http.StatusUnsupportedMediaType, "", "Content-Type: want %s or %s in UTF-8", mediaSCIM, mediaJSON)
		}
	}
	x.bodySeen = true
	control := http.NewResponseController(x.w)
	// A server that cannot set deadlines (a recorder in a test) reads anyway.
	_ = control.SetReadDeadline(time.Now().Add(x.cfg.ReadTimeout))
	var text bytes.Buffer
	var err error
	tooLong := x.r.ContentLength > most
	if !tooLong {
		text.Grow(int(min(max(x.r.ContentLength, 0), 64<<10)) + bytes.MinRead)
		_, err = text.ReadFrom(io.LimitReader(x.r.Body, most+1))
		x.traffic += text.Len()
		tooLong = int64(text.Len()) > most
	}
	if tooLong {
		x.drain()
		return nil, tooLarge("the body is larger than %d bytes", most)
	}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		// The deadline stays for what the server still drains.
		x.w.Header().Set("Connection", "close")
		return nil, fail(http.StatusRequestTimeout, "", "the body did not arrive in time")
	case err != nil:
		return nil, badSyntax("the body could not be read")
	}
	_ = control.SetReadDeadline(time.Time{})
	if text.Len() > freeBody {
		if err := x.work.long(); err != nil {
			return nil, err
		}
	}
	if err := x.work.note(text.Len() / parsedPerUnit); err != nil {
		return nil, err
	}
	o, values, err := parseCounted(strings.TrimPrefix(text.String(), "\ufeff"))
	if err := x.work.spend(values); err != nil {
		return nil, err
	}
	return o, err
}

// maxDrained is how much of a body that is too large is read and thrown away.
const maxDrained = 64 << 20

// drain reads what a client goes on sending, within the deadline: most clients
// read the answer only then, and report a broken connection otherwise.
func (x *exchange) drain() {
	x.w.Header().Set("Connection", "close")
	if x.r.Header.Get("Expect") == "" {
		n, _ := io.CopyN(io.Discard, x.r.Body, maxDrained) // whatever comes of it
		x.traffic += int(n)
	}
}

// How long and how much discardBody reads.
const (
	lingering = time.Second
	maxUnread = 256 << 10
)

// discardBody reads a body that the handler does not use. net/http would read
// it otherwise, without a limit in time, before it sends the answer and before
// it closes the connection. If the body does not end within lingering and
// maxUnread, the connection is closed after the answer.
// It returns how much it has read.
func discardBody(w http.ResponseWriter, r *http.Request) int {
	if r.ContentLength == 0 {
		return 0
	}
	// A server that cannot set deadlines (a recorder in a test) reads anyway.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingering))
	n := int64(0)
	if r.Header.Get("Expect") == "" {
		var err error
		if n, err = io.CopyN(io.Discard, r.Body, maxUnread); errors.Is(err, io.EOF) {
			return int(n) // the server takes the deadline back
		}
	}
	w.Header().Set("Connection", "close")
	return int(n)
}
