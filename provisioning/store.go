package provisioning

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// A Store is the host's team. Apply needs only its two methods; a store that can do
// more implements Locker, Outbox, PlanStore, AuditLog or Finder. Implementations
// are safe for concurrent use, also by several processes. Read Memory before you
// write another, and run storetest against it.
//
// A tenant is a customer of the host. Tenants never see or change each other's
// data.
type Store interface {
	// Members yields every member of the tenant once, including hand-made members
	// and those of every connection, in one consistent state. Errors follow the
	// contract of sources.Source: last, at most once.
	Members(ctx context.Context, tenant string) iter.Seq2[Member, error]

	// Apply does the actions in order and returns one result for each.
	//
	//   - Consecutive actions with the same With are done all or none; every other action
	//     is done on its own.
	//   - An action whose key was done before is not done again: its result is Done with
	//     Repeated set.
	//   - An action fails with ErrStale if its Revision is not that of the member, or if it
	//     creates a member that exists; with ErrConflict if it breaks an invariant (two
	//     members with one primary email or one identity); with ErrNeeds if not all of its
	//     Needs are done; and with ErrNotShown if it would write something that its Changes
	//     do not show, which Action.Check finds by comparing it with the row (S45). A failed
	//     action changes nothing, and the others continue.
	//   - A done action is durable, together with its key, with its effects if the store is
	//     an Outbox, and with its record if the store is an AuditLog; otherwise it is not
	//     done at all, whenever the process is killed.
	//
	// The member is written as Action.Member says, except that the store sets a new
	// Revision and keeps Protected and Subject, which are the host's. The key of a
	// create stays after its member was deleted: applying a plan again does not
	// create a member again whom the host deleted (S45).
	//
	// The returned error is about the whole call: the context ended, or the
	// database failed. The results are then those of the actions before it.
	Apply(ctx context.Context, tenant string, actions []Action) ([]Result, error)
}

// Team returns all members of the tenant. After an error it returns none.
func Team(ctx context.Context, store Store, tenant string) ([]Member, error) {
	var team []Member
	for m, err := range store.Members(ctx, tenant) {
		if err != nil {
			return nil, err
		}
		team = append(team, m)
	}
	return team, nil
}

// A Result says what happened with one action.
type Result struct {
	Key  string
	Kind Kind
	// MemberID is the ID of the member.
	MemberID string
	// Err is nil if the action is done. If it was refused, Err matches ErrStale,
	// ErrConflict, ErrNeeds or ErrNotShown.
	Err error
	// Repeated says that the action was done before under the same key.
	Repeated bool
}

// The errors of refused actions and plans. Test with errors.Is.
var (
	// ErrStale: the member changed after the plan was made. Resolve again.
	ErrStale = errors.New("member changed since the plan was made")
	// ErrConflict: another member has the address or the identity.
	ErrConflict = errors.New("address or identity is another member's")
	// ErrNeeds: an action that this one needs is not done.
	ErrNeeds = errors.New("an action that this one needs is not done")
	// ErrNotShown: the action would write what its changes do not show.
	ErrNotShown = errors.New("action would write what its changes do not show")
	// ErrPlanChanged: the plan was changed after it was made, or an approval does
	// not fit it. Its code is approval.plan_changed.
	ErrPlanChanged = errors.New("not what was planned or approved")
	// ErrOtherTenant: the plan is another tenant's.
	ErrOtherTenant = errors.New("plan is another tenant's")
	// ErrSuperseded: a newer plan about everybody was saved. Its code is
	// plan.superseded.
	ErrSuperseded = errors.New("a newer plan supersedes this one")
	// ErrLocked: another writer has locked the tenant.
	ErrLocked = errors.New("tenant is locked by another writer")
)

// Check returns nil if the action, done on row, writes what its changes show and
// nothing else: each changed field has its old value in the row, Member is the row
// with the changes, and the kind fits the changes (S45). For a create, row is the
// zero Member. Fields that are the store's or the host's own are not compared.
// Otherwise the error matches ErrNotShown.
func (a *Action) Check(row *Member) error {
	if !a.Kind.allows(row.Active, &a.Member) {
		return fmt.Errorf("%s %s: %w: the kind is another", a.Kind, a.Member.ID, ErrNotShown)
	}
	shown := row.Clone()
	shown.ID = a.Member.ID
	var scratch Member
	for i := range a.Changes {
		c := &a.Changes[i]
		spec := c.Field.spec()
		if spec == nil || !spec.value.set(&scratch, c.Old) || !spec.value.equal(&scratch, row) {
			return fmt.Errorf("%s %s: %s: %w: its old value is not the member's", a.Kind, a.Member.ID, c.Field, ErrNotShown)
		}
		if !spec.value.set(&shown, c.New) {
			return fmt.Errorf("%s %s: %s: %w: its new value is none of the field's", a.Kind, a.Member.ID, c.Field, ErrNotShown)
		}
		shown.Owners = shown.Owners.With(c.Field, c.Owner)
	}
	for spec := range allFields(&shown, &a.Member) {
		if !spec.value.equal(&shown, &a.Member) || shown.Owners.Of(spec.name) != a.Member.Owners.Of(spec.name) {
			return fmt.Errorf("%s %s: %s: %w", a.Kind, a.Member.ID, spec.name, ErrNotShown)
		}
	}
	return nil
}

