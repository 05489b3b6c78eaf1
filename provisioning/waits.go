package provisioning

// A Wait is something that a person did not get because others have it. These may
// belong to another connection or to none.
type Wait struct {
	ExternalID string
	// Seat is a seat of a limited pool, of which nobody gave one back. If it is "",
	// the members with the key have what the person waits for.
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
