package scim

import (
	"cmp"
	"errors"
	"hash/fnv"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
)

const (
	mediaSCIM = "application/scim+json"
	mediaJSON = "application/json"
)

// tag returns the entity tag of a record. It is weak, since two encodings of a
// resource may differ in their bytes. In addition to the version it covers the
// groups that the record shows, because their names can change without a new
// version (RFC 9110 section 8.8.3: the tag of a representation).
func (rec Record) tag() string { return string(rec.appendTag(make([]byte, 0, 40))) }

func (rec Record) appendTag(tag []byte) []byte {
	tag = append(tag, `W/"`...)
	tag = strconv.AppendInt(tag, rec.Version, 10)
	if rec.Type != TypeGroup && len(rec.Links) > 0 {
		sum := uint64(0) // a sum, because links come in any order
		for _, link := range rec.Links {
			h := fnv.New64a()
			_, _ = io.WriteString(h, link.ID) // never fails
			_, _ = io.WriteString(h, "\x00")
			_, _ = io.WriteString(h, link.Display)
			sum += h.Sum64()
		}
		tag = strconv.AppendUint(append(tag, tagGroups), sum, 16)
	}
	return append(tag, '"')
}

// tagGroups separates the part of a tag that covers the groups.
const tagGroups = '-'

// respond writes an answer whose body is complete.
func (x *exchange) respond(status int, body []byte) {
	if body != nil {
		x.setHeader("Content-Length", strconv.Itoa(len(body)))
	}
	x.start(status, body != nil)
	_ = x.write(body) // the client may have disconnected
}

// start writes the status and the headers of an answer. No other function
// writes them.
func (x *exchange) start(status int, hasBody bool) {
	x.setHeader("Cache-Control", "no-store")
	if x.aliased != "" {
		x.setHeader("Location", x.aliased)
	}
	if hasBody {
		x.setHeader("Content-Type", x.mediaType())
		x.setHeader("X-Content-Type-Options", "nosniff")
	}
	if !x.bodySeen {
		x.traffic += discardBody(x.w, x.r)
	}
	if x.sight != nil {
		x.sight.Status = status
	}
	if x.work != nil {
		x.work.begun = true
	}
	x.w.WriteHeader(status)
}

// setHeader sets a header of the answer; name has its canonical form. The
// values of an answer share one allocation.
func (x *exchange) setHeader(name, value string) {
	x.values = append(x.values, value)
	n := len(x.values)
	x.w.Header()[name] = x.values[n-1 : n : n]
}

// write writes a part of an answer's body. The client has a time limit that
// depends on the number of bytes.
func (x *exchange) write(body []byte) error {
	x.pause()
	x.traffic += len(body)
	control := http.NewResponseController(x.w)
	const each = 1 << 20
	for len(body) > 0 {
		// A writer that cannot set deadlines (a recorder in a test) writes
		// without one.
		_ = control.SetWriteDeadline(time.Now().Add(x.cfg.WriteTimeout))
		part := body[:min(each, len(body))]
		if _, err := x.w.Write(part); err != nil {
			return err
		}
		body = body[len(part):]
	}
	return nil
}

// An output is an answer whose body is produced piece by piece. A small body is
// sent with its length, a large one as a stream.
type output struct {
	*exchange
	status  int
	buf     []byte
	flushed int64 // bytes written
	err     error
}

// outputBlock is the size of an answer's buffer.
const outputBlock = 256 << 10

// spill writes the buffer if it is full. After an error, nothing more can be
// written.
func (o *output) spill() error {
	if len(o.buf) >= outputBlock && o.err == nil {
		o.flush()
	}
	return o.err
}

func (o *output) flush() {
	if o.flushed == 0 {
		o.start(o.status, true)
	}
	o.flushed += int64(len(o.buf))
	o.err = o.write(o.buf)
	o.buf = o.buf[:0]
}

// size returns the present number of bytes of the body.
func (o *output) size() int64 { return o.flushed + int64(len(o.buf)) }

// end completes the answer. If a part of it is already written, an error closes
// the connection, so that the client does not mistake the part for the whole.
func (o *output) end(err error) error {
	switch {
	case o.flushed == 0 && err == nil:
		o.respond(o.status, o.buf)
	case o.flushed == 0:
		return err
	case err == nil:
		o.flush()
	case o.err == nil: // writing to the client still works
		_ = o.visible(err) // for the log
		panic(http.ErrAbortHandler)
	}
	return nil
}

// mediaType returns application/scim+json, unless the client accepts
// application/json and not application/scim+json (RFC 7644 section 3.1).
func (x *exchange) mediaType() string {
	json := false
	for _, accept := range x.r.Header.Values("Accept") {
		for media := range strings.SplitSeq(accept, ",") {
			media, parameters, _ := strings.Cut(media, ";")
			if q := parameter(parameters, "q"); q != "" {
				if quality, err := strconv.ParseFloat(q, 64); err == nil && quality == 0 {
					continue // not acceptable (RFC 9110 section 12.4.2)
				}
			}
			switch strings.ToLower(strings.TrimSpace(media)) {
			case mediaSCIM:
				return mediaSCIM
			case mediaJSON:
				json = true
			}
		}
	}
	if json {
		return mediaJSON
	}
	return mediaSCIM
}

// parameter returns the value of a media type's parameter in lower case, or "".
func parameter(parameters, name string) string {
	for one := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(one, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.ToLower(strings.Trim(value, " \t\""))
		}
	}
	return ""
}

// refuse answers with an error. An error that clients must not see is logged.
func (x *exchange) refuse(err error) {
	out := x.visible(err)
	if out.Status == http.StatusServiceUnavailable && x.w.Header().Get("Retry-After") == "" {
		x.w.Header().Set("Retry-After", wholeSeconds(retryAfter(err)))
	}
	x.w.Header().Del("ETag") // these described a resource that the answer does not show
	x.w.Header().Del("Last-Modified")
	x.w.Header().Del("Location")
	x.respond(out.Status, appendJSON(nil, errorObject(out)))
}

