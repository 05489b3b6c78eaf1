package syncer

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// An identity is one under which a member is, or was, known to a provider.
type identity struct{ connection, externalID string }

// directoryEraser is a Setup.Source whose directory is kept by the host, and in
// which a user can be deleted, such as a scim.DirectorySource.
type directoryEraser interface {
	Erase(ctx context.Context, userID string) error
}

// Erase forgets a person in every store: what a provider pushed of them, under
// each identity that they had, if Setup.Source has a method Erase as
// scim.DirectorySource does; the stored snapshot of a connection with deltas,
// which is then read anew; and everything that the team's store keeps, which has
// to be a provisioning.Eraser. What remains is IDs, and the facts of what was
// done.
//
// It is for somebody whose access has ended. Whom a provider still lists comes
// again as a new member. Config.Setup has to answer for each connection through
// which the person came; after an error, call it again. Erasing again is no error.
func (s *Syncer) Erase(ctx context.Context, tenant, memberID string) error {
	eraser, ok := s.cfg.Store.(provisioning.Eraser)
	if !ok {
		return fmt.Errorf("syncer: erase: the store is %T; want a provisioning.Eraser", s.cfg.Store)
	}
	unlock, err := s.cfg.Store.Lock(ctx, tenant)
	if err != nil {
		return fmt.Errorf("syncer: erase: %w", err)
	}
	defer unlock()
	ctx = provisioning.WithLock(ctx, tenant)
	identities, err := s.identities(ctx, tenant, memberID)
	if err != nil {
		return fmt.Errorf("syncer: erase: %w", err)
	}
	for id := range identities {
		if err := s.eraseIdentity(ctx, tenant, id); err != nil {
			return fmt.Errorf("syncer: erase in connection %s: %w", id.connection, err)
		}
	}
	if err := s.eraseDeliveries(ctx, tenant, memberID); err != nil {
		return err
	}
	if err := eraser.Erase(ctx, tenant, memberID); err != nil {
		return err
	}
	s.lookAround(tenant, "")
	return nil
}

// identities returns those that the team and its audit log know of a member.
func (s *Syncer) identities(ctx context.Context, tenant, memberID string) (map[identity]bool, error) {
	found := make(map[identity]bool)
	add := func(m *provisioning.Member) {
		if m.Connection != "" && m.ExternalID != "" {
			found[identity{m.Connection, m.ExternalID}] = true
		}
	}
	members, err := s.cfg.Store.FindMembers(ctx, tenant, []provisioning.MemberKey{{By: provisioning.MemberByID, Value: memberID}}, 1)
	if err != nil {
		return nil, err
	}
	for i := range members {
		add(&members[i])
	}
	log, ok := s.cfg.Store.(provisioning.AuditLog)
	if !ok {
		return found, nil
	}
	records, err := provisioning.MemberAudit(ctx, log, tenant, memberID, math.MaxInt)
	if err != nil {
		return nil, err
	}
	var was provisioning.Member
	for _, r := range slices.Backward(records) {
		for _, c := range r.Changes {
			switch c.Field {
			case provisioning.FieldConnection:
				was.Connection, _ = c.New.(string)
			case provisioning.FieldExternalID:
				was.ExternalID, _ = c.New.(string)
			}
		}
		add(&was)
	}
	return found, nil
}

// eraseIdentity forgets what is kept of a connection's directory of one of its
// users.
func (s *Syncer) eraseIdentity(ctx context.Context, tenant string, id identity) error {
	target := Target{tenant, id.connection}
	setup, err := s.cfg.Setup(ctx, target)
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	if directory, ok := sources.As[directoryEraser](setup.Source); ok {
		if err := directory.Erase(ctx, id.externalID); err != nil {
			return err
		}
	}
	return s.dropMirror(ctx, target)
}

// eraseDeliveries forgets failures to deliver effects about a member, whose text
// is the host's.
func (s *Syncer) eraseDeliveries(ctx context.Context, tenant, memberID string) error {
	d, err := s.loadDeliveries(ctx, tenant)
	if err != nil {
		return err
	}
	for key, u := range d.Failing {
		if u.Effect.About == memberID || u.Effect.To == memberID {
			delete(d.Failing, key)
			d.changed = true
		}
	}
	return s.saveDeliveries(ctx, tenant, d)
}
