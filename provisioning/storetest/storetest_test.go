package storetest

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
)

// memoryHarness returns the harness of the reference store.
func memoryHarness() Harness {
	return Harness{
		New: func(*testing.T) provisioning.Store { return new(provisioning.Memory) },
		Put: func(_ context.Context, store provisioning.Store, tenant string, m provisioning.Member) error {
			store.(putter).Put(tenant, m)
			return nil
		},
		Delete: func(_ context.Context, store provisioning.Store, tenant, memberID string) error {
			store.(putter).Delete(tenant, memberID)
			return nil
		},
		Crash: func(*testing.T) Crasher { return &memoryCrasher{store: new(provisioning.Memory)} },
	}
}

// putter has the methods that a store in memory offers to hosts, also a broken
// one.
type putter interface {
	Put(tenant string, m provisioning.Member) provisioning.Member
	Delete(tenant, memberID string)
}

// memoryCrasher treats every group of actions as one write.
type memoryCrasher struct{ store provisioning.Store }

func (c *memoryCrasher) Open() (provisioning.Store, error) { return c.store, nil }

func (c *memoryCrasher) Apply(ctx context.Context, tenant string, actions []provisioning.Action, k int) (bool, error) {
	for group := range provisioning.CommitGroups(actions) {
		if k--; k == 0 {
			return true, nil
		}
		if _, err := c.store.Apply(ctx, tenant, group); err != nil {
			return false, err
		}
	}
	return false, nil
}

func TestMemory(t *testing.T) {
	t.Parallel()
	h := memoryHarness()
	h.Crash, h.Unsupported = nil, map[string]string{"Crash": "it lives and dies with the process"}
	Test(t, h)
}

// The crash check passes for a crasher that loses nothing.
func TestMemoryCrash(t *testing.T) {
	t.Parallel()
	h := memoryHarness()
	require.NoError(t, (&bench{t: t, h: &h, store: h.New(t)}).run("Crash"))
}

// run runs the check with the given name.
func (b *bench) run(name string) error {
	all := checks()
	i := slices.IndexFunc(all, func(c check) bool { return c.name == name })
	ctx, cancel := context.WithTimeout(b.t.Context(), 5*time.Second) // a broken store may block for ever
	defer cancel()
	return all[i].run(ctx, b)
}

// A new field of Member must get a value here, because otherwise the round trip
// would not test it.
func TestCompleteMemberHasEveryField(t *testing.T) {
	t.Parallel()
	m := complete()
	m.Protected, m.Subject, m.Revision = true, "sub", "1" // the store or the host sets these
	value := reflect.ValueOf(m)
	for i := range value.NumField() {
		assert.False(t, value.Field(i).IsZero(), value.Type().Field(i).Name)
	}
	settings := reflect.ValueOf(m.Settings)
	for i := range settings.NumField() {
		assert.False(t, settings.Field(i).IsZero(), settings.Type().Field(i).Name)
	}
}

func TestPlanFixtureIsReadable(t *testing.T) {
	t.Parallel()
	p, err := plan("ana")
	require.NoError(t, err)
	_, err = provisioning.ReadPlan([]byte(text(p)))
	require.NoError(t, err)
}

func TestHarnessComplaints(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		h    Harness
		want []string
	}{
		{"good", memoryHarness(), nil},
		{"no store", Harness{}, []string{"Harness.New is nil; want a function that returns an empty store"}},
		{"a core check", Harness{New: memoryHarness().New, Unsupported: map[string]string{"Stale": "too hard"}},
			[]string{`Harness.Unsupported names "Stale", which is the contract of every Store and is not skipped`}},
		{"unknown and without reason", Harness{New: memoryHarness().New, Unsupported: map[string]string{"Speed": "slow", "Lock": ""}},
			[]string{`Harness.Unsupported gives no reason for "Lock"`, `Harness.Unsupported names "Speed", which is not a check`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { assert.Equal(t, test.want, test.h.complaints()) })
	}
}

// A missing ability makes its check fail. The error names Harness.Unsupported,
// which can excuse it.
func TestMissingAbilityFails(t *testing.T) {
	t.Parallel()
	type bare struct{ provisioning.Store }
	h := Harness{New: func(*testing.T) provisioning.Store { return bare{new(provisioning.Memory)} }}
	for _, c := range checks() {
		if c.core {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			assert.ErrorContains(t, c.try(t, &h), "Harness.Unsupported")
		})
	}
}

// A store with only the two required methods passes the core checks.
func TestBareStore(t *testing.T) {
	t.Parallel()
	type bare struct{ provisioning.Store }
	reason := "two methods are all it has"
	Test(t, Harness{
		New: func(*testing.T) provisioning.Store { return bare{new(provisioning.Memory)} },
		Unsupported: map[string]string{
			"Protected": reason, "Deleted": reason, "Outbox": reason, "Plans": reason, "Superseded": reason, "Audit": reason,
			"Find": reason, "Count": reason, "State": reason, "Window": reason, "Erase": reason, "Forget": reason, "Lock": reason, "Crash": reason,
		},
	})
}
