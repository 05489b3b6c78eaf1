package provtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// Scenarios runs the scenario files that a pattern of filepath.Match names, each
// as a subtest, and holds each to the laws (CheckLaws). A file is a txtar
// archive: a comment that says in English what the scenario shows, then the
// parts, each behind a line "-- name --":
//
//   - config.json, read by provisioning.ParseConfig
//   - snapshot.json, read by sources.ReadSnapshot; or else retire, which is empty:
//     the plan is then that of Resolver.Retire, which gives up the connection
//   - members.json, read by provisioning.ReadMembers; optional
//   - want/plan.txt, what Plan.String gives
//   - want/explain/WHO, what Plan.Explain gives for WHO; any number
//
// With update, what comes out is written into the files in place of what was
// wanted. A host passes a flag of its own:
//
//	var update = flag.Bool("update", false, "rewrite the want/ parts of the scenarios")
//
//	func TestScenarios(t *testing.T) { provtest.Scenarios(t, "testdata/*.txtar", *update) }
func Scenarios(t *testing.T, pattern string, update bool) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths, "no file is named like %s", pattern)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			a := parseArchive(data)
			require.NotEmpty(t, strings.TrimSpace(a.comment), "%s: a scenario begins by saying in English what it shows", path)
			r, in := a.input(t, path)
			decide := r.Resolve
			if a.part("retire") != nil {
				decide = r.Retire
			}
			plan := decide(in)
			a.got("want/plan.txt", plan.String(), update)
			for i := range a.parts {
				if who, ok := strings.CutPrefix(a.parts[i].name, "want/explain/"); ok {
					a.got(a.parts[i].name, plan.Explain(who), update)
				}
			}
			if update {
				require.NoError(t, os.WriteFile(path, a.bytes(), 0o644))
			}
			for _, part := range a.parts {
				if strings.HasPrefix(part.name, "want/") {
					require.Equal(t, part.data, part.got, "%s: %s", path, part.name)
				}
			}
			checkLaws(t, decide, in)
		})
	}
}

// An archive is a txtar file: a comment, then parts behind "-- name --" lines.
type archive struct {
	comment string
	parts   []archivePart
}

// got of a part is what came out.
type archivePart struct{ name, data, got string }

func parseArchive(data []byte) *archive {
	a := new(archive)
	into := &a.comment
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(strings.TrimSpace(name), " --") {
			a.parts = append(a.parts, archivePart{name: strings.TrimSuffix(strings.TrimSpace(name), " --")})
			into = &a.parts[len(a.parts)-1].data
			continue
		}
		*into += line
	}
	return a
}

func (a *archive) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(a.comment)
	for _, part := range a.parts {
		fmt.Fprintf(&b, "-- %s --\n%s", part.name, part.data)
	}
	return b.Bytes()
}

func (a *archive) part(name string) *archivePart {
	for i := range a.parts {
		if a.parts[i].name == name {
			return &a.parts[i]
		}
	}
	return nil
}

// got notes what came out, as what is wanted if that is to be written anew.
func (a *archive) got(name, got string, update bool) {
	part := a.part(name)
	if part == nil {
		a.parts = append(a.parts, archivePart{name: name})
		part = &a.parts[len(a.parts)-1]
	}
	if part.got = got; update {
		part.data = got
	}
}

func (a *archive) input(t *testing.T, path string) (*provisioning.Resolver, provisioning.Input) {
	t.Helper()
	cfg := readPart(t, a, path, "config.json", provisioning.ParseConfig)
	r, err := provisioning.New(cfg)
	require.NoError(t, err, "%s: config.json", path)
	in := provisioning.Input{Tenant: tenant, Snapshot: &sources.Snapshot{Proven: sources.FactAll}}
	if a.part("retire") == nil {
		in.Snapshot = readPart(t, a, path, "snapshot.json", sources.ReadSnapshot)
	}
	if a.part("members.json") != nil {
		in.Members = readPart(t, a, path, "members.json", provisioning.ReadMembers)
	}
	return r, in
}

func readPart[T any](t *testing.T, a *archive, path, name string, read func([]byte) (T, error)) T {
	t.Helper()
	part := a.part(name)
	require.NotNil(t, part, "%s: has no %s", path, name)
	value, err := read([]byte(part.data))
	require.NoError(t, err, "%s: %s", path, name)
	return value
}
