package sqlstore

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/usher-go/usher/provisioning"
)

// A row is a member to write, and its action. In a write of the host, the action is
// nil.
type row struct {
	member *provisioning.Member
	action *provisioning.Action
	result *provisioning.Result // of the action
	// turn, from 1, is the position of the row's revision among the revisions of its
	// transaction.
	turn int64
	// expected is the revision that the member must have. It is 0 if the member must
	// not exist, and impossible if no member can have the given revision.
	expected int64
	keys     []any // values of keyColumns
	values   []any // values of columns
	// changes and reasons are those of the action, as JSON.
	changes, reasons string
}

// impossible is a revision that no member has.
const impossible = -1

// fill makes r the row of an action. The error says which part of the action cannot
// be stored.
func (r *row) fill(a *provisioning.Action) error {
	r.action = a
	if err := r.fillMember(&a.Member, a.Revision, a.Kind == provisioning.KindCreate); err != nil {
		return err
	}
	if err := new(provisioning.Kind).UnmarshalText([]byte(a.Kind.String())); err != nil {
		return err // otherwise the audit log could not be read again
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

// fillMember makes r the row that creates m, or that updates m from the given
// revision.
func (r *row) fillMember(m *provisioning.Member, from provisioning.Revision, create bool) (err error) {
	r.member, r.keys, r.expected = m, keyValues(m), impossible
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

// revisionOf returns the public form of a revision.
func revisionOf(n int64) provisioning.Revision {
	return provisioning.Revision(strconv.FormatInt(n, 10))
}

// A state is the content of the tables on which the writing of a row depends.
type state struct {
	revision int64   // of the member; 0 if it does not exist
	done     *string // ID of the member of the done action with the same key; nil if not done
	// IDs of other members that have the address or the identity, or nil.
	emailHolder, identityHolder *string
}

// states are the columns of a state, for the row j. Each is a look-up of its own:
// with joins, PostgreSQL could read whole tables.
const states = `
	COALESCE((SELECT m.revision FROM @members m WHERE m.tenant = j.tenant AND m.id = j.id FOR_UPDATE), 0) AS current,
	(SELECT k.member_id FROM @keys k WHERE k.tenant = j.tenant AND k.action_key = j.action_key) AS done,
	(SELECT m.id FROM @members m WHERE m.email_key = j.email_key AND m.tenant || '' = j.tenant AND m.id <> j.id) AS email_holder,
	(SELECT m.id FROM @members m WHERE m.external_id = j.external_id AND m.connection = j.connection AND m.tenant || '' = j.tenant
		AND m.managed AND m.external_id <> '' AND j.managed AND m.id <> j.id) AS identity_holder`

// targets returns the scan targets for the columns of states.
func (s *state) targets() []any {
	return []any{&s.revision, &s.done, &s.emailHolder, &s.identityHolder}
}

// clean reports whether a row can be written: its action is not done, the revision
// is the expected one, and no other member has the address or the identity.
func (s *state) clean(r *row) bool {
	return s.done == nil && s.revision == r.expected && s.emailHolder == nil && s.identityHolder == nil
}
