package provisioning

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/usher-go/usher/hierarchy"
	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/internal/set"
)

// A Rival is a person whose wish was not granted in the last decision about them,
// and whose next decision may be affected by a change of another person, although
// no key leads from that person to the rival: neither directory nor team tell what
// the other person wanted before.
type Rival struct {
	ExternalID string `json:"id"`
	// Over is equal for people who are rivals about the same thing. It contains no
	// name.
	Over string `json:"over"`
}

// Rivals returns the rivals after the plan: people who want an address that several
// people want, people whose edges in the chart would close a cycle, and people whose
// action is held and gives them a seat of a limited pool, since the seat is kept for
// them. The argument are the rivals before; a plan about a part keeps those whom it
// is not about. The result is not nil. A plan that was read from its JSON form does
// not know which pools are limited.
func (p *Plan) Rivals(before ...Rival) []Rival {
	rivals := make([]Rival, 0)
	if p.About != nil {
		rivals = append(rivals, slices.DeleteFunc(slices.Clone(before), func(r Rival) bool {
			_, about := slices.BinarySearch(p.About, r.ExternalID)
			return about
		})...)
	}
	add := func(externalID string, reasons ...Reason) {
		for i := range reasons {
			if over := reasons[i].rivalry(); over != "" && externalID != "" {
				rivals = append(rivals, Rival{externalID, over})
			}
		}
	}
	for i := range p.Skipped {
		add(p.Skipped[i].ExternalID, p.Skipped[i].Reasons...)
	}
	for i := range p.Findings {
		if f := &p.Findings[i]; f.Reason.Facts["id"] != f.ExternalID { // a person who is named as their own manager is nobody's rival
			add(f.ExternalID, f.Reason)
		}
	}
	for i := range p.Held {
		a := &p.Held[i].Action
		for _, seat := range a.limitedSeats(p.world) {
			rivals = append(rivals, Rival{a.Member.ExternalID, seatRivalry(seat)})
		}
	}
	return rivals
}

// limitedSeats returns the seats of limited pools that the action gives.
func (a *Action) limitedSeats(world *survey) (seats []string) {
	for i := range a.Changes {
		if c := &a.Changes[i]; world != nil && c.Field == FieldSeats {
			seats = slices.DeleteFunc(set.Without(setOf(c.New), setOf(c.Old)), func(seat string) bool { return !world.r.isLimited(seat) })
		}
	}
	return seats
}

// seatRivalry returns Rival.Over for a seat.
func seatRivalry(seat string) string { return "seat " + seat }

// rivalry returns Rival.Over if the reason makes a person a rival, or "".
func (r *Reason) rivalry() string {
	switch r.Code {
	case CodeEmailTaken, CodeEmailDuplicate:
		sum := sha256.Sum256([]byte(address.Key(r.Facts["address"])))
		return "email " + hex.EncodeToString(sum[:8])
	case Code(hierarchy.Cycle.String()):
		return "manager"
	}
	return ""
}

// concernRivals adds the rivals of the people in the part.
func (g *gatherer) concernRivals() {
	over := make(map[string]bool)
	for _, rival := range g.from.Rivals {
		over[rival.Over] = over[rival.Over] || g.about[rival.ExternalID]
	}
	for _, rival := range g.from.Rivals {
		if over[rival.Over] {
			g.about[rival.ExternalID] = true
		}
	}
}

// concernAll adds every rival if somebody in the part waits for an approval: rivals
// who may come in later may be somebody's manager. It reports whether it added
// anybody.
func (g *gatherer) concernAll(in Input) bool {
	more := slices.DeleteFunc(slices.Clone(g.from.Rivals), func(r Rival) bool { return g.about[r.ExternalID] })
	if len(more) == 0 || !slices.ContainsFunc(g.Resolve(in).Held, func(h Held) bool { return len(h.Classes) > 0 }) {
		return false
	}
	for _, rival := range more {
		g.about[rival.ExternalID] = true
	}
	return true
}

// concernSeats adds the people for whom seats are kept that somebody in the part
// would get. It reports whether it added anybody.
func (g *gatherer) concernSeats(seats []string) (added bool) {
	for _, seat := range seats {
		for _, rival := range g.from.Rivals {
			if rival.Over == seatRivalry(seat) && !g.about[rival.ExternalID] {
				g.about[rival.ExternalID], added = true, true
			}
		}
	}
	return added
}
