package scim

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
)

// maxRetries is the number of attempts to make a change without If-Match. A new
// attempt follows if another change comes between reading and writing.
const maxRetries = 100

// maxGrowth is the factor by which a resource may exceed the largest body after
// many requests.
const maxGrowth = 4

// post creates a resource (RFC 7644 section 3.3).
func (x *exchange) post(rt *resourceType) error {
	p, err := x.urlProjection()
	if err != nil {
		return err
	}
	body, err := x.body(rt)
	if err != nil {
		return err
	}
	rec, err := x.create(rt, body)
	if err != nil {
		return err
	}
	if rt.links == "members" { // only groups: other new or restored resources are in no group
		if rec, err = x.withLinks(rt, rec, p); err != nil {
			return err
		}
	}
	return x.respondResource(http.StatusCreated, rt, rec, p.answering(rt.onRequest))
}

// get serves one resource (section 3.4.1).
func (x *exchange) get(rt *resourceType, id string) error {
	p, err := x.urlProjection()
	if err != nil {
		return err
	}
	x.work.reads = true
	ref, links, wanted := Ref{rt.name, id}, p.links(rt), x.conditions()
	// The members of a group do not matter for the conditions.
	late := links && rt.links == "members" && (wanted != conditions{} || x.r.Header.Get("If-Modified-Since") != "")
	rec, err := x.read(ref, links && !late)
	if err != nil {
		return err
	}
	noneMatch := wanted.noneMatch
	wanted.noneMatch = "" // in a reading, it asks for 304
	if err := wanted.check(rec); err != nil {
		return err
	}
	if x.notModified(rec, noneMatch) {
		x.setValidators(rec)
		x.respond(http.StatusNotModified, nil)
		return nil
	}
	if late {
		if rec, err = x.read(ref, true); err != nil {
			return err
		}
	}
	return x.respondResource(http.StatusOK, rt, rec, p)
}

// reads reports whether the request only reads. The server sends no body in an
// answer to HEAD (RFC 9110 section 9.3.2).
func (x *exchange) reads() bool {
	return x.r.Method == http.MethodGet || x.r.Method == http.MethodHead
}

// notModified reports whether the client has the present version (RFC 9110
// section 13.2.2: a tag takes precedence over a date). For a record that is in
// groups only the tag counts, because the name of a group may change without
// changing the record's date.
func (x *exchange) notModified(rec Record, noneMatch string) bool {
	if noneMatch != "" {
		return tagsMatch(noneMatch, rec.tag())
	}
	since, err := x.date("If-Modified-Since")
	return err == nil && !rec.modifiedAfter(since) && (rec.Type == TypeGroup || len(rec.Links) == 0)
}

// modifiedAfter compares in whole seconds, the resolution of dates in HTTP.
func (rec Record) modifiedAfter(date time.Time) bool {
	return rec.LastModified.Truncate(time.Second).After(date)
}

// setValidators sets the headers by which a client can ask later whether the
// resource has changed (RFC 9110 section 8.8).
func (x *exchange) setValidators(rec Record) {
	x.setHeader("Etag", rec.tag())
	x.setHeader("Last-Modified", rec.LastModified.UTC().Format(http.TimeFormat))
}

// read reads one record. Reading a group with its members is long work.
func (x *exchange) read(ref Ref, links bool) (Record, error) {
	if links && ref.Type == TypeGroup {
		if err := x.work.long(); err != nil {
			return Record{}, err
		}
	}
	rec, err := x.cfg.Store.Get(x.ctx, x.dir, ref, links)
	x.work.hold(memoryOf(rec))
	return rec, err
}

// put replaces a resource (section 3.5.1).
func (x *exchange) put(rt *resourceType, id string) error {
	p, err := x.urlProjection()
	if err != nil {
		return err
	}
	body, err := x.body(rt)
	if err != nil {
		return err
	}
	rec, err := x.replace(rt, id, body, x.conditions(), p.links(rt))
	if err != nil {
		return err
	}
	if rt.links == "members" {
		if rec, err = x.withLinks(rt, rec, p); err != nil {
			return err
		}
	}
	return x.respondResource(http.StatusOK, rt, rec, p.answering(rt.onRequest))
}