// allows reports whether an action of the kind may result in the access that after
// has.
func (k Kind) allows(wasActive bool, after *Member) bool {
	switch k {
	case KindDeactivate:
		return wasActive && !after.Active
	case KindUpdate:
		return wasActive == after.Active
	case KindReactivate:
		return !wasActive && after.Active
	default:
		return after.Active || !wasActive
	}
}

// A Locker lets one writer at a time change a tenant (S28).
type Locker interface {
	// Lock waits for the tenant. If the context ends first, the error matches
	// ErrLocked. The returned function releases the tenant; calling it again does
	// nothing. If the holder dies, the lock is released within a bounded time.
	Lock(ctx context.Context, tenant string) (unlock func(), err error)
}

// An Outbox keeps the effects of done actions until they are delivered. They are
// stored together with the action (S27, L7).
type Outbox interface {
	// Effects yields the effects that are not delivered yet, oldest first.
	Effects(ctx context.Context, tenant string) iter.Seq2[Effect, error]
	// Delivered marks an effect, which is then not yielded again. Marking an effect
	// twice, or one that does not exist, is no error.
	Delivered(ctx context.Context, tenant string, e Effect) error
}

// A PlanStore keeps plans, so that the plan that was shown is the one that is
// approved and applied.
type PlanStore interface {
	// SavePlan stores a plan under its hash.
	SavePlan(ctx context.Context, tenant string, p *Plan) error
	// Plan returns the plan with the hash, or an error that matches ErrNoPlan. The
	// hash always fits the content of the returned plan.
	Plan(ctx context.Context, tenant, hash string) (*Plan, error)
	// Superseded reports whether the plan with the hash is saved and is about
	// everybody, and a plan about everybody of the same connection was saved after
	// it (S45). Saving a plan again makes it the newest.
	Superseded(ctx context.Context, tenant, hash string) (bool, error)
}

// ErrNoPlan says that no plan with the hash is stored.
var ErrNoPlan = errors.New("no such plan")

// An AuditLog keeps what was done, by whom, and why.
type AuditLog interface {
	// Audit yields the records of the tenant, oldest first.
	Audit(ctx context.Context, tenant string) iter.Seq2[Record, error]
}

// A MemberLog is an AuditLog that finds the records of one member at a cost that
// does not grow with the log.
type MemberLog interface {
	AuditLog
	// MemberAudit returns the last records of a member, the latest first, at most
	// the given number.
	MemberAudit(ctx context.Context, tenant, memberID string, most int) ([]Record, error)
}

// MemberAudit returns the last records of a member, the latest first, at most the
// given number. If the log is no MemberLog, it reads all records.
func MemberAudit(ctx context.Context, log AuditLog, tenant, memberID string, most int) ([]Record, error) {
	if byMember, ok := log.(MemberLog); ok {
		return byMember.MemberAudit(ctx, tenant, memberID, most)
	}
	var own []Record
	for record, err := range log.Audit(ctx, tenant) {
		if err != nil {
			return nil, err
		}
		if record.MemberID == memberID {
			own = append(own, record)
		}
	}
	slices.Reverse(own)
	return own[:min(len(own), max(most, 0))], nil
}

// A Record is one done action in an audit log.
type Record struct {
	At       time.Time `json:"at"` // when it was committed, UTC
	Key      string    `json:"key"`
	Kind     Kind      `json:"kind"`
	MemberID string    `json:"member_id"`
	Email    string    `json:"email"`
	Actor    string    `json:"actor,omitempty"` // from WithActor (R4)
	Changes  []Change  `json:"changes"`
	Reasons  []Reason  `json:"reasons"`
}

type actorKey struct{}

// WithActor returns a context that carries who is acting, such as a user's ID or
// the word "schedule", for the audit log (R4).
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorFrom returns what WithActor put into the context, or "".
func ActorFrom(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

// CommitGroups yields the groups of actions that a store commits together:
// consecutive actions with the same With, and every other action alone.
func CommitGroups(actions []Action) iter.Seq[[]Action] {
	return func(yield func([]Action) bool) {
		for len(actions) > 0 {
			end := 1
			for end < len(actions) && actions[0].With != "" && actions[end].With == actions[0].With {
				end++
			}
			if !yield(actions[:end]) {
				return
			}
			actions = actions[end:]
		}
	}
}
