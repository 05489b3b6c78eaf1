package provisioning

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"

	"github.com/usher-go/usher/internal/set"
)

// PlanFormat is the value of the field "format" in the JSON of a plan. It changes
// if a reader of the old form would misread the new one.
const PlanFormat = 1

// A Plan is the difference between a directory and the team, as data, with a reason
// for every decision. It holds no closures, clients or clocks: it can be stored,
// shown, compared, approved, and applied later by another process exactly as it was
// shown. Do not write to a plan: its actions share values, such as the settings of
// an assignment.
type Plan struct {
	Format int `json:"format"`
	// Tenant is the tenant of the plan. It cannot be applied to another (S45).
	Tenant         string `json:"tenant,omitempty"`
	Source         string `json:"source"`
	Connection     string `json:"connection"`
	ConfigRevision string `json:"config_revision,omitempty"`
	// About has the sorted external IDs of the people whom a part is about. Nil
	// means that the plan is about everybody.
	About []string `json:"about,omitzero"`
	// Actions are what Apply does, in this order. Releases come before grants.
	Actions []Action `json:"actions"`
	// Held are actions that are not done: some wait for an approval of their class,
	// the others for better evidence.
	Held []Held `json:"held,omitempty"`
	// Skipped are people of the directory for whom nothing is done.
	Skipped []Skip `json:"skipped,omitempty"`
	// Findings are what somebody should know or resolve. They do not stop the plan.
	Findings []Finding `json:"findings,omitempty"`
	// Breakers are the classes that tripped.
	Breakers []Breaker `json:"breakers,omitempty"`
	// Unchanged counts the managed members of the connection that are in no action
	// and no held action.
	Unchanged int `json:"unchanged"`
	// Hash is SHA-256 over the canonical JSON of everything above.
	Hash string `json:"hash"`

	// world is the input and its survey, for stories about people whom the plan
	// does not change. It is nil in a plan that was read from JSON.
	world *survey
}

// An Action is one change of one member. It is done completely or not at all.
type Action struct {
	Kind Kind `json:"kind"`
	// Key is the idempotency key: a store does the action of a key once.
	Key string `json:"key"`
	// With, if set, is shared by actions that must commit together, such as
	// those of two people who swap addresses (S2).
	With string `json:"with,omitempty"`
	// Needs holds the keys of actions that give back the seats which this one
	// grants. The action is refused unless they are all done (S28).
	Needs []string `json:"needs,omitempty"`
	// Revision is the revision of the member from which the action was planned. A
	// store refuses the action if the member has another (S28). "" for a create.
	Revision Revision `json:"revision,omitempty"`
	// Changes has every field whose value or owner changes, in the order of the
	// fields. For a create it is the difference from an empty member (S45).
	Changes []Change `json:"changes"`
	Effects []Effect `json:"effects,omitempty"`
	Reasons []Reason `json:"reasons"`
	// Classes are the classes of the action, whether or not they tripped. When the
	// action is done, it counts in the window of each (S39).
	Classes []Class `json:"classes,omitempty"`
	// Approved are the classes for which Apply was given an approval that covers
	// the action. It is set for stores only, never in a plan.
	Approved []Class `json:"-"`
	// Member is the complete member after the action. Its Revision is still the one
	// from which the action was planned.
	Member Member `json:"member"`
}

// A Kind is a kind of action.
type Kind uint8

// The kinds.
const (
	KindDeactivate Kind = iota + 1 // removes access and capture; everything else stays (S19)
	KindUpdate
	KindReactivate // the same identity comes back (R16)
	KindRehire     // a former member under a new identity (S4)
	KindAdopt      // a hand-made member comes under the source (S3)
	KindClaim      // a member of another connection comes under this one (A22)
	KindCreate
)

var kindWords = [...]string{"", "deactivate", "update", "reactivate", "rehire", "adopt", "claim", "create"}

