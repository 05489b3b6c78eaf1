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

// Each calls workers with the numbers below n, in blocks of at most Size, several
// at the same time if n is large. newWorker makes a worker, which gets one block
// after another. Blocks come in no particular order, and a worker must not write
// what another one reads. Each returns when all blocks are done. If a worker
// panics, Each panics with the same value in the caller's goroutine, where it can
// be recovered.
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
					next.Store(int64(n)) // makes the other workers end
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
