package provisioning

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// An Eraser is a store that forgets. What is kept of directories is not in it:
// syncer.Syncer.Erase is the one call for all stores. Effects hold IDs alone.
type Eraser interface {
	// Erase forgets a person: the member, what audit records say of them, and
	// every plan that names them, which is ErrNoPlan from then on. Of each done
	// action its key, kind, time, actor and the member's ID remain, and of a plan
	// that it superseded those before it. Erasing somebody again, or who never
	// was, is no error. The cost grows with the plans and records that are kept.
	Erase(ctx context.Context, tenant, memberID string) error
	// Forget removes audit records of what was done, and plans that were saved
	// last, before a moment. Which plans they superseded is kept.
	Forget(ctx context.Context, tenant string, before time.Time) error
}

// An Erasure is what tells one person in audit records and plans: for stores
// that implement Eraser.
type Erasure struct {
	memberID string
	ids      [][]byte // as JSON strings, in lower case
	words    [][]byte // addresses and full names, as they stand in JSON strings
}

// NewErasure returns the erasure of a person, from the member, which is the zero
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
	if m.GivenName != "" && m.FamilyName != "" { // one of them is many people's
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

// lowerJSON returns a text in lower case as the JSON string that plans have.
func lowerJSON(text string) []byte {
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(strings.ToLower(text)) // a text can be written
	return bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))
}

// Names reports whether a JSON text names the person.
func (e *Erasure) Names(text []byte) bool {
	lower := bytes.ToLower(text)
	contains := func(word []byte) bool { return bytes.Contains(lower, word) }
	return slices.ContainsFunc(e.ids, contains) || slices.ContainsFunc(e.words, contains)
}

// Redact returns a record without what it says of the person, and reports
// whether it said anything: of the person's own records the fact remains, and
// of others' the facts of reasons that name the person go.
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
