package fake

import (
	"net/http"
	"slices"
	"time"

	"github.com/usher-go/usher/sources"
)

// deltaLife is how long Graph keeps the state behind a delta link.
const deltaLife = 7 * 24 * time.Hour

// round returns the position of a delta request. If its token is invalid, it
// answers the request itself.
func (e *Entra) round(w http.ResponseWriter, r *http.Request, of string, q graphQuery, now time.Time) (t graphToken, ok bool) {
	text := q.skip
	if text == "" {
		text = q.delta
	}
	if text == "" {
		t = graphToken{Of: of, To: e.Directory.seq, Selected: q.selected, First: true}
		t.Given, t.Epoch = now, e.forgotten.Load()
		return t, true
	}
	t, ok = readGraphToken(text)
	switch {
	case !ok || t.Of != of:
		graphRefuses(w, http.StatusBadRequest, "BadRequest", "Badly formed token.", now)
		return t, false
	case t.Epoch != e.forgotten.Load():
		w.Header().Set("Location", origin(r)+"/v1.0/"+of+"/delta?$deltatoken=")
		graphRefuses(w, http.StatusGone, "resyncRequired", "The state of the delta was lost; start again.", now)
		return t, false
	case now.Sub(t.Given) > deltaLife:
		graphRefuses(w, http.StatusBadRequest, "syncStateNotFound", "The sync state generation is not found.", now)
		return t, false
	}
	if q.skip == "" { // a new round
		t.From, t.To, t.After, t.Given, t.First = t.To, e.Directory.seq, "", now, false
	}
	return t, true
}

// A deltaPage is a page of a delta that is being filled.
type deltaPage struct {
	rows []any
	t    graphToken // the position of its first row
}

// sayDelta answers with the page. If next is nil, the round is over; otherwise
// another page follows after next.
func (e *Entra) sayDelta(w http.ResponseWriter, r *http.Request, p deltaPage, next *graphToken) {
	base := origin(r) + "/v1.0/" + p.t.Of + "/delta?"
	answer := map[string]any{"@odata.context": origin(r) + "/v1.0/$metadata#" + p.t.Of, "value": p.rows}
	if next != nil {
		next.Blank = e.Unruly && !p.t.Blank
		answer["@odata.nextLink"] = base + "$skiptoken=" + next.String()
	} else {
		end := p.t
		end.After, end.Member, end.Part, end.Blank = "", "", false, false
		answer["@odata.deltaLink"] = base + "$deltatoken=" + end.String()
	}
	say(w, http.StatusOK, answer)
}

// blank answers with an empty page if the page has to be empty.
func (e *Entra) blank(w http.ResponseWriter, r *http.Request, t graphToken) bool {
	if !t.Blank {
		return false
	}
	next := t
	e.sayDelta(w, r, deltaPage{rows: []any{}, t: t}, &next)
	return true
}

func (e *Entra) deltaRows() int {
	if e.DeltaRows > 0 {
		return e.DeltaRows
	}
	return 200
}

// graphRemoved says that an object is in the deleted items, or after thirty days
// there is deleted for good.
func graphRemoved(at, now time.Time) map[string]any {
	if now.Sub(at) > 30*24*time.Hour {
		return map[string]any{"reason": "deleted"}
	}
	return map[string]any{"reason": "changed"}
}

// removedRows returns the rows of what a round reports as removed, in order.
func (e *Entra) removedRows(removed map[string]stamp, t graphToken, now time.Time) []any {
	rows := []any{}
	if t.First && !e.Unruly {
		return rows
	}
	for _, id := range sortedKeys(removed) {
		if at := removed[id]; at.seq > t.From && at.seq <= t.To {
			rows = append(rows, map[string]any{"id": id, "@removed": graphRemoved(at.at, now)})
		}
	}
	return rows
}

// returned returns the rows with which an unruly round ends: the removals of what
// came back in it, after the rows that have it as present.
func (e *Entra) returned(kind moveKind, t graphToken, now time.Time) (rows []any) {
	for _, left := range e.Directory.moves.log {
		id, there := left.user, e.Directory.users.byID[left.user] != nil
		if kind == groupGone {
			id, there = left.group, e.Directory.groups.byID[left.group] != nil
		}
		if e.Unruly && left.kind == kind && there && left.seq > t.From && left.seq <= t.To {
			rows = append(rows, map[string]any{"id": id, "@removed": graphRemoved(left.at, now)})
		}
	}
	return rows
}

