package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// SavePlan implements provisioning.PlanStore. The plan is kept as its canonical
// JSON.
func (s *Store) SavePlan(ctx context.Context, tenant string, p *provisioning.Plan) error {
	var text strings.Builder
	err := p.WriteJSON(&text)
	if err == nil {
		const query = `INSERT INTO @plans (tenant, hash, saved_at, plan) VALUES (?, ?, ?, ?) ON CONFLICT (tenant, hash) DO NOTHING`
		_, err = s.exec(ctx, query, tenant, p.Hash, s.now().UTC().Format(timeLayout), text.String())
	}
	if err != nil {
		return fmt.Errorf("sqlstore: save plan %.12s: %w", p.Hash, err)
	}
	return nil
}

// Plan implements provisioning.PlanStore. A plan whose content was changed in
// the database is an error.
func (s *Store) Plan(ctx context.Context, tenant, hash string) (*provisioning.Plan, error) {
	var text []byte
	err := s.db.Read(ctx, func(tx *sqldb.Tx) error {
		const query = `SELECT plan FROM @plans WHERE tenant = ? AND hash = ?`
		found, err := tx.Get(ctx, query, []any{tenant, hash}, &text)
		if err == nil && !found {
			err = provisioning.ErrNoPlan
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: plan %.12s: %w", hash, err)
	}
	return provisioning.ReadPlan(text)
}
