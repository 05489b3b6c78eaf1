package scim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// A RequestRecord is the record of one request. It contains the IDs of
// resources and credentials and no value that a client sent.
type RequestRecord struct {
	At time.Time `json:"at"`
	// Token is Principal.Token.
	Token  string `json:"token,omitempty"`
	Method string `json:"method"` // "other" if it is not a method of HTTP
	// Type is the type of the resource, or else the endpoint: "Bulk", "Search",
	// "ServiceProviderConfig". It is empty if the endpoint does not exist.
	Type string `json:"type,omitempty"`
	// ID is the resource's ID. It is empty if the path named no resource, or if
	// the name in the path might be something other than an ID.
	ID string `json:"id,omitempty"`
	// Filter is the filter with "…" in place of its values and of undeclared
	// attributes.
	Filter string `json:"filter,omitempty"`
	// Operations is the number of operations of a bulk request, and Failed the
	// number of refused ones.
	Operations int `json:"operations,omitempty"`
	Failed     int `json:"failed,omitempty"`
	// Status is the status of the answer, 0 if there was none.
	Status int `json:"status"`
	// ScimType and Detail are those of the error in the answer; for a bulk
	// request, those of its first error. In Detail, "…" replaces text that the
	// client sent.
	ScimType string `json:"scim_type,omitempty"`
	Detail   string `json:"detail,omitempty"`
	// Took is the duration of the request, including its body and its answer.
	Took time.Duration `json:"took"`
}

// A RequestCount is a number of requests, with the times of the first and the
// last.
type RequestCount struct {
	N           int64
	First, Last time.Time // zero if N is 0
}

// A TokenUse is the last use of one credential.
type TokenUse struct {
	Token string // Principal.Token
	RequestCount
	Did RequestRecord // the last request
}

// A RequestHistory is the stored history of the requests of one directory.
type RequestHistory struct {
	// Requests are the last requests, the latest first.
	Requests []RequestRecord
	// Tokens are the credentials that were used, each once, ordered by their
	// last use, the latest first. If there are more than MaxTokens, the latest
	// are kept.
	Tokens []TokenUse
	// Refused counts requests whose credentials were not accepted. They are
	// only counted, so that guesses do not fill the store. If it is unknown to
	// which directory the credentials were meant to belong, they are counted in
	// the history of the zero Directory.
	Refused RequestCount
	// Dropped counts requests that are missing from Requests because the store
	// could not take so many.
	Dropped RequestCount
}

// MaxTokens is the number of credentials that are stored for a directory.
const MaxTokens = 100

// A RequestBatch is the new part of one directory's history, with Requests in
// any order.
type RequestBatch struct {
	Directory
	RequestHistory
}

// RequestLimits bound the history that is kept.
type RequestLimits struct {
	Requests int       // the latest of each directory
	Since    time.Time // anything whose last use was earlier is deleted, in every directory
}

// A RequestStore stores the histories of a RequestLog. Memory and the store of
// sqlstore implement it; scimtest checks any implementation. Implementations
// are safe for concurrent use, also by several processes.
type RequestStore interface {
	// AddRequests adds batches, each of a different directory, to the stored
	// histories: counts are added up, and the later request of a token replaces
	// the earlier one. Then it deletes what exceeds the limits; it may postpone
	// the deletion of old data until a call without batches. Batches are added
	// completely or not at all.
	AddRequests(ctx context.Context, batches []RequestBatch, limits RequestLimits) error
	// Requests returns the stored history of a directory, with at most so many
	// requests. A directory without requests has the zero RequestHistory.
	Requests(ctx context.Context, dir Directory, most int) (RequestHistory, error)
}