// patchOne modifies a resource (section 3.5.2). A group is answered with 204
// unless attributes are requested, because it may have many members.
func (x *exchange) patchOne(rt *resourceType, id string) error {
	p, err := x.urlProjection()
	if err != nil {
		return err
	}
	body, err := x.body(rt)
	if err != nil {
		return err
	}
	rec, err := x.patch(rt, id, body, x.conditions(), p.links(rt))
	if err != nil {
		return err
	}
	if rt.name == TypeGroup && p == nil {
		x.setValidators(rec)
		x.respond(http.StatusNoContent, nil)
		return nil
	}
	if rt.links == "members" {
		if rec, err = x.withLinks(rt, rec, p); err != nil {
			return err
		}
	}
	return x.respondResource(http.StatusOK, rt, rec, p.answering(x.sent))
}

// delete deletes a resource permanently (section 3.6).
func (x *exchange) delete(rt *resourceType, id string) error {
	if err := x.remove(rt, id, x.conditions()); err != nil {
		return err
	}
	x.respond(http.StatusNoContent, nil)
	return nil
}

// withLinks reads the members of a group that was just written, if the answer
// shows them.
func (x *exchange) withLinks(rt *resourceType, rec Record, p *projection) (Record, error) {
	if !p.links(rt) {
		return rec, nil
	}
	read, err := x.read(rec.Ref, true)
	if errors.Is(err, ErrNotFound) { // deleted since; the answer still reports what was done
		return rec, nil
	}
	if err == nil && read.Version == rec.Version {
		return read, nil
	}
	rec.Links = read.Links
	return rec, err
}

// conditions are the preconditions in a request (RFC 7644 section 3.14,
// RFC 9110 section 13.1).
type conditions struct {
	match, noneMatch string
	unmodifiedSince  time.Time // zero if there is none
}

func (x *exchange) conditions() conditions {
	c := conditions{
		match:     strings.Join(x.r.Header.Values("If-Match"), ","),
		noneMatch: strings.Join(x.r.Header.Values("If-None-Match"), ","),
	}
	if since, err := x.date("If-Unmodified-Since"); err == nil && c.match == "" {
		c.unmodifiedSince = since // RFC 9110 section 13.1.4: ignored beside If-Match, and if it is not a date
	}
	return c
}

var errNoDate = errors.New("no date")

// date returns the date in a header. Most requests have none, and then it does not
// try the formats of a date.
func (x *exchange) date(header string) (time.Time, error) {
	value := x.r.Header.Get(header)
	if value == "" {
		return time.Time{}, errNoDate
	}
	return http.ParseTime(value)
}

// guards reports whether the change requires that the resource has not changed.
func (c conditions) guards() bool { return c.match != "" || !c.unmodifiedSince.IsZero() }

// check compares only the versions: the names of groups are not part of the
// resource that is about to change.
func (c conditions) check(rec Record) error {
	if c == (conditions{}) { // as in most requests, and then no tag is made
		return nil
	}
	tag := Record{Version: rec.Version}.tag()
	if !c.unmodifiedSince.IsZero() && rec.modifiedAfter(c.unmodifiedSince) {
		return fail(http.StatusPreconditionFailed, "", "the resource has changed since the date given in If-Unmodified-Since")
	}
	if c.match != "" && !tagsMatch(withoutGroups(c.match), tag) {
		return ErrConflict
	}
	if c.noneMatch != "" && tagsMatch(withoutGroups(c.noneMatch), tag) {
		return fail(http.StatusPreconditionFailed, "", "the resource is at the version given in If-None-Match")
	}
	return nil
}

// tagsMatch compares entity tags weakly. It also accepts a tag without its
// quotes, since some clients remove them.
func tagsMatch(header, tag string) bool {
	want := bareTag(tag)
	for _, tag := range strings.Split(header, ",") {
		if strings.TrimSpace(tag) == "*" || bareTag(tag) == want {
			return true
		}
	}
	return false
}

func bareTag(tag string) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
}

// withoutGroups removes the part about groups from the tags in a header.
func withoutGroups(header string) string {
	tags := strings.Split(header, ",")
	for i, tag := range tags {
		if strings.TrimSpace(tag) != "*" {
			tags[i], _, _ = strings.Cut(bareTag(tag), string(tagGroups))
		}
	}
	return strings.Join(tags, ",")
}

// prepared is a resource from a body that is ready to be written.
type prepared struct {
	doc     *object
	members *MemberChange
}

// prepare normalizes the body of a POST or PUT.
func (rt *resourceType) prepare(body *object) (prepared, error) {
	doc, err := rt.normalize(body)
	if err != nil || rt.links != "members" {
		return prepared{doc: doc}, err
	}
	doc.drop("members")
	links, err := memberLinks(rt.core.attrs["members"], body.get("members"))
	return prepared{doc: doc, members: &MemberChange{Replace: true, Add: links}}, err
}

