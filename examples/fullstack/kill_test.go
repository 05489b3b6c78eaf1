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
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/provisioning"
)

// childVariable makes the test binary be the program, to be killed.
const childVariable = "FULLSTACK_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	killToken = "a token"
	killRules = `{"format": 1, "revision": "1", "source": "okta", "connection": "okta", "domains": {"primary": "acme.example"},
		"default": {"id": "everybody", "mode": "automatic", "seats": ["core"], "capture": ["recording"]}, "managers": {"notify": true},
		"breakers": {"deactivate": {}, "downgrade": {}, "grant": {}, "reparent": {}, "rewrite_identity": {}}}`
)

// A process is the program, started again whenever it was killed, on the same
// address and database.
type process struct {
	t    *testing.T
	args []string
	base string
	logs string // a file that all of its lives write to

	mu  sync.Mutex
	cmd *exec.Cmd
}

func startProcess(t *testing.T, logs string, args ...string) *process {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	p := &process{t: t, args: append([]string{"-addr", addr}, args...), base: "http://" + addr + "/scim/v2", logs: logs}
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
	p.cmd.Env = append(os.Environ(), childVariable+"=1", "ADMIN_PASSWORD=x", "SCIM_TOKEN_ACME="+killToken)
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

// A pusher is a provider that pushes a few people. As providers do, it sends
// again what was not answered, and takes for true what was.
type pusher struct {
	t         *testing.T
	processes []*process
	client    http.Client
	people    []*pushed
	random    *rand.Rand
	stop      *atomic.Bool
}

// A pushed person is as the last acknowledged request left them.
type pushed struct {
	name, id, title string
	active          bool
}

// send sends a request until it is answered, by whichever process is there.
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
	email := who.name + "@acme.example"
	status, answer := p.send("POST", "/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"externalId":%q,"active":true,
		"name":{"givenName":"Ana","familyName":%q},"emails":[{"value":%q,"primary":true}]}`, email, "00u"+who.name, who.name, email))
	if status == http.StatusConflict { // it was stored, and the answer lost
		status, answer = p.send("GET", "/Users?filter="+url.QueryEscape(`userName eq "`+email+`"`), "")
		var list struct{ Resources []struct{ ID string } }
		require.NoError(p.t, json.Unmarshal(answer, &list))
		require.Len(p.t, list.Resources, 1, "%s", answer)
		who.id = list.Resources[0].ID
	} else {
		var created struct{ ID string }
		require.NoError(p.t, json.Unmarshal(answer, &created))
		who.id = created.ID
	}
	require.Less(p.t, status, 300, "%s", answer)
	who.active = true
}

func (p *pusher) patch(who *pushed, operation string) {
	status, answer := p.send("PATCH", "/Users/"+who.id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operation+`]}`)
	require.Less(p.t, status, 300, "%s", answer)
}

// Killed at random moments while providers push, the application loses nothing
// that it acknowledged, decides nothing twice, and delivers every effect (S28,
// S38, S41, L2, L7). USHER_KILLS says how often it is killed.
func TestKilledUnderLoad(t *testing.T) {
	kills := 25
	if testing.Short() {
		kills = 5
	}
	if text := os.Getenv("USHER_KILLS"); text != "" {
		_, err := fmt.Sscan(text, &kills)
		require.NoError(t, err)
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		killUnderLoad(t, kills, 1, options{db: filepath.Join(t.TempDir(), "team.db")})
	})
	t.Run("postgres, two replicas", func(t *testing.T) {
		t.Parallel()
		killUnderLoad(t, kills, 2, options{postgres: pgtest.Start(t).Schema(t)})
	})
}

func killUnderLoad(t *testing.T, kills, replicas int, opt options) {
	stores, err := openStores(t.Context(), opt)
	require.NoError(t, err)
	defer stores.Close()
	require.NoError(t, stores.saveRules(t.Context(), "acme", killRules))

	logs := filepath.Join(t.TempDir(), "log")
	args := []string{"-db", opt.db}
	if opt.postgres != "" {
		args = []string{"-postgres", opt.postgres}
	}
	var processes []*process
	for range replicas {
		processes = append(processes, startProcess(t, logs, args...))
	}
	var stop atomic.Bool
	var pushers []*pusher
	var work sync.WaitGroup
	for i := range 4 {
		p := &pusher{t: t, processes: processes, client: http.Client{Timeout: 10 * time.Second}, random: rand.New(rand.NewPCG(uint64(i), 1)), stop: &stop}
		for k := range 5 {
			p.people = append(p.people, &pushed{name: fmt.Sprintf("p%d-%d", i, k)})
		}
		pushers = append(pushers, p)
		work.Go(p.push)
	}
	random := rand.New(rand.NewPCG(7, 7))
	for range kills {
		time.Sleep(time.Duration(100+random.IntN(300)) * time.Millisecond)
		victim := processes[random.IntN(len(processes))]
		victim.kill()
		victim.start()
	}
	time.Sleep(500 * time.Millisecond)
	stop.Store(true)
	work.Wait()
	for _, p := range processes {
		p.kill()
	}

	// What a process left undone, the next one does.
	log, err := os.OpenFile(logs, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer log.Close()
	app, err := newApp(stores, appConfig{interval: time.Hour, logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	defer app.Close()
	target := app.customers["acme"].target()
	require.Eventually(t, func() bool { // a killed process holds the tenant until its lease ends
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return app.sync.Push(ctx, target) == nil
	}, 2*time.Minute, 100*time.Millisecond)
	require.Eventually(t, func() bool {
		require.NoError(t, app.sync.Deliver(t.Context(), target.Tenant))
		for _, err := range stores.team.Effects(t.Context(), target.Tenant) {
			require.NoError(t, err)
			return false
		}
		return true
	}, 2*time.Minute, 100*time.Millisecond, "effects wait for ever")

	team, err := provisioning.Team(t.Context(), stores.team, target.Tenant)
	require.NoError(t, err)
	members := make(map[string]provisioning.Member)
	for _, m := range team {
		require.NotContains(t, members, m.ExternalID, "somebody is in twice")
		members[m.ExternalID] = m
	}
	for _, p := range pushers {
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
	checkDecisions(t, stores, target.Tenant, logs)
}

// checkDecisions holds the audit log to it that every action was done once, and
// the log to it that each effect was delivered under its key.
func checkDecisions(t *testing.T, s *stores, tenant, logs string) {
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
}

// readKeys returns the keys of the effects that a log tells of.
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
