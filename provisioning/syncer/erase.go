package syncer

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// An identity is a connection, and the external ID that a member has or had in it.
type identity struct{ connection, externalID string }

// directoryEraser is a Setup.Source whose directory the host keeps, and which can
// erase a user. A scim.DirectorySource is one.
type directoryEraser interface {
	Erase(ctx context.Context, userID string) error
}

// Erase removes the data of a person from every store:
//
//   - what a provider pushed about the person, under each external ID that the
//     person had, if Setup.Source has a method Erase as scim.DirectorySource does;
//   - the stored snapshot of a connection with deltas, whose directory is then read
//     completely again;
//   - what the person waits for, and the person's address and name where others wait
//     for them, in the connections that this syncer has seen;
//   - everything about the person in Config.Store, which has to be a
//     provisioning.Eraser.
//
// IDs and the record of the actions that were done remain.
//
// Erase is for a person whose access has ended. A person whom a provider still
// lists becomes a new member. Config.Setup has to return a setup for each
// connection through which the person came. After an error, call Erase again. A
// second call for the same person is not an error.
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
	p, err := s.traces(ctx, tenant, memberID)
	if err != nil {
		return fmt.Errorf("syncer: erase: %w", err)
	}
	for id := range p.identities {
		if err := s.eraseIdentity(ctx, tenant, id); err != nil {
			return fmt.Errorf("syncer: erase in connection %s: %w", id.connection, err)
		}
	}
	if err := s.eraseWatched(ctx, tenant, p); err != nil {
		return fmt.Errorf("syncer: erase: %w", err)
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

// traces are what documents name a person by.
type traces struct {
	identities map[identity]bool
	keys       map[provisioning.MemberKey]bool // addresses and names are among them
}

// traces returns what the team and its audit log contain of a member.
func (s *Syncer) traces(ctx context.Context, tenant, memberID string) (*traces, error) {
	found := &traces{make(map[identity]bool), make(map[provisioning.MemberKey]bool)}
	add := func(m *provisioning.Member) {
		if m.Connection != "" && m.ExternalID != "" {
			found.identities[identity{m.Connection, m.ExternalID}] = true
		}
		for _, key := range m.Keys() {
			found.keys[key] = true
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
			case provisioning.FieldEmail:
				was.Email, _ = c.New.(string)
			case provisioning.FieldGivenName:
				was.GivenName, _ = c.New.(string)
			case provisioning.FieldFamilyName:
				was.FamilyName, _ = c.New.(string)
			}
		}
		add(&was)
	}
	return found, nil
}

// eraseIdentity removes a user from the stored directory of a connection, and the
// connection's stored snapshot.
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

// eraseWatched removes from the watch lists what the person waits for, and the
// addresses and names of the person for which others wait. It covers the connections
// through which the person came, and those that this process has seen.
func (s *Syncer) eraseWatched(ctx context.Context, tenant string, p *traces) error {
	connections := make(map[string]bool)
	for id := range p.identities {
		connections[id.connection] = true
	}
	s.mu.Lock()
	for connection := range s.memories[tenant] {
		connections[connection] = true
	}
	s.mu.Unlock()
	for connection := range connections {
		r := &round{Syncer: s, target: Target{tenant, connection}, st: new(state)}
		l, err := r.watchList(ctx, nil)
		if err != nil {
			return err
		}
		l.Watched = slices.DeleteFunc(l.Watched, func(w watched) bool {
			return p.identities[identity{connection, w.ExternalID}] || w.Key != nil && p.keys[*w.Key]
		})
		if err := r.saveWatchList(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// eraseDeliveries removes the recorded failures to deliver effects about a member
// or to a member. Their text comes from the host and may contain personal data.
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
