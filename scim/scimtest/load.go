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

// LoadConfig says how hard a server is worked.
type LoadConfig struct {
	// Clients is how many work at once; 0 is 16.
	Clients int
	// Duration is for how long; 0 is two seconds.
	Duration time.Duration
}

// Load works a server from many clients at once, each of which creates users
// of its own, changes and deletes them, and puts them into groups that all
// share. It returns when the time is over or the server answers no more, which
// is not an error: the ledger says what it acknowledged until then. An answer
// that is none of those the request allows is an error, beside the ledger.
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

// A Ledger is what a server acknowledged during a Load.
type Ledger struct {
	groups       []string
	acknowledged atomic.Int64

	mu    sync.Mutex
	users []*entry
}

// An entry is one user, and the states that the server may have it in: one, if
// every request about it was answered, else two.
type entry struct {
	id    string
	group string
	may   []state
}

// A state is what a server has of a user.
type state struct {
	exists bool
	title  string
	member bool // of the entry's group
}

// Acknowledged is how many writes the server answered with success so far. It
// may be called while the load runs.
func (l *Ledger) Acknowledged() int { return int(l.acknowledged.Load()) }

// errSilent ends a client: there was no answer.
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

// one is the life of a user; every fourth one ends.
func (l *Ledger) one(ctx context.Context, c client, group string, round int) error {
	user, err := c.send(ctx, http.MethodPost, "/Users", userBody(newWord()+"@example.com"))
	if err != nil {
		return errSilent // whether it was created is not known, nor its id
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

// write makes a request that changes the state of a user.
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

// Verify compares what a server has with what was acknowledged. The load must
// have returned. The error names what is lost, at most ten of it.
func (l *Ledger) Verify(ctx context.Context, target Target) error {
	c := target.client()
	members := map[string]bool{} // group and user
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
