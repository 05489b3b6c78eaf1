package provisioning

import (
	"context"
	"time"
)

// A StateStore keeps, beside a team, what a syncer has to remember between its
// rounds. So any process can continue where another one stopped.
type StateStore interface {
	// State returns the document that was stored under a name and its revision; nil
	// and "" if there is none. A name is a text of up to 512 bytes without NUL. A
	// document may have 64 MiB.
	State(ctx context.Context, tenant, name string) (document []byte, revision Revision, err error)
	// SetState replaces the document that has the revision, which is "" if there is
	// none, and returns the new revision. If the stored revision is another one, it
	// changes nothing and the error matches ErrStale. A nil document removes the
	// stored one; the new revision is then "".
	SetState(ctx context.Context, tenant, name string, revision Revision, document []byte) (Revision, error)
	// Window returns what was done to the members of a connection during the given
	// time before now, by the store's clock, exact to a minute at its beginning. A
	// store may forget what is older than MaxWindow. It ignores counts that are
	// further in the future than that, which a wrong clock caused, and includes
	// other counts of the future, since the clock may have been set back.
	//
	// Apply updates the counts in the transaction of the action, and not if it
	// repeats the action. In the window of Action.Member.Connection, it resets the
	// counts of Action.Approved, and then adds one for each other class of
	// Action.Classes. The cost of Window does not depend on the number of actions.
	Window(ctx context.Context, tenant, connection string, length time.Duration) (Window, error)
}

// MaxWindow is the longest time over which a StateStore counts.
const MaxWindow = 24 * time.Hour

// A Window says what was done to the members of one connection during some time
// (S39).
type Window struct {
	// Done counts by class the actions that were done without an approval of the
	// class since its last approval.
	Done map[Class]int
	// Grown is the growth of Counts.Population of the connection through actions,
	// including approved ones. It is negative if more people left than came.
	Grown int
}

// Recent is what a decision has to know about the time before it.
type Recent struct {
	Window
	// Tripped are classes that tripped before. They hold every further change, even
	// within the limit (S39).
	Tripped []Class
	// AwaitGroups says that groups of the directory may still arrive (S40). Waited
	// has the external IDs of the people who no longer wait for them.
	AwaitGroups bool
	Waited      []string
}
