package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// repetitions sends one GET with a fake clock. It returns how often it was sent,
// how long that took, and the error.
func repetitions(t *testing.T, cfg Config, answers ...func() (*http.Response, error)) (sent int32, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int32
		cfg.Base = inOrder(&count, answers...)
		start := time.Now()
		_, err = New(cfg).Get(t.Context(), "https://api.example/x")
		sent, took = count.Load(), time.Since(start)
	})
	return sent, took, err
}

func TestRepeats(t *testing.T) {
	lost := func() (*http.Response, error) { return nil, errors.New("connection reset") }
	for name, failed := range map[string]func() (*http.Response, error){
		"lost connection": lost,
		"429":             say(429, `{}`),
		"500":             say(500, `{}`),
		"503":             say(503, ``),
		"408":             say(408, ``),
	} {
		t.Run(name, func(t *testing.T) {
			sent, took, err := repetitions(t, Config{}, failed, failed, say(200, `{}`))
			require.NoError(t, err)
			assert.Equal(t, int32(3), sent)
			// 500 ms and 1 s, less a jitter of up to half.
			assert.GreaterOrEqual(t, took, 750*time.Millisecond)
			assert.LessOrEqual(t, took, 1500*time.Millisecond)
		})
	}
}

// An error with NonRetriable is not repeated.
func TestFinalErrors(t *testing.T) {
	sent, _, err := repetitions(t, Config{}, func() (*http.Response, error) { return nil, final{errors.New("not recorded")} })
	require.ErrorContains(t, err, "not recorded")
	assert.Equal(t, int32(1), sent)
}

type final struct{ error }

func (final) NonRetriable() {}

func TestRepetitionsAreBounded(t *testing.T) {
	sent, _, err := repetitions(t, Config{}, say(503, `{"m":"down"}`))
	require.ErrorIs(t, err, sources.ErrUnavailable)
	assert.Contains(t, err.Error(), "503 Service Unavailable: {\"m\":\"down\"}")
	assert.Equal(t, int32(defaultAttempts), sent)

	sent, _, err = repetitions(t, Config{Attempts: 1}, say(503, `{}`))
	require.Error(t, err)
	assert.Equal(t, int32(1), sent)
}

func TestBackoffGrowsToAMost(t *testing.T) {
	for attempt, most := range map[int]time.Duration{1: firstBackoff, 2: time.Second, 4: 4 * time.Second, 7: mostBackoff, 1000: mostBackoff} {
		for range 20 {
			d := backoff(attempt)
			assert.GreaterOrEqual(t, d, most/2)
			assert.LessOrEqual(t, d, most)
		}
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where synctest's clock starts
	for name, c := range map[string]struct {
		header []string
		want   time.Duration
	}{
		"seconds":                  {[]string{"Retry-After", "17"}, 17 * time.Second},
		"at once":                  {[]string{"Retry-After", "0"}, 0},
		"date":                     {[]string{"Retry-After", now.Add(9 * time.Second).Format(http.TimeFormat)}, 9 * time.Second},
		"date by the server's own": {[]string{"Retry-After", now.Add(time.Hour + 5*time.Second).Format(http.TimeFormat), "Date", now.Add(time.Hour).Format(http.TimeFormat)}, 5 * time.Second},
		"date gone by":             {[]string{"Retry-After", now.Add(-time.Hour).Format(http.TimeFormat)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			sent, took, err := repetitions(t, Config{}, say(429, `{}`, c.header...), say(200, `{}`))
			require.NoError(t, err)
			assert.Equal(t, int32(2), sent)
			assert.Equal(t, c.want, took)
		})
	}
	for _, nonsense := range []string{"soon", "-5", "1e3"} {
		_, took, err := repetitions(t, Config{}, say(429, `{}`, "Retry-After", nonsense), say(200, `{}`))
		require.NoError(t, err)
		assert.NotZero(t, took, "%q: our own pause instead", nonsense)
	}
}

// Graph is known to have sent Retry-After with a good answer, where it means
// nothing.
func TestRetryAfterOfAGoodAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := New(Config{Base: inOrder(new(atomic.Int32), say(200, `{}`, "Retry-After", "30"))})
		began := time.Now()
		for range 2 {
			_, err := transport.Get(t.Context(), "https://api.example/x")
			require.NoError(t, err)
		}
		assert.Zero(t, time.Since(began))
	})
}

