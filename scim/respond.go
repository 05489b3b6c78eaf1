package scim

import (
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

// etag is the entity tag of a version: weak, since two encodings of a
// resource may differ in their bytes.
func etag(version int64) string {
	return `W/"` + strconv.FormatInt(version, 10) + `"`
}

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
		x.w.Header().Set("Retry-After", "1")
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

// location is the absolute URL of a resource.
func (x *exchange) location(ref Ref) string {
	for _, rt := range x.types {
		if rt.name == ref.Type {
			return x.base + rt.endpoint + "/" + url.PathEscape(ref.ID)
		}
	}
	return ""
}

// linkObject is a membership as a resource shows it.
func linkObject(link Link, location string) *object {
	o := &object{fields: make([]field, 0, 4)}
	o.fields = append(o.fields, field{"value", link.ID})
	if location != "" {
		o.fields = append(o.fields, field{"$ref", location})
	}
	if link.Display != "" {
		o.fields = append(o.fields, field{"display", link.Display})
	}
	if link.Type != "" {
		o.fields = append(o.fields, field{"type", link.Type})
	}
	return o
}

func (x *exchange) linksArray(rt *resourceType, links []Link) []any {
	list := make([]any, 0, len(links))
	for _, link := range links {
		o := linkObject(link, x.location(link.Ref))
		if rt.links == "groups" {
			o.set("type", "direct")
		}
		list = append(list, o)
	}
	return list
}

func (x *exchange) metaObject(rt *resourceType, rec Record) *object {
	return &object{fields: []field{
		{"resourceType", rt.name},
		{"created", rec.Created.UTC().Format(timeLayout)},
		{"lastModified", rec.LastModified.UTC().Format(timeLayout)},
		{"location", x.location(rec.Ref)},
		{"version", etag(rec.Version)},
	}}
}

// appendResource appends a resource as it is served. Where everything is
// wanted, the stored document is copied without being read.
func (x *exchange) appendResource(dst []byte, rt *resourceType, rec Record, p *projection) ([]byte, error) {
	if !p.trivial(rt) {
		doc, err := parseObject(string(rec.Doc))
		if err != nil {
			return nil, err
		}
		full := &object{fields: make([]field, 0, len(doc.fields)+3)}
		full.fields = append(full.fields, field{"id", rec.ID})
		full.fields = append(full.fields, doc.fields...)
		if len(rec.Links) > 0 {
			full.fields = append(full.fields, field{rt.links, x.linksArray(rt, rec.Links)})
		}
		full.fields = append(full.fields, field{"meta", x.metaObject(rt, rec)})
		return appendJSON(dst, p.apply(rt, full)), nil
	}
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, rec.ID)
	dst = append(dst, ',')
	dst = append(dst, rec.Doc[1:len(rec.Doc)-1]...)
	if len(rec.Links) > 0 {
		dst = append(appendString(append(dst, ','), rt.links), ':')
		dst = appendJSON(dst, x.linksArray(rt, rec.Links))
	}
	dst = append(dst, `,"meta":`...)
	dst = appendJSON(dst, x.metaObject(rt, rec))
	return append(dst, '}'), nil
}

// respondResource answers with one resource.
func (x *exchange) respondResource(status int, rt *resourceType, rec Record, p *projection) error {
	body, err := x.appendResource(make([]byte, 0, len(rec.Doc)+512), rt, rec, p)
	if err != nil {
		return err
	}
	x.w.Header().Set("ETag", etag(rec.Version))
	if status == http.StatusCreated {
		x.w.Header().Set("Location", x.location(rec.Ref))
	}
	x.respond(status, body)
	return nil
}
