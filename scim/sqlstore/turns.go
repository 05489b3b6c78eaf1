package sqlstore

import (
	"context"
	"sync"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// turns are the queues of this process's writers, one for each directory. They
// would wait for each other in the database; here they hold no connection of
// the pool while they wait, of which other directories would be short.
//
// SQLite has one writer, and PostgreSQL one log, which every commit waits for
// to be on the disk. So a directory of which writers wait rests after a long
// write, twice as long as that took, while other directories write: their writes
// would wait for it most of the time otherwise. The zero value is ready to use.
type turns struct {
	mu     sync.Mutex
	queues map[scim.Directory]*queue
	latest scim.Directory // that wrote last
	mixed  time.Time      // when that last changed
}

type queue struct {
	turn  chan struct{} // full while somebody has the turn
	users int           // who has it and who waits
	rests time.Time     // until when it does; only who has the turn looks at it
}

const (
	longWrite    = 2 * time.Millisecond
	longCall     = 10 * time.Millisecond // of PostgreSQL, with its network
	longestRest  = time.Second
	othersRecent = time.Second // for how long a write of another directory counts
)

// take waits for a turn, in the order of coming. The caller calls done after,
// with the time for which it has kept other directories from writing.
func (t *turns) take(ctx context.Context, wait sqldb.Wait, dir scim.Directory) (done func(held time.Duration), err error) {
	q := t.join(dir)
	waiting, stop := wait.Context(ctx)
	defer stop()
	select {
	case q.turn <- struct{}{}:
	case <-waiting.Done():
		t.leave(dir, q)
		return nil, context.Cause(waiting)
	}
	if rest := time.Until(q.rests); rest > 0 && t.othersWrite() {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-waiting.Done():
			<-q.turn
			t.leave(dir, q)
			return nil, context.Cause(waiting)
		}
	}
	return func(held time.Duration) {
		if held > longWrite {
			q.rests = time.Now().Add(min(2*held, longestRest))
		}
		<-q.turn
		t.leave(dir, q)
	}, nil
}

func (t *turns) join(dir scim.Directory) *queue {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.queues[dir]
	if q == nil {
		if t.queues == nil {
			t.queues = make(map[scim.Directory]*queue)
		}
		q = &queue{turn: make(chan struct{}, 1)}
		t.queues[dir] = q
	}
	q.users++
	if dir != t.latest {
		t.latest, t.mixed = dir, time.Now()
	}
	return q
}

func (t *turns) leave(dir scim.Directory, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(t.queues, dir)
	}
}

// othersWrite reports whether more than one directory has been written to of
// late.
func (t *turns) othersWrite() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.mixed) < othersRecent
}
