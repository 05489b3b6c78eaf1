package rest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// firstBackoff is the pause before the first repetition. It doubles with each further
// one, up to mostBackoff. Jitter shortens a pause by up to half, so that clients that
// failed at the same time do not repeat at the same time.
const (
	firstBackoff = 500 * time.Millisecond
	mostBackoff  = 30 * time.Second
)

// backoff returns the pause after the given attempt, counted from 1.
func backoff(attempt int) time.Duration {
	d := firstBackoff
	for range attempt - 1 {
		if d = 2 * d; d >= mostBackoff {
			d = mostBackoff
			break
		}
	}
	return d/2 + rand.N(d/2+1)
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pause waits as long as the provider has asked all requests of t to wait.
func (t *Transport) pause(ctx context.Context) error {
	t.mu.Lock()
	wait := time.Until(t.notBefore)
	t.mu.Unlock()
	if wait > 0 {
		t.cfg.Logger.DebugContext(ctx, "wait for the provider's allowance", "wait", wait)
	}
	return sleep(ctx, wait)
}

// observe takes from an answer how long all requests have to wait. An answer of 5xx
// says nothing about the allowance. A wait longer than MaxWait is left to the
// caller.
func (t *Transport) observe(resp *http.Response) {
	wait, _ := t.wait(resp)
	if resp.StatusCode >= 500 || wait == 0 || wait > t.cfg.MaxWait {
		return
	}
	t.hold(wait)
}

// hold makes all requests of t wait.
func (t *Transport) hold(wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until := time.Now().Add(wait); until.After(t.notBefore) {
		t.notBefore = until
	}
}

// Part judges one answer of a batch: path is what was asked for, attempt is how
// often it was asked for, from 1. It returns nil for a status of 2xx; otherwise the
// error that RoundTrip would return, and whether to ask again. If so, the next
// request of t waits as long as a repetition would.
func (t *Transport) Part(path string, attempt, status int, header http.Header, body []byte) (failure *Error, again bool) {
	if status >= 200 && status <= 299 {
		return nil, false
	}
	req := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}}
	failure = t.refused(req, &http.Response{StatusCode: status, Header: header}, body)
	wait, again := t.repeats(failure, attempt)
	if again {
		t.hold(wait)
	}
	return failure, again
}

// repeats reports whether to repeat a failed request, and after how long.
func (t *Transport) repeats(failure *Error, attempt int) (time.Duration, bool) {
	if !failure.temporary || attempt >= t.cfg.Attempts || failure.RetryAfter > t.cfg.MaxWait {
		return 0, false
	}
	if failure.asked {
		return failure.RetryAfter, true
	}
	return backoff(attempt), true
}

// wait returns how long the provider asks to wait, and whether it asks. Retry-After
// counts only in a refusal: Microsoft Graph is known to have sent one of two weeks
// with a good answer.
func (t *Transport) wait(resp *http.Response) (time.Duration, bool) {
	if resp.StatusCode > 299 {
		if d, ok := retryAfter(resp.Header, time.Now()); ok {
			return d, true
		}
	}
	if t.cfg.Limit != nil {
		if d := t.cfg.Limit(resp.StatusCode, resp.Header); d > 0 {
			return d, true
		}
	}
	return 0, false
}

// retryAfter parses the header Retry-After: whole seconds, or a date, which is
// compared with the server's clock if the answer states it (RFC 9110, section
// 10.2.3). It reports false for any other value.
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	const most = 365 * 24 * time.Hour // keeps the arithmetic within an int64
	value := header.Get("Retry-After")
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		if seconds < 0 {
			return 0, false
		}
		return time.Duration(min(seconds, int64(most/time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), most), true
}

// idempotent reports whether req may be sent twice: its method only reads, or it
// has the header Idempotency-Key, as net/http documents it. A header with no values
// marks the request and is not sent.
func idempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	_, marked := req.Header["Idempotency-Key"]
	return marked
}

// canResend reports whether the body of req can be sent again.
func canResend(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}
