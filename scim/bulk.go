package scim

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A bulkOp is one operation of a bulk request (RFC 7644 section 3.7).
type bulkOp struct {
	method, path, bulkID, version string
	data                          *object
	refs                          []string  // the bulkIds that path and data refer to, each once
	awaited                       int       // the number of refs that do not exist yet
	awaiting                      []*bulkOp // operations that refer to the resource that this one creates
	result                        *object   // nil until the operation is finished
	changed                       Ref       // the resource that the operation has made or changed
	failed                        bool
}

const bulkPrefix = "bulkId:"

// A bulkRun is the work on one bulk request.
type bulkRun struct {
	*exchange
	ops    []*bulkOp
	makers map[string]*bulkOp // bulkId to the operation that creates it
	ids    map[string]string  // bulkId to the assigned id
	errors int
	most   int // failOnErrors; 0 means no limit
	// applied reports that an operation was applied. outage is a failure of the
	// store, which ends the run.
	applied bool
	outage  error
	// several reports that an operation may have changed resources other than its
	// own: the members of a group, or the groups of a deleted user.
	several bool
	// Resources of a cycle of references that were created without their
	// references. These are set when all ids are known.
	unfinished []unfinished
}

type unfinished struct {
	op *bulkOp
	rt *resourceType
	id string
}

// bulk serves a bulk request. Each operation is applied completely or not at
// all; the request as a whole is not atomic.
func (x *exchange) bulk() error {
	body, err := x.body(nil)
	if err != nil {
		return err
	}
	run, err := x.parseBulk(body)
	if err != nil {
		return err
	}
	if x.limiter != nil {
		x.limiter.charge(x.principal.Tenant, len(run.ops)-1) // the request itself was counted already
	}
	x.inBulk = true
	run.process()
	run.refresh()
	if x.sight != nil {
		x.sight.Operations, x.sight.Failed = len(run.ops), run.errors
	}
	if run.outage != nil && !run.applied { // the client may send the whole request again
		return run.outage
	}
	results := []any{}
	for _, op := range run.ops {
		if op.result != nil {
			results = append(results, op.result)
		}
	}
	x.respond(http.StatusOK, appendJSON(nil, &object{fields: []field{
		{"schemas", []any{messageMark + "BulkResponse"}},
		{"Operations", results},
	}}))
	return nil
}

func (x *exchange) parseBulk(body *object) (*bulkRun, error) {
	list, ok := body.get("Operations").([]any)
	if !ok {
		return nil, badSyntax("Operations: want a list of operations")
	}
	if len(list) > x.cfg.MaxOperations {
		return nil, tooLarge("Operations: more than %d operations", x.cfg.MaxOperations)
	}
	most, err := numberField(field{"failOnErrors", body.get("failOnErrors")}, 0)
	if err != nil {
		return nil, err
	}
	run := &bulkRun{exchange: x, makers: map[string]*bulkOp{}, ids: map[string]string{}, most: most}
	for i, e := range list {
		in, ok := e.(*object)
		if !ok {
			return nil, badSyntax("Operations[%d]: want an object", i)
		}
		op := &bulkOp{
			method: strings.ToUpper(in.text("method")), path: in.text("path"),
			bulkID: in.text("bulkId"), version: in.text("version"),
		}
		data := in.get("data")
		if text, ok := data.(string); ok { // JSON in a string, as in examples of the RFC
			data, _ = embedded(text)
		}
		if list, ok := data.([]any); ok && op.method == http.MethodPatch { // the operations alone, as in section 3.7.3
			data = &object{fields: []field{{"Operations", list}}}
		}
		op.data, _ = data.(*object)
		seen := map[string]bool{}
		refer := func(id string) {
			if !seen[id] {
				seen[id] = true
				op.refs = append(op.refs, id)
			}
		}
		if at := strings.Index(op.path, bulkPrefix); at >= 0 {
			refer(op.path[at+len(bulkPrefix):])
		}
		if op.data != nil {
			bulkRefs(refer, op.data)
		}
		if op.method == http.MethodPost && op.bulkID != "" && run.makers[op.bulkID] == nil {
			run.makers[op.bulkID] = op
		}
		run.ops = append(run.ops, op)
	}
	for _, op := range run.ops {
		for _, ref := range op.refs {
			if maker := run.makers[ref]; maker != nil && (maker != op || op.method == http.MethodPost) {
				maker.awaiting = append(maker.awaiting, op)
				op.awaited++
			}
		}
	}
	return run, nil
}

// bulkRefs calls refer with each bulkId that a value refers to.
func bulkRefs(refer func(id string), v any) {
	switch v := v.(type) {
	case string:
		if id, ok := strings.CutPrefix(v, bulkPrefix); ok {
			refer(id)
		}
	case []any:
		for _, e := range v {
			bulkRefs(refer, e)
		}
	case *object:
		for _, f := range v.fields {
			bulkRefs(refer, f.value)
		}
	}
}

