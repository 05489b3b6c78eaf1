package scim

import (
	"strconv"
	"sync"
	"time"
)

// A limiter bounds the operations per second of each tenant (a token bucket).
type limiter struct {
	rate    float64
	now     func() time.Time
	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(rate int, now func() time.Time) *limiter {
	return &limiter{rate: float64(rate), now: now, buckets: map[string]bucket{}}
}

// take uses one token of the tenant, or returns the time to wait for one.
func (l *limiter) take(tenant string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(tenant)
	var wait time.Duration
	if b.tokens >= 1 {
		b.tokens--
	} else {
		wait = time.Duration((1 - b.tokens) / l.rate * float64(time.Second))
	}
	l.buckets[tenant] = b
	return wait
}

// charge uses n tokens of the tenant, even if it does not have them yet: a
// request with many operations is served, and the requests after it wait.
func (l *limiter) charge(tenant string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(tenant)
	b.tokens -= float64(max(n, 0))
	l.buckets[tenant] = b
}

// bucket returns the tenant's present bucket. A full bucket has no information,
// and is deleted if there are many.
func (l *limiter) bucket(tenant string) bucket {
	now := l.now()
	b, ok := l.buckets[tenant]
	if !ok {
		b = bucket{tokens: l.rate, at: now}
		looks := 0
		for other, o := range l.buckets {
			if looks++; looks > 2 || len(l.buckets) < manyBuckets {
				break
			}
			if l.filled(o, now).tokens == l.rate {
				delete(l.buckets, other)
			}
		}
	}
	return l.filled(b, now)
}

const manyBuckets = 1000

func (l *limiter) filled(b bucket, now time.Time) bucket {
	b.tokens = min(l.rate, b.tokens+now.Sub(b.at).Seconds()*l.rate)
	b.at = now
	return b
}

// wholeSeconds returns a wait in the form of Retry-After. Okta does not accept
// fractions of a second.
func wholeSeconds(wait time.Duration) string {
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}
