package review

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/usher-go/usher/provisioning"
)

// cachedPlans is the number of decoded plans that a handler keeps. A plan never
// changes, so that a cached plan never becomes outdated.
const cachedPlans = 4

// A planCache keeps the most recently viewed plans.
type planCache struct {
	mu    sync.Mutex
	plans []*cachedPlan // the latest is last
}

// A planKey identifies a plan of a tenant and the fields that are hidden in it.
type planKey struct{ tenant, hash, mask string }

type cachedPlan struct {
	key  planKey
	once sync.Once
	view *view
	err  error
}

// view returns the plan of a tenant as a viewer may see it. Concurrent requests
// for the same plan decode it once.
func (c *planCache) view(key planKey, load func() (*view, error)) (*view, error) {
	c.mu.Lock()
	at := slices.IndexFunc(c.plans, func(p *cachedPlan) bool { return p.key == key })
	var p *cachedPlan
	if at >= 0 {
		p = c.plans[at]
		c.plans = append(slices.Delete(c.plans, at, at+1), p)
	} else {
		p = &cachedPlan{key: key}
		c.plans = append(c.plans, p)
		if len(c.plans) > cachedPlans {
			c.plans = slices.Delete(c.plans, 0, 1)
		}
	}
	c.mu.Unlock()
	p.once.Do(func() {
		p.err = errors.New("review: interrupted") // if load panics
		p.view, p.err = load()
	})
	if p.err != nil {
		c.mu.Lock()
		c.plans = slices.DeleteFunc(c.plans, func(other *cachedPlan) bool { return other == p })
		c.mu.Unlock()
	}
	return p.view, p.err
}

// plan returns the plan whose hash is in the request, if the sender may see its
// connection.
func (q *request) plan() (*view, error) { return q.planOf(q.r.FormValue("hash")) }

func (q *request) planOf(hash string) (*view, error) {
	if len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		return nil, errNotFound
	}
	tenant := q.access.Tenant
	mask := make([]string, len(q.access.Hide))
	for i, f := range q.access.Hide {
		mask[i] = string(f)
	}
	slices.Sort(mask)
	v, err := q.plans.view(planKey{tenant, hash, strings.Join(mask, "\x00")}, func() (*view, error) {
		plan, err := q.cfg.Store.Plan(q.ctx, tenant, hash)
		switch {
		case errors.Is(err, provisioning.ErrNoPlan):
			return nil, errNotFound
		case err != nil:
			return nil, fmt.Errorf("plan: %w", err)
		case plan.Tenant != tenant:
			return nil, errNotFound
		}
		return newView(plan, q.access.Hide), nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := q.targetOf(v.whole.Connection); err != nil {
		return nil, err
	}
	return v, nil
}
