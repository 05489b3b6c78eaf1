package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgserver"
	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
)

// childVariable makes the test binary run as the program, which the test kills.
// Its value is a file with the error of the program's clock in seconds.
const childVariable = "FULLSTACK_CHILD"

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	switch file := os.Getenv(childVariable); {
	case file != "":
		err = runWith(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr, wrongClock(file))
	case os.Getenv(holdVariable) != "":
		err = hold(ctx, os.Args[1:], os.Stdout)
	default:
		stop()
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const (
	killToken = "a token"
	killRules = `{"format": 1, "revision": "1", "source": "okta", "connection": "okta", "domains": {"primary": "acme.example"},
		"default": {"id": "everybody", "mode": "automatic", "seats": ["core"], "capture": ["recording"]}, "managers": {"notify": true},
		"breakers": {"deactivate": {}, "downgrade": {}, "grant": {}, "reparent": {}, "rewrite_identity": {}}}`
)

// A process is the program. After each kill it is started again with the same
// address and database.
type process struct {
	t     *testing.T
	args  []string
	base  string
	logs  string // a file; every start of the program appends to it
	clock string // a file with the error of the clock

	mu  sync.Mutex
	cmd *exec.Cmd
}

func startProcess(t *testing.T, logs string, args ...string) *process {
	t.Helper()
	port, err := pgserver.FreePort()
	require.NoError(t, err)
	addr := net.JoinHostPort("127.0.0.1", port)
	p := &process{t: t, args: append([]string{"-addr", addr}, args...), base: "http://" + addr + "/scim/v2", logs: logs,
		clock: filepath.Join(t.TempDir(), "clock")}
	p.setClock(0)
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	log, err := os.OpenFile(p.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(p.t, err)
	defer log.Close()
	self, err := os.Executable()
	require.NoError(p.t, err)
	p.cmd = exec.Command(self, p.args...)
	p.cmd.Env = append(os.Environ(), childVariable+"="+p.clock, "ADMIN_PASSWORD=x", "SCIM_TOKEN_ACME="+killToken)
	p.cmd.Stderr = log
	require.NoError(p.t, p.cmd.Start())
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Kill() // SIGKILL
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// stop ends the process with the signal that an operator sends.
func (p *process) stop() {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	killer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	require.NoError(p.t, cmd.Wait(), "it does not stop when it is told to")
	p.mu.Lock()
	p.cmd = nil
	p.mu.Unlock()
}

// A pusher is a provider that pushes a few people. Like a real provider, it
// repeats a request that got no answer, and relies on each answer that it got.
type pusher struct {
	t         *testing.T
	processes []*process
	client    http.Client
	people    []*pushed
	random    *rand.Rand
	stop      *atomic.Bool

	acknowledged int // number of acknowledged changes
}

// A pushed is a person in the state of the last acknowledged request.
type pushed struct {
	name, id, title string
	active          bool
}

func newPusher(t *testing.T, processes ...*process) *pusher {
	return &pusher{t: t, processes: processes, client: http.Client{Timeout: 30 * time.Second}, random: rand.New(rand.NewPCG(1, 1))}
}

func (p *pushed) email() string { return p.name + "@acme.example" }

// body returns the body of the POST that creates the person.
func (p *pushed) body() string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"externalId":%q,"active":true,
		"name":{"givenName":"Ana","familyName":%q},"emails":[{"value":%[1]q,"primary":true}]}`, p.email(), "00u"+p.name, p.name)
}

// idOf returns the id in an answer, or "".
func idOf(answer []byte) string {
	var created struct{ ID string }
	_ = json.Unmarshal(answer, &created)
	return created.ID
}

// send repeats a request until any process answers it.
func (p *pusher) send(method, path, body string) (int, []byte) {
	for {
		process := p.processes[p.random.IntN(len(p.processes))]
		req, err := http.NewRequest(method, process.base+path, strings.NewReader(body))
		require.NoError(p.t, err)
		req.Header.Set("Authorization", "Bearer "+killToken)
		req.Header.Set("Content-Type", "application/scim+json")
		resp, err := p.client.Do(req)
		if err == nil {
			var answer []byte
			answer, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
				return resp.StatusCode, answer
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (p *pusher) push() {
	for round := 0; !p.stop.Load(); round++ {
		who := p.people[p.random.IntN(len(p.people))]
		switch {
		case who.id == "":
			p.create(who)
		case p.random.IntN(3) == 0:
			active := !who.active
			p.patch(who, fmt.Sprintf(`{"op":"replace","value":{"active":%t}}`, active))
			who.active = active
		default:
			title := fmt.Sprintf("title %d", round)
			p.patch(who, fmt.Sprintf(`{"op":"replace","path":"title","value":%q}`, title))
			who.title = title
		}
	}
}

func (p *pusher) create(who *pushed) {
	status, answer := p.send("POST", "/Users", who.body())
	if status == http.StatusConflict { // an earlier try was stored, but its answer was lost
		status, answer = p.send("GET", "/Users?filter="+url.QueryEscape(`userName eq "`+who.email()+`"`), "")
		var list struct{ Resources []struct{ ID string } }
		require.NoError(p.t, json.Unmarshal(answer, &list))
		require.Len(p.t, list.Resources, 1, "%s", answer)
		who.id = list.Resources[0].ID
	} else {
		who.id = idOf(answer)
	}
	require.Less(p.t, status, 300, "%s", answer)
	p.acknowledged++
	who.active = true
}

func (p *pusher) patch(who *pushed, operation string) {
	status, answer := p.send("PATCH", "/Users/"+who.id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operation+`]}`)
	require.Less(p.t, status, 300, "%s", answer)
	p.acknowledged++
}

// wrongClock returns a clock whose error is the present content of the file.
func wrongClock(file string) func() time.Time {
	return func() time.Time {
		var seconds int64
		if text, err := os.ReadFile(file); err == nil {
			_, _ = fmt.Sscan(string(text), &seconds) // an empty file means that the clock is right
		}
		return time.Now().Round(0).Add(time.Duration(seconds) * time.Second) // without the monotonic reading
	}
}

// setClock sets the error of the process's clock from now on.
func (p *process) setClock(wrong time.Duration) {
	require.NoError(p.t, os.WriteFile(p.clock+".new", fmt.Append(nil, int64(wrong.Seconds())), 0o600))
	require.NoError(p.t, os.Rename(p.clock+".new", p.clock))
}

// times returns how often a disaster happens: the value of the variable, or
// else often, which suits a build.
func times(t *testing.T, variable string, often int) int {
	if testing.Short() {
		often = min(often, 5)
	}
	if text := os.Getenv(variable); text != "" {
		_, err := fmt.Sscan(text, &often)
		require.NoError(t, err)
	}
	return often
}

// actions returns the number of actions that were done.
func (s *stores) actions(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, s.db.QueryRowContext(t.Context(), `SELECT count(*) FROM usher_audit`).Scan(&n))
	return n
}

// shortLease lets a process take over soon from a killed one, so that many kills fit
// into a short time.
var shortLease = []string{"-lease", "300ms"}

// A load is a set of providers that push into processes of the application
// during repeated disasters.
type load struct {
	direct   options // options of a database connection without faults
	args     []string
	replicas int
	times    int
	disaster func(random *rand.Rand, processes []*process)
	killed   bool // at the end, the processes are killed and not stopped in order
}

// run checks that the application lost no acknowledged change, decided nothing
// twice, and delivered every effect (S28, S38, S41, L2, L7).
func (l *load) run(t *testing.T) {
	stores, err := openStores(t.Context(), l.direct)
	require.NoError(t, err)
	defer func() { require.NoError(t, stores.Close()) }()
	require.NoError(t, stores.saveRules(t.Context(), "acme", killRules))

	logs := filepath.Join(t.TempDir(), "log")
	var processes []*process
	for range l.replicas {
		processes = append(processes, startProcess(t, logs, l.args...))
	}
	var stop atomic.Bool
	var pushers []*pusher
	var work sync.WaitGroup
	for i := range 4 {
		p := newPusher(t, processes...)
		p.random, p.stop = rand.New(rand.NewPCG(uint64(i), 1)), &stop
		for k := range 5 {
			p.people = append(p.people, &pushed{name: fmt.Sprintf("p%d-%d", i, k)})
		}
		pushers = append(pushers, p)
		work.Go(p.push)
	}
	random := rand.New(rand.NewPCG(7, 7))
	actions := 0
	for range l.times {
		if l.killed { // the next kill hits a program that decides, and not one that starts
			since := actions
			until(t, func() bool { actions = stores.actions(t); return actions >= since+3 })
		}
		time.Sleep(time.Duration(100+random.IntN(300)) * time.Millisecond)
		l.disaster(random, processes)
	}
	time.Sleep(500 * time.Millisecond)
	stop.Store(true)
	work.Wait()
	for _, p := range processes {
		if l.killed {
			p.kill()
		} else {
			p.stop()
		}
	}

	// The next process finishes the work that the last one left.
	log, err := os.OpenFile(logs, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer log.Close()
	app, err := newApp(stores, appConfig{interval: time.Hour, logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	defer app.Close()
	target := app.customers["acme"].target()
	require.Eventually(t, func() bool { // a killed process keeps the lock of the tenant until its lease ends
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return app.sync.Push(ctx, target) == nil
	}, 2*time.Minute, 100*time.Millisecond)
	require.Eventually(t, func() bool {
		_, err := app.sync.Deliver(t.Context(), target.Tenant)
		require.NoError(t, err)
		for _, err := range stores.team.Effects(t.Context(), target.Tenant) {
			require.NoError(t, err)
			return false
		}
		return true
	}, 3*time.Minute, 100*time.Millisecond, "effects wait for ever")

	team, err := provisioning.Team(t.Context(), stores.team, target.Tenant)
	require.NoError(t, err)
	members := make(map[string]provisioning.Member)
	for _, m := range team {
		require.NotContains(t, members, m.ExternalID, "somebody is in twice")
		members[m.ExternalID] = m
	}
	acknowledged := 0
	for _, p := range pushers {
		acknowledged += p.acknowledged
		for _, who := range p.people {
			if who.id == "" {
				continue
			}
			m := members[who.id]
			require.Equal(t, who.active, m.Active, "%+v: %+v", who, m)
			if who.active {
				require.Equal(t, who.title, m.Title, "%+v", who)
			}
		}
	}
	plan, err := app.sync.Plan(t.Context(), target)
	require.NoError(t, err)
	require.True(t, plan.Empty(), "L2: %s", plan)
	decisions := checkDecisions(t, stores, target.Tenant, logs)
	t.Logf("%d disasters, %d changes acknowledged, %d actions done, each once", l.times, acknowledged, decisions)
}

// The application is killed at random moments during pushes, and loses nothing
// (S28, S38, S41, L2, L7). USHER_KILLS is the number of kills.
func TestKilledUnderLoad(t *testing.T) {
	kill := func(random *rand.Rand, processes []*process) {
		victim := processes[random.IntN(len(processes))]
		victim.kill()
		victim.start()
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		db := filepath.Join(t.TempDir(), "team.db")
		l := load{direct: options{db: db}, args: append([]string{"-db", db}, shortLease...), replicas: 1, times: times(t, "USHER_KILLS", 25), disaster: kill, killed: true}
		l.run(t)
	})
	t.Run("postgres, two replicas", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.Start(t).Schema(t)
		l := load{direct: options{postgres: dsn}, args: append([]string{"-postgres", dsn}, shortLease...), replicas: 2, times: times(t, "USHER_KILLS", 25), disaster: kill, killed: true}
		l.run(t)
	})
}

// checkDecisions checks in the audit log that every action was done once, and
// in the program's log that each effect was delivered with its key. It returns
// the number of done actions.
func checkDecisions(t *testing.T, s *stores, tenant, logs string) int {
	delivered, err := readKeys(logs)
	require.NoError(t, err)
	done := make(map[string]bool)
	made := make(map[string]bool)
	for record, err := range s.team.Audit(t.Context(), tenant) {
		require.NoError(t, err)
		require.False(t, done[record.Key], "done twice: %+v", record)
		done[record.Key] = true
		switch record.Kind {
		case provisioning.KindCreate:
			require.False(t, made[record.MemberID], "made twice: %+v", record)
			made[record.MemberID] = true
		case provisioning.KindDeactivate:
			require.True(t, delivered[record.Key], "not delivered: %+v", record)
		}
	}
	require.NotEmpty(t, made)
	return len(done)
}

// readKeys returns the keys of the effects in a log.
func readKeys(path string) (map[string]bool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys := make(map[string]bool)
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if _, key, ok := strings.Cut(lines.Text(), "msg=effect "); ok {
			_, key, _ = strings.Cut(key, " key=")
			keys[key] = true
		}
	}
	return keys, lines.Err()
}
