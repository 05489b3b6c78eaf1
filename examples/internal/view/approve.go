package view

import (
	"fmt"
	"strings"

	"github.com/usher-go/usher/provisioning"
)

// Approvals are what a command line approves of a plan, as somebody types it:
// each a class and the first characters of its hash.
type Approvals []approval

type approval struct {
	class provisioning.Class
	hash  string
}

// minHash is how many characters of a class's hash must be given.
const minHash = 12

// String implements flag.Value.
func (*Approvals) String() string { return "" }

// Set implements flag.Value: it adds one.
func (a *Approvals) Set(text string) error {
	class, hash, _ := strings.Cut(text, "=")
	one := approval{hash: hash}
	if err := one.class.UnmarshalText([]byte(class)); err != nil {
		return err
	}
	if len(hash) < minHash {
		return fmt.Errorf("want class=hash, with at least %d characters of the hash", minHash)
	}
	*a = append(*a, one)
	return nil
}

// Of returns the approvals of what a plan holds. The hash of what a class does
// not hold is passed on as it is, for Apply to refuse it.
func (a Approvals) Of(plan *provisioning.Plan) []provisioning.Approval {
	var approvals []provisioning.Approval
	for _, one := range a {
		approval := plan.Approve(one.class)
		if !strings.HasPrefix(approval.Hash, one.hash) {
			approval.Hash = one.hash
		}
		approvals = append(approvals, approval)
	}
	return approvals
}
