package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

const (
	// partLimit is how many changed people are decided without the others. If more
	// have changed, everybody is read and decided.
	partLimit = 500
	// overtakenLimit is how often a provider is read in one round, if another process
	// decides meanwhile each time.
	overtakenLimit = 3
)

// A job says what a round has to do. The zero job decides what is new.
type job struct {
	whole     bool // decide everybody, whether or not that is due
	dry       bool // save the plan, and apply nothing
	look      bool // first check without the lock whether there is anything to do
	freed     bool // check whether what people wait for is free
	admin     bool // an admin requested it: decide a paused connection as well
	approvals []provisioning.Approval
	// aside calls do while other rounds of the tenant go on; see Syncer.aside. Nil:
	// the round is not in a queue.
	aside func(works bool, do func())
}

// A Report is the result of a round.
type Report struct {
	// Plan is what was decided. Nil: there was nothing to decide.
	Plan *provisioning.Plan
	// Outcome is the result of applying the plan.
	Outcome provisioning.Outcome
	// Next is when the connection is due again, by Config.Now, if nothing is pushed
	// into it before: the next whole run or the next try. Zero: never, since it is
	// paused or retired.
	Next time.Time
	// Effects says that effects of the tenant wait for Deliver. Only Round sets it.
	Effects bool

	asked     bool      // a provider was read, and should not be read again at once
	everybody bool      // a pushed directory was read completely
	again     time.Time // when the next person is decided again without a change, or zero
}

// A round is one pass of the loop for one connection.
type round struct {
	*Syncer
	target   Target
	job      job
	setup    Setup
	rules    string // fingerprint of setup.Rules
	id       string
	began    time.Time
	resolver *provisioning.Resolver
	st       *state
	started  bool  // RunBegan was emitted
	failure  error // of the provider; the part that could be read is decided nevertheless
	report   Report

	read    *reading              // of a pushed directory, before the lock
	reading chan struct{}         // the round's own channel in Syncer.readings
	reader  bool                  // the round has a token of Syncer.workers.readers
	leased  *lease                // of the reading
	waited  []string              // see Recent.Waited
	freed   freed                 // what people waited for and is free now
	sought  bool                  // findFreed was called in this run
	members []provisioning.Member // the members that the plan was decided on
	decided bool                  // the plan was decided in this round
}

// round does a job. The caller must not hold the tenant's lock.
func (s *Syncer) round(ctx context.Context, target Target, job job) (Report, error) {
	r := &round{Syncer: s, target: target, job: job, id: newID(), began: s.cfg.Now()}
	defer func() {
		if r.reader {
			<-s.workers.readers
		}
	}()
	if provisioning.ActorFrom(ctx) == "" {
		ctx = provisioning.WithActor(ctx, "syncer")
	}
	run := func() error { return r.run(ctx) }
	err := s.guard(ctx, target, run)
	for tries := 1; errors.Is(err, errOvertaken) && tries < overtakenLimit; tries++ {
		r.emit(ctx, Event{Kind: Overtaken})
		err = s.guard(ctx, target, run)
	}
	r.endReading(ctx)
	err = errors.Join(err, r.failure)
	r.finish(ctx, err)
	return r.report, err
}

func (r *round) run(ctx context.Context) (err error) {
	r.failure, r.report, r.freed, r.sought = nil, Report{}, freed{}, false
	if err := r.configure(ctx); err != nil {
		if refusal := r.open(ctx); isRefusal(refusal) { // the host may have no setup for such a connection
			return refusal
		}
		return err
	}
	seen := 0
	if !r.setup.Pushed || r.job.look { // after a push, there is something to do
		if err := r.open(ctx); err != nil {
			return err
		}
		if idle, err := r.idle(ctx); idle || err != nil {
			return err
		}
		if err := r.leaveToNewer(); err != nil {
			return err
		}
		seen = r.st.Rounds
	}
	if r.setup.Pushed {
		r.start(ctx)
		for err = r.locked(ctx, r.pushed); errors.Is(err, errUnread); err = r.locked(ctx, r.pushed) {
			if _, err := r.reads(ctx, func() error { return r.readPushed(ctx) }); err != nil {
				return err
			}
		}
		return err
	}
	r.report.asked = true
	var snapshot *sources.Snapshot
	done, err := r.reads(ctx, func() (err error) { snapshot, err = r.collect(ctx); return err })
	switch {
	case errors.Is(err, errLeased):
		return nil // the other process decides
	case err != nil:
		return err
	case !done:
		return r.run(ctx)
	}
	return r.locked(ctx, func(ctx context.Context) error {
		if r.st.Rounds != seen { // the snapshot may be older than the last decision
			if r.due() == "" {
				return nil
			}
			return errOvertaken
		}
		return r.whole(ctx, snapshot)
	})
}

