package provisioning

import "github.com/usher-go/usher/sources"

func (v *validation) migration() {
	connection := v.cfg.Connection
	if connection == "" {
		connection = v.kind
	}
	if v.cfg.MigrateFrom == connection && connection != "" {
		v.fail("migrate_from", "is %q, which is the connection itself; want the one that it takes over from", connection)
	}
}

// migrates reports whether a member belongs to the connection that is migrated
// from.
func (r *Resolver) migrates(m *Member) bool {
	return r.cfg.MigrateFrom != "" && m.Managed && m.Connection == r.cfg.MigrateFrom
}

// tellUnclaimed lists the active members of the connection that is migrated
// from whom nobody claims (A22): they would lose their access with it.
func (ds *drafts) tellUnclaimed() {
	if ds.r.cfg.MigrateFrom == "" || ds.about != nil {
		return
	}
	waits := make(map[string]bool) // IDs of members whose claim is held
	for _, w := range ds.withheld {
		waits[w.after.ID] = true
	}
	for i := range ds.holds.held {
		waits[ds.holds.held[i].action.Member.ID] = true
	}
	for i := range ds.members {
		if m := &ds.members[i]; m.Active && ds.r.migrates(m) && !ds.joined[int32(i)] && !waits[m.ID] {
			// Not by the external ID, which is the other connection's.
			ds.findings = append(ds.findings, Finding{MemberID: m.ID, Email: m.Email, Name: m.Name(), Reason: because(CodeUnclaimed, "connection", m.Connection)})
		}
	}
}

// Retire returns the plan that gives up the connection of the config: whoever
// still has access through it loses it. Such people wait for an approval,
// however few they are; the protected, and those who have to keep a role, wait
// for the host. If nobody would lose access, the plan is empty and the
// connection can go (A22, R146, R147). Nothing is read of the directory:
// in.Snapshot counts for when it was taken alone.
func (r *Resolver) Retire(in Input) *Plan {
	retiring := *r
	retiring.retires = true
	retiring.cfg.KeepActive = KeepActive{}
	nobody := &sources.Snapshot{Format: sources.SnapshotFormat, Kind: r.cfg.Source, Connection: r.cfg.Connection, Proven: sources.FactAll}
	if in.Snapshot != nil {
		nobody.Taken = in.Snapshot.Taken
	}
	in.Snapshot, in.About = nobody, nil
	return retiring.Resolve(in)
}
