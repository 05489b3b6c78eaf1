package scimtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/usher-go/usher/scim"
)

// A requestCheck is one rule of the contract of scim.RequestStore.
type requestCheck struct {
	name, rule string
	run        func(ctx context.Context, store scim.RequestStore) error
}

// TestRequestStore runs the suite for a scim.RequestStore. Each check is a
// subtest with its own empty store, which newStore returns.
func TestRequestStore(t *testing.T, newStore func(testing.TB) scim.RequestStore) {
	for _, c := range requestChecks() {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), checkTimeout)
			defer cancel()
			if err := c.run(ctx, newStore(t)); err != nil {
				t.Errorf("%v\nThe rule: %s", err, c.rule)
			}
		})
	}
}

var (
	requestDir   = scim.Directory{Tenant: "acme", Connection: "okta-1"}
	requestTimes = time.Date(2026, 3, 29, 1, 0, 0, 123456000, time.UTC)
	allRequests  = scim.RequestLimits{Requests: 1000}
)

// requestAt returns a record with every field set, at a second after the start.
func requestAt(second int, token string) scim.RequestRecord {
	return scim.RequestRecord{
		At: requestTimes.Add(time.Duration(second) * time.Second), Token: token, Method: "PATCH", Type: scim.TypeUser,
		ID: fmt.Sprintf("id-%d", second), Filter: `userName eq "…"`, Operations: 3, Failed: 1, Status: 400 + second, ScimType: "invalidValue",
		Detail: `emails: "…" is none`, Took: time.Duration(second+1) * time.Millisecond,
	}
}

// usedAt returns the use of a token by requests at the seconds.
func usedAt(token string, seconds ...int) scim.TokenUse {
	u := scim.TokenUse{Token: token, RequestCount: countAt(seconds...)}
	u.Did = requestAt(seconds[len(seconds)-1], token)
	return u
}

func countAt(seconds ...int) scim.RequestCount {
	first, last := requestAt(seconds[0], ""), requestAt(seconds[len(seconds)-1], "")
	return scim.RequestCount{N: int64(len(seconds)), First: first.At, Last: last.At}
}

func batchOf(dir scim.Directory, h scim.RequestHistory) []scim.RequestBatch {
	return []scim.RequestBatch{{Directory: dir, RequestHistory: h}}
}

// expectHistory compares the history that a store has of a directory.
func expectHistory(ctx context.Context, store scim.RequestStore, dir scim.Directory, want scim.RequestHistory) error {
	got, err := store.Requests(ctx, dir, 1000)
	if err != nil {
		return fmt.Errorf("requests: %w", err)
	}
	if len(got.Requests) != len(want.Requests) || len(want.Requests) > 0 && !reflect.DeepEqual(got.Requests, want.Requests) {
		return fmt.Errorf("the requests of %v are\n%+v\nwant\n%+v", dir, got.Requests, want.Requests)
	}
	if len(got.Tokens) != len(want.Tokens) || len(want.Tokens) > 0 && !reflect.DeepEqual(got.Tokens, want.Tokens) {
		return fmt.Errorf("the tokens of %v are\n%+v\nwant\n%+v", dir, got.Tokens, want.Tokens)
	}
	if got.Refused != want.Refused || got.Dropped != want.Dropped {
		return fmt.Errorf("refused and dropped of %v are %+v and %+v, want %+v and %+v", dir, got.Refused, got.Dropped, want.Refused, want.Dropped)
	}
	return nil
}

func requestChecks() []requestCheck {
	return []requestCheck{
		{"round trip", "a history comes back as it was written, the latest first, and is the directory's alone", requestRoundTrip},
		{"merged", "counts are added up, also of late batches; of a token the later request is the last one", requestMerged},
		{"limited", "the latest requests of each directory are kept, and nothing from before RequestLimits.Since", requestLimited},
		{"many tokens", "the tokens that were used last are kept, MaxTokens of them", requestTokens},
		{"many requests", "a batch may be large", requestMany},
		{"cancelled", "a batch whose context has ended is added whole or not at all", requestCancelled},
		{"concurrent", "several processes add at the same time, and nothing is lost", requestConcurrent},
	}
}