// resolved returns v with bulkIds replaced by ids. A reference to a bulkId that
// is not known yet is omitted.
func (b *bulkRun) resolved(v any) any {
	switch v := v.(type) {
	case string:
		ref, ok := strings.CutPrefix(v, bulkPrefix)
		if !ok {
			return v
		}
		if id, known := b.ids[ref]; known {
			return id
		}
		return nil
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e = b.resolved(e); e != nil {
				out = append(out, e)
			}
		}
		return out
	case *object:
		out := &object{fields: make([]field, 0, len(v.fields))}
		for _, f := range v.fields {
			value := b.resolved(f.value)
			if value == nil && f.value != nil && sameName(f.name, "value") {
				return nil // an element without its value has no meaning
			}
			if value != nil || f.value == nil {
				out.fields = append(out.fields, field{f.name, value})
			}
		}
		return out
	}
	return v
}

// process runs the operations in order, but an operation runs only when the ids
// that it refers to are known. When a creation completes, the operations that
// waited for it run first. If only a cycle is left, it is opened at its first
// creation.
func (b *bulkRun) process() {
	pending := slices.Clone(b.ops)
	for len(pending) > 0 && !b.stopped() {
		// The first operation whose references all exist.
		next := slices.IndexFunc(pending, func(op *bulkOp) bool { return op.awaited == 0 })
		if next < 0 {
			if next = b.opening(pending); next < 0 {
				return
			}
		}
		b.run(pending[next])
		pending = slices.Delete(pending, next, next+1)
	}
	for _, u := range b.unfinished {
		if b.stopped() {
			return
		}
		b.complete(u)
	}
}

func (b *bulkRun) stopped() bool {
	return b.most > 0 && b.errors >= b.most || b.outage != nil || b.ctx.Err() != nil
}

// opening returns the index of a creation at which a cycle can be opened, by
// creating the resource without its references. If there is none, it refuses
// the remaining operations and returns -1.
func (b *bulkRun) opening(ops []*bulkOp) int {
	for i, op := range ops {
		if op.method == http.MethodPost && op.bulkID != "" && !strings.Contains(op.path, bulkPrefix) {
			return i
		}
	}
	for _, op := range ops {
		b.fail(op, badValue("%s: the operations refer to one another in a circle", bulkPrefix))
	}
	return -1
}

// run applies one operation and stores its result.
func (b *bulkRun) run(op *bulkOp) {
	b.pause()
	b.work.hold(0)
	rt, id, err := b.target(op)
	if err == nil { // what has no work left reads nothing
		err = b.work.failed()
	}
	if err == nil {
		err = b.pace.operation(b.ctx, b.party, b.work.done-b.paced)
		b.paced = b.work.done
	}
	if err != nil {
		b.fail(op, err)
		return
	}
	partial := false
	for _, ref := range op.refs {
		maker := b.makers[ref]
		switch {
		case maker == nil:
			err = badValue("%q: no operation has this bulkId", bulkPrefix+clip(ref))
		case maker.failed:
			err = fail(http.StatusConflict, "", "%q: the operation with this bulkId failed", bulkPrefix+clip(ref))
		case maker.result == nil:
			partial = true
		}
		if err != nil {
			b.fail(op, err)
			return
		}
	}
	var data *object
	if op.data != nil {
		data, _ = b.resolved(op.data).(*object)
	}
	if data == nil && op.method != http.MethodDelete {
		b.fail(op, badSyntax("data: want an object"))
		return
	}
	rec, status, err := b.apply(op, rt, id, data)
	if err != nil {
		b.fail(op, err)
		return
	}
	if op.method == http.MethodPost {
		b.ids[op.bulkID] = rec.ID
		id = rec.ID
	}
	b.done(op, rt, id, rec, status)
	if partial {
		b.unfinished = append(b.unfinished, unfinished{op, rt, id})
	}
}

func (b *bulkRun) apply(op *bulkOp, rt *resourceType, id string, data *object) (rec Record, status int, err error) {
	c := conditions{match: op.version}
	switch op.method {
	case http.MethodPost:
		rec, err = b.create(rt, data)
		return rec, http.StatusCreated, err
	case http.MethodPut:
		rec, err = b.replace(rt, id, data, c, true)
		return rec, http.StatusOK, err
	case http.MethodPatch:
		rec, err = b.patch(rt, id, data, c, true)
		return rec, http.StatusOK, err
	}
	return rec, http.StatusNoContent, b.remove(rt, id, c)
}