// RequestLogConfig describes a RequestLog. Store is required.
type RequestLogConfig struct {
	Store RequestStore
	// Keep is the number of requests that are kept for each directory; 0 means
	// 1,000.
	Keep int
	// KeepFor is the time for which requests, counts and the last request of
	// each token are kept; 0 means 90 days.
	KeepFor time.Duration
	// Every is the time between two writes to the store; 0 means a second.
	Every time.Duration
	// Logger receives a message when the store fails and when it works again.
	// nil means slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

const (
	defaultKeepRequests = 1000
	defaultKeepFor      = 90 * 24 * time.Hour
	defaultLogEvery     = time.Second
	// maxPendingEach and maxPending bound the records that wait to be written:
	// of one directory, and in total.
	maxPendingEach = 500
	maxPending     = 5000
	// logTimeout bounds one write. sweepEvery is the time after which old
	// requests are deleted even without new ones.
	logTimeout = 10 * time.Second
	sweepEvery = time.Hour
)

// A RequestLog records the last requests of each directory, for admins who want
// to know what a provider sent and how it was answered: see Config.Requests. It
// writes them to its store in batches. No request waits for a write: while the
// store is slow or unreachable, requests are dropped and counted. It is safe
// for concurrent use.
type RequestLog struct {
	cfg  RequestLogConfig
	wake chan struct{} // pending is not empty
	full chan struct{} // pending is large
	stop chan struct{}
	done chan struct{} // closed when run has ended

	mu      sync.Mutex
	closed  bool
	pending map[Directory]*RequestHistory
	records int // number of requests in pending

	failing bool // the last write failed; used only by run
}

// NewRequestLog returns a log that writes to cfg.Store until it is closed. It
// returns only errors about cfg.
func NewRequestLog(cfg RequestLogConfig) (*RequestLog, error) {
	if cfg.Store == nil {
		return nil, errors.New("scim: RequestLogConfig.Store is nil")
	}
	if cfg.Keep < 0 || cfg.KeepFor < 0 || cfg.Every < 0 {
		return nil, errors.New("scim: RequestLogConfig: a limit is negative")
	}
	setDefault(&cfg.Keep, defaultKeepRequests)
	setDefault(&cfg.KeepFor, defaultKeepFor)
	setDefault(&cfg.Every, defaultLogEvery)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l := &RequestLog{
		cfg: cfg, wake: make(chan struct{}, 1), full: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		pending: make(map[Directory]*RequestHistory),
	}
	go l.run()
	return l, nil
}

// Close writes what is pending and ends the log. Later requests are not
// recorded. The error is that of the store.
func (l *RequestLog) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.stop)
	}
	<-l.done
	if !first {
		return nil
	}
	return l.flush(false)
}

func (l *RequestLog) run() {
	defer close(l.done)
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	pause := time.NewTimer(l.cfg.Every)
	defer pause.Stop()
	for {
		swept := false
		select {
		case <-l.stop:
			return
		case <-sweep.C:
			swept = true
		case <-l.wake:
			pause.Reset(l.cfg.Every)
			select {
			case <-l.stop:
				return
			case <-pause.C:
			case <-l.full:
			}
		}
		err := l.flush(swept)
		switch {
		case err != nil && !l.failing:
			l.cfg.Logger.Warn("scim: requests are not remembered", "error", err)
		case err == nil && l.failing:
			l.cfg.Logger.Info("scim: requests are remembered again")
		}
		l.failing = err != nil
	}
}

// add records a request whose credentials were accepted.
func (l *RequestLog) add(dir Directory, r *RequestRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.of(dir)
	if h == nil {
		return
	}
	once := RequestCount{N: 1, First: r.At, Last: r.At}
	h.use(TokenUse{Token: r.Token, RequestCount: once, Did: *r})
	if len(h.Requests) >= maxPendingEach || l.records >= maxPending {
		h.Dropped.add(once)
		return
	}
	h.Requests = append(h.Requests, *r)
	if l.records++; l.records == maxPending/2 {
		notify(l.full)
	}
}

// refuse counts a request whose credentials were not accepted. dir is the
// directory to which they were meant to belong, or the zero Directory.
func (l *RequestLog) refuse(dir Directory, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.of(dir); h != nil {
		h.Refused.add(RequestCount{N: 1, First: at, Last: at})
	}
}

// of returns the pending history of a directory, or nil if the log is closed.
// The caller holds mu.
func (l *RequestLog) of(dir Directory) *RequestHistory {
	if l.closed {
		return nil
	}
	h := l.pending[dir]
	if h == nil {
		h = &RequestHistory{}
		l.pending[dir] = h
		notify(l.wake)
	}
	return h
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // a notice is already waiting
	}
}

