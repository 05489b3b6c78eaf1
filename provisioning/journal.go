package provisioning

import (
	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
)

// A journal collects findings, and the users about whom nothing is done.
type journal struct {
	findings []Finding
	skipped  []Skip
}

// find records a finding about the whole run.
func (j *journal) find(r Reason) { j.findings = append(j.findings, Finding{Reason: r}) }

// findMember records a finding about a member.
func (j *journal) findMember(m *Member, r Reason) {
	j.findings = append(j.findings, Finding{ExternalID: m.ExternalID, MemberID: m.ID, Email: m.Email, Name: m.Name(), Reason: r})
}

// skip records that nothing is done about a user.
func (j *journal) skip(u *sources.User, reasons ...Reason) {
	j.skipped = append(j.skipped, Skip{
		ExternalID: text.Clean(u.ID), Email: text.Clean(u.Email),
		Name: name.Full(text.Clean(u.GivenName), text.Clean(u.FamilyName)), Reasons: reasons,
	})
}

// skipUnnamed is skip for a user of whom only the ID is certain.
func (j *journal) skipUnnamed(u *sources.User, reasons ...Reason) {
	j.skip(&sources.User{ID: u.ID}, reasons...)
}
