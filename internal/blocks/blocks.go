// Package blocks looks at long lists with every processor there is.
package blocks

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Size is how many elements are looked at together.
const Size = 256

// Each has the numbers below n looked at in blocks of at most Size, by several
// workers at once if n is large. newWorker makes a worker, which gets one block
// after the other; workers have their blocks to themselves, in no certain
// order, and must not write what another reads. Each returns when all are done.
func Each(n int, newWorker func() func(start, end int)) {
	workers := max(1, min(runtime.GOMAXPROCS(0), n/(16*Size)))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			look := newWorker()
			for {
				end := int(next.Add(Size))
				if end-Size >= n {
					return
				}
				look(end-Size, min(end, n))
			}
		})
	}
	wait.Wait()
}
