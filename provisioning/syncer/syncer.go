package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// A Store is what a syncer needs of the host's team. provisioning.Memory and
// the stores of provisioning/sqlstore have all of it.
type Store interface {
	provisioning.Store
	provisioning.Finder
	provisioning.Locker
	provisioning.Outbox
	provisioning.PlanStore
	provisioning.StateStore
}

// A Target is one connection of one tenant, the unit in which a syncer works. A
// scim.Directory converts to it.
type Target struct{ Tenant, Connection string }

// A Setup says how a connection is to be kept. A host's function returns it
// before every round, so that a changed setting holds from the next one on. The
// zero value of every duration and count stands for its default.
type Setup struct {
	// Rules are the connection's config. Whenever they change, everybody is
	// decided anew at once (R29). Rules.Connection is that of the Target.
	Rules provisioning.Config
	// Source is the directory.
	Source sources.Source
	// Pushed says that Source is a directory which is kept beside the team and
	// which a provider pushes into, such as a scim.DirectorySource. It has to be a
	// sources.DeltaSource; if it is a sources.UserFinder as well, a pushed change
	// is decided by itself. To decide everybody, it is read before the tenant's
	// lock is taken, like any source (S28); what was pushed meanwhile is read under
	// it.
	Pushed bool
	// Deltas lets a Source that is a sources.DeltaSource and not Pushed be asked
	// for its changes only, and once a day for everything. The last snapshot is
	// kept in the store meanwhile, compressed: everybody's data, as the provider
	// gives it.
	Deltas bool
	// Taken is when what Source lists was saved, if it is a saved answer. The
	// zero time: Source is read as it is now.
	Taken time.Time

	// Interval is the time between two whole runs (R23, R28), give or take a
	// tenth, also of a pushed directory. 0: an hour.
	Interval time.Duration
	// MaxAge is how old a snapshot may be when it is decided on (S45). 0: a day.
	MaxAge time.Duration
	// Window is the time over which breakers count (S39), at most
	// provisioning.MaxWindow. 0: an hour.
	Window time.Duration
	// GroupWait is how long after the last push groups may still come for people
	// who were pushed before them (S40). Nobody waits for longer than six times
	// that, however the connection is pushed into. 0: ten minutes.
	GroupWait time.Duration
	// Silence is how long a connection may prove nothing, and push nothing,
	// until its health says so. 0: a day; negative: for ever.
	Silence time.Duration
	// SilentImport mails no manager on account of people who come before the
	// first import is over (A16): the first whole run, of a pushed directory the
	// first one GroupWait after a push, or a day after the beginning.
	SilentImport bool
	// ParkAfter is in how many rounds in a row the store may refuse an action
	// before its person is parked: told in Health, and tried again only with a
	// whole run or another change. 0: 5.
	ParkAfter int
}

// withDefaults returns a setup without zeros, or says what is wrong with it.
func (s Setup) withDefaults(target Target) (Setup, error) {
	for _, d := range []struct {
		field  string
		value  *time.Duration
		preset time.Duration
	}{
		{"Interval", &s.Interval, time.Hour}, {"MaxAge", &s.MaxAge, 24 * time.Hour}, {"Window", &s.Window, time.Hour},
		{"GroupWait", &s.GroupWait, 10 * time.Minute}, {"Silence", &s.Silence, 24 * time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.preset
		}
		if *d.value < 0 && d.field != "Silence" {
			return s, fmt.Errorf("syncer: setup of %s: %s is %s; want 0 for the default, or a duration", target.Connection, d.field, *d.value)
		}
	}
	s.ParkAfter = cmp.Or(s.ParkAfter, 5)
	connection := cmp.Or(s.Rules.Connection, s.Rules.Source)
	switch {
	case s.Window > provisioning.MaxWindow:
		return s, fmt.Errorf("syncer: setup of %s: Window is %s; want at most %s", target.Connection, s.Window, provisioning.MaxWindow)
	case s.Source == nil:
		return s, fmt.Errorf("syncer: setup of %s: Source is nil", target.Connection)
	case connection != target.Connection:
		return s, fmt.Errorf("syncer: setup of %s: Rules are those of connection %q", target.Connection, connection)
	}
	if _, ok := sources.As[sources.DeltaSource](s.Source); s.Pushed && !ok {
		return s, fmt.Errorf("syncer: setup of %s: Source is %T; want a sources.DeltaSource, since it is pushed", target.Connection, s.Source)
	}
	return s, nil
}