func requestRoundTrip(ctx context.Context, store scim.RequestStore) error {
	if err := expectHistory(ctx, store, requestDir, scim.RequestHistory{}); err != nil {
		return err
	}
	strange := scim.Directory{Tenant: "acme", Connection: ""}
	whole := scim.RequestHistory{
		Requests: []scim.RequestRecord{requestAt(3, "new"), requestAt(2, "old"), requestAt(1, "")},
		Tokens:   []scim.TokenUse{usedAt("new", 3), usedAt("old", 2), usedAt("", 1)},
		Refused:  countAt(4, 5), Dropped: countAt(6),
	}
	other := scim.RequestHistory{Requests: []scim.RequestRecord{{At: requestTimes, Method: "GET", Status: 200}}}
	if err := store.AddRequests(ctx, append(batchOf(requestDir, whole), batchOf(strange, other)...), allRequests); err != nil {
		return err
	}
	if err := store.AddRequests(ctx, batchOf(scim.Directory{}, scim.RequestHistory{Refused: countAt(7)}), allRequests); err != nil {
		return err
	}
	some, err := store.Requests(ctx, requestDir, 2)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(some.Requests, whole.Requests[:2]) {
		return fmt.Errorf("2 of the requests are %+v, want %+v", some.Requests, whole.Requests[:2])
	}
	return errors.Join(
		expectHistory(ctx, store, requestDir, whole), expectHistory(ctx, store, strange, other),
		expectHistory(ctx, store, scim.Directory{}, scim.RequestHistory{Refused: countAt(7)}),
		expectHistory(ctx, store, scim.Directory{Tenant: "rival", Connection: "okta-1"}, scim.RequestHistory{}),
		expectHistory(ctx, store, scim.Directory{Tenant: "ACME", Connection: "okta-1"}, scim.RequestHistory{}),
	)
}

func requestMerged(ctx context.Context, store scim.RequestStore) error {
	for _, h := range []scim.RequestHistory{
		{Requests: []scim.RequestRecord{requestAt(5, "a")}, Tokens: []scim.TokenUse{usedAt("a", 4, 5)}, Refused: countAt(5), Dropped: countAt(4)},
		{Requests: []scim.RequestRecord{requestAt(9, "a")}, Tokens: []scim.TokenUse{usedAt("a", 9), usedAt("b", 6)}, Refused: countAt(6, 7)},
		{Requests: []scim.RequestRecord{requestAt(1, "a")}, Tokens: []scim.TokenUse{usedAt("a", 1)}, Refused: countAt(1), Dropped: countAt(2)}, // arrives late
	} {
		if err := store.AddRequests(ctx, batchOf(requestDir, h), allRequests); err != nil {
			return err
		}
	}
	a := usedAt("a", 1, 4, 5, 9)
	return expectHistory(ctx, store, requestDir, scim.RequestHistory{
		Requests: []scim.RequestRecord{requestAt(9, "a"), requestAt(5, "a"), requestAt(1, "a")},
		Tokens:   []scim.TokenUse{a, usedAt("b", 6)}, Refused: countAt(1, 5, 6, 7), Dropped: countAt(2, 4),
	})
}

