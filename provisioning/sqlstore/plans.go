package sqlstore

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// forgetEvery is the approximate number of revisions between two removals of old
// window counts.
const forgetEvery = 64

const savePlan = `INSERT INTO @plans (tenant, hash, saved_at, plan, connection, saved) VALUES (?, ?, ?, ?, ?, ?)
	ON CONFLICT (tenant, hash) DO UPDATE SET saved_at = excluded.saved_at, plan = excluded.plan,
		connection = excluded.connection, saved = excluded.saved`

// SavePlan implements provisioning.PlanStore. The plan is stored as its canonical
// JSON. The JSON is compressed while it is written, so that the whole text is never
// in memory. Each saved plan takes a revision of the tenant, which shows the order
// of the plans.
func (s *Store) SavePlan(ctx context.Context, tenant string, p *provisioning.Plan) error {
	plan, err := compress(p.WriteJSON)
	if err == nil {
		connection := p.Connection
		if p.About != nil {
			connection = ""
		}
		err = s.write(ctx, tenant, topic{revisions: 1}, func(w *writer) error {
			if err := w.exec(ctx, savePlan, tenant, p.Hash, w.at.Format(timeLayout), plan, connection, w.before+1); err != nil || w.before%forgetEvery != 0 {
				return err
			}
			return w.forgetWindows(ctx)
		})
	}
	if err != nil {
		return fmt.Errorf("sqlstore: save plan %.12s: %w", p.Hash, err)
	}
	return nil
}

// Plan implements provisioning.PlanStore. A plan whose content was changed in
// the database is an error.
func (s *Store) Plan(ctx context.Context, tenant, hash string) (*provisioning.Plan, error) {
	var plan []byte
	err := s.read(ctx, func(tx *sqldb.Tx) error {
		const query = `SELECT plan FROM @plans WHERE tenant = ? AND hash = ?`
		found, err := tx.Get(ctx, query, []any{tenant, hash}, &plan)
		if err == nil && (!found || len(plan) == 0) { // Erase and Forget leave an empty plan
			err = provisioning.ErrNoPlan
		}
		return err
	})
	if err == nil {
		plan, err = decompress(plan)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlstore: plan %.12s: %w", hash, err)
	}
	p, err := provisioning.ReadPlan(plan)
	if err == nil && p.Hash != hash {
		err = fmt.Errorf("sqlstore: plan %.12s: %w", hash, provisioning.ErrPlanChanged)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Superseded implements provisioning.PlanStore.
func (s *Store) Superseded(ctx context.Context, tenant, hash string) (superseded bool, err error) {
	err = s.read(ctx, func(tx *sqldb.Tx) error {
		const query = `SELECT EXISTS (SELECT 1 FROM @plans o
				WHERE o.connection = p.connection AND o.tenant || '' = p.tenant AND o.saved > p.saved)
			FROM @plans p WHERE p.tenant = ? AND p.hash = ? AND p.connection <> ''`
		_, err := tx.Get(ctx, query, []any{tenant, hash}, &superseded)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("sqlstore: superseded %.12s: %w", hash, err)
	}
	return superseded, nil
}

// compress returns the output of write, compressed.
func compress(write func(io.Writer) error) ([]byte, error) {
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestSpeed)
	if err == nil {
		err = write(w)
	}
	if err == nil {
		err = w.Close()
	}
	return compressed.Bytes(), err
}

// decompress returns the text of a stored plan. Earlier versions did not compress
// plans; such a text is returned unchanged.
func decompress(plan []byte) ([]byte, error) {
	if bytes.HasPrefix(plan, []byte("{")) {
		return plan, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(plan))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
