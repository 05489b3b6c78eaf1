package scimtest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

func TestRequestsInMemory(t *testing.T) {
	TestRequestStore(t, func(testing.TB) scim.RequestStore { return &scim.Memory{} })
}

// A brokenLog is the reference with one fault.
type brokenLog struct {
	scim.Memory
	add  func(batches []scim.RequestBatch, limits *scim.RequestLimits)
	read func(dir *scim.Directory, most *int, h *scim.RequestHistory)
}

func (b *brokenLog) AddRequests(ctx context.Context, batches []scim.RequestBatch, limits scim.RequestLimits) error {
	if b.add == nil {
		return b.Memory.AddRequests(ctx, batches, limits)
	}
	b.add(batches, &limits)
	return errors.Join(b.Memory.AddRequests(ctx, batches, limits), ctx.Err())
}

func (b *brokenLog) Requests(ctx context.Context, dir scim.Directory, most int) (scim.RequestHistory, error) {
	if b.read == nil {
		return b.Memory.Requests(ctx, dir, most)
	}
	b.read(&dir, &most, nil)
	h, err := b.Memory.Requests(ctx, dir, most)
	b.read(nil, nil, &h)
	return h, err
}

// Each check fails for a store that breaks its rule.
func TestRequestChecksFail(t *testing.T) {
	reading := func(edit func(h *scim.RequestHistory)) *brokenLog {
		return &brokenLog{read: func(_ *scim.Directory, _ *int, h *scim.RequestHistory) {
			if h != nil {
				edit(h)
			}
		}}
	}
	for name, c := range map[string]struct {
		check string
		store scim.RequestStore
	}{
		"forgets refusals": {"round trip", reading(func(h *scim.RequestHistory) { h.Refused = scim.RequestCount{} })},
		"one directory": {"round trip", &brokenLog{read: func(dir *scim.Directory, _ *int, _ *scim.RequestHistory) {
			if dir != nil {
				dir.Tenant = requestDir.Tenant
			}
		}}},
		"ignores most": {"round trip", &brokenLog{read: func(_ *scim.Directory, most *int, _ *scim.RequestHistory) {
			if most != nil {
				*most = 1000
			}
		}}},
		"loses how long it took": {"round trip", reading(func(h *scim.RequestHistory) {
			for i := range h.Requests {
				h.Requests[i].Took = 0
			}
		})},
		"takes the batch's last": {"merged", &brokenLog{add: func(batches []scim.RequestBatch, _ *scim.RequestLimits) {
			for i := range batches {
				for k := range batches[i].Tokens {
					batches[i].Tokens[k].Did = requestAt(1, "a")
				}
			}
		}}},
		"keeps everything": {"limited", &brokenLog{add: func(_ []scim.RequestBatch, l *scim.RequestLimits) { l.Requests = 1000 }}},
		"keeps for ever":   {"limited", &brokenLog{add: func(_ []scim.RequestBatch, l *scim.RequestLimits) { l.Since = requestTimes.AddDate(-1, 0, 0) }}},
		"keeps few tokens": {"many tokens", reading(func(h *scim.RequestHistory) { h.Tokens = h.Tokens[:min(50, len(h.Tokens))] })},
		"cuts batches": {"many requests", &brokenLog{add: func(batches []scim.RequestBatch, _ *scim.RequestLimits) {
			for i := range batches {
				batches[i].Requests = batches[i].Requests[:min(500, len(batches[i].Requests))]
			}
		}}},
		"adds and fails": {"cancelled", &brokenLog{add: func([]scim.RequestBatch, *scim.RequestLimits) {}}},
		"loses one":      {"concurrent", reading(func(h *scim.RequestHistory) { h.Refused.N -= min(h.Refused.N, 1) })},
	} {
		t.Run(name, func(t *testing.T) {
			found := false
			for _, check := range requestChecks() {
				if check.name == c.check {
					found = true
					assert.Error(t, check.run(t.Context(), c.store))
				}
			}
			require.True(t, found)
		})
	}
}
