package provisioning

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Memory is a Store that keeps everything in memory. It is the reference for the
// contract, and a store for tests. It implements every optional interface. The zero
// value is an empty store. It is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	tenants map[string]*memoryTenant
}

type memoryTenant struct {
	members  map[string]Member
	byKey    map[MemberKey]map[string]bool // IDs of the members that a key names
	people   map[string]int                // Counts.Population by connection
	seats    map[string]int                // Counts.Seats
	roles    map[Role]int                  // Counts.Roles
	done     map[string]string             // action key to member ID
	effects  []Effect
	plans    map[string]memoryPlan // by hash
	saved    int                   // how many times a plan was saved
	records  []Record
	states   map[string]memoryState
	windows  map[windowKey]Window
	revision int
	lock     chan struct{} // holds a token while the tenant is free
}

// A memoryState is a document of a StateStore.
type memoryState struct {
	document []byte
	revision Revision
}

// A windowKey names the counts of one connection in one minute.
type windowKey struct {
	connection string
	minute     int64 // since 1970
}

// A memoryPlan is a saved plan as JSON, the connection if it is about everybody (""
// for a part), and the count of saves at its last save.
type memoryPlan struct {
	json       []byte // nil: removed by Erase or Forget
	connection string
	saved      int
	at         time.Time
}

var (
	_ Store      = (*Memory)(nil)
	_ Finder     = (*Memory)(nil)
	_ Locker     = (*Memory)(nil)
	_ Outbox     = (*Memory)(nil)
	_ PlanStore  = (*Memory)(nil)
	_ MemberLog  = (*Memory)(nil)
	_ StateStore = (*Memory)(nil)
	_ Eraser     = (*Memory)(nil)
)

// tenant returns the state of a tenant. The caller holds m.mu.
func (m *Memory) tenant(name string) *memoryTenant {
	t := m.tenants[name]
	if t == nil {
		t = &memoryTenant{
			members: make(map[string]Member), done: make(map[string]string), plans: make(map[string]memoryPlan),
			byKey: make(map[MemberKey]map[string]bool), people: make(map[string]int), seats: make(map[string]int), roles: make(map[Role]int),
			states: make(map[string]memoryState), windows: make(map[windowKey]Window), lock: make(chan struct{}, 1),
		}
		t.lock <- struct{}{}
		if m.tenants == nil {
			m.tenants = make(map[string]*memoryTenant)
		}
		m.tenants[name] = t
	}
	return t
}

// Put writes a member on behalf of the host: it sets a new revision and ignores
// locks. It returns the member as stored.
func (m *Memory) Put(tenant string, member Member) Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tenant(tenant).put(member)
}

// Delete removes a member on behalf of the host. The keys of the actions that were
// done stay, so that no old plan creates the member again.
func (m *Memory) Delete(tenant, memberID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(tenant)
	t.unindex(memberID)
	delete(t.members, memberID)
}

// Members implements Store. It yields the members ordered by ID.
func (m *Memory) Members(ctx context.Context, tenant string) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		m.mu.Lock()
		team := slices.SortedFunc(maps.Values(m.tenant(tenant).members), func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
		m.mu.Unlock()
		for _, member := range team {
			if err := ctx.Err(); err != nil {
				yield(Member{}, err)
				return
			}
			if !yield(member.Clone(), nil) {
				return
			}
		}
	}
}

// Apply implements Store.
func (m *Memory) Apply(ctx context.Context, tenant string, actions []Action) ([]Result, error) {
	results := make([]Result, 0, len(actions))
	for group := range CommitGroups(actions) {
		if err := ctx.Err(); err != nil {
			return results, err
		}
		m.mu.Lock()
		results = append(results, m.tenant(tenant).apply(group, ActorFrom(ctx))...)
		m.mu.Unlock()
	}
	return results, nil
}