func requestLimited(ctx context.Context, store scim.RequestStore) error {
	other := scim.Directory{Tenant: "acme", Connection: "okta-2"}
	for second := range 6 {
		for _, dir := range []scim.Directory{requestDir, other} {
			h := scim.RequestHistory{
				Requests: []scim.RequestRecord{requestAt(second, "t")}, Tokens: []scim.TokenUse{usedAt(fmt.Sprint("t", second), second)},
				Refused: countAt(second), Dropped: countAt(second),
			}
			if err := store.AddRequests(ctx, batchOf(dir, h), scim.RequestLimits{Requests: 3}); err != nil {
				return err
			}
		}
	}
	whole := scim.RequestHistory{
		Requests: []scim.RequestRecord{requestAt(5, "t"), requestAt(4, "t"), requestAt(3, "t")},
		Refused:  countAt(0, 1, 2, 3, 4, 5), Dropped: countAt(0, 1, 2, 3, 4, 5),
	}
	for second := range 6 {
		whole.Tokens = append([]scim.TokenUse{usedAt(fmt.Sprint("t", second), second)}, whole.Tokens...)
	}
	if err := errors.Join(expectHistory(ctx, store, requestDir, whole), expectHistory(ctx, store, other, whole)); err != nil {
		return err
	}
	// A call without batches deletes old data in every directory.
	if err := store.AddRequests(ctx, nil, scim.RequestLimits{Requests: 3, Since: requestAt(4, "").At}); err != nil {
		return err
	}
	whole.Requests, whole.Tokens = whole.Requests[:2], whole.Tokens[:2]
	if err := errors.Join(expectHistory(ctx, store, requestDir, whole), expectHistory(ctx, store, other, whole)); err != nil {
		return err
	}
	if err := store.AddRequests(ctx, nil, scim.RequestLimits{Requests: 3, Since: requestAt(6, "").At}); err != nil {
		return err
	}
	return errors.Join(expectHistory(ctx, store, requestDir, scim.RequestHistory{}), expectHistory(ctx, store, other, scim.RequestHistory{}))
}

func requestTokens(ctx context.Context, store scim.RequestStore) error {
	var want []scim.TokenUse
	for first := 0; first < scim.MaxTokens+20; first += 40 {
		var h scim.RequestHistory
		for second := first; second < first+40; second++ {
			h.Tokens = append(h.Tokens, usedAt(fmt.Sprintf("token %03d", second), second))
		}
		if err := store.AddRequests(ctx, batchOf(requestDir, h), allRequests); err != nil {
			return err
		}
		want = append(want, h.Tokens...)
	}
	slices.Reverse(want)
	return expectHistory(ctx, store, requestDir, scim.RequestHistory{Tokens: want[:scim.MaxTokens]})
}

func requestMany(ctx context.Context, store scim.RequestStore) error {
	var h scim.RequestHistory
	for second := range 777 {
		h.Requests = append(h.Requests, requestAt(second, "t"))
	}
	if err := store.AddRequests(ctx, batchOf(requestDir, h), allRequests); err != nil {
		return err
	}
	slices.Reverse(h.Requests)
	return expectHistory(ctx, store, requestDir, h)
}

func requestCancelled(ctx context.Context, store scim.RequestStore) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	h := scim.RequestHistory{Requests: []scim.RequestRecord{requestAt(1, "t")}, Tokens: []scim.TokenUse{usedAt("t", 1)}, Refused: countAt(1)}
	if err := store.AddRequests(ended, batchOf(requestDir, h), allRequests); err != nil {
		h = scim.RequestHistory{}
	}
	return expectHistory(ctx, store, requestDir, h)
}

func requestConcurrent(ctx context.Context, store scim.RequestStore) error {
	const writers, each = 4, 5
	errs := make([]error, writers)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				second := n*writers + w
				h := scim.RequestHistory{
					Requests: []scim.RequestRecord{requestAt(second, "t")},
					Tokens:   []scim.TokenUse{usedAt("s", second), usedAt("t", second)}, Refused: countAt(second),
				}
				if w%2 == 1 {
					slices.Reverse(h.Tokens)
				}
				errs[w] = errors.Join(errs[w], store.AddRequests(ctx, batchOf(requestDir, h), allRequests))
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var want scim.RequestHistory
	var seconds []int
	for second := range writers * each {
		seconds = append(seconds, second)
		want.Requests = append([]scim.RequestRecord{requestAt(second, "t")}, want.Requests...)
	}
	want.Tokens, want.Refused = []scim.TokenUse{usedAt("s", seconds...), usedAt("t", seconds...)}, countAt(seconds...)
	return expectHistory(ctx, store, requestDir, want)
}
