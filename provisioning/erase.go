package provisioning

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// An Eraser is a store that can erase people. It does not cover what is kept of
// directories: syncer.Syncer.Erase erases in all stores. Effects hold IDs only.
type Eraser interface {
	// Erase removes a person: the member, what audit records say about them, and
	// every plan that names them, which Plan answers with ErrNoPlan from then on.
	// What remains is, of each done action, its key, kind, time, actor and the
	// member's ID, and of each such plan, which earlier plans it superseded. It is
	// no error to erase somebody again, or somebody unknown. The cost grows with
	// the number of plans and records that are kept.
	Erase(ctx context.Context, tenant, memberID string) error
	// Forget removes the audit records of actions that were done, and the plans
	// that were last saved, before a point in time. It keeps which plans they
	// superseded.
	Forget(ctx context.Context, tenant string, before time.Time) error
}

// An Erasure recognizes one person in audit records and plans. It is for stores
// that implement Eraser.
type Erasure struct {
	memberID string
	ids      [][]byte // as JSON strings, in lower case
	words    [][]byte // addresses and full names, as they stand in JSON strings
}

// NewErasure returns the erasure of a person. It takes the member, or the zero
// Member if it was deleted before, and the person's own audit records.
func NewErasure(memberID string, m Member, own []Record) *Erasure {
	e := &Erasure{memberID: memberID}
	e.addID(memberID)
	e.addMember(&m)
	for i := range own {
		e.addWord(own[i].Email)
		var old, now Member
		for _, c := range own[i].Changes {
			if spec := c.Field.spec(); spec != nil {
				spec.value.set(&old, c.Old)
				spec.value.set(&now, c.New)
			}
		}
		e.addMember(&old)
		e.addMember(&now)
	}
	return e
}

func (e *Erasure) addMember(m *Member) {
	e.addID(m.ExternalID)
	e.addID(m.Subject)
	for _, email := range append([]string{m.Email, m.PrivateEmail}, m.OtherEmails...) {
		e.addWord(email)
	}
	if m.GivenName != "" && m.FamilyName != "" { // either name alone may belong to many people
		e.addWord(m.Name())
	}
}

func (e *Erasure) addID(text string) {
	if text != "" {
		e.ids = append(e.ids, lowerJSON(text))
	}
}

func (e *Erasure) addWord(text string) {
	if text != "" {
		quoted := lowerJSON(text)
		e.words = append(e.words, quoted[1:len(quoted)-1])
	}
}

// lowerJSON returns the JSON string for a text, in lower case.
func lowerJSON(text string) []byte {
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(strings.ToLower(text)) // encoding a text does not fail
	return bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))
}

// Names reports whether a JSON text names the person.
func (e *Erasure) Names(text []byte) bool {
	lower := bytes.ToLower(text)
	contains := func(word []byte) bool { return bytes.Contains(lower, word) }
	return slices.ContainsFunc(e.ids, contains) || slices.ContainsFunc(e.words, contains)
}

// Redact returns a record without what it says about the person, and reports
// whether it changed the record. Of the person's own records it removes all but the
// fact that the action was done; of other people's records, the facts of reasons
// that name the person.
func (e *Erasure) Redact(r Record) (Record, bool) {
	if r.MemberID == e.memberID {
		changed := r.Email != "" || len(r.Changes) > 0
		r.Email, r.Changes = "", nil
		reasons := slices.Clone(r.Reasons)
		for i := range reasons {
			changed = changed || reasons[i].Facts != nil
			reasons[i].Facts = nil
		}
		r.Reasons = reasons
		return r, changed
	}
	changed := false
	reasons := slices.Clone(r.Reasons)
	for i := range reasons {
		for _, value := range reasons[i].Facts {
			if e.Names(lowerJSON(value)) {
				reasons[i].Facts, changed = nil, true
				break
			}
		}
	}
	r.Reasons = reasons
	return r, changed
}