// apply does the actions of one group, all or none.
func (t *memoryTenant) apply(group []Action, actor string) []Result {
	results := make([]Result, len(group))
	var failure error
	for i := range group {
		a := &group[i]
		results[i] = Result{Key: a.Key, Kind: a.Kind, MemberID: a.Member.ID}
		if _, results[i].Repeated = t.done[a.Key]; !results[i].Repeated {
			failure = cmp.Or(failure, t.check(a), t.checkNeeds(a, group))
		}
	}
	failure = cmp.Or(failure, t.checkUnique(group, results))
	for i := range group {
		switch {
		case results[i].Repeated:
		case failure != nil:
			results[i].Err = failure
		default:
			t.do(&group[i], actor)
		}
	}
	return results
}

// check returns an error if an action was planned from another revision of the
// member.
func (t *memoryTenant) check(a *Action) error {
	member, exists := t.members[a.Member.ID]
	if exists == (a.Kind == KindCreate) || member.Revision != a.Revision {
		return fmt.Errorf("%s %s: %w", a.Kind, a.Member.ID, ErrStale)
	}
	return a.Check(&member)
}

// checkNeeds returns an error if an action that a needs is neither done nor in the
// group.
func (t *memoryTenant) checkNeeds(a *Action, group []Action) error {
	for _, key := range a.Needs {
		if _, done := t.done[key]; !done && !slices.ContainsFunc(group, func(b Action) bool { return b.Key == key }) {
			return fmt.Errorf("%s %s: %w", a.Kind, a.Member.ID, ErrNeeds)
		}
	}
	return nil
}

// checkUnique returns an error if a primary email or an identity would occur twice
// in the team.
func (t *memoryTenant) checkUnique(group []Action, results []Result) error {
	after := make(map[string]*Member, len(group))
	for i := range group {
		if !results[i].Repeated {
			after[group[i].Member.ID] = &group[i].Member
		}
	}
	taken := make(map[MemberKey]bool)
	for id, member := range after {
		for _, key := range member.Keys() {
			if key.By != MemberByEmail && key.By != MemberByExternalID {
				continue
			}
			if taken[key] {
				return fmt.Errorf("%s: %w", id, ErrConflict)
			}
			taken[key] = true
			for other := range t.byKey[key] {
				if other != id && after[other] == nil {
					return fmt.Errorf("%s: member %s has it: %w", id, other, ErrConflict)
				}
			}
		}
	}
	return nil
}

// do writes one action, with its audit record, effects and counts.
func (t *memoryTenant) do(a *Action, actor string) {
	member := a.Member.Clone()
	member.Protected, member.Subject = t.members[member.ID].Protected, t.members[member.ID].Subject
	was, is := t.members[member.ID].Connection, member.Connection
	people := map[string]int{was: t.people[was], is: t.people[is]}
	t.put(member)
	t.countAction(a)
	for connection, before := range people {
		t.countGrowth(connection, t.people[connection]-before)
	}
	t.done[a.Key] = member.ID
	t.effects = append(t.effects, a.Effects...)
	t.records = append(t.records, Record{
		At: time.Now().UTC(), Key: a.Key, Kind: a.Kind, MemberID: member.ID, Email: member.Email,
		Actor: actor, Changes: a.Changes, Reasons: a.Reasons,
	})
}

func (t *memoryTenant) put(member Member) Member {
	t.unindex(member.ID)
	t.revision++
	member = member.Clone()
	member.Revision = Revision(strconv.Itoa(t.revision))
	t.members[member.ID] = member
	for _, key := range member.Keys() {
		if t.byKey[key] == nil {
			t.byKey[key] = make(map[string]bool)
		}
		t.byKey[key][member.ID] = true
	}
	t.count(&member, 1)
	return member.Clone()
}

