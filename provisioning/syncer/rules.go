package syncer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// fingerprint returns a hash of rules. It shows whether they have changed, also if
// the host gives them no revisions.
func fingerprint(rules *provisioning.Config) (string, error) {
	document, err := json.Marshal(rules)
	if err != nil {
		return "", fmt.Errorf("syncer: rules: %w", err)
	}
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:16]), nil
}

// errReplaced says that a round is left to a process with newer rules.
var errReplaced = errors.New("another process has replaced these rules")

// leftPolls is for how many Polls a process leaves the rounds of a connection to a
// process with newer rules, if nobody does one meanwhile.
const leftPolls = 2

// noteRules records the rules of the round, if it was configured, and whether they
// are in force.
func (r *round) noteRules() {
	if r.rules == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m, _ := r.memoryLocked(r.target)
	if m.rules != r.rules {
		m.rules, m.inForce, m.left = r.rules, false, time.Time{}
	}
	if r.st.Rules == r.rules {
		m.inForce, m.left = true, time.Time{}
	}
}

// isReplaced reports whether another process has replaced the round's rules. While a
// new version of the host is rolled out, some processes have old rules and others
// have new ones. If each put its own in force, everybody would be decided
// alternately by both. Therefore rules are put in force (R29) by a process that was
// started, or whose Setup has returned others before. A process whose rules were in
// force, and that has the same ones since, does not put them in force again.
func (r *round) isReplaced() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, _ := r.memoryLocked(r.target)
	return m.inForce && r.st.Rules != r.rules
}

// noteIdle records that there is nothing to do, so no round is left to anybody.
func (r *round) noteIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, _ := r.memoryLocked(r.target)
	m.left = time.Time{}
}

// leaveToNewer fails with errReplaced if the round's rules are replaced: a process
// with newer rules does what there is to do. If no process has done a round for
// leftPolls after the first such failure, there is no such process any more, and
// leaveToNewer makes the round's rules count as new.
func (r *round) leaveToNewer() error {
	if r.job.admin || !r.isReplaced() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m, _ := r.memoryLocked(r.target)
	if m.left.IsZero() || m.rounds != r.st.Rounds {
		m.left, m.rounds = time.Now(), r.st.Rounds
	}
	if time.Since(m.left) < leftPolls*r.cfg.Poll {
		return fmt.Errorf("syncer: %w: %w", ErrPending, errReplaced)
	}
	m.inForce, m.left = false, time.Time{}
	return nil
}