// locked calls do under the tenant's lock, after it has read the state anew and
// finished an interrupted plan.
func (r *round) locked(ctx context.Context, do func(context.Context) error) error {
	waited := time.Now()
	unlock, err := r.cfg.Store.Lock(ctx, r.target.Tenant)
	if err != nil {
		return fmt.Errorf("syncer: %w", err)
	}
	defer unlock()
	r.emit(ctx, Event{Kind: Locked, Duration: time.Since(waited)})
	ctx = provisioning.WithLock(ctx, r.target.Tenant)
	r.waited, r.decided = nil, false
	if err := r.open(ctx); err != nil {
		return err
	}
	r.st.Silence, r.st.Pushed = r.setup.Silence, r.setup.Pushed
	if r.st.Began.IsZero() {
		r.st.Began = r.began.UTC()
	}
	if err := r.resume(ctx); err != nil {
		return err
	}
	if r.st.Retired != nil { // resume finished what retires the connection
		return ErrRetired
	}
	if err := r.leaveToNewer(); err != nil {
		return err
	}
	return do(ctx)
}

// configure gets the setup of the connection from the host.
func (r *round) configure(ctx context.Context) error {
	setup, err := r.cfg.Setup(ctx, r.target)
	if err != nil {
		return fmt.Errorf("syncer: setup of %s: %w", r.target.Connection, err)
	}
	if r.setup, err = setup.withDefaults(r.target); err != nil {
		return err
	}
	r.rules, err = fingerprint(&r.setup.Rules)
	return err
}

// open reads the state. It fails with ErrRetired if the connection is retired, and
// with ErrPaused if it is paused and no admin requested the round.
func (r *round) open(ctx context.Context) (err error) {
	r.st, err = r.load(ctx, r.target)
	switch {
	case err != nil:
		return err
	case r.st.Retired != nil:
		return ErrRetired
	case r.st.Paused != nil && !r.job.admin:
		return ErrPaused
	}
	r.noteRules()
	if r.job.freed && !r.sought {
		r.sought = true
		r.freed, err = r.findFreed(ctx)
	}
	return err
}

// idle reports whether there is nothing to do, as far as this is visible without
// the lock. If only time has changed the status, idle saves the new status.
func (r *round) idle(ctx context.Context) (bool, error) {
	if r.due() != "" || r.st.Approving != nil {
		return false, nil
	}
	if r.setup.Pushed {
		if again, _ := r.st.retries(r.setup.GroupWait, r.cfg.Now()); r.st.Cursor == "" || len(again)+len(r.freed.people) > 0 {
			return false, nil
		}
		feed, err := r.feed(ctx, r.st.Cursor)
		if err != nil || feed.changed {
			return false, nil
		}
	}
	r.noteIdle()
	if _, changed := r.st.sum(r.cfg.Now()); changed || r.st.trimmed {
		return true, r.change(ctx, r.target, func(*state) {})
	}
	return true, nil
}

// due returns the reason why everybody has to be decided, or "".
func (r *round) due() string {
	st, now := r.st, r.cfg.Now()
	again, _ := st.refused(now)
	switch {
	case r.job.whole:
		return "asked for"
	case st.LastRun.IsZero():
		return "first run"
	case st.Rules != r.rules && !r.isReplaced():
		return "rules changed"
	case st.WholeDue != "":
		return st.WholeDue
	case !st.AwaitedMore.IsZero() && !now.Before(st.groupsEnd(st.AwaitedMore, r.setup.GroupWait)):
		return "groups have come"
	case !r.setup.Pushed && len(again) > 0:
		return "refused actions"
	case r.isFreed() && (r.setup.Pushed || now.Sub(st.ran) >= r.setup.Interval/freedPart):
		return "what somebody waits for is free"
	case now.Sub(st.ran) >= jitter(r.setup.Interval, r.target, st.LastRun):
		return "interval"
	}
	return ""
}

// next returns when the connection is due again. If a whole run is due at the end
// of a round, another process is doing it, or the reason came meanwhile: next is
// leaseLength from now then.
func (r *round) next() time.Time {
	st, now := r.st, r.cfg.Now()
	if st.Paused != nil || st.Retired != nil {
		return time.Time{}
	}
	r.job.whole = false
	if r.due() != "" {
		return now.Add(leaseLength)
	}
	next := st.ran.Add(jitter(r.setup.Interval, r.target, st.LastRun))
	times := []time.Time{st.silentFrom()}
	if st.Watching > 0 {
		times = append(times, now.Add(r.cfg.Poll))
	}
	if _, again := st.retries(r.setup.GroupWait, now); !again.IsZero() {
		times = append(times, again)
	}
	if !st.AwaitedMore.IsZero() {
		times = append(times, st.groupsEnd(st.AwaitedMore, r.setup.GroupWait))
	}
	for _, at := range times {
		if at.After(now) && at.Before(next) {
			next = at
		}
	}
	return next
}

