package sqlstore

import (
	"context"
	"sync"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// turns are the queues of this process's writers, one for each directory. They
// would wait for each other in the database; here they hold no connection of
// the pool while they wait, of which other directories would be short. The zero
// value is ready to use.
type turns struct {
	mu     sync.Mutex
	queues map[scim.Directory]*queue
}

type queue struct {
	turn  chan struct{} // full while somebody has the turn
	users int           // who has it and who waits
}

// take waits for a turn, in the order of coming. The caller calls done after.
func (t *turns) take(ctx context.Context, wait sqldb.Wait, dir scim.Directory) (done func(), err error) {
	t.mu.Lock()
	q := t.queues[dir]
	if q == nil {
		if t.queues == nil {
			t.queues = make(map[scim.Directory]*queue)
		}
		q = &queue{turn: make(chan struct{}, 1)}
		t.queues[dir] = q
	}
	q.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if q.users--; q.users == 0 {
			delete(t.queues, dir)
		}
	}
	waiting, stop := wait.Context(ctx)
	defer stop()
	select {
	case q.turn <- struct{}{}:
		return func() { <-q.turn; leave() }, nil
	case <-waiting.Done():
		leave()
		return nil, context.Cause(waiting)
	}
}
