package provisioning

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// A Store is the host's team. Two methods are all that Apply needs; a store that
// can do more implements Locker, Outbox, PlanStore, AuditLog or Finder.
// Implementations are safe for concurrent use, also by several processes. Read
// Memory before writing another, and run storetest against it.
//
// A tenant is the host's customer. Nothing of one tenant is ever visible to,
// or changed for, another.
type Store interface {
	// Members yields every member of the tenant once, hand-made ones and those
	// of every connection included, as one consistent state. Errors follow the
	// contract of sources.Source: last, at most once.
	Members(ctx context.Context, tenant string) iter.Seq2[Member, error]

	// Apply does the actions in order and returns one result for each.
	//
	//   - Actions with the same With, which follow one another, are done all
	//     or none; every other action is whole by itself.
	//   - An action whose key was done before is not done again: its result is
	//     Done with Repeated set.
	//   - An action whose Revision is not the member's, or that creates a
	//     member that exists, changes nothing and fails with ErrStale; one
	//     that breaks an invariant (two members with one primary email or one
	//     identity) fails with ErrConflict; one of whose Needs not all are done
	//     fails with ErrNeeds; and one that would write something which its
	//     Changes do not show fails with ErrNotShown: Action.Check compares it
	//     with the row (S45). The others go on.
	//   - A done action is durable, together with its key, its effects if the
	//     store is an Outbox, and its record if it is an AuditLog, or not done
	//     at all, wherever the process is killed.
	//
	// The member is written as Action.Member says, except for what is the
	// store's and the host's own: a new Revision is given, Protected and
	// Subject are kept. The key of a create outlives its member: a plan that is
	// applied again makes nobody again whom the host deleted (S45).
	//
	// The error is for the whole: the context ended, or the database is gone.
	// Then the results are those of the actions before it.
	Apply(ctx context.Context, tenant string, actions []Action) ([]Result, error)
}

// Team returns the tenant's members, all of them. After an error it returns
// none.
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

// A Result is what became of one action.
type Result struct {
	Key  string
	Kind Kind
	// MemberID is the member's.
	MemberID string
	// Err is nil if the action is done. It matches ErrStale or ErrConflict if
	// it was refused.
	Err error
	// Repeated is true if it had been done before under the same key.
	Repeated bool
}

// What a store refuses an action for. Test with errors.Is.
var (
	// ErrStale: the member changed since the plan was made. Resolve again.
	ErrStale = errors.New("member changed since the plan was made")
	// ErrConflict: another member has the address or the identity.
	ErrConflict = errors.New("address or identity is another member's")
	// ErrNeeds: an action that this one needs is not done.
	ErrNeeds = errors.New("an action that this one needs is not done")
	// ErrNotShown: the action would write what its changes do not show.
	ErrNotShown = errors.New("action would write what its changes do not show")
	// ErrPlanChanged: the plan is not as it was made, or an approval is for
	// something else than the plan holds. Its code is approval.plan_changed.
	ErrPlanChanged = errors.New("not what was planned or approved")
	// ErrOtherTenant: the plan is another tenant's.
	ErrOtherTenant = errors.New("plan is another tenant's")
	// ErrSuperseded: a newer plan of everybody has been saved. Its code is
	// plan.superseded.
	ErrSuperseded = errors.New("a newer plan supersedes this one")
	// ErrLocked: another writer has the tenant.
	ErrLocked = errors.New("tenant is locked by another writer")
)

// Check reports whether the action, done on row, writes what its changes show
// and nothing else: each changed field has its old value in the row, and
// Member is the row with the changes (S45). Row is the zero Member for a
// create. What is the store's and the host's own is not compared. The error
// matches ErrNotShown. The kind is part of what is shown.
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

// allows reports whether an action of the kind may leave access as it is in
// after.
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

// A Locker lets one writer at a time have a tenant (S28).
type Locker interface {
	// Lock waits for the tenant until the context ends, whose error then
	// matches ErrLocked. The returned function gives the tenant back; calling
	// it again does nothing. A holder that dies loses the lock in bounded time.
	Lock(ctx context.Context, tenant string) (unlock func(), err error)
}

// An Outbox keeps the effects of done actions until they are delivered: they
// are stored together with the action (S27, L7).
type Outbox interface {
	// Effects yields what is not delivered yet, oldest first.
	Effects(ctx context.Context, tenant string) iter.Seq2[Effect, error]
	// Delivered marks an effect; it is not yielded again. Marking twice, or
	// one that is not there, is no error.
	Delivered(ctx context.Context, tenant string, e Effect) error
}

// A PlanStore keeps plans, so that the plan which was shown is the one that is
// approved and applied.
type PlanStore interface {
	// SavePlan stores a plan under its hash.
	SavePlan(ctx context.Context, tenant string, p *Plan) error
	// Plan returns the plan with the hash, or an error matching ErrNoPlan. The
	// hash of what is returned is that of its content.
	Plan(ctx context.Context, tenant, hash string) (*Plan, error)
	// Superseded reports whether the plan with the hash is saved, is about
	// everybody, and a plan about everybody of the same connection was saved
	// after it (S45). Saving a plan again makes it the newest.
	Superseded(ctx context.Context, tenant, hash string) (bool, error)
}

// ErrNoPlan says that no plan with that hash is stored.
var ErrNoPlan = errors.New("no such plan")

// An AuditLog keeps what was done, by whom and why.
type AuditLog interface {
	// Audit yields the records of the tenant, oldest first.
	Audit(ctx context.Context, tenant string) iter.Seq2[Record, error]
}

// A MemberLog is an AuditLog that finds the records of one member, whose cost
// does not grow with the log.
type MemberLog interface {
	AuditLog
	// MemberAudit returns the last records of a member, the latest first, at most
	// so many.
	MemberAudit(ctx context.Context, tenant, memberID string, most int) ([]Record, error)
}

// MemberAudit returns the last records of a member, the latest first, at most so
// many. Of a log that is no MemberLog it reads everything.
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
	Actor    string    `json:"actor,omitempty"` // as given by WithActor (R4)
	Changes  []Change  `json:"changes"`
	Reasons  []Reason  `json:"reasons"`
}

type actorKey struct{}

// WithActor returns a context that carries who is at work, such as a user's ID
// or the word "schedule", for the audit log (R4).
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorFrom returns what WithActor put into the context, or "".
func ActorFrom(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

// CommitGroups yields the pieces of actions that a store commits together: those
// with the same With that follow one another, and every other action alone.
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
