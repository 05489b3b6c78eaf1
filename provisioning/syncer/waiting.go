package syncer

import (
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
)

const (
	// groupWaits is how many times GroupWait somebody waits for a group at most,
	// whether or not the connection is pushed into meanwhile.
	groupWaits = 6
	// longestImport is for how long the first import of a connection may go on
	// that is pushed into without a pause.
	longestImport = 24 * time.Hour
)

// An awaited is somebody whose settings wait for a group (S40).
type awaited struct {
	ExternalID string    `json:"id"`
	Since      time.Time `json:"since"`
}

// awaitsGroups reports whether groups may still come for somebody who comes now.
func (st *state) awaitsGroups(wait time.Duration, now time.Time) bool {
	return st.Pushed && now.Before(st.LastPush.Add(wait))
}

// waited returns the people for whom no group comes any more, and when that is
// so of the first of the others, or zero.
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

// groupsEnd returns when no group comes any more for somebody who came at a time.
func (st *state) groupsEnd(since time.Time, wait time.Duration) time.Time {
	quiet, latest := st.LastPush.Add(wait), since.Add(groupWaits*wait)
	if latest.Before(quiet) {
		return latest
	}
	return quiet
}

// settleAwaited enters for whom groups are awaited after a plan that was decided
// with waited. Those whom the store refused wait on.
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

// settleRivals enters who are rivals after a plan. Where there are too many to be
// listed, they are not known until the next whole run that leaves fewer.
func (st *state) settleRivals(plan *provisioning.Plan) {
	known := plan.About == nil || st.RivalsKnown
	st.Rivals = plan.Rivals(st.Rivals...)
	st.RivalsKnown = known && len(st.Rivals) <= maxListed
	if !st.RivalsKnown {
		st.Rivals = nil
	}
}

// rivals returns them as a decision has to know them.
func (st *state) rivals() []provisioning.Rival {
	if !st.RivalsKnown {
		return nil
	}
	return append([]provisioning.Rival{}, st.Rivals...)
}

// retries returns the people who are decided again though nothing changed about
// them, since their time has come: whom the store refused, and for whom no group
// comes any more. Next is when the time of the first of the others comes, or
// zero.
func (st *state) retries(groupWait time.Duration, now time.Time) (ids []string, next time.Time) {
	ids, next = st.refused(now)
	waited, end := st.waited(groupWait, now)
	if next.IsZero() || !end.IsZero() && end.Before(next) {
		next = end
	}
	return append(ids, waited...), next
}

// refused returns the people whom the store refused and whose time to be decided
// again has come. Next is when the first of all those comes who wait for theirs,
// or zero.
func (st *state) refused(now time.Time) (ids []string, next time.Time) {
	for _, w := range st.Waiting {
		if w.Next.IsZero() {
			continue
		}
		if next.IsZero() || w.Next.Before(next) {
			next = w.Next
		}
		if !w.Next.After(now) || w.Next.Sub(now) > 2*lastRead { // by a clock that was ahead
			ids = append(ids, w.ExternalID)
		}
	}
	return ids, next
}
