package review

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
)

// maxHistory is the number of records of a person that are shown, the latest
// ones.
const maxHistory = 50

// personPage is the content of the page of a person.
type personPage struct {
	Who        string
	Hash       string
	Connection string
	Stories    []provisioning.Story
	Members    []memberPart
	History    []provisioning.Record // the latest is first
	Cut        bool                  // there are older records
	NoHistory  string                // why there is no history
}

type memberPart struct {
	provisioning.Member
	Fields []fieldPart
}

// A fieldPart is one field of a member, with its owner, and whether people may
// edit it by hand.
type fieldPart struct {
	Field  provisioning.Field
	Value  string
	Owner  provisioning.Owner
	Locked bool
	Why    string
}

// showPerson shows a person in a plan, in the team, and in the history.
func (q *request) showPerson() error {
	who := strings.TrimSpace(q.r.FormValue("who"))
	data := personPage{Who: typed(who), Hash: q.r.FormValue("hash")}
	connection := q.r.FormValue("connection")
	var stories []provisioning.Story
	if data.Hash != "" {
		v, err := q.plan()
		if err != nil {
			return err
		}
		connection = v.plan.Connection
		stories = v.plan.Story(who)
	}
	target, err := q.targetOf(connection)
	if err != nil {
		return err
	}
	data.Connection = target.Connection
	if who == "" {
		return q.page.show("person", data)
	}
	members, err := q.members(target, who, stories)
	if err != nil {
		return err
	}
	// Hand-made members belong to no connection and are shown on the pages of
	// all connections.
	members = slices.DeleteFunc(members, func(m provisioning.Member) bool {
		return m.Connection != "" && m.Connection != target.Connection
	})
	data.Stories = stories
	if len(stories)+len(members) == 0 {
		return q.page.send(http.StatusNotFound, "person", data)
	}
	setup, err := q.cfg.Setup(q.ctx, target)
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	setup.Rules.Connection = target.Connection
	resolver, err := provisioning.New(setup.Rules)
	if err != nil {
		return err
	}
	for _, m := range members {
		data.Members = append(data.Members, q.memberPart(m, resolver.Locks()))
	}
	if data.NoHistory, err = q.history(&data, members); err != nil {
		return err
	}
	return q.page.show("person", data)
}

// members finds the members whom a text names. It searches only the fields that
// the viewer may see.
func (q *request) members(target syncer.Target, who string, stories []provisioning.Story) ([]provisioning.Member, error) {
	given, family, _ := strings.Cut(who, " ")
	wanted := provisioning.Member{ID: who}
	if !q.access.Hide.Hides(provisioning.FieldEmail) {
		wanted.Email = who
	}
	if !q.access.Hide.Hides(provisioning.FieldGivenName) && !q.access.Hide.Hides(provisioning.FieldFamilyName) {
		wanted.GivenName, wanted.FamilyName = given, family
	}
	var keys []provisioning.MemberKey
	for _, key := range wanted.Keys() {
		switch key.By {
		case provisioning.MemberByID, provisioning.MemberByEmail, provisioning.MemberByName:
			keys = append(keys, key)
		default: // people do not type such keys
		}
	}
	if !q.access.Hide.Hides(provisioning.FieldExternalID) {
		keys = append(keys, provisioning.MemberKey{By: provisioning.MemberByExternalID, Connection: target.Connection, Value: who})
	}
	for i := range stories {
		if id := stories[i].MemberID; id != "" && id != who {
			keys = append(keys, provisioning.MemberKey{By: provisioning.MemberByID, Value: id})
		}
	}
	return q.cfg.Store.FindMembers(q.ctx, target.Tenant, keys, 20)
}

var personFields = []provisioning.Field{
	provisioning.FieldActive, provisioning.FieldManaged, provisioning.FieldExternalID, provisioning.FieldEmail, provisioning.FieldOtherEmails,
	provisioning.FieldPrivateEmail, provisioning.FieldGivenName, provisioning.FieldFamilyName, provisioning.FieldTitle,
	provisioning.FieldPhone, provisioning.FieldMobilePhone, provisioning.FieldPhoneExtension, provisioning.FieldTimeZone,
	provisioning.FieldCountry, provisioning.FieldState, provisioning.FieldLocale, provisioning.FieldManager, provisioning.FieldAssignment,
	provisioning.FieldSeats, provisioning.FieldHome, provisioning.FieldProfiles, provisioning.FieldCapture, provisioning.FieldExtra,
}

func (q *request) memberPart(whole provisioning.Member, locks provisioning.Locks) memberPart {
	m := q.access.Hide.Member(whole)
	part := memberPart{Member: m}
	values := make(map[provisioning.Field]string)
	fields := slices.Clone(personFields)
	for _, c := range provisioning.Difference(new(provisioning.Member), &m) {
		_, values[c.Field] = c.Texts()
		if !slices.Contains(fields, c.Field) && strings.HasPrefix(string(c.Field), string(provisioning.Attribute(""))) {
			fields = append(fields, c.Field)
		}
	}
	for _, f := range fields {
		lock := locks.Field(whole, f)
		value, has := values[f]
		switch {
		case q.access.Hide.Hides(f):
			value = "(hidden)"
		case !has && (f == provisioning.FieldActive || f == provisioning.FieldManaged):
			value = "false"
		case !has:
			value = "none"
		}
		p := fieldPart{Field: f, Value: shownLong(value), Owner: whole.Owners.Of(f), Locked: lock.Locked}
		if lock.Locked {
			p.Why = lock.Reason.Cause()
		}
		part.Fields = append(part.Fields, p)
	}
	return part
}

// history reads the history of members.
func (q *request) history(data *personPage, members []provisioning.Member) (none string, err error) {
	log, ok := q.cfg.Store.(provisioning.AuditLog)
	switch {
	case !ok:
		return "The application's store keeps no history.", nil
	case !q.access.May.Has(History):
		return "You may not see it.", nil
	}
	last := make([]provisioning.Record, 0, maxHistory)
	for i := range members {
		records, err := provisioning.MemberAudit(q.ctx, log, q.access.Tenant, members[i].ID, maxHistory+1)
		if err != nil {
			return "", fmt.Errorf("history: %w", err)
		}
		last = append(last, records...)
	}
	slices.SortStableFunc(last, func(a, b provisioning.Record) int { return b.At.Compare(a.At) })
	data.Cut = len(last) > maxHistory
	for _, record := range last[:min(len(last), maxHistory)] {
		data.History = append(data.History, q.access.Hide.Record(record))
	}
	if len(last) == 0 {
		return "Nothing was done yet.", nil
	}
	return "", nil
}
