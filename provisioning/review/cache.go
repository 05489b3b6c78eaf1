package review

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/usher-go/usher/provisioning"
)

// cachedPlans is how many decoded plans a handler keeps. A plan never changes, so
// that a kept one is as good as the stored one.
const cachedPlans = 4

// A planCache keeps the plans that were looked at last.
type planCache struct {
	mu    sync.Mutex
	plans []*cachedPlan // the latest last
}

// A planKey says whose plan it is, and from whom what is hidden.
type planKey struct{ tenant, hash, mask string }

type cachedPlan struct {
	key  planKey
	once sync.Once
	view *view
	err  error
}

// view returns the plan of a tenant as somebody may see it. The same plan is
// decoded once, however many ask for it.
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

// plan returns the plan that the request names by its hash, if the sender may see
// its connection.
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
