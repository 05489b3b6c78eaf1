package syncer

import (
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
)

const (
	// groupWaits times GroupWait is the longest time that a person waits for a group,
	// even if pushes go on.
	groupWaits = 6
	// longestImport is the longest time of a connection's first import, even if
	// pushes go on without a pause.
	longestImport = 24 * time.Hour
)

// An awaited is a person whose settings wait for a group (S40).
type awaited struct {
	ExternalID string    `json:"id"`
	Since      time.Time `json:"since"`
}

// awaitsGroups reports whether groups may still come for a person who is new now.
func (st *state) awaitsGroups(wait time.Duration, now time.Time) bool {
	return st.Pushed && now.Before(st.LastPush.Add(wait))
}

// waited returns the people whose wait for a group is over. The result next is when
// the next wait ends, or zero.
func (st *state) waited(wait time.Duration, now time.Time) (ids []string, next time.Time) {
	for _, a := range st.Awaited {
		switch at := st.groupsEnd(a.Since, wait); {
		case !at.After(now):
			ids = append(ids, a.ExternalID)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return ids, next
}

// groupsEnd returns when the wait for groups ends for a person who came at the time
// since.
func (st *state) groupsEnd(since time.Time, wait time.Duration) time.Time {
	quiet, latest := st.LastPush.Add(wait), since.Add(groupWaits*wait)
	if latest.Before(quiet) {
		return latest
	}
	return quiet
}

// settleAwaited records who waits for groups after a plan. The wait of the people
// in waited was over when the plan was decided. People whom the store refused
// continue to wait.
func (st *state) settleAwaited(plan *provisioning.Plan, outcome *provisioning.Outcome, waited []string, now time.Time) {
	over := make(map[string]bool, len(waited))
	for _, id := range waited {
		over[id] = true
	}
	refused := make(map[string]bool)
	for _, result := range outcome.Results {
		refused[result.Key] = result.Err != nil
	}
	var begins []string
	for i := range plan.Actions {
		a := &plan.Actions[i]
		id := a.Member.ExternalID
		switch {
		case refused[a.Key]:
			over[id] = false
		case !a.Member.Active || a.Member.AssignmentID != "":
			over[id] = true
		case slices.ContainsFunc(a.Reasons, func(r provisioning.Reason) bool { return r.Code == provisioning.CodeWaitForGroup }):
			begins = append(begins, id)
		}
	}
	st.Awaited = slices.DeleteFunc(st.Awaited, func(a awaited) bool { return over[a.ExternalID] })
	listed := make(map[string]bool, len(st.Awaited))
	for _, a := range st.Awaited {
		listed[a.ExternalID] = true
	}
	for _, id := range begins {
		switch {
		case listed[id]:
		case len(st.Awaited) < maxListed:
			st.Awaited = append(st.Awaited, awaited{id, now})
		case st.AwaitedMore.IsZero():
			st.AwaitedMore = now
		}
	}
}

// settleRivals records the rivals after a plan. If there are more than maxListed,
// they are unknown until a whole run leaves fewer.
func (st *state) settleRivals(plan *provisioning.Plan) {
	known := plan.About == nil || st.RivalsKnown
	st.Rivals = plan.Rivals(st.Rivals...)
	st.RivalsKnown = known && len(st.Rivals) <= maxListed
	if !st.RivalsKnown {
		st.Rivals = nil
	}
}

// rivals returns the rivals for a decision. It is nil if they are unknown, and not
// nil if there are none.
func (st *state) rivals() []provisioning.Rival {
	if !st.RivalsKnown {
		return nil
	}
	return append([]provisioning.Rival{}, st.Rivals...)
}

// retries returns the people who have to be decided again now without a change: the
// store refused them and their wait is over, or their wait for a group is over. The
// result next is when the next person has to be decided again, or zero.
func (st *state) retries(groupWait time.Duration, now time.Time) (ids []string, next time.Time) {
	ids, next = st.refused(now)
	waited, end := st.waited(groupWait, now)
	if next.IsZero() || !end.IsZero() && end.Before(next) {
		next = end
	}
	return append(ids, waited...), next
}

// refused returns the people whom the store refused and whose wait is over. The
// result next is the earliest time at which a refused person is decided again, of
// all of them, or zero.
func (st *state) refused(now time.Time) (ids []string, next time.Time) {
	for _, w := range st.Waiting {
		if w.Next.IsZero() {
			continue
		}
		if next.IsZero() || w.Next.Before(next) {
			next = w.Next
		}
		if !w.Next.After(now) || w.Next.Sub(now) > 2*lastRead { // the second: a clock was ahead
			ids = append(ids, w.ExternalID)
		}
	}
	return ids, next
}