// String returns the word that stands for k in JSON.
func (k Kind) String() string {
	if k > 0 && int(k) < len(kindWords) {
		return kindWords[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(text []byte) error {
	if i := slices.Index(kindWords[1:], string(text)); i >= 0 {
		*k = Kind(i + 1)
		return nil
	}
	return fmt.Errorf("kind %q: want one of %v", text, kindWords[1:])
}

// A Change is one changed field of an action. Values are strings, booleans, sorted
// arrays of strings, or maps, as in the JSON of a member; nil means none.
type Change struct {
	Field Field `json:"field"`
	Old   any   `json:"old"`
	New   any   `json:"new"`
	// Owner is the owner of the field after the change.
	Owner Owner `json:"owner"`
}

// IsValue reports whether the value changes, and not only the owner.
func (c *Change) IsValue() bool { return !reflect.DeepEqual(c.Old, c.New) }

// Difference returns every field whose value or owner differs between before and
// after, in the order of the fields: the changes that an action from before to
// after has to show. For a create, before is the zero Member. Fields that no plan
// writes are not compared. The values share memory with the members (S45).
func Difference(before, after *Member) []Change {
	var room [fieldCount]Change // enough for most differences: they are allocated once
	changes := room[:0]
	for spec := range allFields(before, after) {
		owner := after.Owners.Of(spec.name)
		if !spec.value.equal(before, after) || owner != before.Owners.Of(spec.name) {
			changes = append(changes, Change{Field: spec.name, Old: spec.value.get(before), New: spec.value.get(after), Owner: owner})
		}
	}
	return append([]Change(nil), changes...)
}

// An Effect is something to do besides writing the member, after the action was
// committed. It carries the key of the action, so that a resumed run repeats no
// effect.
type Effect struct {
	Kind EffectKind `json:"kind"`
	Key  string     `json:"key"`
	// To is the ID of the member to be notified, or empty; About is the ID of the
	// member whom the effect is about.
	To    string `json:"to,omitempty"`
	About string `json:"about"`
}

// An EffectKind is a kind of effect.
type EffectKind string

// The kinds of effects.
const (
	// NotifyManager: send a mail to the direct manager of a person who was created
	// (R128).
	NotifyManager EffectKind = "notify_manager"
	// AccessEnded: end the sessions, tokens and API keys of a person who may no
	// longer sign in (S41).
	AccessEnded EffectKind = "access_ended"
	// AccessReduced: check the sessions and tokens of a person who lost a seat, a
	// profile or capture (S41).
	AccessReduced EffectKind = "access_reduced"
)

// A Held is an action that waits.
type Held struct {
	Action Action `json:"action"`
	// Classes are the classes that must all be approved. If there are none, no
	// approval releases the action, only another snapshot or config.
	Classes []Class  `json:"classes,omitempty"`
	Reasons []Reason `json:"reasons"`
}

// A Skip is a person of the directory for whom nothing is done.
type Skip struct {
	ExternalID string   `json:"external_id"`
	Email      string   `json:"email,omitempty"`
	Name       string   `json:"name,omitempty"`
	Reasons    []Reason `json:"reasons"`
}

// A Finding is what somebody should know. It identifies a person by the fields that
// are set, or nobody if it is about the whole plan.
type Finding struct {
	ExternalID string `json:"external_id,omitempty"`
	MemberID   string `json:"member_id,omitempty"`
	Email      string `json:"email,omitempty"`
	Name       string `json:"name,omitempty"`
	Reason     Reason `json:"reason"`
}

// Empty reports whether there is nothing to do and nothing to approve.
func (p *Plan) Empty() bool { return len(p.Actions) == 0 && len(p.Held) == 0 }

// all yields every action, including the held ones.
func (p *Plan) all() iter.Seq[*Action] {
	return func(yield func(*Action) bool) {
		for i := range p.Actions {
			if !yield(&p.Actions[i]) {
				return
			}
		}
		for i := range p.Held {
			if !yield(&p.Held[i].Action) {
				return
			}
		}
	}
}

// Count returns how many actions are of the given kind.
func (p *Plan) Count(k Kind) int {
	n := 0
	for i := range p.Actions {
		if p.Actions[i].Kind == k {
			n++
		}
	}
	return n
}

// newMemberID returns the ID of a member to be created: a UUID (version 8, RFC
// 9562) computed from connection, external ID and attempt.
func newMemberID(connection, externalID string, attempt int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "usher member\x00%s\x00%s\x00%d", connection, externalID, attempt))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// phase returns the position of an action in the canonical order: actions that
// release seats and addresses come before actions that need them.
func (a *Action) phase() int {
	switch a.Kind {
	case KindDeactivate:
		return 0
	case KindCreate:
		return 2
	default: // depends on the changes
	}
	for i := range a.Changes {
		c := &a.Changes[i]
		if c.Field == FieldActive && c.New == true {
			return 2 // a member without access holds no seat, and gives up no address
		}
		if c.IsValue() && (c.Field == FieldEmail && a.Kind == KindUpdate || c.Field == FieldSeats && c.losesSeat()) {
			return 1
		}
	}
	if a.Kind == KindUpdate {
		return 3
	}
	return 2
}

// losesSeat reports whether a change of the seats gives one back. The values may
// come from JSON.
func (c *Change) losesSeat() bool { return len(set.Without(setOf(c.Old), setOf(c.New))) > 0 }

// sort brings everything into the canonical order, which depends only on the
// content of the plan.
func (p *Plan) sort() {
	slices.SortFunc(p.Actions, func(a, b Action) int { return compareActions(&a, &b) })
	p.Actions = gather(p.Actions)
	slices.SortFunc(p.Held, func(a, b Held) int { return compareActions(&a.Action, &b.Action) })
	slices.SortFunc(p.Skipped, func(a, b Skip) int {
		return cmp.Or(cmp.Compare(a.ExternalID, b.ExternalID), cmp.Compare(a.Email, b.Email))
	})
	slices.SortFunc(p.Findings, func(a, b Finding) int {
		order := cmp.Or(cmp.Compare(a.ExternalID, b.ExternalID), cmp.Compare(a.MemberID, b.MemberID), cmp.Compare(a.Reason.Code, b.Reason.Code))
		if order != 0 { // texts are made only to compare what is equal otherwise
			return order
		}
		return cmp.Compare(a.Reason.spell(math.MaxInt), b.Reason.spell(math.MaxInt))
	})
}

func compareActions(a, b *Action) int {
	return cmp.Or(cmp.Compare(a.phase(), b.phase()), cmp.Compare(a.Member.ExternalID, b.Member.ExternalID),
		cmp.Compare(a.Member.ID, b.Member.ID), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
}

// gather moves actions that must commit together directly behind the first of them.
func gather(actions []Action) []Action {
	groups := make(map[string][]Action)
	for _, a := range actions {
		if a.With != "" {
			groups[a.With] = append(groups[a.With], a)
		}
	}
	if len(groups) == 0 {
		return actions
	}
	gathered := make([]Action, 0, len(actions))
	for _, a := range actions {
		if a.With == "" {
			gathered = append(gathered, a)
			continue
		}
		gathered = append(gathered, groups[a.With]...)
		groups[a.With] = nil
	}
	return gathered
}
