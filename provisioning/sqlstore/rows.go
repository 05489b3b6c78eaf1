package sqlstore

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/usher-go/usher/provisioning"
)

// A row is a member that is to be written, and the action that asks for it; a
// host's own write has none.
type row struct {
	member *provisioning.Member
	action *provisioning.Action
	result *provisioning.Result // the action's
	// turn, from 1, is which of the revisions of its transaction it gets.
	turn int64
	// expected is the revision that the member must have: 0 if it must not
	// exist, impossible if no member can be as the writer saw it.
	expected int64
	emailKey any
	values   []any // of columns
	// changes and reasons are the action's, as JSON.
	changes, reasons string
}

// impossible is a revision that no member has.
const impossible = -1

// fill makes r the row of an action. The error says what of it cannot be stored.
func (r *row) fill(a *provisioning.Action) error {
	r.action = a
	if err := r.fillMember(&a.Member, a.Revision, a.Kind == provisioning.KindCreate); err != nil {
		return err
	}
	if err := new(provisioning.Kind).UnmarshalText([]byte(a.Kind.String())); err != nil {
		return err // the audit log could not be read again
	}
	changes, err := json.Marshal(a.Changes)
	if err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	reasons, err := json.Marshal(a.Reasons)
	if err != nil {
		return fmt.Errorf("reasons: %w", err)
	}
	r.changes, r.reasons = string(changes), string(reasons)
	return nil
}

// fillMember makes r the row that writes m over the state that has a revision,
// or that creates it.
func (r *row) fillMember(m *provisioning.Member, from provisioning.Revision, create bool) (err error) {
	r.member, r.emailKey, r.expected = m, emailKey(m.Email), impossible
	n, failed := strconv.ParseInt(string(from), 10, 64)
	switch {
	case create && from == "":
		r.expected = 0
	case !create && failed == nil && n > 0 && revisionOf(n) == from:
		r.expected = n
	}
	r.values, err = fieldValues(m)
	return err
}

// revisionOf is the form in which others see a revision.
func revisionOf(n int64) provisioning.Revision {
	return provisioning.Revision(strconv.FormatInt(n, 10))
}

// A state is what the tables hold that decides about a row.
type state struct {
	revision int64   // the member's; 0 if it does not exist
	done     *string // the member of whom the action's key is, unless nil
	// Other members that have the address and the identity, unless nil.
	emailHolder, identityHolder *string
}

// states are the columns of a state, for the row j. They are looked up one by
// one: joined, the tables could be read whole. A key counts as long as its
// member is there, also where the host deleted the member on a connection that
// does not enforce foreign keys.
const states = `
	COALESCE((SELECT m.revision FROM @members m WHERE m.tenant = j.tenant AND m.id = j.id FOR_UPDATE), 0) AS current,
	(SELECT (SELECT m.id FROM @members m WHERE m.tenant = k.tenant AND m.id = k.member_id)
		FROM @keys k WHERE k.tenant = j.tenant AND k.action_key = j.action_key) AS done,
	(SELECT m.id FROM @members m WHERE m.email_key = j.email_key AND m.tenant || '' = j.tenant AND m.id <> j.id) AS email_holder,
	(SELECT m.id FROM @members m WHERE m.external_id = j.external_id AND m.connection = j.connection AND m.tenant || '' = j.tenant
		AND m.managed AND m.external_id <> '' AND j.managed AND m.id <> j.id) AS identity_holder`

// targets are where the columns of states are read to.
func (s *state) targets() []any {
	return []any{&s.revision, &s.done, &s.emailHolder, &s.identityHolder}
}

// clean reports whether a row can be written without further ado.
func (s *state) clean(r *row) bool {
	return s.done == nil && s.revision == r.expected && s.emailHolder == nil && s.identityHolder == nil
}
