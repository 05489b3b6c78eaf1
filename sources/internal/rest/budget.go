package rest

import (
	"net/http"
	"strconv"
	"time"
)

// A Budget reads the headers in which a provider states its rate limit: the number
// of requests in a window, how many of them are left, and when the next window
// begins. Its Wait is a Config.Limit.
type Budget struct {
	Limit, Remaining, Reset string // names of headers
	// Epoch says that Reset is in seconds of Unix time by the provider's clock. If
	// false, it is a number of seconds from now.
	Epoch bool
	// Keep is the share of the window, in percent, that is left to other clients of
	// the provider: when no more than that remains, the next request waits for the
	// next window. 0 leaves nothing to them.
	Keep int
}

// Wait returns how long to wait before the next request, or 0.
func (b Budget) Wait(status int, header http.Header) time.Duration {
	reset, err := strconv.ParseInt(header.Get(b.Reset), 10, 64)
	if err != nil || reset < 0 {
		return 0
	}
	if status != http.StatusTooManyRequests {
		remaining, err := strconv.ParseInt(header.Get(b.Remaining), 10, 64)
		if err != nil {
			return 0
		}
		limit, _ := strconv.ParseInt(header.Get(b.Limit), 10, 64) // 0 if there is no such header: then Keep has no effect
		if remaining > limit/100*int64(b.Keep)+limit%100*int64(b.Keep)/100 {
			return 0
		}
	}
	if !b.Epoch {
		const most = int64(365 * 24 * time.Hour / time.Second)
		return time.Duration(min(reset, most)) * time.Second
	}
	now := Date(header)
	if now.IsZero() {
		now = time.Now()
	}
	return max(time.Unix(reset, 0).Sub(now), 0)
}
