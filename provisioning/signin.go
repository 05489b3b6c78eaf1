package provisioning

import (
	"context"
	"fmt"
	"slices"

	"github.com/usher-go/usher/internal/address"
)

// A SignIn is a person who wants to sign in, as the single sign-on describes them.
// At least one of ExternalID, Subject and Email is required. The first of them, in
// this order, that finds a member decides.
type SignIn struct {
	Tenant string
	// Connection is the directory that vouches for the person, and ExternalID is
	// the person's ID there. If Connection is set, the address of a member of
	// another connection proves nothing.
	Connection, ExternalID string
	// Subject is compared with Member.Subject.
	Subject string
	// Email is compared with the primary address, in the way addresses are compared
	// (S7).
	Email string
	// Pending is the last plan of the connection. Its held actions show that a
	// person is not in yet because an approval is missing. Nil means that this is
	// unknown.
	Pending *Plan
}

// An Access is the answer to a SignIn.
type Access struct {
	// Granted says that the person may sign in as Member.
	Granted bool
	// Member is the member that was found. If access is not granted, it is the
	// member whose access has ended, or nil if there is none.
	Member *Member
	// Reason is one of the sign_in codes.
	Reason Reason
}

// MaySignIn says whether a person may sign in, and as which member, or why not
// (S42): deactivated, held, or not provisioned. A host must not create access at a
// sign-in that was refused: for a person who is deactivated or held, that would
// undo a decision of the directory or of an admin.
//
// The error is the store's, or says that the SignIn names nobody.
func MaySignIn(ctx context.Context, team Finder, who SignIn) (Access, error) {
	keys := who.keys()
	if len(keys) == 0 {
		return Access{}, fmt.Errorf("provisioning: sign-in: want an external ID with its connection, a subject or an email")
	}
	var found []Member
	for _, key := range keys {
		named, err := team.FindMembers(ctx, who.Tenant, []MemberKey{key}, signInLimit)
		if err != nil {
			return Access{}, fmt.Errorf("provisioning: sign-in: %w", err)
		}
		found = slices.DeleteFunc(named, func(m Member) bool { return !who.mayBe(&m, key.By) })
		if len(found) == 1 && found[0].Active {
			return Access{Granted: true, Member: &found[0], Reason: because(CodeSignInAllowed, "by", string(key.By))}, nil
		}
		if len(found) > 0 {
			break
		}
	}
	if len(found) > 1 {
		return Access{Reason: because(CodeSignInAmbiguous)}, nil
	}
	answer := Access{Reason: because(CodeSignInUnknown)}
	if len(found) == 1 {
		answer = Access{Member: &found[0], Reason: because(CodeSignInDeactivated)}
	}
	if held := who.held(answer.Member); held != nil {
		answer.Reason = because(CodeSignInHeld, "held", string(held.Reasons[0].Code))
	}
	return answer, nil
}

// signInLimit is how many members with one key are read. More than one is already
// ambiguous.
const signInLimit = 10

// keys returns the keys that are given, the strongest first.
func (who *SignIn) keys() []MemberKey {
	var keys []MemberKey
	if who.Connection != "" && who.ExternalID != "" {
		keys = append(keys, MemberKey{MemberByExternalID, who.Connection, who.ExternalID})
	}
	if who.Subject != "" {
		keys = append(keys, MemberKey{By: MemberBySubject, Value: who.Subject})
	}
	if key := emailMemberKey(who.Email); key.Value != "" {
		keys = append(keys, key)
	}
	return keys
}

// mayBe reports whether an active member whom one key finds is not another person
// by a stronger key: an address may have passed from one person to the next.
func (who *SignIn) mayBe(m *Member, by MemberKeyKind) bool {
	if !m.Active || by == MemberByExternalID {
		return true
	}
	here := m.Managed && m.Connection == who.Connection
	if here && who.ExternalID != "" && m.ExternalID != who.ExternalID {
		return false
	}
	if by == MemberBySubject {
		return true
	}
	elsewhere := m.Managed && who.Connection != "" && !here
	return !elsewhere && (who.Subject == "" || m.Subject == "" || m.Subject == who.Subject)
}

// held returns the action, held by the pending plan, that would give access to the
// person, who may be a former member.
func (who *SignIn) held(former *Member) *Held {
	if who.Pending == nil {
		return nil
	}
	for i := range who.Pending.Held {
		h := &who.Pending.Held[i]
		m := &h.Action.Member
		if !m.Active {
			continue
		}
		if former != nil && m.ID == former.ID ||
			who.ExternalID != "" && m.ExternalID == who.ExternalID && m.Connection == who.Connection ||
			who.Email != "" && (who.Connection == "" || m.Connection == who.Connection) && address.Same(m.Email, who.Email) {
			return h
		}
	}
	return nil
}
