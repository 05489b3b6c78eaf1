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

// A Member is the application's word for a person: what its own database has.
// What a directory says is sources.User; a Plan is the difference.
//
// A member is hand-made while Managed is false: no plan touches it, except
// that it is adopted when the directory brings the same address (R30, R32).
type Member struct {
	// ID is the application's identifier. For a member that a plan creates it
	// is given by the plan, in the form of a UUID that follows from connection
	// and external ID, so that a plan can name the managers it is about to
	// create and a repeated create meets its first attempt.
	ID string `json:"id"`
	// Connection and ExternalID name the directory's user (S1).
	Connection string `json:"connection,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
	// Managed is true if a directory owns the member.
	Managed bool `json:"managed"`
	// Active is true if the member may sign in (R17).
	Active bool `json:"active"`
	// Protected is set by the host for members, such as the last admin, whom no
	// plan may deactivate, downgrade, adopt, give another address or bind to
	// another identity (S16).
	Protected bool `json:"protected,omitempty"`

	Email        string   `json:"email"`
	OtherEmails  []string `json:"other_emails,omitempty"` // a set: sorted
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

	// ManagerID is the ID of another member. It may name a member that stands
	// later in the same plan, so it is not a foreign key.
	ManagerID string `json:"manager_id,omitempty"`
	// AssignmentID is the assignment that governs, recomputed on every run.
	AssignmentID string `json:"assignment_id,omitempty"`
	assignment.Settings

	// Attributes are the values that Config.Attributes carries over from the
	// directory, by the application's names (S35).
	Attributes map[string]string `json:"attributes,omitempty"`
	// Subject is the person's subject at the single sign-on, such as an OIDC
	// "sub". The host keeps it; no plan writes it (S42).
	Subject string `json:"subject,omitempty"`

	// Owners says of each field whether the source or a hand wrote it last.
	Owners Owners `json:"owners,omitzero"`
	// Revision changes with every write. It is the store's: opaque here, and
	// "" for a member that does not exist yet.
	Revision Revision `json:"revision,omitempty"`
}

// Ref returns the directory user that m is linked to; zero if to none.
func (m *Member) Ref() sources.Ref {
	if m.ExternalID == "" {
		return sources.Ref{}
	}
	return sources.Ref{Connection: m.Connection, ID: m.ExternalID}
}

// LogValue keeps personal data out of logs: a member logs as its ID.
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

// A Revision names one state of a member in its store. It is compared for
// equality only. In JSON a number is read as its digits.
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
