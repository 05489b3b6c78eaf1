package syncer

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// looksPerPoll is the number of steps into which Serve divides a Poll.
const looksPerPoll = 32

// Serve works on every connection that Config.Targets lists, until the context or
// the syncer ends, and returns the reason. It checks each connection once in every
// Poll: it runs what is due, decides pushed changes that are not decided yet, and
// delivers effects. The checks are spread over the Poll, also after a start, so
// that the connections do not begin at the same time. Any number of processes may
// serve one store.
func (s *Syncer) Serve(ctx context.Context) error {
	looks := make(map[Target]time.Time) // when each connection is checked next
	ticker := time.NewTicker(max(s.cfg.Poll/looksPerPoll, time.Millisecond))
	defer ticker.Stop()
	for listed := (time.Time{}); ; {
		now := time.Now()
		if s.cfg.Targets != nil && now.Sub(listed) >= s.cfg.Poll {
			listed = now
			targets, err := s.cfg.Targets(ctx)
			if err != nil {
				listed = now.Add(min(lastRetry, s.cfg.Poll) - s.cfg.Poll)
				s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "syncer: the connections could not be listed", slog.String("error", err.Error()))
			} else {
				for _, target := range spread(looks, targets, now, s.cfg.Poll) {
					s.forget(target)
				}
			}
		}
		for target, at := range looks {
			if at.After(now) {
				continue
			}
			looks[target] = now.Add(s.cfg.Poll)
			s.enqueue(target, job{look: true, freed: true}, false)
			s.deliverSoon(target.Tenant)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.life.Done():
			return ErrClosed
		case <-ticker.C:
		}
	}
}

// firstLooks is the average time between the first checks of new connections. After
// a start, all connections are new. Each is checked within a Poll in any case.
const firstLooks = 100 * time.Millisecond

// spread gives each new target a random time within a Poll, or sooner if few are
// new. It removes the targets that are no longer listed, and returns them.
func spread(looks map[Target]time.Time, targets []Target, now time.Time, poll time.Duration) (gone []Target) {
	unknown := 0
	for _, target := range targets {
		if _, known := looks[target]; !known {
			unknown++
		}
	}
	within := min(poll, time.Duration(unknown+1)*firstLooks)
	listed := make(map[Target]bool, len(targets))
	for _, target := range targets {
		listed[target] = true
		if _, known := looks[target]; !known {
			looks[target] = now.Add(rand.N(within))
		}
	}
	for target := range looks {
		if !listed[target] {
			delete(looks, target)
			gone = append(gone, target)
		}
	}
	return gone
}

// forget removes what this process remembers of a connection, so that no timer and
// no change of another connection begins a round of it.
func (s *Syncer) forget(target Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.memories[target.Tenant], target.Connection)
	if len(s.memories[target.Tenant]) == 0 {
		delete(s.memories, target.Tenant)
	}
	if a := s.tries[target]; a != nil {
		a.stop()
		delete(s.tries, target)
	}
}