// unindex removes a member from the indexes and counters.
func (t *memoryTenant) unindex(memberID string) {
	member, ok := t.members[memberID]
	if !ok {
		return
	}
	for _, key := range member.Keys() {
		if delete(t.byKey[key], memberID); len(t.byKey[key]) == 0 {
			delete(t.byKey, key)
		}
	}
	t.count(&member, -1)
}

// count adds n times what a member contributes to the counters.
func (t *memoryTenant) count(member *Member, n int) {
	counted := member.Counted(member.Connection)
	t.people[member.Connection] += n * counted.Population
	for seat := range counted.Seats {
		if t.seats[seat] += n; t.seats[seat] == 0 {
			delete(t.seats, seat)
		}
	}
	for role := range counted.Roles {
		if t.roles[role] += n; t.roles[role] == 0 {
			delete(t.roles, role)
		}
	}
}

// countAction counts a done action in the window of its connection.
func (t *memoryTenant) countAction(a *Action) {
	now := windowKey{a.Member.Connection, time.Now().Unix() / 60}
	for key, counts := range t.windows {
		switch {
		case max(now.minute-key.minute, key.minute-now.minute) > int64(MaxWindow/time.Minute):
			delete(t.windows, key)
		case key.connection == now.connection:
			for _, class := range a.Approved {
				delete(counts.Done, class)
			}
		}
	}
	for _, class := range a.Classes {
		if !slices.Contains(a.Approved, class) {
			t.window(now).Done[class]++
		}
	}
}

// countGrowth counts by how many people a connection grew.
func (t *memoryTenant) countGrowth(connection string, n int) {
	if n != 0 {
		now := windowKey{connection, time.Now().Unix() / 60}
		counts := t.window(now)
		counts.Grown += n
		t.windows[now] = counts
	}
}

// window returns the counts of a minute.
func (t *memoryTenant) window(key windowKey) Window {
	counts, known := t.windows[key]
	if !known {
		counts.Done = make(map[Class]int)
		t.windows[key] = counts
	}
	return counts
}

// Window implements StateStore.
func (m *Memory) Window(ctx context.Context, tenant, connection string, length time.Duration) (Window, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	window := Window{Done: make(map[Class]int)}
	begin, end := time.Now().Add(-length).Unix()/60, time.Now().Add(MaxWindow).Unix()/60
	for key, counts := range m.tenant(tenant).windows {
		if key.connection != connection || key.minute < begin || key.minute > end {
			continue
		}
		window.Grown += counts.Grown
		for class, n := range counts.Done {
			window.Done[class] += n
		}
	}
	return window, ctx.Err()
}

// State implements StateStore.
func (m *Memory) State(ctx context.Context, tenant, name string) ([]byte, Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := m.tenant(tenant).states[name]
	return slices.Clone(state.document), state.revision, ctx.Err()
}

// SetState implements StateStore.
func (m *Memory) SetState(ctx context.Context, tenant, name string, revision Revision, document []byte) (Revision, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(tenant)
	if t.states[name].revision != revision {
		return "", fmt.Errorf("state %s: %w", name, ErrStale)
	}
	if document == nil {
		delete(t.states, name)
		return "", nil
	}
	t.revision++
	state := memoryState{document: slices.Clone(document), revision: Revision(strconv.Itoa(t.revision))}
	t.states[name] = state
	return state.revision, nil
}

// FindMembers implements Finder.
func (m *Memory) FindMembers(ctx context.Context, tenant string, keys []MemberKey, limit int) ([]Member, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(tenant)
	var found []Member
	seen := make(map[string]bool)
	for _, key := range keys {
		for id := range t.byKey[key] {
			if len(found) == limit {
				break
			}
			if !seen[id] {
				seen[id] = true
				found = append(found, t.members[id].Clone())
			}
		}
	}
	return found, ctx.Err()
}

// Count implements Finder.
func (m *Memory) Count(ctx context.Context, tenant, connection string) (Counts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(tenant)
	return Counts{Population: t.people[connection], Seats: maps.Clone(t.seats), Roles: maps.Clone(t.roles)}, ctx.Err()
}

