package review

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
)

// The lengths of the lists on the page of a connection.
const (
	maxConnections = 50
	maxWaiting     = 50
	maxEffects     = 50
)

// runsPage is the content of the first page.
type runsPage struct {
	Connections []connectionPart
	Rest        int
	Effects     []provisioning.Effect
	MoreEffects bool
	Access      Access
	Hidden      bool
}

type connectionPart struct {
	syncer.Health
	Document *document
	Waits    []syncer.Waiting
	Rest     int
	Requests *requestPart // nil: the host stores no requests
}

func (q *request) runs() error {
	names, err := q.connections()
	if err != nil {
		return err
	}
	data := runsPage{Access: q.access, Hidden: len(q.access.Hide) > 0, Rest: max(0, len(names)-maxConnections)}
	for _, name := range names[:min(len(names), maxConnections)] {
		target := syncer.Target{Tenant: q.access.Tenant, Connection: name}
		part := connectionPart{}
		if part.Health, err = q.cfg.Syncer.Health(q.ctx, target); err != nil {
			return err
		}
		if part.Document, err = q.load(target); err != nil {
			return err
		}
		if part.Requests, err = q.requests(target, fewRequests); err != nil {
			return err
		}
		if part.Requests != nil {
			part.Requests.Tokens = part.Requests.Tokens[:min(len(part.Requests.Tokens), fewTokens)]
		}
		if q.access.Connections != nil {
			part.dropEffects()
		}
		part.Waits = part.Waiting[:min(len(part.Waiting), maxWaiting)]
		part.Rest = part.More + len(part.Waiting) - len(part.Waits)
		if data.Hidden {
			part.hide(q.access.Hide)
		}
		data.Connections = append(data.Connections, part)
	}
	if q.access.Connections == nil {
		for e, err := range q.cfg.Store.Effects(q.ctx, q.access.Tenant) {
			if err != nil {
				return fmt.Errorf("effects: %w", err)
			}
			if len(data.Effects) == maxEffects {
				data.MoreEffects = true
				break
			}
			data.Effects = append(data.Effects, e)
		}
	}
	return q.page.show("runs", data)
}

// dropEffects removes the facts about effects: these belong to the tenant and
// may concern members of any connection.
func (c *connectionPart) dropEffects() {
	c.Undelivered, c.Effects, c.EffectsSince = nil, 0, time.Time{}
	c.Problems = slices.DeleteFunc(slices.Clone(c.Problems), func(p syncer.Problem) bool { return p.Code == syncer.CodeUndelivered })
	c.Status = syncer.StatusOK
	if len(c.Problems) > 0 {
		c.Status = c.Problems[0].Status // the worst comes first
	}
}

// hide removes texts that may contain data of people: texts of the provider and
// of the host, and IDs of the directory.
func (c *connectionPart) hide(mask provisioning.Mask) {
	problems := make([]syncer.Problem, len(c.Problems))
	for i, p := range c.Problems {
		p.Detail = ""
		problems[i] = p
	}
	c.Problems = problems
	waits := make([]syncer.Waiting, len(c.Waits))
	for i, w := range c.Waits {
		if mask.Hides(provisioning.FieldExternalID) {
			w.ExternalID = ""
		}
		waits[i] = w
	}
	c.Waits = waits
	if c.Undelivered != nil {
		u := *c.Undelivered
		u.Failure = "(hidden)"
		c.Undelivered = &u
	}
}

func (q *request) run() error {
	target, err := q.target()
	if err != nil {
		return err
	}
	report, err := q.cfg.Syncer.Run(q.ctx, target)
	if err != nil && !errors.Is(err, syncer.ErrPending) {
		q.cfg.Logger.WarnContext(q.ctx, "review: run failed", "tenant", target.Tenant, "connection", target.Connection, "actor", q.access.Actor, "error", q.hidden(err.Error()))
		return &failure{502, "The run failed: " + q.hidden(shownLong(err.Error()))}
	}
	if report.Plan == nil {
		return q.redirect("./")
	}
	if err := q.change(target, func(doc *document) error {
		doc.plan(report.Plan, q.access.Actor)
		return nil
	}); err != nil {
		return err
	}
	return q.redirect(query("plan", "hash", report.Plan.Hash))
}

func (q *request) pause() error {
	target, err := q.target()
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(q.r.PostFormValue("reason"))
	if reason == "" || len(reason) > maxReason {
		return invalid("A reason is required to pause a connection, of at most %d characters.", maxReason)
	}
	if err := q.cfg.Syncer.Pause(q.ctx, target, reason); err != nil {
		return err
	}
	return q.redirect("./")
}

func (q *request) resume() error {
	target, err := q.target()
	if err != nil {
		return err
	}
	if err := q.cfg.Syncer.Resume(q.ctx, target); err != nil {
		return err
	}
	return q.redirect("./")
}
