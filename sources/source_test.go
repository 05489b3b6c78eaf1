package sources_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

// observer is a wrapper that only observes; filter changes what is listed and
// therefore has no Unwrap.
type (
	observer struct{ sources.Source }
	filter   struct{ sources.Source }
)

func (o observer) Unwrap() sources.Source { return o.Source }

func TestAsLooksThroughObservers(t *testing.T) {
	d := directory()
	found, ok := sources.As[sources.DeltaSource](observer{observer{d}})
	assert.True(t, ok)
	assert.Same(t, d, found)
	_, ok = sources.As[sources.DeltaSource](filter{d})
	assert.False(t, ok, "an ability of the inner source would bypass the filter")
	_, ok = sources.As[sources.DeltaSource](nil)
	assert.False(t, ok)
	_, ok = sources.As[sources.DeltaSource](observer{})
	assert.False(t, ok)
}

func TestCheckFallsBack(t *testing.T) {
	d := directory()
	for name, src := range map[string]sources.Source{"direct": observer{d}, "by listing": filter{d}} {
		d.FailFrom(0, nil)
		before := d.Requests()
		assert.NoError(t, sources.Check(t.Context(), src), name)
		assert.Equal(t, 1, d.Requests()-before, name)
		d.FailFrom(0, sources.ErrForbidden)
		assert.ErrorIs(t, sources.Check(t.Context(), src), sources.ErrForbidden, name)
	}
	assert.NoError(t, sources.Check(t.Context(), listing(all)), "an empty directory is connected")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, sources.Check(ctx, listing(all)), context.Canceled)
}

func TestMatchNeedsTheAbility(t *testing.T) {
	for _, err := range sources.Match(t.Context(), filter{directory()}, "some") {
		assert.ErrorIs(t, err, sources.ErrUnsupported)
		assert.EqualError(t, err, "test: match: not supported by this source")
	}
}

func TestErrorSaysWhatAndWhy(t *testing.T) {
	cause := fmt.Errorf("status 429")
	err := error(&sources.Error{Kind: "okta", Op: "list users", Reason: sources.ErrRateLimited, RetryAfter: 30 * time.Second, Err: cause})
	assert.EqualError(t, err, "okta: list users: rate limited: status 429 (retry after 30s)")
	assert.ErrorIs(t, err, sources.ErrRateLimited)
	assert.ErrorIs(t, err, cause)
	var known *sources.Error
	require.True(t, errors.As(fmt.Errorf("sync: %w", err), &known))
	assert.Equal(t, 30*time.Second, known.RetryAfter)
	assert.EqualError(t, &sources.Error{Kind: "okta"}, "okta")
}
