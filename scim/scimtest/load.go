package scimtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// LoadConfig is the size of a Load.
type LoadConfig struct {
	// Clients is the number of concurrent clients; 0 means 16.
	Clients int
	// Duration is the duration of the load; 0 means two seconds.
	Duration time.Duration
}

// Load sends requests to a server from many clients at the same time. Each
// client creates its own users, changes and deletes them, and adds them to
// groups that all clients share. Load returns when the time is over or when the
// server no longer answers. The latter is not an error: the ledger contains
// everything that the server acknowledged. An answer that the request does not
// allow is an error, which is returned with the ledger.
func Load(ctx context.Context, target Target, cfg LoadConfig) (*Ledger, error) {
	if cfg.Clients <= 0 {
		cfg.Clients = 16
	}
	if cfg.Duration <= 0 {
		cfg.Duration = 2 * time.Second
	}
	if target.Client == nil {
		target.Client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: cfg.Clients}}
		defer target.Client.CloseIdleConnections()
	}
	l := &Ledger{}
	return l, l.work(ctx, target, cfg)
}

// A Ledger contains everything that a server acknowledged during a Load.
type Ledger struct {
	groups       []string
	acknowledged atomic.Int64

	mu    sync.Mutex
	users []*entry
}

// An entry is one user, with the states that the server may have: one state if
// every request about the user was answered, otherwise two.
type entry struct {
	id    string
	group string
	may   []state
}

// A state is the state of a user on the server.
type state struct {
	exists bool
	title  string
	member bool // member of the entry's group
}

// Acknowledged returns the number of writes that the server has answered with
// success so far. It may be called during the load.
func (l *Ledger) Acknowledged() int { return int(l.acknowledged.Load()) }

// errSilent ends a client: the server did not answer.
var errSilent = errors.New("the server does not answer")

func (l *Ledger) work(ctx context.Context, target Target, cfg LoadConfig) error {
	c := target.client()
	for range cfg.Clients/8 + 1 {
		group, err := c.must(ctx, http.MethodPost, "/Groups", groupBody(newWord()), http.StatusCreated)
		if err != nil {
			return err
		}
		l.groups = append(l.groups, group.id())
	}
	end := time.Now().Add(cfg.Duration)
	errs := make([]error, cfg.Clients)
	var all sync.WaitGroup
	for i := range cfg.Clients {
		all.Go(func() {
			for round := 0; errs[i] == nil && time.Now().Before(end) && ctx.Err() == nil; round++ {
				errs[i] = l.one(ctx, c, l.groups[(i+round)%len(l.groups)], round)
			}
			if errors.Is(errs[i], errSilent) {
				errs[i] = nil
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// one creates, changes and uses one user; it deletes every fourth one.
func (l *Ledger) one(ctx context.Context, c client, group string, round int) error {
	user, err := c.send(ctx, http.MethodPost, "/Users", userBody(newWord()+"@example.com"))
	if err != nil {
		return errSilent // the server may have created it, with an unknown id
	}
	if user.status != http.StatusCreated {
		return fmt.Errorf("POST /Users: want status 201, got %s", user)
	}
	l.acknowledged.Add(1)
	e := &entry{id: user.id(), group: group, may: []state{{exists: true}}}
	l.mu.Lock()
	l.users = append(l.users, e)
	l.mu.Unlock()

	retitle := func(title string) error {
		body := patchBody(op("replace", "title", title))
		return l.write(ctx, c, e, http.MethodPatch, "/Users/"+e.id, body, func(s *state) { s.title = title })
	}
	member := func(change object, is bool) error {
		return l.write(ctx, c, e, http.MethodPatch, "/Groups/"+group, patchBody(change), func(s *state) { s.member = is })
	}
	err = retitle("first")
	if err == nil {
		err = member(op("add", "members", values(e.id)), true)
	}
	if err == nil {
		err = retitle("second")
	}
	if err == nil && round%4 == 1 {
		err = member(object{"op": "remove", "path": fmt.Sprintf("members[value eq %q]", e.id)}, false)
	}
	if err == nil && round%4 == 3 {
		err = l.write(ctx, c, e, http.MethodDelete, "/Users/"+e.id, nil, func(s *state) { *s = state{} })
	}
	return err
}

// write sends a request that changes the state of a user.
func (l *Ledger) write(ctx context.Context, c client, e *entry, method, path string, body any, change func(*state)) error {
	next := e.may[0]
	change(&next)
	e.may = append(e.may, next)
	a, err := c.send(ctx, method, path, body)
	switch {
	case err != nil:
		return errSilent
	case a.status != http.StatusOK && a.status != http.StatusNoContent:
		return fmt.Errorf("%s %s: want status 200 or 204, got %s", method, path, a)
	}
	e.may = []state{next}
	l.acknowledged.Add(1)
	return nil
}

// Verify compares the server's present state with everything that it
// acknowledged. The load must have returned. The error names at most ten
// losses.
func (l *Ledger) Verify(ctx context.Context, target Target) error {
	c := target.client()
	members := map[string]bool{} // by group and user
	for _, id := range l.groups {
		group, err := c.must(ctx, http.MethodGet, "/Groups/"+id, nil, http.StatusOK)
		if err != nil {
			return err
		}
		for _, member := range memberIDs(group) {
			members[id+" "+member] = true
		}
	}
	var lost []error
	for _, e := range l.users {
		a, err := c.must(ctx, http.MethodGet, "/Users/"+e.id, nil, http.StatusOK, http.StatusNotFound)
		if err != nil {
			return err
		}
		has := state{exists: a.status == http.StatusOK, member: members[e.group+" "+e.id]}
		has.title, _ = a.body["title"].(string)
		if !slices.Contains(e.may, has) {
			lost = append(lost, fmt.Errorf("user %s: the server has %+v, want one of %+v", e.id, has, e.may))
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("%d of %d users are not as was acknowledged:\n%w", len(lost), len(l.users), errors.Join(lost[:min(10, len(lost))]...))
	}
	return nil
}
