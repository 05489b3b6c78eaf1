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

// A Store is the interface to the host's team that a syncer needs.
// provisioning.Memory and the stores of provisioning/sqlstore implement it.
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

// A Setup configures a connection. Config.Setup returns it before every round, so
// that a changed setting takes effect in the next round. The zero value of a
// duration or a count stands for its default.
type Setup struct {
	// Rules are the connection's config. Whenever they change, everybody is
	// decided anew at once (R29). Rules.Connection is that of the Target. While
	// processes have different rules, as in a rollout, the rules that came last stay
	// in force, and a process with earlier ones leaves the rounds to the others.
	Rules provisioning.Config
	// Source is the directory.
	Source sources.Source
	// Pushed says that Source is a directory which the host keeps and into which a
	// provider pushes, such as a scim.DirectorySource. It has to be a
	// sources.DeltaSource. If it is also a sources.UserFinder, a pushed change is
	// decided without reading everybody. To decide everybody, Source is read before
	// the tenant's lock is taken, like any source (S28); what was pushed meanwhile
	// is read under the lock.
	Pushed bool
	// Deltas says that a Source which is a sources.DeltaSource and not Pushed is
	// read completely once a day, and otherwise for its changes only. The last
	// snapshot is kept in the store, compressed. It contains everybody's data, as
	// the provider gives it.
	Deltas bool
	// Taken is when the data of Source was saved, if Source is a saved answer. Zero:
	// Source gives the present data.
	Taken time.Time

	// Interval is the time between two whole runs (R23, R28), plus or minus up to a
	// tenth, also for a pushed directory. 0: an hour.
	Interval time.Duration
	// MaxAge is the maximum age of a snapshot when it is decided on (S45). 0: a day.
	MaxAge time.Duration
	// Window is the time over which breakers count (S39), at most
	// provisioning.MaxWindow. 0: an hour.
	Window time.Duration
	// GroupWait is how long after the last push groups may still come for people
	// who were pushed before their groups (S40). Nobody waits longer than six times
	// GroupWait, even if pushes go on. 0: ten minutes.
	GroupWait time.Duration
	// Silence is how long a connection may give no proven snapshot and no push
	// before Health reports it as silent. 0: a day; negative: it is never reported.
	Silence time.Duration
	// SilentImport says that managers get no mails about people who come before the
	// first import is over (A16). The first import ends with the first whole run;
	// for a pushed directory, with the first whole run GroupWait after the last
	// push, or a day after the beginning.
	SilentImport bool
	// ParkAfter is in how many rounds in a row the store may refuse an action
	// before its person is parked. A parked person is reported in Health, and is
	// tried again only in a whole run or after another change. 0: 5.
	ParkAfter int
}

// withDefaults returns the setup with its defaults filled in, or an error if the
// setup is invalid.
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
	// Setup returns the setup of a connection. It is called before every round.
	Setup func(context.Context, Target) (Setup, error)
	// Targets lists the connections that Serve works on. It is called once in every
	// Poll. Nil: Serve starts no rounds and no deliveries.
	Targets func(context.Context) ([]Target, error)
	// Deliver does what an effect requires, such as sending a mail (S27, S41). The
	// effect is tried again if Deliver returns an error or panics. The context of a
	// call ends after a minute. A call that does not return within ten seconds after
	// that is given up: the other effects go on, and the effect is tried again once
	// the call has returned. Nil: effects stay in the outbox.
	Deliver func(ctx context.Context, tenant string, e provisioning.Effect) error

	// PushWait is how long Push waits for the decision at most. 0: 2 seconds.
	PushWait time.Duration
	// Poll is how often Serve checks each connection: whether its directory has
	// pushes that are not decided, a whole run is due, or its rules changed. 0: a
	// minute.
	Poll time.Duration
	// Workers limits how many providers are read at the same time, how many tenants
	// are decided, and for how many tenants effects are delivered; each of the three
	// has this limit. 0: 8.
	Workers int

	// Now is the clock. nil: time.Now. Nothing is lost or done twice if the clock
	// jumps, or if the clocks of several processes differ. A stored time that is in
	// the future counts as now. A whole run is due an interval after this process saw
	// the last one. GroupWait and Window are as exact as the clocks agree.
	Now func() time.Time

	// Observe receives every event, for metrics, traces and mails to an admin
	// (R138). It is called by the goroutine that does the work, often under the
	// tenant's lock: it has to return quickly and must not call the syncer. If it
	// panics, that is logged and the work goes on.
	Observe func(context.Context, Event)
	// Logger receives the same events. They contain IDs and no addresses. nil:
	// slog.Default.
	Logger *slog.Logger
}

// A Syncer keeps teams in step with their directories. It is safe for concurrent
// use. Several processes may each have one on the same store.
type Syncer struct {
	cfg     Config
	workers workers

	life context.Context // for background work; ends with Close
	end  context.CancelFunc
	work sync.WaitGroup

	mu         sync.Mutex
	queues     map[string]*queue             // by tenant
	readings   map[Target]chan struct{}      // readings in progress; each is closed when its round ends
	tries      map[Target]*attempt           // connections that are tried again
	sightings  map[leaseKey]sighting         // leases of other processes
	memories   map[string]map[string]*memory // by tenant and connection
	closed     bool
	delivering map[string]*delivery // by tenant
	hanging    map[string]bool      // by tenant and effectKey: calls of Config.Deliver that were given up
}

// New returns a syncer. Call Close after use.
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
		hanging:   make(map[string]bool),
		sightings: make(map[leaseKey]sighting), memories: make(map[string]map[string]*memory),
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Close cancels the rounds in progress and waits for their end. A later syncer on
// the same store finds what they did not finish.
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

// Errors of a syncer. Test with errors.Is.
var (
	// ErrPending: the round has not ended yet; it goes on.
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
