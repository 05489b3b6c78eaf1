package provisioning

import (
	"context"
	"fmt"
	"slices"

	"github.com/usher-go/usher/internal/address"
)

// A SignIn is somebody who wants to sign in, by what the single sign-on says of
// them. At least one of ExternalID, Subject and Email has to be given; the
// strongest that finds somebody decides, in this order.
type SignIn struct {
	Tenant string
	// Connection is the directory that vouches for the person, and ExternalID
	// the person's ID there. With a Connection, the address of a member who
	// belongs to another connection proves nothing.
	Connection, ExternalID string
	// Subject is compared with Member.Subject.
	Subject string
	// Email is compared with the primary address, as addresses compare (S7).
	Email string
	// Pending is the last plan of the connection, whose held actions tell that
	// somebody is not in yet because an approval is missing. Nil: nothing is
	// known of that.
	Pending *Plan
}

// An Access is the answer to a SignIn.
type Access struct {
	// Granted says that the person may sign in, as Member.
	Granted bool
	// Member is who it is. If access is not granted it may be the member whose
	// access has ended, or nil if there is none.
	Member *Member
	// Reason is one of the sign_in codes.
	Reason Reason
}

// MaySignIn says whether somebody may sign in, and as whom; or why not (S42):
// deactivated, held, or not provisioned. Who has no access is not to be made by
// the sign-in: of the first two that would undo what the directory or an admin
// decided.
//
// The error is one of the store, or says that the SignIn names nobody.
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

// signInLimit is how many members may have one key until it is enough to know
// that they are several.
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

// mayBe reports whether an active member whom one key finds is not somebody else
// by another: an address may have gone from one person to the next.
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

// held returns what the pending plan holds that would give access to the person,
// who may be a former member.
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
