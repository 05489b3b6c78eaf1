package rest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// logins returns numbered tokens.
type logins struct {
	mu    sync.Mutex
	n     int
	token Token
	err   error
}

func (l *logins) fetch(ctx context.Context) (Token, error) {
	if err := sleep(ctx, time.Second); err != nil {
		return Token{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	token := l.token
	token.Value += strconv.Itoa(l.n)
	return token, l.err
}

func authorized(t *testing.T, tokens *Tokens) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example/x", nil)
	require.NoError(t, err)
	require.NoError(t, tokens.Authorize(req))
	return req
}

func TestTokens(t *testing.T) {
	for name, c := range map[string]struct {
		life, after time.Duration
		want        int
	}{
		"good":              {time.Hour, 58 * time.Minute, 1},
		"about to end":      {time.Hour, 59*time.Minute + time.Second, 2},
		"ended":             {time.Hour, 2 * time.Hour, 2},
		"short":             {time.Minute, 20 * time.Second, 1},
		"short, half gone":  {time.Minute, 31 * time.Second, 2},
		"of unknown length": {0, 1000 * time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &logins{token: Token{Value: "t", Life: c.life}}
				tokens := NewTokens("acme", l.fetch)
				assert.Equal(t, "Bearer t1", authorized(t, tokens).Header.Get("Authorization"))
				time.Sleep(c.after - time.Second)
				assert.Equal(t, "Bearer t"+strconv.Itoa(c.want), authorized(t, tokens).Header.Get("Authorization"))
			})
		})
	}
}

// Concurrent requests that need a token, or whose token was refused, log in once.
func TestTokensLogInOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logins{token: Token{Value: "t", Type: "DPoP"}}
		tokens := NewTokens("acme", l.fetch)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				refused := authorized(t, tokens)
				assert.Equal(t, "DPoP t1", refused.Header.Get("Authorization"))
				again, err := tokens.Renew(refused, nil)
				assert.True(t, again)
				assert.NoError(t, err)
				assert.Equal(t, "DPoP t2", authorized(t, tokens).Header.Get("Authorization"))
			})
		}
		all.Wait()
		assert.Equal(t, 2, l.n)
	})
}

func TestTokensThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &Error{Status: 401, Reason: sources.ErrUnauthorized, Detail: "wrong secret"}
		tokens := NewTokens("acme", (&logins{err: refused}).fetch)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example/x", nil)
		require.NoError(t, err)
		err = tokens.Authorize(req)
		require.ErrorIs(t, err, sources.ErrUnauthorized)
		assert.EqualError(t, err, "acme: log in: credentials rejected: 401 Unauthorized: wrong secret")
		again, err := tokens.Renew(req, nil)
		assert.False(t, again)
		require.Error(t, err)

		empty := NewTokens("acme", func(context.Context) (Token, error) { return Token{}, nil })
		require.ErrorIs(t, empty.Authorize(req), sources.ErrMalformed)

		// A request that waits for the login of another one ends with its own
		// context.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		slow := NewTokens("acme", func(ctx context.Context) (Token, error) { return Token{Value: "t"}, sleep(ctx, time.Hour) })
		go func() { _ = slow.Authorize(req.Clone(t.Context())) }()
		synctest.Wait()
		require.ErrorIs(t, slow.Authorize(req.Clone(ctx)), context.DeadlineExceeded)
	})
}

// A failed login keeps the old token.
func TestTokensAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logins{token: Token{Value: "t"}}
		tokens := NewTokens("acme", l.fetch)
		req := authorized(t, tokens)
		l.err = errors.New("down")
		_, err := tokens.Renew(req, nil)
		require.ErrorContains(t, err, "acme: log in: down")
		l.err = nil
		_, err = tokens.Renew(req, nil)
		require.NoError(t, err)
		assert.Equal(t, "Bearer t3", authorized(t, tokens).Header.Get("Authorization"))
	})
}
