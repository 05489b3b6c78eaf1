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

// A RequestRecord is one request as it is remembered. It names resources and
// credentials by their IDs and holds no value that a client sent.
type RequestRecord struct {
	At time.Time `json:"at"`
	// Token is Principal.Token.
	Token  string `json:"token,omitempty"`
	Method string `json:"method"` // "other" if it is none of HTTP's
	// Type is the type of the resource, or else the endpoint: "Bulk",
	// "Search", "ServiceProviderConfig". Empty: there is no such endpoint.
	Type string `json:"type,omitempty"`
	// ID is the resource's. It is empty where the path named no resource, and
	// where what it named might be something else than an ID.
	ID string `json:"id,omitempty"`
	// Filter is the filter with "…" for its values and for attributes that are
	// not declared.
	Filter string `json:"filter,omitempty"`
	// Operations are how many a bulk request had, and Failed how many of them
	// were refused.
	Operations int `json:"operations,omitempty"`
	Failed     int `json:"failed,omitempty"`
	// Status is that of the answer, 0 if there was none.
	Status int `json:"status"`
	// ScimType and Detail are those of the error that the client was told, of a
	// bulk request those of its first. In Detail, "…" stands for what the
	// client had sent.
	ScimType string `json:"scim_type,omitempty"`
	Detail   string `json:"detail,omitempty"`
	// Took is how long the request took, with its body and its answer.
	Took time.Duration `json:"took"`
}

// A RequestCount counts requests between two of them.
type RequestCount struct {
	N           int64
	First, Last time.Time // zero if N is 0
}

// A TokenUse is what one credential was used for.
type TokenUse struct {
	Token string // Principal.Token
	RequestCount
	Did RequestRecord // the last request
}

// A RequestHistory is what is remembered of the requests of one directory.
type RequestHistory struct {
	// Requests are the last ones, the latest first.
	Requests []RequestRecord
	// Tokens are the credentials that were used, each once, the one used last
	// first: at most MaxTokens, those used last.
	Tokens []TokenUse
	// Refused are requests whose credentials were not accepted. They are
	// counted, so that whoever guesses fills nothing. Those of which nobody
	// knows whose credentials they were meant to be are in the history of the
	// zero Directory.
	Refused RequestCount
	// Dropped are requests that are not among Requests because there were too
	// many for the store.
	Dropped RequestCount
}

// MaxTokens is how many credentials of a directory are remembered.
const MaxTokens = 100

// A RequestBatch is what is new of one directory, with Requests in any order.
type RequestBatch struct {
	Directory
	RequestHistory
}

// RequestLimits say what of a history is kept.
type RequestLimits struct {
	Requests int       // of each directory, the latest
	Since    time.Time // whatever was last before is dropped, in every directory
}

// A RequestStore keeps what a RequestLog remembers. Memory is one, and so is the
// store of sqlstore; scimtest checks any. Implementations are safe for
// concurrent use, also by several processes.
type RequestStore interface {
	// AddRequests adds batches, each of another directory, to what is kept:
	// counts are added up, and of a token the later request is the last one.
	// Then it drops what is beyond the limits; what is too old at the latest in
	// a call without batches. Batches are added whole or not at all.
	AddRequests(ctx context.Context, batches []RequestBatch, limits RequestLimits) error
	// Requests returns what is kept of a directory, with at most so many
	// requests. Of one that nobody asked it is the zero RequestHistory.
	Requests(ctx context.Context, dir Directory, most int) (RequestHistory, error)
}

// RequestLogConfig describes a RequestLog. Store is required.
type RequestLogConfig struct {
	Store RequestStore
	// Keep is how many requests of each directory are kept; 0 stands for 1,000.
	Keep int
	// KeepFor is how long requests, counts and the last request of each token
	// are kept; 0 stands for 90 days.
	KeepFor time.Duration
	// Every is the time between two writes to the store; 0 stands for a second.
	Every time.Duration
	// Logger is told when the store fails and when it works again. nil is
	// slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

const (
	defaultKeepRequests = 1000
	defaultKeepFor      = 90 * 24 * time.Hour
	defaultLogEvery     = time.Second
	// maxPending bounds what waits to be written: of one directory, and of all.
	maxPendingEach = 500
	maxPending     = 5000
	// logTimeout bounds one write, and sweepEvery is the time after which old
	// requests are dropped even if no new ones came.
	logTimeout = 10 * time.Second
	sweepEvery = time.Hour
)

// A RequestLog remembers the last requests of each directory, for admins who
// want to know what a provider asked and was told: see Config.Requests. It
// writes them to its store in batches. No request waits for that: while the
// store is slow or away, requests are dropped and counted. It is safe for
// concurrent use.
type RequestLog struct {
	cfg  RequestLogConfig
	wake chan struct{} // something is pending
	full chan struct{} // much is pending
	stop chan struct{}
	done chan struct{} // closed when run has ended

	mu      sync.Mutex
	closed  bool
	pending map[Directory]*RequestHistory
	records int // in pending

	failing bool // whether the last write failed; of run alone
}

// NewRequestLog returns a log that writes to cfg.Store until it is closed. The
// only errors are those of cfg.
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

// Close writes what is pending and ends the log. Requests that come later are
// not remembered. The error is the store's.
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

// add remembers a request whose credentials were accepted.
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

// refuse counts a request whose credentials were not accepted. dir is whose
// they were meant to be, or the zero Directory.
func (l *RequestLog) refuse(dir Directory, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.of(dir); h != nil {
		h.Refused.add(RequestCount{N: 1, First: at, Last: at})
	}
}

// of returns what is pending of a directory, or nil if the log is closed. The
// caller has mu.
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
	default: // told already
	}
}

// flush writes what is pending. Without anything pending it does nothing, but
// for dropping what is too old if sweep is set.
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
	// Processes that write at the same time go in one order, and cannot wait for
	// one another in a circle.
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
	for dir, lost := range pending { // the counts are kept for the next time
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

// use adds the use of a token, in place of that of another one which was used
// least recently, if there are too many. Tokens is in no order.
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

// limit sorts a history and drops what is beyond the limits.
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