// flush writes what is pending. Without pending data it does nothing, except
// that it deletes old data if sweep is set.
func (l *RequestLog) flush(sweep bool) error {
	l.mu.Lock()
	pending := l.pending
	l.pending, l.records = make(map[Directory]*RequestHistory), 0
	l.mu.Unlock()
	if len(pending) == 0 && !sweep {
		return nil
	}
	batches := make([]RequestBatch, 0, len(pending))
	for dir, h := range pending {
		batches = append(batches, RequestBatch{dir, *h})
	}
	// All processes write in this order, so that concurrent writers do not
	// deadlock.
	slices.SortFunc(batches, func(a, b RequestBatch) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Connection, b.Connection))
	})
	ctx, cancel := context.WithTimeout(context.Background(), logTimeout)
	defer cancel()
	err := l.cfg.Store.AddRequests(ctx, batches, RequestLimits{Requests: l.cfg.Keep, Since: l.cfg.Now().Add(-l.cfg.KeepFor)})
	if err == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for dir, lost := range pending { // the next write includes the counts
		for i := range lost.Requests {
			at := lost.Requests[i].At
			lost.Dropped.add(RequestCount{N: 1, First: at, Last: at})
		}
		lost.Requests = nil
		if h := l.of(dir); h != nil {
			h.merge(lost)
		}
	}
	return fmt.Errorf("scim: request log: %w", err)
}

// add adds other requests to a count.
func (c *RequestCount) add(other RequestCount) {
	switch {
	case other.N == 0:
		return
	case c.N == 0:
		*c = other
		return
	}
	c.N += other.N
	if other.First.Before(c.First) {
		c.First = other.First
	}
	if other.Last.After(c.Last) {
		c.Last = other.Last
	}
}

// use adds the use of a token. If there are too many tokens, it replaces the
// least recently used one. Tokens may be in any order.
func (h *RequestHistory) use(u TokenUse) {
	at := slices.IndexFunc(h.Tokens, func(known TokenUse) bool { return known.Token == u.Token })
	switch {
	case at >= 0:
		known := &h.Tokens[at]
		if !u.Last.Before(known.Last) {
			known.Did = u.Did
		}
		known.add(u.RequestCount)
	case len(h.Tokens) < MaxTokens:
		h.Tokens = append(h.Tokens, u)
	default:
		for i := range h.Tokens {
			if h.Tokens[i].Last.Before(u.Last) && (at < 0 || h.Tokens[i].Last.Before(h.Tokens[at].Last)) {
				at = i
			}
		}
		if at >= 0 {
			h.Tokens[at] = u
		}
	}
}

// merge adds another history of the same directory.
func (h *RequestHistory) merge(other *RequestHistory) {
	h.Requests = append(h.Requests, other.Requests...)
	for _, u := range other.Tokens {
		h.use(u)
	}
	h.Refused.add(other.Refused)
	h.Dropped.add(other.Dropped)
}

// limit sorts a history and deletes what exceeds the limits.
func (h *RequestHistory) limit(limits RequestLimits) {
	old := func(t time.Time) bool { return t.Before(limits.Since) }
	h.Requests = slices.DeleteFunc(h.Requests, func(r RequestRecord) bool { return old(r.At) })
	slices.SortStableFunc(h.Requests, func(a, b RequestRecord) int { return b.At.Compare(a.At) })
	h.Requests = slices.Delete(h.Requests, min(limits.Requests, len(h.Requests)), len(h.Requests))
	h.Tokens = slices.DeleteFunc(h.Tokens, func(u TokenUse) bool { return old(u.Last) })
	slices.SortFunc(h.Tokens, func(a, b TokenUse) int { return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Token, b.Token)) })
	for _, c := range []*RequestCount{&h.Refused, &h.Dropped} {
		if old(c.Last) {
			*c = RequestCount{}
		}
	}
}

// AddRequests implements RequestStore.
func (m *Memory) AddRequests(_ context.Context, batches []RequestBatch, limits RequestLimits) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.requests == nil {
		m.requests = make(map[Directory]*RequestHistory)
	}
	for i := range batches {
		b := &batches[i]
		h := m.requests[b.Directory]
		if h == nil {
			h = &RequestHistory{}
			m.requests[b.Directory] = h
		}
		h.merge(&b.RequestHistory)
	}
	for dir, h := range m.requests {
		h.limit(limits)
		if len(h.Requests)+len(h.Tokens) == 0 && h.Refused.N+h.Dropped.N == 0 {
			delete(m.requests, dir)
		}
	}
	return nil
}

// Requests implements RequestStore.
func (m *Memory) Requests(_ context.Context, dir Directory, most int) (RequestHistory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.requests[dir]
	if h == nil {
		return RequestHistory{}, nil
	}
	out := *h
	out.Requests = slices.Clone(h.Requests[:min(max(most, 0), len(h.Requests))])
	out.Tokens = slices.Clone(h.Tokens)
	return out, nil
}
