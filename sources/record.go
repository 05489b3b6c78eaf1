package sources

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
)

// A User is a person as the directory describes them. Values are neither trimmed
// nor corrected. provisioning.Member is the person as the application describes
// them; they are two types on purpose.
//
// Every field but ID may be empty. An empty field means that the directory gave no
// value. It never means that a value is to be cleared (rule S11).
type User struct {
	// ID is the provider's stable identifier. It is unique within one
	// connection and never reused for another person. It is required.
	ID string `json:"id"`
	// UserName is the login name. It is not an email address, even if it looks like
	// one, as in Salesforce.
	UserName string `json:"user_name,omitempty"`
	// Status is the lifecycle state. The zero value is StatusUnknown: such a user
	// is neither created nor deactivated.
	Status Status `json:"status,omitempty"`

	Email        string   `json:"email,omitempty"`
	OtherEmails  []string `json:"other_emails,omitempty"`
	PrivateEmail string   `json:"private_email,omitempty"`

	GivenName  string `json:"given_name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	Title      string `json:"title,omitempty"`

	Phone          string `json:"phone,omitempty"`
	MobilePhone    string `json:"mobile_phone,omitempty"`
	PhoneExtension string `json:"phone_extension,omitempty"`

	// TimeZone, Country, State and Locale are as the directory spells them.
	TimeZone string `json:"timezone,omitempty"`
	Country  string `json:"country,omitempty"`
	State    string `json:"state,omitempty"`
	Locale   string `json:"locale,omitempty"`

	// Manager names the direct manager by the keys that the directory has.
	Manager Manager `json:"manager,omitzero"`

	// Attributes are further values that assignments may select by. They have the
	// provider's own names ("Department", "Profile.Name"); some also have the names
	// that all sources share (AttributeDepartment and so on).
	Attributes map[string]Values `json:"attributes,omitempty"`
}

// LogValue returns the ID only, so that logs hold no personal data.
func (u User) LogValue() slog.Value { return slog.StringValue(u.ID) }

// Clone returns a copy of u that shares no memory with it.
func (u User) Clone() User {
	u.OtherEmails = slices.Clone(u.OtherEmails)
	if u.Attributes != nil {
		attributes := make(map[string]Values, len(u.Attributes))
		for name, values := range u.Attributes {
			attributes[name] = slices.Clone(values)
		}
		u.Attributes = attributes
	}
	return u
}

// A Manager names a person's manager by up to three keys. The strongest key that is
// not empty decides. The order is ID, Email, Name if the kind's ID refers to a user
// of the directory. For Okta, OneLogin and Rippling, whose ID is free text, it is
// Email, ID, Name (rules R80 to R82, S22). In the zero value the directory names no
// manager.
type Manager struct {
	Email string `json:"email,omitempty"`
	// ID is a User.ID of the same connection.
	ID string `json:"id,omitempty"`
	// Name is the full name, given name first.
	Name string `json:"name,omitempty"`
}

// A Group is a group of a directory with the IDs of its direct and indirect
// members, as far as the provider expands them.
type Group struct {
	// ID is the provider's stable identifier. Assignments match by it, so that a
	// renamed group still matches (rule S21).
	ID      string   `json:"id"`
	Name    string   `json:"name,omitempty"`
	Members []string `json:"members,omitempty"` // User IDs
}

// A Ref identifies a person across connections. An email address never does (rule
// S1). A Ref is comparable.
type Ref struct {
	Connection string `json:"connection"`
	ID         string `json:"id"`
}

// Status is the lifecycle state of a user in its directory.
type Status uint8

// The states. StatusUnknown is the zero value and proves nothing.
const (
	StatusUnknown  Status = iota // the directory did not say, or used an unknown word
	StatusActive                 // may sign in
	StatusInactive               // deactivated, suspended, terminated
	StatusStaged                 // created but not activated yet (rule S10)
)

var statusWords = [...]string{"unknown", "active", "inactive", "staged"}

// String returns the word for s in JSON.
func (s Status) String() string {
	if int(s) < len(statusWords) {
		return statusWords[s]
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The empty text is
// StatusUnknown; a word that is none of the four is an error.
func (s *Status) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = StatusUnknown
		return nil
	}
	for i, word := range statusWords {
		if string(text) == word {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("status %q: want active, inactive, staged or unknown", text)
}

// Values are the values of one attribute. In JSON a single value stands without an
// array. Numbers and booleans are read as their text.
type Values []string

// MarshalJSON implements json.Marshaler.
func (v Values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return json.Marshal(v[0])
	}
	return json.Marshal([]string(v))
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Values) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		var elements []json.RawMessage
		if err := json.Unmarshal(data, &elements); err != nil {
			return err
		}
		*v = make(Values, 0, len(elements))
		for _, element := range elements {
			text, err := scalarText(element)
			if err != nil {
				return err
			}
			*v = append(*v, text)
		}
		return nil
	}
	if string(data) == "null" {
		*v = nil
		return nil
	}
	text, err := scalarText(data)
	if err != nil {
		return err
	}
	*v = Values{text}
	return nil
}

func scalarText(data json.RawMessage) (string, error) {
	switch data[0] {
	case '"':
		var s string
		err := json.Unmarshal(data, &s)
		return s, err
	case '{', '[', 'n':
		return "", fmt.Errorf("attribute value %.40s: want a string, number, boolean or an array of those", data)
	}
	return string(data), nil
}