// Lock implements Locker. A crash of its holder is a crash of the store, too.
func (m *Memory) Lock(ctx context.Context, tenant string) (func(), error) {
	m.mu.Lock()
	lock := m.tenant(tenant).lock
	m.mu.Unlock()
	select {
	case <-lock:
		return sync.OnceFunc(func() { lock <- struct{}{} }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrLocked, ctx.Err())
	}
}

// Effects implements Outbox.
func (m *Memory) Effects(_ context.Context, tenant string) iter.Seq2[Effect, error] {
	return func(yield func(Effect, error) bool) {
		m.mu.Lock()
		effects := slices.Clone(m.tenant(tenant).effects)
		m.mu.Unlock()
		for _, e := range effects {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Delivered implements Outbox.
func (m *Memory) Delivered(_ context.Context, tenant string, e Effect) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(tenant)
	t.effects = slices.DeleteFunc(t.effects, func(other Effect) bool { return other == e })
	return nil
}

// SavePlan implements PlanStore.
func (m *Memory) SavePlan(_ context.Context, tenant string, p *Plan) error {
	var stored bytes.Buffer
	if err := p.WriteJSON(&stored); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(tenant)
	t.saved++
	saved := memoryPlan{json: stored.Bytes(), saved: t.saved, at: time.Now()}
	if p.About == nil {
		saved.connection = p.Connection
	}
	t.plans[p.Hash] = saved
	return nil
}

// Plan implements PlanStore.
func (m *Memory) Plan(_ context.Context, tenant, hash string) (*Plan, error) {
	m.mu.Lock()
	stored := m.tenant(tenant).plans[hash].json
	m.mu.Unlock()
	if stored != nil {
		return ReadPlan(stored)
	}
	return nil, fmt.Errorf("%w: %.12s", ErrNoPlan, hash)
}

// Superseded implements PlanStore.
func (m *Memory) Superseded(_ context.Context, tenant, hash string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	plans := m.tenant(tenant).plans
	plan := plans[hash]
	if plan.connection == "" {
		return false, nil
	}
	for _, other := range plans {
		if other.connection == plan.connection && other.saved > plan.saved {
			return true, nil
		}
	}
	return false, nil
}

// Audit implements AuditLog.
func (m *Memory) Audit(_ context.Context, tenant string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		m.mu.Lock()
		records := slices.Clone(m.tenant(tenant).records)
		m.mu.Unlock()
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// MemberAudit implements MemberLog. Here, unlike elsewhere, its cost grows with the
// log.
func (m *Memory) MemberAudit(_ context.Context, tenant, memberID string, most int) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var own []Record
	for _, r := range slices.Backward(m.tenant(tenant).records) {
		if len(own) >= most {
			break
		}
		if r.MemberID == memberID {
			own = append(own, r)
		}
	}
	return own, nil
}

// Erase implements Eraser.
func (m *Memory) Erase(ctx context.Context, tenant, memberID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(tenant)
	var own []Record
	for _, r := range t.records {
		if r.MemberID == memberID {
			own = append(own, r)
		}
	}
	e := NewErasure(memberID, t.members[memberID], own)
	t.unindex(memberID)
	delete(t.members, memberID)
	for i := range t.records {
		t.records[i], _ = e.Redact(t.records[i])
	}
	for hash, plan := range t.plans {
		if e.Names(plan.json) {
			plan.json = nil
			t.plans[hash] = plan
		}
	}
	return nil
}

// Forget implements Eraser.
func (m *Memory) Forget(ctx context.Context, tenant string, before time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(tenant)
	t.records = slices.DeleteFunc(slices.Clone(t.records), func(r Record) bool { return r.At.Before(before) })
	for hash, plan := range t.plans {
		if plan.at.Before(before) {
			plan.json = nil
			t.plans[hash] = plan
		}
	}
	return nil
}