// create stores a new resource, or restores the deactivated user that it
// describes.
func (x *exchange) create(rt *resourceType, body *object) (Record, error) {
	next, err := rt.prepare(body)
	if err != nil {
		return Record{}, err
	}
	if rt.name == TypeUser && next.doc.get("active") == nil {
		next.doc.set("active", true)
	}
	err = errors.Join(rt.finish(next.doc, x.work), rt.checkDeclared(next.doc, nothingStored, x.work), checkUserName("", next.doc.text("userName")))
	if err != nil {
		return Record{}, err
	}
	switch external := next.doc.text("externalId"); {
	case external == "":
	case rt.name == TypeGroup:
		if err := x.repeated(rt, external, next.doc); err != nil {
			return Record{}, err
		}
	case rt.name == TypeUser && x.stableExternalID():
		if rec, err := x.restore(rt, Key{Name: KeyExternalID, Value: external}, next.doc); !errors.Is(err, ErrNotFound) {
			return rec, err
		}
	}
	w := rt.write(Create, newID(), next.doc, x.now())
	w.Members = x.members(next.members)
	rec, err := x.commit(w, 0)
	if rt.name == TypeUser && errors.Is(err, ErrDuplicate) {
		userName := Key{Name: KeyUserName, Value: foldText(next.doc.text("userName"))}
		if restored, err := x.restore(rt, userName, next.doc); !errors.Is(err, ErrNotFound) {
			return restored, err
		}
	}
	return rec, err
}

// mostSame is the number of records with the same external id that a creation
// is compared with, in the order of their creation. Nothing forbids that many
// records have it, but then it identifies none of them.
const mostSame = 10

// repeated refuses a group that already exists with the same external id and
// name: a client that lost the answer to a creation sends it again, and after
// the refusal looks for the existing group. The external id alone, or the name
// alone, may occur in several groups.
func (x *exchange) repeated(rt *resourceType, external string, doc *object) error {
	page, err := x.cfg.Store.List(x.ctx, x.dir, Query{Type: rt.name, Where: []Key{{Name: KeyExternalID, Value: external}}, Limit: mostSame})
	if err != nil {
		return err
	}
	name := foldText(doc.text("displayName"))
	for _, rec := range page.Records {
		if err := x.work.spend(1 + len(rec.Doc)/scannedPerUnit + folding(rec.Display)); err != nil {
			return err
		}
		if foldText(rec.Display) == name {
			return fail(http.StatusConflict, scimerrors.ScimTypeUniqueness, "externalId: a group with this external id and display name exists")
		}
	}
	return nil
}

// A recordKey identifies a record across all directories.
type recordKey struct {
	dir Directory
	ref Ref
}

// retry runs change until no other change of the record interferes. With
// If-Match there is one attempt, because the client wants to change that
// version only. Changes that have conflicted run one after another, and so do
// changes that arrive meanwhile: many concurrent changes would conflict again
// and again.
func (x *exchange) retry(ref Ref, c conditions, change func() (Record, error)) (Record, error) {
	key := recordKey{x.dir, ref}
	queued := false
	for try := range maxRetries {
		if !queued && (try > 0 || x.contested.busy(key)) {
			x.pause()
			leave, err := x.contested.enter(x.ctx, key, math.MaxInt)
			if err != nil {
				return Record{}, err
			}
			defer leave()
			queued = true
		}
		rec, err := change()
		if c.match != "" || !errors.Is(err, ErrConflict) {
			return rec, err
		}
		// Give a change of the record in another process time to end.
		x.pause()
		x.work.hold(0)
		if try > 0 {
			if err := sleep(x.ctx, mathrand.N(time.Duration(min(try, 20))*500*time.Microsecond)); err != nil {
				return Record{}, err
			}
		}
	}
	return Record{}, fail(http.StatusServiceUnavailable, "", "the resource is changing too fast; try again")
}

// replace replaces a resource. A body without active does not reactivate a
// user: the present state stays.
func (x *exchange) replace(rt *resourceType, id string, body *object, c conditions, links bool) (Record, error) {
	next, err := rt.prepare(body)
	if err != nil {
		return Record{}, err
	}
	if err := rt.finish(next.doc, x.work); err != nil {
		return Record{}, err
	}
	keepsActive := rt.name == TypeUser && next.doc.get("active") == nil
	return x.retry(Ref{rt.name, id}, c, func() (Record, error) {
		rec, old, err := x.current(rt, id, c, links)
		if err != nil {
			return Record{}, err
		}
		doc := cloneValue(next.doc).(*object)
		kept, err := rt.keepFixed(old, doc, x.work)
		if err == nil && kept { // next may need an extension that the body lacked
			err = rt.finish(doc, x.work)
		}
		if err == nil {
			err = rt.checkDeclared(doc, func() (*object, error) { return old, nil }, x.work)
		}
		if err = errors.Join(err, checkUserName(old.text("userName"), doc.text("userName"))); err != nil {
			return Record{}, err
		}
		if active := old.get("active"); keepsActive && active != nil {
			doc.set("active", active)
		}
		return x.store(rt, rec, doc, next.members, true)
	})
}

