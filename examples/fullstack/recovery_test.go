package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
)

// holdVariable makes the test binary run as a program that takes the lock and a
// delivery of a tenant, until the test kills it.
const holdVariable = "FULLSTACK_HOLDS"

// These are the bounds that docs/guides/operate.md states, for this
// application, which polls each connection every ten seconds. They hold on a
// machine without other load, which boundsVariable confirms. Otherwise the
// tests only check that the result comes.
const (
	afterOutage = 3 * time.Second  // a push that arrives when the database is back
	waitingOut  = 8 * time.Second  // a push that was acknowledged before and waits for the next try
	afterKill   = 15 * time.Second // the lock and the deliveries of a killed process

	boundsVariable = "USHER_BOUNDS"
)

// requireWithin checks a duration against its bound, if there is a bound.
func requireWithin(t *testing.T, took, bound time.Duration) {
	t.Helper()
	if os.Getenv(boundsVariable) != "" {
		require.Less(t, took, bound)
	}
}

// hold runs a process that is in the middle of a delivery and has the lock of
// the tenant.
func hold(ctx context.Context, args []string, stdout io.Writer) error {
	opt, err := parseOptions(args, stdout)
	if err != nil {
		return err
	}
	stores, err := openStores(ctx, opt)
	if err != nil {
		return err
	}
	var app *app
	app, err = newApp(stores, appConfig{
		tokens: map[string]string{"acme": killToken}, interval: time.Hour, logger: slog.New(slog.DiscardHandler),
		mail: func(string) {
			if _, err := app.team.Lock(ctx, "acme"); err != nil {
				fmt.Fprintln(stdout, err)
			}
			fmt.Fprintln(stdout, "holds")
			select {} // until the test kills the process
		},
	})
	if err != nil {
		return err
	}
	who := &pushed{name: "held"}
	for _, request := range []*http.Request{
		httptest.NewRequest(http.MethodPost, "/scim/v2/Users", strings.NewReader(who.body())),
		httptest.NewRequest(http.MethodPost, "/scim/v2/Users", strings.NewReader((&pushed{name: "other"}).body())),
		httptest.NewRequest(http.MethodDelete, "/scim/v2/Users/", nil),
	} {
		if request.Method == http.MethodDelete {
			request.URL.Path += who.id
		}
		request.Header.Set("Authorization", "Bearer "+killToken)
		request.Header.Set("Content-Type", "application/scim+json")
		answer := httptest.NewRecorder()
		app.handler.ServeHTTP(answer, request)
		if answer.Code >= 300 {
			return fmt.Errorf("%s: %s", request.Method, answer.Body)
		}
		if who.id == "" {
			who.id = idOf(answer.Body.Bytes())
		}
	}
	select {}
}

// S28, S38, S41: what a killed process held becomes free in bounded time. A
// push into the next process is decided, and the interrupted effect is
// delivered.
func TestAKilledProcessHoldsNothingForLong(t *testing.T) {
	eachDatabase(t, func(t *testing.T, direct options, args []string) {
		stores, err := openStores(t.Context(), direct)
		require.NoError(t, err)
		defer func() { require.NoError(t, stores.Close()) }()
		require.NoError(t, stores.saveRules(t.Context(), "acme", killRules))
		self, err := os.Executable()
		require.NoError(t, err)
		holder := exec.Command(self, args...)
		holder.Env = append(os.Environ(), holdVariable+"=1")
		stdout, err := holder.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, holder.Start())
		line := make([]byte, len("holds"))
		_, err = io.ReadFull(stdout, line)
		require.NoError(t, err)
		require.Equal(t, "holds", string(line))
		require.NoError(t, holder.Process.Kill())
		_ = holder.Wait()
		require.NotZero(t, stores.effects(t))

		next := startProcess(t, filepath.Join(t.TempDir(), "log"), args...)
		provider := newPusher(t, next)
		who := &pushed{name: "ana"}
		began := time.Now()
		provider.create(who)
		acknowledged := time.Since(began)
		until(t, func() bool { return stores.member(t, who.id).Active })
		decided := time.Since(began)
		until(t, func() bool { return stores.effects(t) == 0 })
		t.Logf("a push was acknowledged %.1f s after the next process began, and decided after %.1f s; the effect was delivered after %.1f s",
			acknowledged.Seconds(), decided.Seconds(), time.Since(began).Seconds())
		requireWithin(t, time.Since(began), afterKill)
	})
}

// S38: a change that was acknowledged before an outage of the database is
// decided soon after the outage, and a change that arrives after it is decided
// at once, for any length of the outage. USHER_AWAY sets the length.
func TestAnOutageOfTheDatabase(t *testing.T) {
	t.Parallel()
	away := 12 * time.Second
	if text := os.Getenv("USHER_AWAY"); text != "" {
		var err error
		away, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	server := pgtest.StartOwn(t)
	dsn := server.URL().String()
	stores, err := openStores(t.Context(), options{postgres: dsn})
	require.NoError(t, err)
	defer func() { _ = stores.Close() }()
	require.NoError(t, stores.saveRules(t.Context(), "acme", killRules))
	process := startProcess(t, filepath.Join(t.TempDir(), "log"), "-postgres", dsn)
	provider := newPusher(t, process)
	ana, bo := &pushed{name: "ana"}, &pushed{name: "bo"}
	provider.create(ana)
	until(t, func() bool { return stores.member(t, ana.id).Active })
	unlock, err := stores.team.Lock(t.Context(), "acme") // holds the lock, so that a change is acknowledged but not decided
	require.NoError(t, err)
	provider.create(bo)
	require.NoError(t, server.Crash())
	time.Sleep(away)
	require.NoError(t, server.Run())
	unlock()
	began := time.Now()
	if os.Getenv("USHER_AWAY_SILENT") == "" {
		provider.patch(ana, `{"op":"replace","path":"title","value":"back"}`)
		acknowledged := time.Now()
		until(t, func() bool { return stores.member(t, ana.id).Title == "back" })
		t.Logf("after %s, a push was acknowledged %.1f s after the database was back, and decided after %.1f s more",
			away, acknowledged.Sub(began).Seconds(), time.Since(acknowledged).Seconds())
		requireWithin(t, time.Since(acknowledged), afterOutage)
	}
	until(t, func() bool { return stores.member(t, bo.id).Active })
	t.Logf("one from before the outage was decided %.1f s after it", time.Since(began).Seconds())
	requireWithin(t, time.Since(began), waitingOut)
}

// eachDatabase runs a test on SQLite and on PostgreSQL, with the program's
// options for each.
func eachDatabase(t *testing.T, test func(t *testing.T, direct options, args []string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		db := filepath.Join(t.TempDir(), "team.db")
		test(t, options{db: db}, []string{"-db", db})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.Start(t).Schema(t)
		test(t, options{postgres: dsn}, []string{"-postgres", dsn})
	})
}

// until waits until ok reports true.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(4 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "it does not come")
	}
}

// member returns the member of a pushed user, or the zero Member.
func (s *stores) member(t *testing.T, userID string) provisioning.Member {
	t.Helper()
	found, err := s.team.FindMembers(t.Context(), "acme", []provisioning.MemberKey{{By: provisioning.MemberByExternalID, Connection: "okta", Value: userID}}, 1)
	require.NoError(t, err)
	return append(found, provisioning.Member{})[0]
}

// effects returns the number of effects in the outbox.
func (s *stores) effects(t *testing.T) int {
	t.Helper()
	n := 0
	for _, err := range s.team.Effects(t.Context(), "acme") {
		require.NoError(t, err)
		n++
	}
	return n
}
