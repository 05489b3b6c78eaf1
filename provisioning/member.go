package provisioning

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/internal/name"
	"github.com/usher-go/usher/sources"
)

// A Member is a person as the application's own database has them. sources.User is
// the person as a directory has them; a Plan is the difference.
//
// A member is hand-made if Managed is false: no plan changes it, except that it is
// adopted if the directory brings the same address (R30, R32).
type Member struct {
	// ID is the application's identifier. A plan that creates a member sets it, in
	// the form of a UUID that is computed from connection and external ID. So a
	// plan can refer to managers that it is about to create, and a repeated create
	// finds the member of the first attempt.
	ID string `json:"id"`
	// Connection and ExternalID name the directory's user (S1).
	Connection string `json:"connection,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
	// Managed is true if a directory owns the member.
	Managed bool `json:"managed"`
	// Active says that the member may sign in (R17).
	Active bool `json:"active"`
	// Protected is set by the host for members, such as the last admin, whom no
	// plan may deactivate, downgrade, adopt, give another address or connect with
	// another identity (S16).
	Protected bool `json:"protected,omitempty"`

	Email        string   `json:"email"`
	OtherEmails  []string `json:"other_emails,omitempty"` // sorted, each once
	PrivateEmail string   `json:"private_email,omitempty"`

	GivenName  string `json:"given_name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	Title      string `json:"title,omitempty"`

	Phone          string `json:"phone,omitempty"`
	MobilePhone    string `json:"mobile_phone,omitempty"`
	PhoneExtension string `json:"phone_extension,omitempty"`

	TimeZone string `json:"timezone,omitempty"` // a TZ database name (R74)
	Country  string `json:"country,omitempty"`
	State    string `json:"state,omitempty"`
	Locale   string `json:"locale,omitempty"` // such as en-US (R69)

	// ManagerID is the ID of another member. That member may come later in the same
	// plan, so this is not a foreign key.
	ManagerID string `json:"manager_id,omitempty"`
	// AssignmentID is the ID of the governing assignment. Every run computes it.
	AssignmentID string `json:"assignment_id,omitempty"`
	assignment.Settings

	// Attributes are the values that Config.Attributes takes from the directory, by
	// the application's names (S35).
	Attributes map[string]string `json:"attributes,omitempty"`
	// Subject is the person's subject at the single sign-on, such as an OIDC
	// "sub". The host keeps it; no plan writes it (S42).
	Subject string `json:"subject,omitempty"`

	// Owners says for each field whether the source or a hand wrote it last.
	Owners Owners `json:"owners,omitzero"`
	// Revision changes with every write. The store sets it; it is opaque here, and
	// "" for a member that does not exist yet.
	Revision Revision `json:"revision,omitempty"`
}

// Ref returns the directory user that m is linked to, or zero.
func (m *Member) Ref() sources.Ref {
	if m.ExternalID == "" {
		return sources.Ref{}
	}
	return sources.Ref{Connection: m.Connection, ID: m.ExternalID}
}

// LogValue returns the ID only, so that logs hold no personal data.
func (m Member) LogValue() slog.Value { return slog.StringValue(m.ID) }

// Clone returns a copy of m that shares no memory with it.
func (m Member) Clone() Member {
	m.OtherEmails = slices.Clone(m.OtherEmails)
	m.Attributes = maps.Clone(m.Attributes)
	m.Settings = m.Settings.Clone()
	return m
}

// Name returns the full name, given name first.
func (m *Member) Name() string { return name.Full(m.GivenName, m.FamilyName) }

// A Revision identifies one state of a member in its store. Revisions are compared
// for equality only. In JSON, a number is read as its digits.
type Revision string

// UnmarshalJSON implements json.Unmarshaler.
func (r *Revision) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, (*string)(r))
	}
	var n json.Number
	if err := json.Unmarshal(data, &n); err != nil {
		return fmt.Errorf("revision: want a string or a number")
	}
	*r = Revision(n)
	return nil
}
