package provisioning

import (
	"context"
	"time"
)

// A StateStore keeps beside a team what a syncer has to remember between its
// rounds, so that any process can go on where another one stopped.
type StateStore interface {
	// State returns the document that was stored under a name, and its
	// revision: nil and "" if there is none. A name is any text of up to 512
	// bytes without a NUL; a document may have 64 MiB.
	State(ctx context.Context, tenant, name string) (document []byte, revision Revision, err error)
	// SetState stores a document in place of the one that has the revision,
	// which is "" for none, and returns the new revision. It fails with
	// ErrStale, and changes nothing, if the stored revision is another one. A
	// nil document removes what is stored; the new revision is then "".
	SetState(ctx context.Context, tenant, name string, revision Revision, document []byte) (Revision, error)
	// Window returns what was done to the members of a connection from that long
	// ago until now, by the store's clock. The beginning is exact to a minute.
	// A store may forget what is older than MaxWindow, and leaves out what is as
	// far in the future: a clock was ahead when it was counted. What is less far
	// in the future counts, for a clock may have gone back.
	//
	// Apply keeps the counts in the transaction of the action, not again where it
	// repeats one. Of the window of Action.Member.Connection, it begins the
	// counts of Action.Approved anew, and then adds one for each other class of
	// Action.Classes. The cost of Window does not grow with what was done.
	Window(ctx context.Context, tenant, connection string, length time.Duration) (Window, error)
}

// MaxWindow is the longest time over which a StateStore counts.
const MaxWindow = 24 * time.Hour

// A Window is what was done to the members of one connection in some time
// (S39).
type Window struct {
	// Done counts, by class, the actions done without an approval of the class
	// since it was last approved.
	Done map[Class]int
	// Grown is by how many Counts.Population of the connection grew through
	// actions, approved ones included. It is negative if more left than came.
	Grown int
}

// Recent is what a decision has to know of the time before it.
type Recent struct {
	Window
	// Tripped are classes that tripped before: they hold whatever falls into
	// them, even if it is within the limit (S39).
	Tripped []Class
	// AwaitGroups says that groups of the directory may still be coming (S40),
	// except for the people who waited long enough: Waited are their external IDs.
	AwaitGroups bool
	Waited      []string
}