// visible returns the error in the form that a client may see.
func (x *exchange) visible(err error) scimerrors.ScimError {
	out, known := clientError(err)
	if !known {
		x.logFailure(err)
	}
	x.sight.failed(string(out.ScimType), out.Detail)
	return out
}

func (x *exchange) logFailure(err error) {
	level := slog.LevelError
	if x.ctx.Err() != nil { // the request was cancelled
		level = slog.LevelInfo
	}
	x.cfg.Logger.Log(x.ctx, level, "scim: request failed", "tenant", x.dir.Tenant,
		"connection", x.dir.Connection, "method", x.r.Method, "error", err)
}

// errorObject returns the error message of RFC 7644 section 3.12.
func errorObject(err scimerrors.ScimError) *object {
	o := &object{fields: []field{
		{"schemas", []any{messageMark + "Error"}},
		{"status", strconv.Itoa(err.Status)},
	}}
	if err.ScimType != "" {
		o.set("scimType", string(err.ScimType))
	}
	o.set("detail", err.Detail)
	return o
}

// location returns the absolute URL of a resource. For a type that is no longer
// served it returns the base URL.
func (x *exchange) location(ref Ref) string {
	rt := x.typeOf(ref.Type)
	if rt == nil {
		return x.base + "/"
	}
	return x.base + rt.endpoint + "/" + url.PathEscape(ref.ID)
}

// resource appends a resource as it is served. A whole resource is copied from
// the stored document without being parsed into memory, after the document is
// checked. Only members and groups may be written to the client before the end:
// if the document cannot be read, nothing is appended.
func (o *output) resource(rt *resourceType, rec Record, p *projection) error {
	start := len(o.buf)
	o.buf = appendText(o.buf, `{"id":`, rec.ID)
	var err error
	if doc := string(rec.Doc); p.trivial(rt) {
		var inside string
		if err = o.work.note(1 + len(doc)/scannedPerUnit); err == nil {
			var dense int
			inside, dense, err = insideObject(doc)
			err = cmp.Or(o.work.note(dense), err)
		}
		if inside != "" {
			o.buf = append(append(o.buf, ','), inside...)
		}
	} else {
		o.buf, err = p.appendDoc(o.buf, o.work, rt, doc)
	}
	if err != nil {
		o.buf = o.buf[:start]
		return cmp.Or(o.work.failed(), unreadable(rec, err))
	}
	if err := o.links(rt, rec, p.part(rt, "", rt.links)); err != nil {
		return err
	}
	o.meta(rt, rec, p.part(rt, "", "meta"))
	o.buf = append(o.buf, '}')
	return nil
}

// links appends the members of a group, or the groups of another resource.
func (o *output) links(rt *resourceType, rec Record, shown part) error {
	id, ref, display, typ := shown.has("value"), shown.has("$ref"), shown.has("display"), shown.has("type")
	first := `,"` + rt.links + `":[{`
	next := first
	text := func(name, value string) {
		o.buf = appendText(append(o.buf, next...), name, value)
		next = ","
	}
	for _, link := range rec.Links {
		if err := errors.Join(o.work.note(unitsPerLink), o.spill()); err != nil {
			return err
		}
		if id {
			text(`"value":`, link.ID)
		}
		if ref {
			text(`"$ref":`, o.location(link.Ref))
		}
		if display && link.Display != "" {
			text(`"display":`, link.Display)
		}
		if typ {
			text(`"type":`, rt.linkType(link))
		}
		if next == "," {
			o.buf = append(o.buf, '}')
			next = ",{"
		}
	}
	switch {
	case next != first:
		o.buf = append(o.buf, ']')
	case len(rec.Links) == 0 && rt.links == "members" && !shown.none: // a group without members has an empty list
		o.buf = append(o.buf, `,"members":[]`...)
	}
	return nil
}

func (o *output) meta(rt *resourceType, rec Record, shown part) {
	if shown.whole && shown.without == nil {
		dst := appendText(o.buf, `,"meta":{"resourceType":`, rt.name)
		dst = appendTime(append(dst, `,"created":"`...), rec.Created)
		dst = appendTime(append(dst, `","lastModified":"`...), rec.LastModified)
		dst = appendText(dst, `","location":`, o.location(rec.Ref))
		var tag [64]byte
		dst = appendText(dst, `,"version":`, string(rec.appendTag(tag[:0])))
		o.buf = append(dst, '}')
		return
	}
	meta := shown.pick(&object{fields: []field{
		{"resourceType", rt.name},
		{"created", rec.Created.UTC().Format(timeLayout)},
		{"lastModified", rec.LastModified.UTC().Format(timeLayout)},
		{"location", o.location(rec.Ref)},
		{"version", rec.tag()},
	}})
	if !isEmpty(meta) {
		o.buf = appendJSON(append(o.buf, `,"meta":`...), meta)
	}
}

// appendText appends before, which is JSON, and the string s.
func appendText(dst []byte, before, s string) []byte {
	return appendString(append(dst, before...), s)
}

// respondResource answers with one resource.
func (x *exchange) respondResource(status int, rt *resourceType, rec Record, p *projection) error {
	x.setValidators(rec)
	if status == http.StatusCreated {
		x.setHeader("Location", x.location(rec.Ref))
		if x.sight != nil {
			x.sight.ID = rec.ID
		}
	}
	out := output{exchange: x, status: status, buf: make([]byte, 0, len(rec.Doc)+512)}
	return out.end(out.resource(rt, rec, p))
}
