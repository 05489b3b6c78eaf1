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
// bounded time. rt is the type of the resource in the body, or nil.
func (x *exchange) body(rt *resourceType) (*object, error) {
	most := x.cfg.MaxBody
	if rt != nil && rt.links == "members" {
		most = x.cfg.MaxGroupBody
	}
	if ct := x.r.Header.Get("Content-Type"); ct != "" {
		media, parameters, _ := strings.Cut(ct, ";")
		media = strings.ToLower(strings.TrimSpace(media))
		charset := parameter(parameters, "charset")
		if media != mediaSCIM && media != mediaJSON || charset != "" && charset != "utf-8" && charset != "utf8" {
			return nil, fail(http.StatusUnsupportedMediaType, "", "Content-Type: want %s or %s in UTF-8", mediaSCIM, mediaJSON)
		}
	}
	x.bodySeen = true
	control := http.NewResponseController(x.w)
	// A server that cannot set deadlines (a recorder in a test) reads without
	// one.
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
		// The deadline stays in force while the server drains the body.
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
	o, units, err := parseCounted(strings.TrimPrefix(text.String(), "\ufeff"))
	if err := x.work.spend(units); err != nil {
		return nil, err
	}
	return o, err
}

// maxDrained is the number of bytes of a too large body that are read and
// discarded.
const maxDrained = 64 << 20

// drain reads what a client continues to send, within the deadline. Most
// clients read the answer only after sending everything, and otherwise report a
// broken connection.
func (x *exchange) drain() {
	x.w.Header().Set("Connection", "close")
	if x.r.Header.Get("Expect") == "" {
		n, _ := io.CopyN(io.Discard, x.r.Body, maxDrained) // an error changes nothing
		x.traffic += int(n)
	}
}

// The time and the number of bytes for which discardBody reads.
const (
	lingering = time.Second
	maxUnread = 256 << 10
)

// discardBody reads a body that the handler does not use. Otherwise net/http
// reads it, without a time limit, before it sends the answer and before it
// closes the connection. If the body does not end within lingering and
// maxUnread, the connection is closed after the answer. It returns the number
// of bytes read.
func discardBody(w http.ResponseWriter, r *http.Request) int {
	if r.ContentLength == 0 {
		return 0
	}
	// A server that cannot set deadlines (a recorder in a test) reads without
	// one.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingering))
	n := int64(0)
	if r.Header.Get("Expect") == "" {
		var err error
		if n, err = io.CopyN(io.Discard, r.Body, maxUnread); errors.Is(err, io.EOF) {
			return int(n) // the server resets the deadline
		}
	}
	w.Header().Set("Connection", "close")
	return int(n)
}
