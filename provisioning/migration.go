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

// migrates reports whether a member belongs to Config.MigrateFrom.
func (r *Resolver) migrates(m *Member) bool {
	return r.cfg.MigrateFrom != "" && m.Managed && m.Connection == r.cfg.MigrateFrom
}

// tellUnclaimed lists the active members of Config.MigrateFrom whom nobody claims
// (A22): they would lose their access together with that connection.
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
			// The external ID is left out: it belongs to the other connection.
			ds.findings = append(ds.findings, Finding{MemberID: m.ID, Email: m.Email, Name: m.Name(), Reason: because(CodeUnclaimed, "connection", m.Connection)})
		}
	}
}

// Retire returns the plan that gives up the connection of the config. Everybody who
// still has access through it loses it. Each of them waits for an approval, however
// few they are; protected members, and members who have to keep a role, wait for
// the host. If nobody would lose access, the plan is empty and the connection can
// be removed (A22, R146, R147). Of in.Snapshot, only the time at which it was taken
// is used.
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