// after returns the position of the first object after an ID.
func after[T any](order []*item[T], id string) int {
	at, found := slices.BinarySearchFunc(order, id, func(i *item[T], id string) int { return compareIDs(i.id, id) })
	if found {
		at++
	}
	return at
}

func (e *Entra) deltaUsers(w http.ResponseWriter, r *http.Request, q graphQuery, now time.Time) {
	t, ok := e.round(w, r, "users", q, now)
	if !ok || e.blank(w, r, t) {
		return
	}
	all := &e.Directory.users
	page := deltaPage{t: t, rows: []any{}}
	first := 0
	if t.After == "" {
		page.rows = e.removedRows(all.removed, t, now)
	} else {
		first = after(all.order, t.After)
		if last, ok := all.byID[t.After]; ok && e.Unruly {
			page.rows = append(page.rows, e.again(last, t))
		} else if at, removed := all.removed[t.After]; removed && e.Unruly {
			page.rows = append(page.rows, map[string]any{"id": t.After, "@removed": graphRemoved(at.at, now)})
		}
	}
	count := 0
	var last *item[sources.User]
	for i := first; i < len(all.order); i++ {
		u := all.order[i]
		if u.changed.seq <= t.From || t.From > 0 && u.changed.seq > t.To {
			continue
		}
		if count == e.deltaRows() {
			next := t
			next.After = last.id
			if e.Unruly && inParts(last.id) {
				page.rows[len(page.rows)-1] = e.firstPart(last, t)
			}
			e.sayDelta(w, r, page, &next)
			return
		}
		page.rows = append(page.rows, e.deltaUser(u, t, true))
		last = u
		count++
	}
	page.rows = append(page.rows, e.returned(userGone, t, now)...)
	e.sayDelta(w, r, page, nil)
}

// inParts reports whether an unruly delta reports the last user of a page in two
// parts, the second on the next page. Other users are repeated there.
func inParts(id string) bool { return id != "" && id[len(id)-1]%2 == 0 }

// firstPart returns every second property of a user, in alphabetical order.
func (e *Entra) firstPart(i *item[sources.User], t graphToken) any {
	row := e.deltaUser(i, t, false)
	for n, name := range sortedKeys(row) {
		if n%2 == 0 && name != "id" {
			delete(row, name)
		}
	}
	return row
}

// again returns the last user of the page before: completely but without relations,
// or the properties that firstPart left out.
func (e *Entra) again(i *item[sources.User], t graphToken) any {
	if !inParts(i.id) {
		return e.deltaUser(i, t, false)
	}
	row := e.deltaUser(i, t, true)
	for n, name := range sortedKeys(e.deltaUser(i, t, false)) {
		if n%2 != 0 && name != "id" {
			delete(row, name)
		}
	}
	return row
}

// deltaUser returns a user for a round, with the change of the manager.
func (e *Entra) deltaUser(i *item[sources.User], t graphToken, relations bool) map[string]any {
	whole := e.properties(i)
	row := pick(whole, t.Selected, graphUserDefault)
	for name, value := range row {
		if _, set := whole[name]; value == nil && !set && (t.First || i.created.seq > t.From) {
			delete(row, name) // was never set
		}
	}
	if !relations || !slices.Contains(t.Selected, "manager") || slices.Contains(e.Limited, i.id) {
		return row
	}
	link := func(id string, removed bool) map[string]any {
		l := map[string]any{"@odata.type": userType, "id": id}
		if removed {
			l["@removed"] = map[string]any{"reason": "deleted"}
		}
		return l
	}
	manager := i.value.Manager.ID
	move, moved := e.Directory.moves.manager(i.id)
	moved = moved && move.seq > t.From
	fresh := t.First || i.created.seq > t.From
	var links []any
	if moved && !fresh && move.former != "" {
		links = append(links, link(move.former, true))
	}
	if manager != "" && (fresh || moved) {
		links = append(links, link(manager, false))
	}
	if links != nil {
		row["manager@delta"] = links
	}
	return row
}

