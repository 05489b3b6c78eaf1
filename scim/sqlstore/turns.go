package sqlstore

import (
	"context"
	"sync"
	"time"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// turns are the queues of this process's writers, one for each directory.
// Without them, the writers would wait for each other in the database. A writer
// in a queue holds no connection of the pool, so that other directories do not
// run short of connections.
//
// SQLite has one writer at a time, and every commit of PostgreSQL waits until
// the single log is on the disk. So after a long write, the next write of the same
// directory comes after a pause of twice the time, as long as other directories
// write too. Otherwise these would wait for it most of the time.
// The zero value is ready to use.
type turns struct {
	mu     sync.Mutex
	queues map[scim.Directory]*queue
	latest scim.Directory // the directory of the latest writer
	mixed  time.Time      // the time of the last change of latest
}

type queue struct {
	turn  chan struct{} // full while a writer has the turn
	users int           // writers that have the turn or wait for it
	rests time.Time     // end of the pause; the writer with the turn uses it, and forget when nobody uses the queue
	timer bool          // forget is called again at the end of the pause
}

const (
	longWrite    = 2 * time.Millisecond
	longCall     = 10 * time.Millisecond // for PostgreSQL, including the network
	longestRest  = time.Second
	othersRecent = time.Second // how long a write of another directory counts
)

// take waits for a turn, in the order of arrival. After the write, the caller
// calls done with the time for which the write kept other directories from
// writing.
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

// leave ends the use of a queue. Without users, it is kept until its pause ends.
func (t *turns) leave(dir scim.Directory, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q.users--
	t.forget(dir, q)
}

// forget removes a queue that nobody uses, at the end of its pause.
func (t *turns) forget(dir scim.Directory, q *queue) {
	if q.users > 0 || q.timer {
		return
	}
	rest := time.Until(q.rests)
	if rest <= 0 {
		delete(t.queues, dir)
		return
	}
	q.timer = true
	time.AfterFunc(rest, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		q.timer = false
		t.forget(dir, q)
	})
}

// othersWrite reports whether more than one directory was written to recently.
func (t *turns) othersWrite() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.mixed) < othersRecent
}
