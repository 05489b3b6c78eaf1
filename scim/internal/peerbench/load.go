package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// seeded is how many users every peer holds while it is measured.
const seeded = 10_000

type request struct{ method, path, body string }

// user is what of an answer is checked; a list has it in Resources.
type user struct {
	ID, UserName, DisplayName string
	Active                    *bool
	TotalResults              int
	Resources                 []user
}

// An operation is what is measured: the request of each turn, and what its
// answer has to say. Turns are counted for each peer over the whole run.
type operation struct {
	name    string
	request func(p *peer, turn int) request
	status  int
	right   func(p *peer, turn int, got user) bool
}

func newUser(name string, i int) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"userName":"%[1]s%[2]d@example.com","externalId":"ext-%[1]s%[2]d","active":true,"displayName":"User %[2]d","title":"Rep","locale":"en-US",
		"name":{"givenName":"User","familyName":"N%[2]d"},"emails":[{"value":"%[1]s%[2]d@example.com","type":"work","primary":true}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales","employeeNumber":"%[2]d"}}`, name, i)
}

func patch(operations string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
}

// creating makes users whose names begin with name.
func creating(name string) operation {
	return operation{
		name:    "create",
		request: func(_ *peer, turn int) request { return request{"POST", "/Users", newUser(name, turn)} },
		status:  http.StatusCreated,
		right: func(_ *peer, turn int, got user) bool {
			return got.ID != "" && got.UserName == fmt.Sprintf("%s%d@example.com", name, turn) && got.DisplayName != ""
		},
	}
}

var (
	seed   = creating("user")
	create = creating("new")
	get    = operation{
		name:    "get",
		request: func(p *peer, turn int) request { return request{"GET", "/Users/" + p.ids[turn%seeded], ""} },
		status:  http.StatusOK,
		right: func(p *peer, turn int, got user) bool {
			return got.ID == p.ids[turn%seeded] && got.DisplayName == fmt.Sprint("User ", turn%seeded)
		},
	}
	filter = operation{
		name: "filter by userName",
		request: func(_ *peer, turn int) request {
			return request{"GET", "/Users?filter=" + url.QueryEscape(fmt.Sprintf(`userName eq "user%d@example.com"`, turn%seeded)), ""}
		},
		status: http.StatusOK,
		right: func(p *peer, turn int, got user) bool {
			return got.TotalResults == 1 && len(got.Resources) == 1 && got.Resources[0].ID == p.ids[turn%seeded]
		},
	}
	// Every turn changes something: the first pass over the users deactivates
	// them, the next one activates them again.
	patchActive = operation{
		name: "patch active",
		request: func(p *peer, turn int) request {
			return request{"PATCH", "/Users/" + p.ids[turn%seeded], patch(fmt.Sprintf(`{"op":"replace","value":{"active":%t}}`, turn/seeded%2 == 1))}
		},
		status: http.StatusOK,
		right: func(p *peer, turn int, got user) bool {
			return got.ID == p.ids[turn%seeded] && got.Active != nil && *got.Active == (turn/seeded%2 == 1)
		},
	}
)

// A setting is the way of a load to the server.
type setting struct {
	name     string
	loopback bool
	clients  int
	requests int           // the most of one loop
	limit    time.Duration // after which a loop begins no more requests
}

// loop asks p for op and returns the time a request took: that of the loop by
// its requests, so with several clients it is less than one client waits. The
// answers are checked when the clock stands still.
func loop(ctx context.Context, p *peer, op operation, s setting) (time.Duration, []user, error) {
	p.client.CloseIdleConnections() // a server may have given up those of the last loop
	runtime.GC()                    // one peer's garbage is not the next one's time
	answers := make([]answer, s.requests)
	first := p.turns[op.name]
	var next atomic.Int64
	var wait sync.WaitGroup
	start := time.Now()
	for range s.clients {
		wait.Go(func() {
			for time.Since(start) < s.limit {
				i := int(next.Add(1)) - 1
				if i >= s.requests {
					return
				}
				answers[i] = p.ask(ctx, s.loopback, op.request(p, first+i))
			}
		})
	}
	wait.Wait()
	elapsed := time.Since(start)
	done := min(int(next.Load()), s.requests)
	p.turns[op.name] += done

	got := make([]user, done)
	for i, a := range answers[:done] {
		if a.err == nil && a.status == op.status {
			a.err = json.Unmarshal(a.body, &got[i])
		}
		if a.err != nil || a.status != op.status || !op.right(p, first+i, got[i]) {
			return 0, nil, fmt.Errorf("%s, %s, turn %d: %s", p.name, op.name, first+i, a)
		}
	}
	return elapsed / time.Duration(done), got, nil
}

// measure is loop, which leaves the peer with the users it had.
func measure(ctx context.Context, p *peer, op operation, s setting) (time.Duration, error) {
	each, got, err := loop(ctx, p, op, s)
	if err != nil || op.name != create.name {
		return each, err
	}
	for _, made := range got {
		if a := p.ask(ctx, true, request{"DELETE", "/Users/" + made.ID, ""}); a.err != nil || a.status != http.StatusNoContent {
			return 0, fmt.Errorf("%s, delete: %s", p.name, a)
		}
	}
	return each, nil
}

// fill gives p the users that every peer has.
func fill(ctx context.Context, p *peer) error {
	_, made, err := loop(ctx, p, seed, setting{loopback: true, clients: 4, requests: seeded, limit: 2 * time.Minute})
	if err != nil {
		return err
	}
	if len(made) != seeded {
		return fmt.Errorf("%s took %d users of %d in two minutes", p.name, len(made), seeded)
	}
	p.turns[seed.name] = 0
	for _, u := range made {
		p.ids = append(p.ids, u.ID)
	}
	return nil
}
