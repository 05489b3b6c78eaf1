package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/sources"
)

// A phase is a part of the demonstration in which every tenant is run.
type phase struct {
	*fleet
	name  string
	since time.Time
}

func (f *fleet) begin(name string) *phase { return &phase{f, name, time.Now()} }

// A count is the progress of a phase.
type count struct {
	done       int    // tenants that were run
	unfinished int    // jobs that are not finished
	failing    int    // tenants that wait for another try
	failures   int    // of all jobs of the phase
	lost       string // the error of a job that will not be tried again
}

func (p *phase) count(ctx context.Context) (c count, err error) {
	err = p.pool.QueryRow(ctx, `SELECT
		count(DISTINCT args->>'tenant') FILTER (WHERE kind = 'run' AND state = 'completed' AND finalized_at >= $1),
		count(*) FILTER (WHERE kind <> 'schedule' AND state NOT IN ('completed', 'cancelled', 'discarded')),
		count(*) FILTER (WHERE kind = 'run' AND state IN ('available', 'scheduled', 'retryable') AND cardinality(errors) > 0),
		coalesce(sum(cardinality(errors)) FILTER (WHERE created_at >= $1), 0),
		coalesce(min(kind || ': ' || (errors[cardinality(errors)]->>'error')) FILTER (WHERE state = 'discarded'), '')
		FROM river_job`, p.since).Scan(&c.done, &c.unfinished, &c.failing, &c.failures, &c.lost)
	return c, err
}

// await prints the progress of the phase until push has returned, every tenant
// was run, and no job is left. Failing providers refuse at least once each,
// until a tenth of the tenants is done.
func (p *phase) await(ctx context.Context, push func() error) error {
	pushed := make(chan error, 1)
	go func() { pushed <- push() }()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	told, pushing, failed := p.since, true, 0
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-pushed:
			if pushing = false; err != nil {
				return fmt.Errorf("push: %w", err)
			}
			continue
		case <-ticker.C:
		}
		c, err := p.count(ctx)
		if err != nil {
			return err
		}
		failed = max(failed, c.failing)
		if c.lost != "" {
			return fmt.Errorf("a job failed: %s", c.lost)
		}
		if c.done >= len(p.companies)/10 {
			for _, some := range p.companies {
				if some.refused.Load() {
					some.refuses.Store(false)
				}
			}
		}
		end := !pushing && c.done == len(p.companies) && c.unfinished == 0
		if now := time.Now(); end || now.Sub(told) >= 2*time.Second {
			told = now
			p.tell(c)
		}
		if end {
			if c.failures > 0 {
				fmt.Fprintf(p.out, "  %d runs failed, of up to %d tenants at a time, and were tried again; the others did not wait for them\n", c.failures, failed)
			}
			return nil
		}
	}
}

func (p *phase) tell(c count) {
	took := time.Since(p.since).Seconds()
	fmt.Fprintf(p.out, "%s: %5.1f s, %4d of %d tenants, %5.1f tenants/s, %6.0f people/s", p.name, took, c.done, len(p.companies),
		float64(c.done)/took, float64(c.done*p.opt.people)/took)
	if c.failing > 0 {
		fmt.Fprintf(p.out, ", %d to be tried again", c.failing)
	}
	fmt.Fprintln(p.out)
}

// check compares every team with its directory: the same people with the same
// addresses, names and titles are active, and nothing is left to do (L2).
func (f *fleet) check(ctx context.Context) error {
	began := time.Now()
	var work sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	errs := make([]error, len(f.companies))
	for i, c := range f.companies {
		work.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() == nil {
				errs[i] = f.checkTenant(ctx, c)
			}
		})
	}
	work.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return err
	}
	var mails int
	if err := f.pool.QueryRow(ctx, `SELECT count(*) FROM fleet_mails`).Scan(&mails); err != nil {
		return err
	}
	fmt.Fprintf(f.out, "check: each of %d teams equals its directory, and nothing is to do in any (%.1f s); %d effects delivered\n",
		len(f.companies), time.Since(began).Seconds(), mails)
	return nil
}

func (f *fleet) checkTenant(ctx context.Context, c *company) error {
	type person struct{ email, given, family, title string }
	want := make(map[person]bool)
	for _, u := range c.people.Users() {
		if u.Status == sources.StatusActive {
			want[person{u.Email, u.GivenName, u.FamilyName, u.Title}] = true
		}
	}
	team, err := provisioning.Team(ctx, f.team, c.tenant)
	if err != nil {
		return err
	}
	active := 0
	for _, m := range team {
		if !m.Active {
			continue
		}
		if active++; !want[person{m.Email, m.GivenName, m.FamilyName, m.Title}] {
			return fmt.Errorf("%s: member %s is not as the directory has them", c.tenant, m.ID)
		}
	}
	if active != len(want) {
		return fmt.Errorf("%s: %d members are active; the directory has %d", c.tenant, active, len(want))
	}
	plan, err := f.sync.Plan(ctx, syncer.Target{Tenant: c.tenant, Connection: c.kind()})
	if err == nil && !plan.Empty() {
		err = fmt.Errorf("%s: something is left to do: %s", c.tenant, plan)
	}
	return err
}
