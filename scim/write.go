package scim

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"
)

// write returns a Write with the document.
func (rt *resourceType) write(op Op, id string, doc *object, at time.Time) Write {
	w := Write{Op: op, Ref: Ref{rt.name, id}, At: at, Doc: appendJSON(make([]byte, 0, 512), doc), Keys: rt.keys(doc)}
	if rt.name == TypeGroup {
		w.Display = doc.text("displayName")
	}
	return w
}

// now returns the time of a change, in the resolution of answers.
func (h *handler) now() time.Time { return h.cfg.Now().UTC().Truncate(time.Millisecond) }

// members returns a change of members with the host's setting for unknown
// members.
func (x *exchange) members(c *MemberChange) *MemberChange {
	if c == nil || !x.cfg.SkipUnknownMembers {
		return c
	}
	skipping := *c
	skipping.SkipUnknown = true
	return &skipping
}

// commit applies a write and reports it to OnChange. It first parses the
// document as every later reader does, so that nothing is acknowledged that
// cannot be served, filtered or changed later.
func (x *exchange) commit(w Write, before int64) (Record, error) {
	members, joining := w.Members.size()
	if w.Op == Update && members > 0 && w.Members.Replace && !x.work.affords(joining) {
		var err error
		if joining, err = x.joining(w); err != nil {
			return Record{}, err
		}
	}
	if err := cmp.Or(x.work.spend(1+2*len(w.Doc)/scannedPerUnit), x.work.settle(joining)); err != nil {
		return Record{}, err
	}
	if int64(len(w.Doc)) > maxGrowth*x.cfg.MaxBody {
		return Record{}, tooLarge("the resource would be larger than %d bytes", maxGrowth*x.cfg.MaxBody)
	}
	if w.Doc != nil {
		dense, err := checkObject(string(w.Doc))
		if err := x.work.spend(dense); err != nil {
			return Record{}, err
		}
		if err != nil {
			refused, _ := clientError(err)
			return Record{}, badValue("the resource as a whole: %s", refused.Detail)
		}
	}
	leaving, err := x.leaving(w)
	if err != nil {
		return Record{}, err
	}
	if members > freeRecords {
		if err := x.work.long(); err != nil {
			return Record{}, err
		}
		x.work.lend()
	} else {
		x.pause()
	}
	x.stored += storedRecord + len(w.Doc)
	rec, err := x.cfg.Store.Apply(x.ctx, x.dir, w)
	x.pause()
	x.work.owe(unitsPerWrite + len(w.Doc)/storedPerUnit)
	if errors.Is(err, ErrDuplicate) {
		return rec, x.duplicate(w)
	}
	if err != nil {
		return rec, err
	}
	x.work.owe(joining + leaving)
	if x.cfg.OnChange != nil && (w.Op == Delete || rec.Version != before) {
		event := Event{Directory: x.dir, Ref: rec.Ref, Version: rec.Version}
		if w.Op == Delete {
			event.Deleted, event.Version = true, 0
		}
		x.cfg.OnChange(context.WithoutCancel(x.ctx), event)
	}
	return rec, nil
}

// size returns the number of members in the change, and the work of making it
// without the memberships that it ends and does not name.
func (c *MemberChange) size() (members, units int) {
	if c == nil {
		return 0, 0
	}
	return len(c.Add) + len(c.Remove), len(c.Add)*unitsPerJoin + len(c.Remove)*unitsPerLeave
}

// joining returns the work of a change that replaces the members of a group. It
// reads them, because most may stay: many clients send all members with each
// change.
func (x *exchange) joining(w Write) (units int, err error) {
	rec, err := x.read(w.Ref, true)
	if errors.Is(err, ErrNotFound) {
		return 0, nil // the store refuses the change
	}
	if err == nil {
		err = x.work.spend(len(rec.Links) * unitsPerReadLink)
	}
	present := make(map[string]bool, len(rec.Links))
	for _, link := range rec.Links {
		present[link.ID] = true
	}
	for _, link := range w.Members.Add {
		if present[link.ID] {
			units += unitsPerReadLink
		} else {
			units += unitsPerJoin
		}
	}
	return units, err
}

// leaving returns the work of ending the memberships that a write ends without
// naming them. Only the operations of a bulk request after this one are refused
// for it, so it is 0 in any other request.
func (x *exchange) leaving(w Write) (units int, err error) {
	if !x.inBulk {
		return 0, nil
	}
	members, groups := 0, 0
	if w.Ref.Type == TypeGroup && (w.Op == Delete || w.Op == Update && w.Members != nil && w.Members.Replace) {
		members, err = x.count(KeyGroup, w.Ref.ID)
	}
	if w.Op == Delete && err == nil {
		groups, err = x.count(KeyMember, w.Ref.ID)
	}
	if w.Members != nil { // they may stay
		members = max(0, members-len(w.Members.Add))
	}
	return (members + 2*groups) * unitsPerLeave, err // each of the groups has its own total
}

// count returns the number of records that have a key.
func (x *exchange) count(name, value string) (int, error) {
	page, err := x.cfg.Store.List(x.ctx, x.dir, Query{Where: []Key{{Name: name, Value: value}}, Count: true})
	return page.Total, err
}

// newID returns a random UUID (version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[:8], b[:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
