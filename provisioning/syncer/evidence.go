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

// Evidence describes the snapshot on which the plan of a whole run was decided.
// The plan does not contain it: the plan's hash covers its actions, and snapshots
// of different days may lead to the same plan.
type Evidence struct {
	// Made is when the plan was last made. Taken is when the snapshot of that plan
	// was taken. Zero: unknown.
	Made  time.Time `json:"made"`
	Taken time.Time `json:"taken"`
	// Proven is what the snapshot proves. If it does not prove its users, a user who
	// is missing in it does not count as gone.
	Proven sources.Facts `json:"proven"`
	// Users and Groups are the numbers of users and groups in the snapshot.
	Users  int `json:"users"`
	Groups int `json:"groups"`
}

// maxEvidence is for how many plans of a connection the evidence is stored. The
// latest are kept.
const maxEvidence = 50

// evidenceFile is the stored evidence of a connection's plans, latest first.
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

// Evidence returns the evidence of a connection's plan, which is given by its hash.
// It is the zero Evidence if none is stored, as for plans of a part and for old
// plans.
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

// noteEvidence stores the evidence of the round's plan. The caller has the tenant's
// lock.
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
