package scim

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asked returns a request as the pace sees it.
func asked(remote string, major int) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr, r.ProtoMajor = remote, major
	return r
}

// If a client with several connections exceeds its share, its further requests
// wait, while another client is served.
func TestPace(t *testing.T) {
	p := newPace()
	p.processors = 1
	loud, other := party{tenant: "loud"}, party{tenant: "other"}
	now := time.Now()
	sent := 0
	flood := func(n int) (last time.Duration) {
		for range n {
			sent++
			last = p.arrive(asked(fmt.Sprint("192.0.2.1:", sent%16), 1), loud, now)
		}
		return last
	}
	flood(1)
	now = now.Add(2 * paceMixed)
	assert.LessOrEqual(t, flood(10_000), time.Duration(0), "nobody waits while there is one party")

	assert.LessOrEqual(t, p.arrive(asked("192.0.2.2:1", 1), other, now), time.Duration(0))
	free := int(paceBurst/requestCost) + 1
	now = now.Add(time.Minute) // the debt is paid
	p.arrive(asked("192.0.2.2:1", 1), other, now)
	assert.LessOrEqual(t, flood(free), time.Duration(0))
	first := flood(1)
	assert.Equal(t, first+10*requestCost, flood(10), "each waits for those before it")
	before := flood(1)
	now = now.Add(4 * requestCost)
	assert.Equal(t, before-3*requestCost, flood(1), "time pays")
	assert.Equal(t, paceDebt-paceBurst, flood(5_000), "there is a longest wait")
	assert.LessOrEqual(t, p.arrive(asked("192.0.2.2:1", 1), other, now), time.Duration(0), "no other party waits")

	for range 100 {
		p.arrive(asked("192.0.2.1:99", 1), loud, now)
	}
	assert.Zero(t, p.arrive(asked("192.0.2.1:99", 1), loud, now), "a connection with one request at a time does not wait")
	p.arrive(asked("192.0.2.1:99", 2), loud, now)
	assert.Positive(t, p.arrive(asked("192.0.2.1:99", 2), loud, now), "HTTP/2 has many")
}

// Additional costs of a request count as well.
func TestPaceCharges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // here the charge uses the clock
		p := newPace()
		p.processors = 2
		now := time.Now()
		p.arrive(asked("192.0.2.2:1", 1), party{tenant: "other"}, now)
		p.charge(party{tenant: "large"}, 100*time.Millisecond)
		wait := p.arrive(asked("192.0.2.1:1", 1), party{tenant: "large"}, now)
		assert.InDelta(t, (100*time.Millisecond/p.processors - paceBurst).Seconds(), wait.Seconds(), 0.03)
	})
}

// The memory of the pace is limited to the clients that still have a debt.
func TestPaceForgets(t *testing.T) {
	p := newPace()
	p.processors = 1
	now := time.Now()
	for i := range 20 * manyParties {
		now = now.Add(time.Millisecond)
		p.arrive(asked("192.0.2.1:1", 1), party{remote: fmt.Sprint(i)}, now)
	}
	assert.LessOrEqual(t, len(p.parties), manyParties+100)
}

// The wait of a request ends at once when its client disconnects.
func TestPaceIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		assert.Equal(t, errClientGone, sleep(ctx, time.Hour))
		assert.Equal(t, time.Second, time.Since(began))
		require.NoError(t, sleep(t.Context(), time.Minute))
		assert.Equal(t, time.Second+time.Minute, time.Since(began))
	})
}

// Requests without credentials are paced by their address.
func TestRefusalsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHandler(Config{Store: &Memory{}, Logger: slog.New(slog.DiscardHandler), Authenticate: BearerTokens(FixedTokens(Token{Hash: HashToken("t"), Principal: Principal{Tenant: "t"}}))})
		require.NoError(t, err)
		h.(*handler).pace.processors = 1 // independent of the number of processors of this machine
		ask := func(remote, token string) (int, time.Duration) {
			r := asked(remote, 1)
			r.URL.Path = "/Users"
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			w := httptest.NewRecorder()
			began := time.Now()
			h.ServeHTTP(w, r)
			return w.Code, time.Since(began)
		}
		var waited time.Duration
		for i := range 100 {
			status, took := ask(fmt.Sprint("192.0.2.1:", i), "")
			require.Equal(t, 401, status)
			waited += took
			status, took = ask("192.0.2.1:7", "t")
			require.Equal(t, 200, status)
			require.Zero(t, took, "of the same address")
		}
		assert.Greater(t, waited, 10*time.Millisecond)
	})
}

// Work that was counted for the operations of a bulk request is not counted again
// at its end.
func TestWorkIsPacedOnce(t *testing.T) {
	h := &handler{cfg: Config{Logger: slog.New(slog.DiscardHandler)}, pace: newPace()}
	x := &exchange{handler: h, ctx: t.Context(), party: party{tenant: "t"}, work: &work{ctx: t.Context(), done: 2 * pacedWork}}
	x.paced = x.work.done
	x.finish()
	assert.Empty(t, h.pace.parties)
	x.paced = pacedWork
	x.finish()
	assert.NotEmpty(t, h.pace.parties)
}
