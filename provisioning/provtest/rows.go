package provtest

import (
	"cmp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/provisioning"
)

// A Row is one person with the expected decision about them.
type Row struct {
	// Name is the name of the subtest; "" means the person's address.
	Name string
	Person
	// Want holds phrases, with commas between them, all of which are to hold:
	//
	//   - what is done: create, adopt, claim, rehire, reactivate, update,
	//     deactivate, unchanged, skipped, or held; and whether the person has access then: in
	//     or out
	//   - a field of the member, alone or with a value, as in a member's JSON but
	//     without "_id": "assignment sales", "seats core", "profiles ws1:admin",
	//     "capture", "manager bo@acme.com", "timezone Europe/Paris"
	//   - the code of a reason behind a #: "#ineligible.domain"
	//   - any of these behind "no": "no capture recording"
	Want string
}

// Rows decides about the people of all rows as one company, and checks the decision
// about each. A failure shows the facts and the story of the person.
func Rows(t *testing.T, r *provisioning.Resolver, rows ...Row) {
	t.Helper()
	people := make([]Person, len(rows))
	for i := range rows {
		people[i] = rows[i].Person
	}
	in := InputOf(r, people...)
	v := judge(in, r.Resolve(in), false)
	for _, row := range rows {
		who, email := row.User.ID, row.User.Email
		if row.Member != nil {
			who, email = cmp.Or(who, row.Member.ID), cmp.Or(email, row.Member.Email)
		}
		t.Run(cmp.Or(row.Name, email, who), func(t *testing.T) {
			facts := v.of(who)
			for phrase := range strings.SplitSeq(row.Want, ",") {
				phrase = strings.Join(strings.Fields(phrase), " ")
				if err := checkPhrase(r.Config(), phrase); err != nil {
					assert.NoError(t, err)
				} else if !facts.holds(phrase) {
					assert.Failf(t, "want: "+phrase, "%s: %s\n\n%s", email, facts, v.plan.Explain(who))
				}
			}
		})
	}
}
