package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/usher-go/usher/scim"
)

// directory is the one of this module's handler.
var directory = scim.Directory{Tenant: "t1", Connection: "c1"}

// newGroup serves a group g of size members u0, u1 and so on. One user more,
// the only one of the peer's ids, is in no group.
func newGroup(ctx context.Context, size int) (*peer, error) {
	store := &scim.Memory{}
	members := &scim.MemberChange{}
	for i := range size + 1 {
		ref := scim.Ref{Type: scim.TypeUser, ID: fmt.Sprint("u", i)}
		if _, err := store.Apply(ctx, directory, scim.Write{Op: scim.Create, Ref: ref, Doc: []byte(`{"schemas":[]}`)}); err != nil {
			return nil, err
		}
		if i < size {
			members.Add = append(members.Add, scim.Link{Ref: ref})
		}
	}
	group := scim.Write{
		Op: scim.Create, Ref: scim.Ref{Type: scim.TypeGroup, ID: "g"}, Members: members,
		Doc: []byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g"}`),
	}
	if _, err := store.Apply(ctx, directory, group); err != nil {
		return nil, err
	}
	handler, err := newUsher(store)
	if err != nil {
		return nil, err
	}
	p, err := serve(ctx, fmt.Sprint(size, " members"), handler)
	if err == nil {
		p.ids = []string{fmt.Sprint("u", size)}
	}
	return p, err
}

// addMember adds the user who is in no group.
var addMember = operation{
	name:    "add a member",
	request: func(p *peer, _ int) request { return changeMember(p, "add") },
	status:  http.StatusNoContent,
}

func changeMember(p *peer, op string) request {
	return request{"PATCH", "/Groups/g", patch(fmt.Sprintf(`{"op":%q,"path":"members","value":[{"value":%q}]}`, op, p.ids[0]))}
}

// measureMember is the time to add a member, who is looked up and removed again
// while the clock stands still.
func measureMember(ctx context.Context, p *peer, op operation, s setting) (time.Duration, error) {
	find := request{"GET", fmt.Sprintf("/Groups?excludedAttributes=members&filter=members.value+eq+%%22%s%%22", p.ids[0]), ""}
	p.client.CloseIdleConnections()
	runtime.GC()
	var total time.Duration
	done := 0
	for ; done < s.requests && total < s.limit; done++ {
		start := time.Now()
		added := p.ask(ctx, s.loopback, op.request(p, done))
		total += time.Since(start)
		found := p.ask(ctx, s.loopback, find)
		removed := p.ask(ctx, s.loopback, changeMember(p, "remove"))
		if added.status != op.status || removed.status != http.StatusNoContent || !bytes.Contains(found.body, []byte(`"totalResults":1`)) {
			return 0, fmt.Errorf("%s: added: %s; found: %s; removed: %s", p.name, added, found, removed)
		}
	}
	return total / time.Duration(done), nil
}
