package provisioning

// A Wait is what somebody did not get because others have it, who may be of
// another connection, or of none.
type Wait struct {
	ExternalID string
	// Seat is that of a limited pool, of which nobody gave one back. "": those who
	// have what is waited for are the members with the key.
	Seat string
	Key  MemberKey
}

// Waits returns what the people of the plan wait for: seats, addresses, and
// managers whose name or address several members have.
func (p *Plan) Waits() []Wait {
	var waits []Wait
	add := func(externalID string, reasons ...Reason) {
		for i := range reasons {
			w := Wait{ExternalID: externalID}
			switch facts := reasons[i].Facts; reasons[i].Code {
			case CodeSeatExhausted:
				w.Seat = facts["seat"]
			case CodeEmailTaken, CodeEmailCollision:
				w.Key = emailMemberKey(facts["address"])
			case CodeAmbiguousEmail:
				w.Key = emailMemberKey(facts["email"])
			case CodeAmbiguousName:
				w.Key = nameMemberKey(facts["name"])
			default:
				continue
			}
			if externalID != "" && (w.Seat != "" || w.Key.Value != "") {
				waits = append(waits, w)
			}
		}
	}
	for i := range p.Skipped {
		add(p.Skipped[i].ExternalID, p.Skipped[i].Reasons...)
	}
	for i := range p.Findings {
		add(p.Findings[i].ExternalID, p.Findings[i].Reason)
	}
	return waits
}
