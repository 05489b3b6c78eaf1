package scim

import (
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
)

const (
	mediaSCIM = "application/scim+json"
	mediaJSON = "application/json"
)

// tag is the entity tag of a record: weak, since two encodings of a resource
// may differ in their bytes. Beside the version it covers the groups that the
// record shows, whose names can change without it (RFC 9110 section 8.8.3: the
// tag of a representation).
func (rec Record) tag() string {
	tag := append(make([]byte, 0, 40), `W/"`...)
	tag = strconv.AppendInt(tag, rec.Version, 10)
	if rec.Type != TypeGroup && len(rec.Links) > 0 {
		sum := uint64(0) // links come in any order
		for _, link := range rec.Links {
			h := fnv.New64a()
			_, _ = io.WriteString(h, link.ID) // never fails
			_, _ = io.WriteString(h, "\x00")
			_, _ = io.WriteString(h, link.Display)
			sum += h.Sum64()
		}
		tag = strconv.AppendUint(append(tag, tagGroups), sum, 16)
	}
	return string(append(tag, '"'))
}

// tagGroups stands before what a tag says of groups.
const tagGroups = '-'

// respond writes an answer. It is the only place that does.
func (x *exchange) respond(status int, body []byte) {
	header := x.w.Header()
	header.Set("Cache-Control", "no-store")
	if body != nil {
		header.Set("Content-Type", x.mediaType())
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.w.WriteHeader(status)
	if body != nil {
		_, _ = x.w.Write(body) // the client may have gone
	}
}

// mediaType is application/scim+json unless the client asks for
// application/json and not for the other (RFC 7644 section 3.1).
func (x *exchange) mediaType() string {
	json := false
	for _, accept := range x.r.Header.Values("Accept") {
		for _, media := range strings.Split(accept, ",") {
			media, _, _ = strings.Cut(media, ";")
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

// refuse answers with an error. What is not meant for clients is logged.
func (x *exchange) refuse(err error) {
	out := x.visible(err)
	if out.Status == http.StatusServiceUnavailable && x.w.Header().Get("Retry-After") == "" {
		x.w.Header().Set("Retry-After", wholeSeconds(retryAfter(err)))
	}
	x.respond(out.Status, appendJSON(nil, errorObject(out)))
}

// visible is the error as the client may see it.
func (x *exchange) visible(err error) scimerrors.ScimError {
	out, known := clientError(err)
	if !known {
		x.cfg.Logger.ErrorContext(x.ctx, "scim: request failed", "tenant", x.dir.Tenant,
			"connection", x.dir.Connection, "method", x.r.Method, "error", err)
	}
	return out
}

// errorObject is the error message of RFC 7644 section 3.12.
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

// location is the absolute URL of a resource, or the base for a type that is
// not served here any more.
func (x *exchange) location(ref Ref) string {
	rt := x.typeOf(ref.Type)
	if rt == nil {
		return x.base + "/"
	}
	return x.base + rt.endpoint + "/" + url.PathEscape(ref.ID)
}

// appendResource appends a resource as it is served. Where everything is
// wanted, the stored document is copied without being read.
func (x *exchange) appendResource(dst []byte, rt *resourceType, rec Record, p *projection) ([]byte, error) {
	start := len(dst)
	dst = x.appendWhole(dst, rt, rec)
	if p.trivial(rt) {
		return dst, nil
	}
	full, err := parseObject(string(dst[start:]))
	if err != nil {
		return nil, err
	}
	return appendJSON(dst[:start], p.apply(rt, full)), nil
}

func (x *exchange) appendWhole(dst []byte, rt *resourceType, rec Record) []byte {
	dst = appendText(dst, `{"id":`, rec.ID)
	dst = append(dst, ',')
	dst = append(dst, rec.Doc[1:len(rec.Doc)-1]...)
	listed := len(rec.Links) > 0 || rt.links == "members" // a group without members says so
	if listed {
		dst = append(appendText(dst, ",", rt.links), ":["...)
	}
	for i, link := range rec.Links {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, `{"value":`, link.ID)
		dst = appendText(dst, `,"$ref":`, x.location(link.Ref))
		if link.Display != "" {
			dst = appendText(dst, `,"display":`, link.Display)
		}
		dst = appendText(dst, `,"type":`, rt.linkType(link))
		dst = append(dst, '}')
	}
	if listed {
		dst = append(dst, ']')
	}
	dst = appendText(dst, `,"meta":{"resourceType":`, rt.name)
	dst = rec.Created.UTC().AppendFormat(append(dst, `,"created":"`...), timeLayout)
	dst = rec.LastModified.UTC().AppendFormat(append(dst, `","lastModified":"`...), timeLayout)
	dst = appendText(dst, `","location":`, x.location(rec.Ref))
	dst = appendText(dst, `,"version":`, rec.tag())
	return append(dst, "}}"...)
}

// appendText appends JSON that ends before a string, and the string.
func appendText(dst []byte, before, s string) []byte {
	return appendString(append(dst, before...), s)
}

// respondResource answers with one resource.
func (x *exchange) respondResource(status int, rt *resourceType, rec Record, p *projection) error {
	body, err := x.appendResource(make([]byte, 0, len(rec.Doc)+512), rt, rec, p)
	if err != nil {
		return err
	}
	x.w.Header().Set("ETag", rec.tag())
	if status == http.StatusCreated {
		x.w.Header().Set("Location", x.location(rec.Ref))
	}
	x.respond(status, body)
	return nil
}
