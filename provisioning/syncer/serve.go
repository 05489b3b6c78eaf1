package syncer

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// looksPerPoll is in how many steps Serve goes through a Poll.
const looksPerPoll = 32

// Serve keeps every connection that Config.Targets lists, until the context or
// the syncer ends, and returns the reason. It looks at each once in every Poll:
// it runs what is due, decides what was pushed and is not decided, and delivers
// effects. The looks are spread over the time, also after a start, so that not
// everybody begins at once. Any number of processes may serve one store.
func (s *Syncer) Serve(ctx context.Context) error {
	looks := make(map[Target]time.Time) // when each is looked at next
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
				spread(looks, targets, now, s.cfg.Poll)
			}
		}
		for target, at := range looks {
			if at.After(now) {
				continue
			}
			looks[target] = now.Add(s.cfg.Poll)
			s.enqueue(target, job{look: true}, false)
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

// firstLooks is how far apart the first looks are, on average, at connections
// that are new, as all are after a start. They are done within a poll in any case.
const firstLooks = 100 * time.Millisecond

// spread gives each new target a time of its own within a poll, or sooner if they
// are few, and drops those that are not listed any more.
func spread(looks map[Target]time.Time, targets []Target, now time.Time, poll time.Duration) {
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
		}
	}
}