// current reads a record that is to be changed and checks the preconditions.
// With links it also reads the groups of a record, for the answer. A write that
// changes the record requires the version that was read with them.
func (x *exchange) current(rt *resourceType, id string, c conditions, links bool) (Record, *object, error) {
	rec, err := x.cfg.Store.Get(x.ctx, x.dir, Ref{rt.name, id}, links && rt.links != "members")
	if err != nil {
		return rec, nil, err
	}
	if err := c.check(rec); err != nil {
		return rec, nil, err
	}
	doc, err := readDoc(rec, x.work)
	if err != nil {
		return rec, nil, err
	}
	_, units := rt.keying(doc) // the change may remove the keys
	if x.inBulk {              // no answer shows the links
		units += len(rec.Links) * unitsPerReadLink
	}
	return rec, doc, x.work.spend(units)
}

// store writes a record if something has changed, and otherwise nothing. If
// guarded is set, or if the document changes, the record must be unchanged
// since it was read.
func (x *exchange) store(rt *resourceType, rec Record, doc *object, members *MemberChange, guarded bool) (Record, error) {
	w := rt.write(Update, rec.ID, doc, x.now())
	if bytes.Equal(w.Doc, rec.Doc) {
		w.Doc, w.Keys, w.Display = nil, nil, ""
		if members == nil {
			return rec, nil
		}
	}
	w.Members = x.members(members)
	if guarded || w.Doc != nil {
		w.IfVersion = rec.Version
	}
	written, err := x.commit(w, rec.Version)
	if errors.Is(err, ErrDuplicate) {
		written, err = x.keepTaken(rt, rec, w, err)
	}
	if rt.links != "members" {
		written.Links = rec.Links
	}
	return written, err
}

// patch applies a PatchOp message.
func (x *exchange) patch(rt *resourceType, id string, body *object, c conditions, links bool) (Record, error) {
	ops, err := parsePatch(body, x.cfg.MaxOperations)
	if err != nil {
		return Record{}, err
	}
	readBefore := x.membersRead
	return x.retry(Ref{rt.name, id}, c, func() (Record, error) {
		rec, doc, err := x.current(rt, id, c, links)
		if err != nil {
			return Record{}, err
		}
		p := &patcher{rt: rt, id: id, doc: doc, stored: func() (*object, error) { return readDoc(rec, x.work) }, locate: x.location, work: x.work}
		version := rec.Version
		p.members.current = sync.OnceValues(func() ([]Link, error) {
			if readBefore { // the first patch may read the group, as a GET may
				members, err := x.count(KeyGroup, rec.ID)
				if err = cmp.Or(err, x.work.spend(members*unitsPerReadLink)); err != nil {
					return nil, err
				}
			}
			x.membersRead = true
			read, err := x.read(rec.Ref, true)
			if err == nil && read.Version != version {
				err = ErrConflict
			}
			return read.Links, err
		})
		was := doc.text("userName")
		if err := p.apply(ops); err != nil {
			return Record{}, err
		}
		x.sent = p.sent
		if err := checkUserName(was, p.doc.text("userName")); err != nil {
			return Record{}, err
		}
		return x.store(rt, rec, p.doc, p.members.change(), c.guards() || p.members.loaded)
	})
}

// remove deletes a resource.
func (x *exchange) remove(rt *resourceType, id string, c conditions) error {
	ref := Ref{rt.name, id}
	rec, err := x.retry(ref, c, func() (Record, error) {
		w := Write{Op: Delete, Ref: ref, At: x.now()}
		if c.guards() || c.noneMatch != "" {
			rec, err := x.cfg.Store.Get(x.ctx, x.dir, w.Ref, false)
			if err == nil {
				err = c.check(rec)
			}
			if err != nil { // the document is not read, so that an unreadable record can be deleted
				return Record{}, err
			}
			w.IfVersion = rec.Version
		}
		return x.commit(w, 0)
	})
	if err == nil && x.inBulk { // the later operations pay for its keys
		if doc, err := readDoc(rec, x.work); err == nil {
			_, keys := rt.keying(doc)
			x.work.owe(keys)
		}
	}
	return err
}
