package provisioning_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

var update = flag.Bool("update", false, "rewrite the want/ sections of the scenarios")

// TestScenarios runs every scenario file. A scenario reads as plain English
// first and data second: its files are config.json, snapshot.json,
// members.json (optional) and want/plan.txt, and want/explain/<who> where one
// person's story matters. Beside comparing the text, each must obey the laws.
func TestScenarios(t *testing.T) {
	paths, err := filepath.Glob("testdata/scenarios/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			a := parseArchive(data)
			require.NotEmpty(t, strings.TrimSpace(a.comment), "a scenario says in English what it shows")
			cfg, in := a.input(t)
			r, err := provisioning.New(cfg)
			require.NoError(t, err)
			plan := r.Resolve(in)
			a.compare("want/plan.txt", plan.String())
			for _, f := range a.files {
				if who, ok := strings.CutPrefix(f.name, "want/explain/"); ok {
					a.compare(f.name, plan.Explain(who))
				}
			}
			if *update {
				require.NoError(t, os.WriteFile(path, a.bytes(), 0o644))
			} else {
				for _, f := range a.files {
					if strings.HasPrefix(f.name, "want/") {
						require.Equal(t, f.data, a.got[f.name], f.name)
					}
				}
			}
			requireLaws(t, r, in, plan)
		})
	}
}

// requireLaws checks the laws that hold for every single input.
func requireLaws(t *testing.T, r *provisioning.Resolver, in provisioning.Input, plan *provisioning.Plan) {
	t.Helper()
	want := planJSON(t, plan)
	random := rand.New(rand.NewPCG(1, 2))
	for range 4 { // L1: the order of the input never matters
		shuffled := shuffle(random, in)
		require.Equal(t, want, planJSON(t, r.Resolve(shuffled)), "L1: shuffled input gives another plan")
	}
	read, err := provisioning.ReadPlan([]byte(want))
	require.NoError(t, err)
	require.Equal(t, want, planJSON(t, read), "a plan survives its JSON")
	requireReasons(t, plan)
	requireHandMadeUntouched(t, in.Members, plan)
	requireConverges(t, r, in, plan)
}

// requireReasons checks L5.
func requireReasons(t require.TestingT, plan *provisioning.Plan) {
	for _, a := range plan.Actions {
		require.NotEmpty(t, a.Reasons, "L5: %s %s has no reason", a.Kind, a.Member.Email)
		require.NotEmpty(t, a.Changes, "%s %s changes nothing", a.Kind, a.Member.Email)
	}
	for _, h := range plan.Held {
		require.NotEmpty(t, h.Reasons, "L5: held %s has no reason", h.Action.Member.Email)
	}
	for _, s := range plan.Skipped {
		require.NotEmpty(t, s.Reasons, "L5: skipped %s has no reason", s.ExternalID)
	}
}

// requireHandMadeUntouched checks L4.
func requireHandMadeUntouched(t require.TestingT, team []provisioning.Member, plan *provisioning.Plan) {
	handMade := make(map[string]bool)
	for _, m := range team {
		handMade[m.ID] = !m.Managed
	}
	for _, a := range allActions(plan) {
		require.False(t, handMade[a.Member.ID] && a.Kind != provisioning.KindAdopt, "L4: hand-made %s: %s", a.Member.ID, a.Kind)
	}
}

// requireConverges checks L2: after a full apply, approvals included, there is
// nothing to do.
func requireConverges(t *testing.T, r *provisioning.Resolver, in provisioning.Input, plan *provisioning.Plan) {
	t.Helper()
	store, team := storeWith(t, in.Members)
	planned := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: in.Snapshot, Members: team})
	outcome, err := provisioning.Apply(context.Background(), store, "t", planned, approveAll(planned)...)
	require.NoError(t, err)
	for _, result := range outcome.Results {
		require.NoError(t, result.Err)
	}
	again := r.Resolve(provisioning.Input{Tenant: "t", Snapshot: in.Snapshot, Members: teamOf(t, store)})
	if keeps(planned) { // whom the plan gave the role counts from now on (S43)
		applyAll(t, store, again)
		again = r.Resolve(provisioning.Input{Tenant: "t", Snapshot: in.Snapshot, Members: teamOf(t, store)})
	}
	require.Empty(t, again.Actions, "L2: after a full apply there is still something to do:\n%s\nafter\n%s", again, planned)
}

func approveAll(plan *provisioning.Plan) []provisioning.Approval {
	var approvals []provisioning.Approval
	for _, b := range plan.Breakers {
		approvals = append(approvals, plan.Approve(b.Class))
	}
	return approvals
}

func storeWith(t require.TestingT, team []provisioning.Member) (*provisioning.Memory, []provisioning.Member) {
	store := new(provisioning.Memory)
	for _, m := range team {
		store.Put("t", m)
	}
	return store, teamOf(t, store)
}

func teamOf(t require.TestingT, store provisioning.Store) []provisioning.Member {
	var team []provisioning.Member
	for m, err := range store.Members(context.Background(), "t") {
		require.NoError(t, err)
		team = append(team, m)
	}
	return team
}

func planJSON(t require.TestingT, plan *provisioning.Plan) string {
	var b bytes.Buffer
	require.NoError(t, plan.WriteJSON(&b))
	return b.String()
}

// An archive is a txtar file: a comment, then files behind "-- name --" lines.
type archive struct {
	comment string
	files   []archiveFile
	got     map[string]string
}

type archiveFile struct{ name, data string }

func parseArchive(data []byte) *archive {
	a := &archive{got: make(map[string]string)}
	into := &a.comment
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(strings.TrimSpace(name), " --") {
			a.files = append(a.files, archiveFile{name: strings.TrimSuffix(strings.TrimSpace(name), " --")})
			into = &a.files[len(a.files)-1].data
			continue
		}
		*into += line
	}
	return a
}

func (a *archive) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(a.comment)
	for _, f := range a.files {
		fmt.Fprintf(&b, "-- %s --\n%s", f.name, f.data)
	}
	return b.Bytes()
}

func (a *archive) file(name string) *archiveFile {
	for i := range a.files {
		if a.files[i].name == name {
			return &a.files[i]
		}
	}
	return nil
}

// compare records what came out, and with -update writes it into the archive.
func (a *archive) compare(name, got string) {
	a.got[name] = got
	f := a.file(name)
	if f == nil {
		a.files = append(a.files, archiveFile{name: name})
		f = &a.files[len(a.files)-1]
	}
	if *update {
		f.data = got
	}
}

func (a *archive) input(t *testing.T) (provisioning.Config, provisioning.Input) {
	t.Helper()
	require.NotNil(t, a.file("config.json"))
	require.NotNil(t, a.file("snapshot.json"))
	cfg, err := provisioning.ParseConfig([]byte(a.file("config.json").data))
	require.NoError(t, err)
	snapshot, err := sources.ReadSnapshot(strings.NewReader(a.file("snapshot.json").data), 0)
	require.NoError(t, err)
	var team []provisioning.Member
	if f := a.file("members.json"); f != nil {
		team, err = provisioning.ReadMembers([]byte(f.data))
		require.NoError(t, err)
	}
	return cfg, provisioning.Input{Tenant: "t", Snapshot: snapshot, Members: team}
}
