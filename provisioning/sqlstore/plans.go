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

// SavePlan implements provisioning.PlanStore. The plan is kept as its canonical
// JSON, compressed while it is written, so that its text is never in memory as
// a whole here.
func (s *Store) SavePlan(ctx context.Context, tenant string, p *provisioning.Plan) error {
	plan, err := compress(p.WriteJSON)
	if err == nil {
		const query = `INSERT INTO @plans (tenant, hash, saved_at, plan) VALUES (?, ?, ?, ?) ON CONFLICT (tenant, hash) DO NOTHING`
		_, err = s.exec(ctx, query, tenant, p.Hash, s.now().UTC().Format(timeLayout), plan)
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
		if err == nil && !found {
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
	return provisioning.ReadPlan(plan)
}

// compress returns what write writes, compressed.
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

// decompress returns the text that was compressed. A text of an earlier version,
// which did not compress, is returned as it is.
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
