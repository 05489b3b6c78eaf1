package provtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/provtest"
)

// The rules of a fictitious customer: five assignments in both modes, a limited
// number of seats, an org chart, and addresses of a second domain that are
// converted.
const acme = `{"format": 1, "source": "salesforce", "connection": "sf",
	"domains": {"primary": "acme.com", "additional": ["acme.co.uk"], "convert": true},
	"assignments": [
		{"id": "legal", "mode": "automatic", "match": {"query": "Department = 'Legal'"}, "seats": ["core"]},
		{"id": "leads", "mode": "automatic", "match": {"query": "Title LIKE '%Lead%'"}, "seats": ["core", "plus"], "profiles": {"ws1": "lead"}, "capture": ["recording"]},
		{"id": "sales", "mode": "automatic", "match": {"query": "Department = 'Sales'"}, "seats": ["core"], "profiles": {"ws1": "rep"}, "capture": ["email-import", "recording"]},
		{"id": "support", "mode": "manual", "match": {"query": "Department = 'Support'"}, "profiles": {"ws2": "agent"}},
		{"id": "partners", "mode": "manual", "match": {"query": "Department = 'Partner'"}, "home": "ws3"}],
	"managers": {"notify": true},
	"seats": {"requires": {"capture.recording": ["core"]}, "pools": {"plus": 1}}}`

func TestAcme(t *testing.T) {
	const legal, leads, sales, support = "Department = 'Legal'", "Title LIKE '%Lead%'", "Department = 'Sales'", "Department = 'Support'"
	cfg, err := provisioning.ParseConfig([]byte(acme))
	require.NoError(t, err)
	r, err := provisioning.New(cfg)
	require.NoError(t, err)
	ana, bo := provtest.New("ana@acme.com", "Ana Li").Selected(leads, sales), provtest.New("bo@acme.com", "Bo Chen").Selected(sales).Under("ana@acme.com")
	agent := provtest.New("gus@acme.com", "Gus Wood").Selected(support)
	provtest.Rows(t, r,
		provtest.Row{Person: ana, Want: "create, assignment leads, seats core, seats plus, profiles ws1:lead, capture recording, no manager"},
		provtest.Row{Person: bo, Want: "create, assignment sales, seats core, no seats plus, manager ana@acme.com"},
		provtest.Row{Person: provtest.New("cy@acme.co.uk", "Cy Ray").Selected(legal, sales), Want: "assignment legal, no capture, email cy@acme.co.uk"},
		provtest.Row{Person: provtest.New("di@else.example", "Di Moe").Selected(sales), Want: "create, email di@acme.com, #domain.converted"},
		provtest.Row{Person: provtest.New("eva@acme.com", "Eva Noe"), Want: "skipped, out, #scope.unmatched"},
		provtest.Row{Person: bo.As(provtest.MemberOf(t, r, provtest.New("fay@acme.com", "Fay Orr").Selected(sales))).Gone(), Want: "deactivate, out"},
		provtest.Row{Person: agent.As(provtest.MemberOf(t, r, agent)), Want: "unchanged, in, profiles ws2:agent"},
	)
	provtest.Never(t, r, "capture for legal")
	provtest.Never(t, r, "profiles ws1:lead for assignment sales")
	provtest.Laws(t, r)
}
