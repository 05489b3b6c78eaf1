package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/provisioning"
)

// brokenCrasher leaves partial data of the group during which it dies.
type brokenCrasher struct {
	memoryCrasher
	dying func(store *provisioning.Memory, group []provisioning.Action)
}

func (c *brokenCrasher) Apply(ctx context.Context, tenant string, actions []provisioning.Action, k int) (bool, error) {
	died, err := c.memoryCrasher.Apply(ctx, tenant, actions, k)
	if died {
		groups := slices.Collect(provisioning.CommitGroups(actions))
		c.dying(c.store.(*provisioning.Memory), slices.Clone(groups[k-1]))
	}
	return died, err
}

func TestCrashCheckCanFail(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	apply := func(store *provisioning.Memory, actions []provisioning.Action) {
		_, err := store.Apply(ctx, tenant, actions)
		assert.NoError(t, err)
	}
	dying := map[string]func(store *provisioning.Memory, group []provisioning.Action){
		"want all or none": func(store *provisioning.Memory, group []provisioning.Action) {
			if len(group) > 1 { // the member who takes the free address
				store.Put(tenant, group[0].Member)
			}
		},
		"neither as before": func(store *provisioning.Memory, group []provisioning.Action) {
			group[0].Member.Title = "half done"
			group[0].Changes = append(slices.Clone(group[0].Changes), provisioning.Change{Field: provisioning.FieldTitle, New: "half done"})
			apply(store, group)
		},
		"audit records: there are": func(store *provisioning.Memory, group []provisioning.Action) {
			store.Put(tenant, group[0].Member)
		},
		"effects: there are": func(store *provisioning.Memory, group []provisioning.Action) {
			group[0].Effects = nil
			apply(store, group)
		},
		"two for action": func(store *provisioning.Memory, group []provisioning.Action) {
			group[0].Effects = append(slices.Clone(group[0].Effects), group[0].Effects...)
			apply(store, group)
		},
		"no action is about it": func(store *provisioning.Memory, _ []provisioning.Action) {
			store.Put(tenant, person("stranger"))
		},
	}
	for want, die := range dying {
		t.Run(want, func(t *testing.T) {
			h := memoryHarness()
			h.Crash = func(*testing.T) Crasher {
				return &brokenCrasher{memoryCrasher{new(provisioning.Memory)}, die}
			}
			assert.ErrorContains(t, (&bench{t: t, h: &h, store: h.New(t)}).run("Crash"), want)
		})
	}
	t.Run("loses count", func(t *testing.T) {
		h := memoryHarness()
		h.Crash = func(*testing.T) Crasher { return miscounting{&memoryCrasher{new(provisioning.Memory)}} }
		assert.ErrorContains(t, (&bench{t: t, h: &h, store: h.New(t)}).run("Crash"), "after the crash: Count says")
	})
	t.Run("never dies", func(t *testing.T) {
		h := memoryHarness()
		h.Crash = func(*testing.T) Crasher { return undying{&memoryCrasher{new(provisioning.Memory)}} }
		assert.ErrorContains(t, (&bench{t: t, h: &h, store: h.New(t)}).run("Crash"), "never cuts")
	})
}

// undying is a crasher that never dies and applies everything.
type undying struct{ *memoryCrasher }

func (c undying) Apply(ctx context.Context, tenant string, actions []provisioning.Action, _ int) (bool, error) {
	_, err := c.store.Apply(ctx, tenant, actions)
	return false, err
}

// miscounting is a crasher whose counters differ from the team.
type miscounting struct{ *memoryCrasher }

func (c miscounting) Open() (provisioning.Store, error) {
	return drifts(&broken{Memory: c.store.(*provisioning.Memory), drift: 1}), nil
}
