// Package blocks runs a function over the index ranges of a long list in
// parallel.
package blocks

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Size is how many elements make a block.
const Size = 256

// Each runs workers over the numbers below n, in blocks of at most Size, several
// at once if n is large. newWorker makes a worker, which gets one block after
// the other; workers have their blocks to themselves, in no certain order, and
// must not write what another reads. Each returns when all are done. If a worker
// panics, Each panics with the same value, in the caller's goroutine, where the
// caller can recover.
func Each(n int, newWorker func() func(start, end int)) {
	workers := max(1, min(runtime.GOMAXPROCS(0), n/(16*Size)))
	var next atomic.Int64
	run := func() {
		work := newWorker()
		for {
			end := int(next.Add(Size))
			if end-Size >= n {
				return
			}
			work(end-Size, min(end, n))
		}
	}
	if workers == 1 {
		run()
		return
	}
	var wait sync.WaitGroup
	var once sync.Once
	var panicked any
	for range workers {
		wait.Go(func() {
			defer func() {
				if value := recover(); value != nil {
					once.Do(func() { panicked = value })
					next.Store(int64(n)) // the others end as soon as they can
				}
			}()
			run()
		})
	}
	wait.Wait()
	if panicked != nil {
		panic(panicked)
	}
}