func (e *Entra) deltaGroups(w http.ResponseWriter, r *http.Request, q graphQuery, now time.Time) {
	t, ok := e.round(w, r, "groups", q, now)
	if !ok || e.blank(w, r, t) {
		return
	}
	all := &e.Directory.groups
	page := deltaPage{t: t, rows: []any{}}
	first := 0
	if t.After == "" {
		page.rows = e.removedRows(all.removed, t, now)
	} else if first = after(all.order, t.After); t.Part {
		if g, ok := all.byID[t.After]; ok && first > 0 && all.order[first-1] == g {
			first-- // the page before had the first members
		} else if at, removed := all.removed[t.After]; removed {
			page.rows = append(page.rows, map[string]any{"id": t.After, "@removed": graphRemoved(at.at, now)})
		}
	} else if last, ok := all.byID[t.After]; ok && e.Unruly {
		page.rows = append(page.rows, pick(e.group(last), t.Selected, graphGroupDefault))
	}
	room := e.DeltaMembers
	if room <= 0 {
		room = 1000
	}
	count := 0
	for i := first; i < len(all.order); i++ {
		g := all.order[i]
		if g.changed.seq <= t.From {
			continue
		}
		if count == e.deltaRows() || room <= 0 {
			next := t
			next.After, next.Member, next.Part = all.order[i-1].id, "", false
			e.sayDelta(w, r, page, &next)
			return
		}
		from := ""
		if t.Part && g.id == t.After {
			from = t.Member
		}
		row := pick(e.group(g), t.Selected, graphGroupDefault)
		links, last, more := e.deltaMembers(g, t, from, room)
		if len(links) > 0 && slices.Contains(t.Selected, "members") {
			row["members@delta"] = links
		}
		page.rows = append(page.rows, row)
		room -= len(links)
		count++
		if more {
			next := t
			next.After, next.Member, next.Part = g.id, last, true
			e.sayDelta(w, r, page, &next)
			return
		}
	}
	page.rows = append(page.rows, e.returned(groupGone, t, now)...)
	e.sayDelta(w, r, page, nil)
}

// deltaMembers returns members of a group for a round: those after one of them, at
// most so many. It also returns the last of them, and whether there are more.
func (e *Entra) deltaMembers(g *item[sources.Group], t graphToken, from string, room int) (links []any, last string, more bool) {
	fresh := t.First || g.created.seq > t.From
	if e.hides(g.id) {
		return nil, "", false
	}
	ids := g.value.Members
	if !fresh {
		ids = nil
		for id := range e.Directory.moves.members[g.id] {
			move, _ := e.Directory.moves.member(g.id, id)
			_, isUser := e.Directory.users.byID[id]
			_, isGroup := e.Directory.groups.byID[id]
			if move.seq > t.From && (isUser || isGroup || !e.Unruly) { // a removed user may be left out
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, compareIDs)
	} else if e.Unruly {
		ids = append(slices.Clone(ids), e.ghosts(g)...)
		slices.SortFunc(ids, compareIDs)
	}
	first, found := slices.BinarySearchFunc(ids, from, compareIDs)
	if found && from != "" {
		first++
	}
	for _, id := range ids[first:] {
		if len(links) == room {
			return links, last, true
		}
		link := map[string]any{"@odata.type": userType, "id": id}
		if _, nested := e.Directory.groups.byID[id]; nested {
			link["@odata.type"] = groupType
		}
		if move, _ := e.Directory.moves.member(g.id, id); !fresh && move.kind == memberOut {
			link["@removed"] = map[string]any{"reason": "deleted"}
		}
		links, last = append(links, link), id
	}
	return links, last, false
}

// ghosts returns the users who were removed while they were in a group. In the
// deleted items they are still its members.
func (e *Entra) ghosts(g *item[sources.Group]) (ids []string) {
	for id := range e.Directory.moves.members[g.id] {
		move, _ := e.Directory.moves.member(g.id, id)
		if _, removed := e.Directory.users.removed[id]; removed && move.kind == memberOut {
			ids = append(ids, id)
		}
	}
	return ids
}