// Config describes a syncer. Store and Setup are required.
type Config struct {
	// Store is the team of every tenant.
	Store Store
	// Setup returns how a connection is kept. It is called before every round.
	Setup func(context.Context, Target) (Setup, error)
	// Targets lists the connections that Serve keeps. It is called once in every
	// Poll. Nil: Serve delivers nothing and runs nothing by itself.
	Targets func(context.Context) ([]Target, error)
	// Deliver does what an effect asks for (S27, S41). An effect for which it
	// returns an error, or not at all within a minute, is tried again. Nil:
	// effects stay in the outbox.
	Deliver func(ctx context.Context, tenant string, e provisioning.Effect) error

	// PushWait bounds how long Push waits for the decision. 0: 2 seconds.
	PushWait time.Duration
	// Poll is how often Serve looks at each connection, whether pushes wait in
	// its directory, a whole run is due, or its rules changed. 0: a minute.
	Poll time.Duration
	// Workers bounds how many providers are read at the same time, how many tenants
	// are decided, and how many have effects delivered. 0: 8.
	Workers int

	// Now is the clock. nil: time.Now. Nothing is lost or done twice because it
	// jumps, or because those of several processes differ: what was noted by a
	// clock that was ahead is taken to be of now, and a whole run is due an interval
	// after this process saw the last one. GroupWait and Window are true as far as
	// the clocks agree.
	Now func() time.Time

	// Observe is told everything that happens, for metrics, traces and mails to
	// an admin (R138). It is called by the goroutine at work, often under the
	// tenant's lock: it has to be quick, and must not call the syncer.
	Observe func(context.Context, Event)
	// Logger receives the same. It is given IDs and no addresses. nil:
	// slog.Default.
	Logger *slog.Logger
}

// A Syncer keeps teams true to their directories. It is safe for concurrent
// use; several processes may each have one on the same store.
type Syncer struct {
	cfg     Config
	workers workers

	life context.Context // of everything that outlives a call; ends with Close
	end  context.CancelFunc
	work sync.WaitGroup

	mu         sync.Mutex
	queues     map[string]*queue                // by tenant
	readings   map[Target]chan struct{}         // of pushed directories; closed with the round that reads
	tries      map[Target]*attempt              // of connections whose last round failed
	sightings  map[leaseKey]sighting            // of other processes' leases
	runs       map[string]map[string]sightedRun // by tenant and connection
	closed     bool
	delivering map[string]*delivery // by tenant
}

// New returns a syncer. Close it after use.
func New(cfg Config) (*Syncer, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("syncer: Config.Store is nil; want the host's team")
	case cfg.Setup == nil:
		return nil, errors.New("syncer: Config.Setup is nil; want the function that says how a connection is kept")
	case cfg.PushWait < 0 || cfg.Poll < 0 || cfg.Workers < 0:
		return nil, fmt.Errorf("syncer: Config.PushWait is %s, Poll %s, Workers %d; want none below 0", cfg.PushWait, cfg.Poll, cfg.Workers)
	}
	cfg.PushWait = cmp.Or(cfg.PushWait, 2*time.Second)
	cfg.Poll = cmp.Or(cfg.Poll, time.Minute)
	cfg.Workers = cmp.Or(cfg.Workers, 8)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	s := &Syncer{
		cfg: cfg, workers: newWorkers(cfg.Workers),
		queues: make(map[string]*queue), readings: make(map[Target]chan struct{}), tries: make(map[Target]*attempt), delivering: make(map[string]*delivery),
		sightings: make(map[leaseKey]sighting), runs: make(map[string]map[string]sightedRun),
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Close ends the rounds in progress and waits for them. What they had not
// finished is found again from the store.
func (s *Syncer) Close() {
	s.mu.Lock()
	s.closed = true
	for _, a := range s.tries {
		a.stop()
	}
	for _, d := range s.delivering {
		if d.timer != nil {
			d.timer.Stop()
		}
	}
	s.mu.Unlock()
	s.end()
	s.work.Wait()
}

// What a syncer refuses. Test with errors.Is.
var (
	// ErrPending: the round has not come to its end yet; it goes on.
	ErrPending = errors.New("the decision is still pending")
	// ErrPaused: the connection is paused.
	ErrPaused = errors.New("the connection is paused")
	// ErrClosed: the syncer is closed.
	ErrClosed = errors.New("the syncer is closed")
	// ErrApprovalUsed: the approval was used before (S15).
	ErrApprovalUsed = errors.New("the approval has been used")
	// ErrTooOld: the snapshot is older than the setup allows (S45).
	ErrTooOld = errors.New("the snapshot is too old to decide on")
)
