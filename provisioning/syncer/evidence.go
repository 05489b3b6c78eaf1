package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// Evidence is what the plan of a whole run was decided on. A plan itself has
// none of it: its hash is of what it does, and the same plan may be made of the
// directory of another day.
type Evidence struct {
	// Made is when the plan was made, and Taken when the snapshot was, of which it
	// was made last. Zero: unknown.
	Made  time.Time `json:"made"`
	Taken time.Time `json:"taken"`
	// Proven is what the snapshot proves; who is missing in one that does not prove
	// its users is not taken to be gone.
	Proven sources.Facts `json:"proven"`
	// Users and Groups are how many the snapshot has.
	Users  int `json:"users"`
	Groups int `json:"groups"`
}

// maxEvidence is of how many plans of a connection the evidence is kept, the
// latest.
const maxEvidence = 50

// evidenceFile is what is stored of a connection: the evidence of plans, the
// latest first.
type evidenceFile struct {
	Format int            `json:"format"`
	Plans  []planEvidence `json:"plans"`
}

type planEvidence struct {
	Plan string `json:"plan"` // its hash
	Evidence
}

func evidenceName(target Target) string { return "evidence/" + target.Connection }

func (s *Syncer) loadEvidence(ctx context.Context, target Target) (evidenceFile, provisioning.Revision, error) {
	file := evidenceFile{Format: stateFormat}
	document, revision, err := s.cfg.Store.State(ctx, target.Tenant, evidenceName(target))
	if err == nil && document != nil {
		err = json.Unmarshal(document, &file)
	}
	if err == nil && file.Format != stateFormat {
		err = fmt.Errorf("format is %d; want %d", file.Format, stateFormat)
	}
	if err != nil {
		return file, revision, fmt.Errorf("syncer: evidence of %s: %w", target.Connection, err)
	}
	return file, revision, nil
}

// Evidence tells what a plan of a connection was decided on. It is the zero
// Evidence if nothing is known of the plan, as of parts and of old plans.
func (s *Syncer) Evidence(ctx context.Context, target Target, plan string) (Evidence, error) {
	file, _, err := s.loadEvidence(ctx, target)
	if err != nil {
		return Evidence{}, err
	}
	for _, p := range file.Plans {
		if p.Plan == plan {
			return p.Evidence, nil
		}
	}
	return Evidence{}, nil
}

// noteEvidence keeps what the round's plan was decided on. The caller has the
// tenant's lock.
func (r *round) noteEvidence(ctx context.Context, plan *provisioning.Plan, snapshot *sources.Snapshot) error {
	file, revision, err := r.loadEvidence(ctx, r.target)
	if err != nil {
		return err
	}
	file.Plans = slices.DeleteFunc(file.Plans, func(p planEvidence) bool { return p.Plan == plan.Hash })
	file.Plans = slices.Insert(file.Plans, 0, planEvidence{plan.Hash, Evidence{
		Made: r.cfg.Now().UTC(), Taken: snapshot.Taken, Proven: snapshot.Proven, Users: len(snapshot.Users), Groups: len(snapshot.Groups),
	}})
	file.Plans = file.Plans[:min(len(file.Plans), maxEvidence)]
	document, err := json.Marshal(file)
	if err == nil {
		_, err = r.cfg.Store.SetState(ctx, r.target.Tenant, evidenceName(r.target), revision, document)
	}
	if err != nil && !errors.Is(err, provisioning.ErrStale) { // a process that lost the lock
		return fmt.Errorf("syncer: save evidence of %s: %w", r.target.Connection, err)
	}
	return nil
}