// A pause of two weeks is left to the caller.
func TestRetryAfterTooLong(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"1209600":             14 * 24 * time.Hour,
		"9223372036854775807": 365 * 24 * time.Hour,
	} {
		sent, took, err := repetitions(t, Config{}, say(429, `{}`, "Retry-After", value))
		require.ErrorIs(t, err, sources.ErrRateLimited)
		var wrapped *sources.Error
		require.ErrorAs(t, Wrap("acme", "list users", err), &wrapped)
		assert.Equal(t, want, wrapped.RetryAfter)
		assert.Equal(t, int32(1), sent)
		assert.Zero(t, took)
	}
}

func TestOnlyIdempotentRequestsAreRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		marked bool
		want   int32
	}{"plain POST": {false, 1}, "marked POST": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var count atomic.Int32
				tr := New(Config{Base: inOrder(&count, say(503, `{}`), say(200, `{}`))})
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.example/x", strings.NewReader("{}"))
				require.NoError(t, err)
				if c.marked {
					req.Header["Idempotency-Key"] = nil
				}
				_, err = tr.RoundTrip(req)
				assert.Equal(t, c.marked, err == nil)
				assert.Equal(t, c.want, count.Load())
			})
		})
	}
}

// The provider's headers delay all requests of a transport, also after a good
// answer.
func TestProviderLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int32
		tr := New(Config{
			Base: inOrder(&count, say(200, `{}`, "X-Remaining", "0"), say(200, `{}`)),
			Limit: func(status int, header http.Header) time.Duration {
				assert.Equal(t, 200, status)
				if header.Get("X-Remaining") == "0" {
					return 40 * time.Second
				}
				return 0
			},
		})
		start := time.Now()
		for i, want := range []time.Duration{0, 40 * time.Second, 40 * time.Second} {
			_, err := tr.Get(t.Context(), "https://api.example/x")
			require.NoError(t, err)
			assert.Equal(t, want, time.Since(start), "request %d", i)
		}
	})
}

func TestSleepObeysTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var count atomic.Int32
		start := time.Now()
		_, err := New(Config{Base: inOrder(&count, say(429, `{}`, "Retry-After", "30"))}).Get(ctx, "https://api.example/x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.Equal(t, int32(1), count.Load())
	})
}

// An attempt that takes too long is the provider's failure and not the caller's
// deadline.
func TestAttemptTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := baseFunc(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		_, err := New(Config{Base: hang, Attempts: 2, Timeout: 10 * time.Second}).Get(t.Context(), "https://api.example/x")
		require.ErrorIs(t, err, sources.ErrUnavailable)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		assert.Contains(t, err.Error(), "no answer within 10s")
	})
}

// An answer inside a batch is judged like an answer of its own: one that may
// succeed later is asked for again, after its pause.
func TestPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := time.Time{}
		transport := New(Config{Attempts: 2, Base: baseFunc(func(*http.Request) (*http.Response, error) {
			sent = time.Now()
			return answer(200, `{}`), nil
		})})
		failure, again := transport.Part("/x", 1, 204, nil, nil)
		require.Nil(t, failure)
		require.False(t, again)

		failure, again = transport.Part("/x", 1, 429, http.Header{"Retry-After": {"7"}}, []byte(`{"access_token": "c4n4ry"}`))
		require.True(t, again)
		require.ErrorIs(t, failure, sources.ErrRateLimited)
		require.NotContains(t, failure.Error(), "c4n4ry")
		before := time.Now()
		_, err := transport.Get(t.Context(), "http://127.0.0.1:1/")
		require.NoError(t, err)
		require.Equal(t, 7*time.Second, sent.Sub(before))

		for _, c := range []struct {
			attempt, status int
			after           string
			reason          error
		}{
			{2, 429, "7", sources.ErrRateLimited}, {1, 429, "3600", sources.ErrRateLimited},
			{1, 404, "", sources.ErrNotFound}, {1, 403, "7", sources.ErrForbidden}, {2, 503, "", sources.ErrUnavailable},
		} {
			failure, again = transport.Part("/x", c.attempt, c.status, http.Header{"Retry-After": {c.after}}, nil)
			require.ErrorIs(t, failure, c.reason)
			require.False(t, again)
		}
	})
}