// target checks method and path and returns the resource that they name.
func (b *bulkRun) target(op *bulkOp) (*resourceType, string, error) {
	path := strings.TrimPrefix(op.path, b.base)
	name, id, one := strings.Cut(strings.Trim(path, "/"), "/")
	rt := b.typeAt(name)
	if rt == nil {
		return nil, "", fail(http.StatusNotFound, "", "path: %q is not the endpoint of a resource type", clip(op.path))
	}
	switch op.method {
	case http.MethodPost:
		if one {
			return nil, "", badSyntax("path: POST wants the endpoint of a type, such as %s", rt.endpoint)
		}
		if op.bulkID == "" {
			return nil, "", badSyntax("bulkId: POST wants one")
		}
		if b.makers[op.bulkID] != op {
			return nil, "", badValue("bulkId: %q is used twice", clip(op.bulkID))
		}
		return rt, "", nil
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		if !one || id == "" {
			return nil, "", badSyntax("path: %s wants the path of a resource, such as %s/{id}", op.method, rt.endpoint)
		}
	default:
		return nil, "", badSyntax("method: want POST, PUT, PATCH or DELETE, got %q", clip(op.method))
	}
	if ref, ok := strings.CutPrefix(id, bulkPrefix); ok {
		if id, ok = b.ids[ref]; !ok {
			return nil, "", badValue("path: %q names no resource", clip(op.path))
		}
		return rt, id, nil
	}
	unescaped, err := url.PathUnescape(id)
	if err != nil {
		return nil, "", badSyntax("path: %q is malformed", clip(op.path))
	}
	return rt, unescaped, nil
}

// complete sets the references of a resource of a cycle.
func (b *bulkRun) complete(u unfinished) {
	for _, ref := range u.op.refs {
		if _, known := b.ids[ref]; !known {
			b.fail(u.op, fail(http.StatusConflict, "", "%q: the operation with this bulkId failed", bulkPrefix+clip(ref)))
			return
		}
	}
	data, _ := b.resolved(u.op.data).(*object)
	rec, err := b.replace(u.rt, u.id, data, conditions{}, true)
	if err != nil {
		b.fail(u.op, err)
		return
	}
	b.done(u.op, u.rt, u.id, rec, http.StatusCreated)
}

func (b *bulkRun) done(op *bulkOp, rt *resourceType, id string, rec Record, status int) {
	b.applied = true
	op.finish(op.answer(status))
	op.result.set("location", b.location(Ref{rt.name, id}))
	b.several = b.several || rt.name == TypeGroup || op.method == http.MethodDelete
	if op.method != http.MethodDelete {
		op.changed = Ref{rt.name, id}
		op.result.set("version", rec.tag())
	}
}

// refresh sets the versions of resources that a later operation has changed as
// well: the answer has the current version (RFC 7644 section 3.7). If they
// cannot be read, the version is the one after the resource's own operation.
func (b *bulkRun) refresh() {
	if !b.several || len(b.ops) < 2 {
		return
	}
	for _, rt := range b.types {
		var keys []Key
		for _, op := range b.ops {
			if op.changed.Type == rt.name {
				keys = append(keys, Key{Name: KeyID, Value: op.changed.ID})
			}
		}
		tags := make(map[string]string, len(keys))
		in := b.reader(Query{Type: rt.name, Links: rt.links != "members", NoDoc: true})
		for len(keys) > 0 {
			n := min(len(keys), in.batch, findKeys)
			in.query.Any, in.query.After, in.done = keys[:n], 0, false
			keys = keys[n:]
			records, err := in.read(n)
			if err != nil {
				return
			}
			for _, rec := range records {
				if b.work.spend(1+len(rec.Links)*unitsPerReadLink) != nil {
					return
				}
				tags[rec.ID] = rec.tag()
			}
		}
		for _, op := range b.ops {
			if tag := tags[op.changed.ID]; tag != "" && op.changed.Type == rt.name && !op.failed {
				op.result.set("version", tag)
			}
		}
	}
}

func (b *bulkRun) fail(op *bulkOp, err error) {
	b.errors++
	if errors.Is(err, ErrUnavailable) {
		b.outage = err
	}
	visible := b.visible(err)
	op.failed = true
	op.finish(op.answer(visible.Status))
	op.result.set("response", errorObject(visible))
	if op.method != http.MethodPost {
		op.result.set("location", b.base+"/"+strings.Trim(strings.TrimPrefix(op.path, b.base), "/"))
	}
}

// finish stores the result; operations that waited for this one no longer wait.
func (op *bulkOp) finish(result *object) {
	op.result = result
	for _, other := range op.awaiting {
		other.awaited--
	}
	op.awaiting = nil
}

func (op *bulkOp) answer(status int) *object {
	o := &object{fields: []field{{"method", op.method}}}
	if op.bulkID != "" {
		o.set("bulkId", op.bulkID)
	}
	o.set("status", strconv.Itoa(status))
	return o
}