// start emits RunBegan, once in a round.
func (r *round) start(ctx context.Context) {
	if !r.started {
		r.started = true
		r.emit(ctx, Event{Kind: RunBegan})
	}
}

// pushed decides what was pushed into the directory since the cursor. It fails
// with errUnread if everybody has to be decided and the directory was not read.
func (r *round) pushed(ctx context.Context) error {
	var about []string
	cursor := r.st.Cursor
	due := r.due()
	if cursor != "" {
		feed, err := r.feed(ctx, cursor)
		switch {
		case errors.Is(err, sources.ErrCursorExpired):
			cursor, due = "", "cursor expired"
		case err != nil:
			return err
		default:
			if feed.changed {
				r.st.LastPush = r.cfg.Now().UTC()
			}
			r.nameGroups(feed.names)
			cursor, about = feed.next, feed.about
		}
	}
	again, _ := r.st.retries(r.setup.GroupWait, r.cfg.Now())
	about = slices.Concat(about, again)
	about = append(about, r.freed.people[:min(len(r.freed.people), max(0, partLimit-len(about)))]...) // the others are found in the next Poll
	if due != "" && cursor != "" && !r.job.whole && r.read == nil && r.isReadElsewhere(ctx) {
		due = "" // the other round decides everybody soon
	}
	if due == "" && len(about) > partLimit {
		due = "many changes"
	}
	if due == "" && !r.job.dry {
		err := r.part(ctx, cursor, about)
		if !errors.Is(err, provisioning.ErrNeedsWholeRun) {
			return err
		}
	}
	if r.read == nil {
		return errUnread
	}
	snapshot, next, err := sources.Refresh(ctx, r.setup.Source, r.read.snapshot, r.read.cursor, r.read.config(r.cfg.Now()))
	if err != nil {
		return err
	}
	if cursor == "" {
		r.st.LastPush = r.cfg.Now().UTC()
	}
	r.st.Cursor = next
	return r.whole(ctx, snapshot)
}

// recent returns the recent history that a decision depends on.
func (r *round) recent(ctx context.Context) (provisioning.Recent, error) {
	window, err := r.cfg.Store.Window(ctx, r.target.Tenant, r.target.Connection, r.setup.Window)
	if err != nil {
		return provisioning.Recent{}, fmt.Errorf("syncer: read window: %w", err)
	}
	now := r.cfg.Now()
	r.waited, _ = r.st.waited(r.setup.GroupWait, now)
	return provisioning.Recent{Window: window, AwaitGroups: r.st.awaitsGroups(r.setup.GroupWait, now), Waited: r.waited}, nil
}

// compile makes the resolver of the round.
func (r *round) compile() (err error) {
	rules := r.setup.Rules
	if r.setup.SilentImport && !r.st.Imported {
		rules.Managers.Notify = false
	}
	r.resolver, err = provisioning.New(rules)
	return err
}

