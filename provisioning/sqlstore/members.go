package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/provisioning"
)

// memberColumns are the columns that a write of a member sets, in the order of
// memberValues. Not among them are tenant and id, which never change, revision,
// which the store gives, and protected, which is the host's.
var memberColumns = []string{
	"connection", "external_id", "managed", "active", "email", "email_key", "other_emails", "private_email",
	"given_name", "family_name", "title", "phone", "mobile_phone", "phone_extension",
	"timezone", "country", "state", "locale", "manager_id", "assignment_id",
	"seats", "home", "profiles", "capture", "extra", "owners",
}

var (
	insertMember = `INSERT INTO @members (` + strings.Join(memberColumns, ", ") + `, revision, tenant, id)
		VALUES (` + strings.Repeat("?, ", len(memberColumns)) + `?, ?, ?) ON CONFLICT DO NOTHING`
	updateMember = `UPDATE @members SET ` + strings.Join(memberColumns, " = ?, ") + ` = ?, revision = ?
		WHERE tenant = ? AND id = ? AND revision = ?`
	selectMembers = `SELECT ` + strings.Join(memberColumns, ", ") + `, revision, id, protected
		FROM @members WHERE tenant = ? ORDER BY id`
)

// memberValues returns what the columns of m hold.
func memberValues(m *provisioning.Member) ([]any, error) {
	var failed error
	document := func(empty bool, value any) any {
		if empty {
			return nil
		}
		text, err := json.Marshal(value)
		if err != nil {
			failed = err
		}
		return string(text)
	}
	var emailKey any
	if m.Email != "" {
		emailKey = foldASCII(m.Email)
	}
	values := []any{
		m.Connection, m.ExternalID, m.Managed, m.Active, m.Email, emailKey,
		document(len(m.OtherEmails) == 0, m.OtherEmails), m.PrivateEmail,
		m.GivenName, m.FamilyName, m.Title, m.Phone, m.MobilePhone, m.PhoneExtension,
		m.TimeZone, m.Country, m.State, m.Locale, m.ManagerID, m.AssignmentID,
		document(len(m.Seats) == 0, m.Seats), m.Home,
		document(len(m.Profiles) == 0, m.Profiles),
		document(len(m.Capture) == 0, m.Capture),
		document(len(m.Extra) == 0, m.Extra),
		document(m.Owners == provisioning.Owners{}, m.Owners),
	}
	return values, failed
}

// scanMember reads a row of selectMembers.
func scanMember(scan func(targets ...any) error) (provisioning.Member, error) {
	var (
		m                                                   provisioning.Member
		emailKey, other, seats, profiles, capture, extra, o []byte
		revision                                            int64
	)
	err := scan(
		&m.Connection, &m.ExternalID, &m.Managed, &m.Active, &m.Email, &emailKey, &other, &m.PrivateEmail,
		&m.GivenName, &m.FamilyName, &m.Title, &m.Phone, &m.MobilePhone, &m.PhoneExtension,
		&m.TimeZone, &m.Country, &m.State, &m.Locale, &m.ManagerID, &m.AssignmentID,
		&seats, &m.Home, &profiles, &capture, &extra, &o,
		&revision, &m.ID, &m.Protected,
	)
	if err != nil {
		return m, err
	}
	m.Revision = revisionOf(revision)
	for _, document := range []struct {
		column string
		text   []byte
		target any
	}{
		{"other_emails", other, &m.OtherEmails}, {"seats", seats, &m.Seats}, {"profiles", profiles, &m.Profiles},
		{"capture", capture, &m.Capture}, {"extra", extra, &m.Extra}, {"owners", o, &m.Owners},
	} {
		if document.text == nil {
			continue
		}
		if err := json.Unmarshal(document.text, document.target); err != nil {
			return m, fmt.Errorf("member %s: column %s: %w", m.ID, document.column, err)
		}
	}
	return m, nil
}

// foldASCII brings an address into the form by which addresses are unique: only
// ASCII letters have a lower case (S7).
func foldASCII(address string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, address)
}

// Members implements provisioning.Store. The members are yielded in the order
// of their IDs, out of one statement, so that they are of one state. A
// connection is held until the loop ends.
func (s *Store) Members(ctx context.Context, tenant string) iter.Seq2[provisioning.Member, error] {
	return func(yield func(provisioning.Member, error) bool) {
		stopped := false
		err := s.members(ctx, tenant, func(m provisioning.Member) bool {
			stopped = !yield(m, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(provisioning.Member{}, fmt.Errorf("sqlstore: members: %w", err))
		}
	}
}

func (s *Store) members(ctx context.Context, tenant string, each func(provisioning.Member) bool) error {
	return s.db.Read(ctx, func(tx *sqldb.Tx) error {
		rows, err := tx.QueryContext(ctx, s.db.SQL(selectMembers), tenant)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			m, err := scanMember(rows.Scan)
			if err != nil {
				return err
			}
			if !each(m) {
				return nil
			}
		}
		return rows.Err()
	})
}
