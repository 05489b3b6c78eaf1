package provisioning

// A Wait is something that a person did not get because of other members, who may
// belong to another connection or to none.
type Wait struct {
	ExternalID string
	// Seat is a seat of a limited pool, of which nobody gave one back. If it is "",
	// the person waits for a change among the members that have the key: that one
	// more or one less has it, or that one of them changes. Nobody may have it yet.
	Seat string
	Key  MemberKey
}

// Waits returns what the people of the plan wait for: seats, addresses, managers who
// are not in the team or not active or whose name or address several members have,
// and members who close a circle of managers. A plan that was read from its JSON
// form does not know who closes a circle.
func (p *Plan) Waits() []Wait {
	var waits []Wait
	var circles []Wait // each with the key of a manager above whom the circle closes
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
			case CodeManagerNotFound, CodeManagerInactive: // whom an ID names comes with this connection only
				if w.Key = emailMemberKey(facts["email"]); w.Key.Value == "" {
					w.Key = nameMemberKey(facts["name"])
				}
			case CodeCycle:
				w.Key = p.managerKey(&reasons[i])
				circles = append(circles, w)
				continue
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
	return append(waits, p.circleWaits(circles)...)
}

// managerKey returns the member key for the facts of a reason about a manager.
func (p *Plan) managerKey(r *Reason) MemberKey {
	switch {
	case r.Facts["email"] != "":
		return emailMemberKey(r.Facts["email"])
	case r.Facts["id"] != "":
		return MemberKey{MemberByExternalID, p.Connection, r.Facts["id"]}
	}
	return nameMemberKey(r.Facts["name"])
}

// maxCircle is how many members above a person Waits lists for a circle.
const maxCircle = 20

// circleWaits returns waits for the members on the chain above each manager: if one
// of them gets another manager, the circle may be open.
func (p *Plan) circleWaits(circles []Wait) []Wait {
	if len(circles) == 0 || p.world == nil {
		return nil
	}
	named := make(map[MemberKey][]string) // IDs of the members that have the key
	for _, w := range circles {
		named[w.Key] = nil
	}
	for i := range p.world.members {
		m := &p.world.members[i]
		for _, key := range m.Keys() {
			if _, wanted := named[key]; wanted {
				named[key] = append(named[key], m.ID)
			}
		}
	}
	var waits []Wait
	for _, w := range circles {
		for _, id := range named[w.Key] {
			seen := make(map[string]bool)
			for at := p.world.member(id); at != none && len(seen) < maxCircle; at = p.world.member(id) {
				m := &p.world.members[at]
				if seen[m.ID] || p.world.r.isLinked(m) && m.ExternalID == w.ExternalID {
					break
				}
				seen[m.ID] = true
				waits = append(waits, Wait{ExternalID: w.ExternalID, Key: MemberKey{By: MemberByID, Value: m.ID}})
				id = m.ManagerID
			}
		}
	}
	return waits
}