// part decides only the people in about, and moves the state's cursor. It fails
// with provisioning.ErrNeedsWholeRun if everybody has to be decided for them.
func (r *round) part(ctx context.Context, cursor sources.Cursor, about []string) error {
	if len(about) == 0 {
		r.st.Cursor = cursor
		r.st.fail(nil, r.began)
		return r.store(ctx)
	}
	directory, ok := sources.As[sources.UserFinder](r.setup.Source)
	if !ok {
		return provisioning.ErrNeedsWholeRun
	}
	if err := r.compile(); err != nil {
		return err
	}
	recent, err := r.recent(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.st.Tripped {
		recent.Tripped = append(recent.Tripped, t.Class)
	}
	in, err := r.resolver.Gather(ctx, provisioning.Lookup{
		Tenant: r.target.Tenant, Team: r.cfg.Store, Directory: directory, Rivals: r.st.rivals(), Recent: recent,
	}, about...)
	if err != nil {
		return err
	}
	r.members = in.Members
	in.Snapshot.Taken = r.began.UTC()
	r.st.Cursor = cursor
	plan := r.resolver.Resolve(in)
	r.decided = true
	if plan.Empty() {
		return r.commit(ctx, plan, provisioning.Outcome{})
	}
	return r.apply(ctx, plan)
}

// whole decides everybody.
func (r *round) whole(ctx context.Context, snapshot *sources.Snapshot) error {
	if age := r.cfg.Now().Sub(snapshot.Taken); age > r.setup.MaxAge {
		return fmt.Errorf("syncer: snapshot of %s: %w: it was taken %s ago, and at most %s are allowed", r.target.Connection, ErrTooOld, age.Round(time.Second), r.setup.MaxAge)
	}
	if err := r.compile(); err != nil {
		return err
	}
	recent, err := r.recent(ctx)
	if err != nil {
		return err
	}
	st := r.st
	if end := st.groupsEnd(st.AwaitedMore, r.setup.GroupWait); !st.AwaitedMore.IsZero() && !r.cfg.Now().Before(end) {
		recent.AwaitGroups = false // the wait of the people who are not listed is over
	}
	team, err := provisioning.Team(ctx, r.cfg.Store, r.target.Tenant)
	if err != nil {
		return fmt.Errorf("syncer: read team: %w", err)
	}
	r.members = team
	plan := r.resolver.Resolve(provisioning.Input{
		Tenant: r.target.Tenant, Snapshot: snapshot, Members: team, Facts: &provisioning.Facts{Recent: recent},
	})
	r.report.Plan, r.decided = plan, true
	if err := r.cfg.Store.SavePlan(ctx, r.target.Tenant, plan); err != nil {
		return fmt.Errorf("syncer: save plan: %w", err)
	}
	if err := r.noteEvidence(ctx, plan, snapshot); err != nil {
		return err
	}
	if r.job.dry {
		return nil
	}
	if !recent.AwaitGroups {
		st.Awaited, st.AwaitedMore = nil, time.Time{}
	}
	st.LastPlan = plan.Hash
	st.LastRun, st.WholeDue = r.began.UTC(), ""
	if r.isReplaced() { // an admin requested the run
		st.WholeDue = "another process has newer rules"
	} else {
		st.Rules = r.rules
	}
	st.ran = st.LastRun
	if r.failure != nil {
		st.WholeDue = "the last run could not read everything"
	}
	if snapshot.Proven.Has(sources.FactUsers) {
		st.LastProven = snapshot.Taken
		st.Imported = st.Imported || !recent.AwaitGroups || r.cfg.Now().Sub(st.Began) > longestImport
	}
	r.reappeared(snapshot)
	return r.apply(ctx, plan)
}

// apply does a plan, and commits the new state. It saves the plan of a part first. A
// plan of everybody is saved already.
func (r *round) apply(ctx context.Context, plan *provisioning.Plan) error {
	r.report.Plan = plan
	store, tenant, st := r.cfg.Store, r.target.Tenant, r.st
	if plan.About != nil {
		if err := store.SavePlan(ctx, tenant, plan); err != nil {
			return fmt.Errorf("syncer: save plan: %w", err)
		}
	}
	if len(r.job.approvals) > 0 {
		if err := r.approve(ctx, plan, r.job.approvals); err != nil {
			return err
		}
	}
	outcome, err := r.do(ctx, plan, r.job.approvals)
	r.report.Outcome = outcome
	if err != nil {
		return fmt.Errorf("syncer: %w", err)
	}
	st.Approving = nil
	return r.commit(ctx, plan, outcome)
}

// do applies a plan to the store.
func (r *round) do(ctx context.Context, plan *provisioning.Plan, approvals []provisioning.Approval) (provisioning.Outcome, error) {
	team := &isolated{Store: r.cfg.Store, connection: r.target.Connection, left: maxIsolated}
	return provisioning.Apply(ctx, team, r.target.Tenant, plan, approvals...)
}

// commit saves the state after a plan was done.
func (r *round) commit(ctx context.Context, plan *provisioning.Plan, outcome provisioning.Outcome) error {
	return r.commitApproved(ctx, plan, outcome, r.job.approvals)
}

func (r *round) commitApproved(ctx context.Context, plan *provisioning.Plan, outcome provisioning.Outcome, approvals []provisioning.Approval) error {
	tripped, parked, now := r.st.Tripped, r.st.parked(), r.cfg.Now().UTC()
	r.st.Rounds++
	r.st.settle(plan, r.decided && plan.About == nil, &outcome, approvals, r.setup.ParkAfter, now)
	r.st.settleAwaited(plan, &outcome, r.waited, now)
	if r.decided {
		r.st.settleRivals(plan)
		if err := r.watch(ctx, plan, &outcome); err != nil {
			return err
		}
		r.freed = freed{}
	}
	r.st.fail(r.failure, now)
	if err := r.store(ctx); err != nil {
		return err
	}
	r.noteRules()
	r.tell(ctx, plan, outcome, tripped, parked)
	return nil
}
