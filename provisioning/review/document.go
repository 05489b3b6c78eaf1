package review

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
)

const (
	documentFormat = 1
	maxPlans       = 50  // plans in a document
	maxApprovals   = 100 // approvals in a document
	maxTries       = 20  // attempts of a compare-and-set
)

// A document is the stored state of a connection, in the host's store. It
// contains IDs, counts, and reasons that people wrote.
type document struct {
	Format    int         `json:"format"`
	Plans     []madePlan  `json:"plans,omitempty"`     // the latest is first
	Approvals []*approval `json:"approvals,omitempty"` // the latest is first
}

// A madePlan is a plan that was made on these pages.
type madePlan struct {
	Hash    string    `json:"hash"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Actions int       `json:"actions"`
	Held    int       `json:"held"`
}

// The steps of an approval.
const (
	stepAsked    = "asked"    // waits for a second person
	stepApplying = "applying" // is being applied
	stepDone     = "done"
	stepVoid     = "void"   // other changes wait by now; nothing was applied
	stepFailed   = "failed" // was not applied, or not completely
)

// An approval is the decision of one person to apply a plan, either with the
// changes that wait in one of its classes or without any.
type approval struct {
	ID     string             `json:"id"`
	Class  provisioning.Class `json:"class,omitzero"` // 0: only actions that need no approval
	Hash   string             `json:"hash,omitempty"` // of the waiting changes
	Plan   string             `json:"plan"`
	People int                `json:"people"`
	Reason string             `json:"reason,omitempty"`
	By     string             `json:"by"`
	At     time.Time          `json:"at"`
	Second string             `json:"second,omitempty"` // the person who confirmed it
	Step   string             `json:"step"`
	Ended  time.Time          `json:"ended,omitzero"`
	// Done, Refused and Held are the counts in the outcome.
	Done    int `json:"done,omitempty"`
	Refused int `json:"refused,omitempty"`
	Held    int `json:"held,omitempty"`
	// Now is the hash of a plan that was made in the meantime, if any.
	Now     string `json:"now,omitempty"`
	Failure string `json:"failure,omitempty"`
}

func documentName(connection string) string { return "review/" + connection }

func (q *request) load(target syncer.Target) (*document, error) {
	doc, _, err := q.loadRevision(target)
	return doc, err
}

func (q *request) loadRevision(target syncer.Target) (*document, provisioning.Revision, error) {
	data, revision, err := q.cfg.Store.State(q.ctx, target.Tenant, documentName(target.Connection))
	if err != nil {
		return nil, "", fmt.Errorf("review: read document: %w", err)
	}
	doc := &document{Format: documentFormat}
	if data == nil {
		return doc, revision, nil
	}
	if err := json.Unmarshal(data, doc); err != nil {
		return nil, "", fmt.Errorf("review: document of %s: %w", target.Connection, err)
	}
	if doc.Format != documentFormat {
		return nil, "", fmt.Errorf("review: document of %s: format is %d; want %d", target.Connection, doc.Format, documentFormat)
	}
	return doc, revision, nil
}

// change changes the document of a connection, also if others change it at the
// same time. It changes nothing if do fails.
func (q *request) change(target syncer.Target, do func(*document) error) error {
	for range maxTries {
		doc, revision, err := q.loadRevision(target)
		if err != nil {
			return err
		}
		if err := do(doc); err != nil {
			return err
		}
		data, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("review: document: %w", err)
		}
		_, err = q.cfg.Store.SetState(q.ctx, target.Tenant, documentName(target.Connection), revision, data)
		if err == nil {
			return nil
		}
		if !errors.Is(err, provisioning.ErrStale) {
			return fmt.Errorf("review: save document: %w", err)
		}
		select {
		case <-q.ctx.Done():
			return q.ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return errors.New("review: save document: others keep changing it")
}

// plan records a plan.
func (d *document) plan(p *provisioning.Plan, actor string) {
	d.Plans = slices.DeleteFunc(d.Plans, func(m madePlan) bool { return m.Hash == p.Hash })
	d.Plans = slices.Insert(d.Plans, 0, madePlan{Hash: p.Hash, At: time.Now().UTC(), By: actor, Actions: len(p.Actions), Held: len(p.Held)})
	d.Plans = d.Plans[:min(len(d.Plans), maxPlans)]
}

func (d *document) made(hash string) *madePlan {
	for i := range d.Plans {
		if d.Plans[i].Hash == hash {
			return &d.Plans[i]
		}
	}
	return nil
}

// approve records an approval and assigns its ID.
func (d *document) approve(a *approval) {
	a.ID = rand.Text()
	d.Approvals = slices.Insert(d.Approvals, 0, a)
	for len(d.Approvals) > maxApprovals {
		last := len(d.Approvals) - 1
		for last > 0 && d.Approvals[last].Step == stepApplying { // keep approvals that are being applied
			last--
		}
		d.Approvals = slices.Delete(d.Approvals, last, last+1)
	}
}

func (d *document) approval(id string) *approval {
	for _, a := range d.Approvals {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// asked returns an approval that waits for a second person, for the held
// changes of a class with this hash, or nil.
func (d *document) asked(class provisioning.Class, hash string) *approval {
	for _, a := range d.Approvals {
		if a.Step == stepAsked && a.Class == class && a.Hash == hash {
			return a
		}
	}
	return nil
}
