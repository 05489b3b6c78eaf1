package scimtest

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loadTime returns a short load, unless USHER_TEST_LOAD requests 100 clients
// for a minute.
func loadTime(t *testing.T) LoadConfig {
	cfg := LoadConfig{Clients: 16, Duration: 2 * time.Second}
	if os.Getenv(loadEnv) != "" {
		cfg = LoadConfig{Clients: 100, Duration: time.Minute}
	} else if testing.Short() {
		cfg.Duration = time.Second / 2
	}
	t.Logf("%d clients for %v; with %s=1 it is 100 for a minute", cfg.Clients, cfg.Duration, loadEnv)
	return cfg
}

const loadEnv = "USHER_TEST_LOAD"

// With many parallel clients, no acknowledged write is lost.
func TestLoad(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, b backend) {
		store, err := b.open(t.Context())
		require.NoError(t, err)
		target := serve(t, store, nil)
		ledger, err := Load(t.Context(), target, loadTime(t))
		require.NoError(t, err)
		t.Logf("%d writes acknowledged", ledger.Acknowledged())
		assert.NotZero(t, ledger.Acknowledged())
		assert.NoError(t, ledger.Verify(t.Context(), target))
	})
}

// serveEnv and serveDSN are environment variables of the process that
// TestKilled kills: the driver and the database.
const serveEnv, serveDSN = "SCIMTEST_SERVE", "SCIMTEST_DSN"

// A process that is killed during its work loses no acknowledged write. The
// process is another instance of this test binary.
func TestKilled(t *testing.T) {
	if driver := os.Getenv(serveEnv); driver != "" {
		serveUntilKilled(t, backend{driver, os.Getenv(serveDSN)})
		return
	}
	onEveryBackend(t, func(t *testing.T, b backend) {
		if b.driver == "memory" {
			t.Skip("what is in memory ends with the process")
		}
		target, kill := start(t, b)
		answers := &answers{RoundTripper: &http.Transport{MaxIdleConnsPerHost: 100}, many: make(chan struct{})}
		target.Client = &http.Client{Transport: answers}
		defer target.Client.CloseIdleConnections()
		type result struct {
			ledger *Ledger
			err    error
		}
		done := make(chan result, 1)
		cfg := loadTime(t)
		go func() {
			cfg := cfg
			cfg.Duration = time.Hour // the kill ends the load earlier
			ledger, err := Load(context.Background(), target, cfg)
			done <- result{ledger, err}
		}()
		select {
		case <-answers.many:
		case got := <-done:
			t.Fatal(got.err)
		}
		if os.Getenv(loadEnv) != "" {
			time.Sleep(cfg.Duration)
		}
		kill()
		got := <-done
		require.NoError(t, got.err)
		t.Logf("%d writes acknowledged before the end", got.ledger.Acknowledged())
		require.NotZero(t, got.ledger.Acknowledged())
		again, _ := start(t, b)
		assert.NoError(t, got.ledger.Verify(t.Context(), again))
		_, err := Load(t.Context(), again, LoadConfig{Clients: 2, Duration: time.Second / 5})
		assert.NoError(t, err, "and it goes on")
	})
}

// answers counts the successful answers of a server, and closes many after 200.
type answers struct {
	http.RoundTripper
	successes atomic.Int64
	many      chan struct{}
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.RoundTripper.RoundTrip(r)
	if err == nil && resp.StatusCode < 300 && a.successes.Add(1) == 200 {
		close(a.many)
	}
	return resp, err
}

// start runs the server in a separate process, until kill is called or the test
// ends.
func start(t *testing.T, b backend) (target Target, kill func()) {
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), serveEnv+"="+b.driver, serveDSN+"="+b.dsn)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	kill = func() {
		_ = child.Process.Kill() // SIGKILL: the process cannot clean up
		_ = child.Wait()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the server did not start: %s", line)
	return Target{BaseURL: strings.TrimSpace(line), Token: "acme"}, kill
}

func serveUntilKilled(t *testing.T, b backend) {
	store, err := b.open(t.Context())
	require.NoError(t, err)
	handler, err := newHandler(store)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, err = os.Stdout.WriteString("http://" + listener.Addr().String() + base + "\n")
	require.NoError(t, err)
	require.NoError(t, http.Serve(listener, handler))
}
