package provisioning

import (
	"cmp"
	"slices"

	"github.com/usher-go/usher/internal/address"
	"github.com/usher-go/usher/sources"
)

// addresses is the third stage: it decides who gets which address, and which member
// a newcomer becomes by that. Only people who want an address that they do not have
// make a claim; everybody else keeps theirs.
type addresses struct {
	*standing
	holds   *holds
	claims  []claim
	claimOf map[int32]*claim // by person
}

// A claim is the wish of one person for an address: of a newcomer, or of a member
// whose address changed in the source.
type claim struct {
	person    int32
	address   string
	converted bool
	// denied says why the claim fails. Empty means that it is granted.
	denied Code
	// holder is the member who has the address, whether or not they give it up, or
	// none.
	holder int32
	// from is the member who has the address and gives it up in this plan, or none.
	// The two actions must commit together (S2).
	from int32
	// joins is the member whom a newcomer becomes, with kind KindAdopt, KindClaim
	// or KindRehire. It is none for KindCreate.
	joins int32
	kind  Kind
	// waits: nothing is done for this person for now. The claim is not granted, and
	// keeps others from getting the address.
	waits bool
}

// codeWaits denies the claim of a person for whom nothing is done for now. No plan
// reports it.
const codeWaits Code = "email.waits"

func newAddresses(st *standing, h *holds) *addresses {
	as := &addresses{standing: st, holds: h, claimOf: make(map[int32]*claim)}
	for i := range as.members {
		m, person := &as.members[i], int32(i)
		if as.unchanged[i] || as.fates[i] != fateFollow && as.fates[i] != fateReactivate && !as.isOpenPerson(person) {
			continue
		}
		// Whoever is listed as inactive wants no address, however incomplete the
		// evidence about them is.
		if u := &as.users[as.userOf[i]]; u.Status == sources.StatusActive && u.Email != m.Email {
			if wished, converted, ok := as.wish(m, u); ok {
				as.claim(claim{
					person: person, address: wished, converted: converted,
					waits: h.frozen[person] || m.Protected || as.isOpenPerson(person),
				})
			}
		}
	}
	for i, n := range as.newcomers {
		person := int32(len(as.members) + i)
		as.claim(claim{
			person: person, address: n.address, converted: n.converted, kind: KindCreate,
			waits: h.frozen[person] || n.open,
		})
	}
	for i := range as.claims {
		as.claimOf[as.claims[i].person] = &as.claims[i]
	}
	as.decide()
	return as
}

func (as *addresses) claim(c claim) {
	c.holder, c.from, c.joins = none, none, none
	as.claims = append(as.claims, c)
}

// wish returns the address that a linked member should get, if it differs from the
// present one. A member stays in whatever the new address is: the domains only
// decide its form (S7, S8). An address that was converted stays as long as it would
// be converted to the same one.
func (as *addresses) wish(m *Member, u *sources.User) (wished string, converted, ok bool) {
	own, domain, valid := address.Parse(u.Email)
	if !valid || address.Same(own, m.Email) {
		return "", false, false
	}
	if as.r.domains[domain] {
		return own, false, true
	}
	turned := as.r.convert(own, domain)
	if as.r.traits.domainOptions && address.Same(turned, m.Email) {
		return "", false, false
	}
	if as.r.cfg.Domains.Convert {
		return turned, true, true
	}
	return own, false, true
}

// decide settles all claims together, so that their order does not matter: first
// rival claims to one address, then claims to an address that a member has. Then it
// passes denials on to claims that depend on the denied person giving up an
// address.
func (as *addresses) decide() {
	wanted := make(map[string][]*claim, len(as.claims))
	for i := range as.claims {
		c := &as.claims[i]
		key := address.Key(c.address)
		wanted[key] = append(wanted[key], c)
	}
	holders := as.holders(wanted)
	for key, claims := range wanted {
		as.settleRivals(claims, holders[key])
	}
	waiting := make(map[*claim][]*claim)
	var denied []*claim
	for key, claims := range wanted {
		for _, c := range claims {
			if c.waits {
				c.denied = cmp.Or(c.denied, codeWaits)
			}
			as.settleHolders(c, holders[key])
			as.settleDomain(c, holders[key])
			switch {
			case c.denied != "":
				denied = append(denied, c)
			case c.from != none:
				mover := as.claimOf[c.from]
				waiting[mover] = append(waiting[mover], c)
			}
		}
	}
	for len(denied) > 0 {
		c := denied[len(denied)-1]
		denied = denied[:len(denied)-1]
		for _, waiter := range waiting[c] {
			if waiter.denied == "" {
				waiter.denied = CodeEmailTaken
				if waiter.converted {
					waiter.denied = CodeEmailCollision
				}
				denied = append(denied, waiter)
			}
		}
	}
}

// holders returns the members that have each wanted address now.
func (as *addresses) holders(wanted map[string][]*claim) map[string][]int32 {
	holders := make(map[string][]int32)
	if len(wanted) == 0 {
		return holders
	}
	var buffer []byte
	for i := range as.members {
		if as.members[i].Email == "" {
			continue
		}
		buffer = address.AppendKey(buffer[:0], as.members[i].Email)
		if claims, ok := wanted[string(buffer)]; ok {
			key := address.Key(claims[0].address)
			holders[key] = append(holders[key], int32(i))
		}
	}
	return holders
}

// isMember reports whether the claim is that of a member.
func (as *addresses) isMember(c *claim) bool { return int(c.person) < len(as.members) }

// settleRivals decides between several claims to one address (S5, S8).
func (as *addresses) settleRivals(claims []*claim, holders []int32) {
	var converted, movers, newcomers int
	for _, c := range claims {
		switch {
		case c.converted:
			converted++
		case as.isMember(c):
			movers++
		default:
			newcomers++
		}
	}
	for _, c := range claims {
		switch isMover := as.isMember(c); {
		case c.converted && (len(claims) > 1 || as.keptByLinked(holders)):
			c.denied = CodeEmailCollision
		case c.converted && !isMover && as.handMade(holders):
			c.denied = CodeAdoptConverted
		case c.converted:
		case isMover && movers > 1:
			c.denied = CodeEmailDuplicate
		case isMover:
		case converted > 0:
			c.denied = CodeEmailCollision
		case movers > 0:
			c.denied = CodeEmailTaken
		case newcomers > 1:
			c.denied = CodeEmailDuplicate
		}
	}
}

// keptByLinked reports whether a linked member has the address and does not want
// another.
func (as *addresses) keptByLinked(holders []int32) bool {
	return slices.ContainsFunc(holders, func(h int32) bool { return as.members[h].Managed && as.claimOf[h] == nil })
}

// handMade reports whether a hand-made member has the address.
func (as *addresses) handMade(holders []int32) bool {
	return slices.ContainsFunc(holders, func(h int32) bool { return !as.members[h].Managed })
}

// settleHolders decides between a claim and the members that have the address (S2
// to S4).
func (as *addresses) settleHolders(c *claim, holders []int32) {
	if len(holders) == 0 || c.denied != "" && c.denied != codeWaits {
		return
	}
	holder := holders[0]
	c.holder = holder
	if c.denied != "" {
		return
	}
	if len(holders) > 1 {
		c.denied = CodeEmailTaken
		return
	}
	if as.claimOf[holder] != nil {
		c.from = holder
		return
	}
	if as.isMember(c) {
		c.denied = CodeEmailTaken
		return
	}
	switch h := &as.members[holder]; {
	case !h.Managed:
		c.kind, c.joins = KindAdopt, holder
	case as.r.migrates(h) && !h.Active && h.Owners.at(atActive) == OwnerHand:
		c.denied = CodeRemovedByHand
	case as.r.migrates(h):
		c.kind, c.joins = KindClaim, holder
	case !as.r.isLinked(h) || !as.isFormer(holder):
		c.denied = CodeEmailTaken
	case !as.proves(sources.FactUsers) && as.userOf[holder] == none:
		c.denied = CodeAbsenceIncomplete
	case h.Active && as.fates[holder] != fateLeave:
		c.denied = CodeEmailTaken
	case !h.Active && h.Owners.at(atActive) == OwnerHand:
		c.denied = CodeRemovedByHand // a person who was removed by hand stays out, whatever the identity
	default:
		c.kind, c.joins = KindRehire, holder
	}
}

// settleDomain denies the claim of a newcomer whose domain is not one of the
// company's, unless a managed member has the address: the domains gate creation and
// adoption only (S7), and the newcomer may become that member, now or later.
func (as *addresses) settleDomain(c *claim, holders []int32) {
	n := as.newcomer(c.person)
	if n == nil || !n.outside {
		return
	}
	isIn := func(h int32) bool { return as.r.isLinked(&as.members[h]) || as.r.migrates(&as.members[h]) }
	if creates := c.denied == "" && c.joins == none; creates || !slices.ContainsFunc(holders, isIn) {
		c.denied, c.from, c.joins = CodeIneligibleDomain, none, none
	}
}

// isFormer reports whether the directory user of a linked member is gone, or is
// listed as inactive, like a closed account that the provider keeps (S4).
func (as *addresses) isFormer(member int32) bool {
	user := as.byID.find(as.members[member].ExternalID)
	return user == none || as.userOf[member] == user && !as.inconsistent[user] && as.users[user].Status == sources.StatusInactive
}

// claimFacts returns the address and the people of a claim, as facts of the reason
// why it is denied.
func (as *addresses) claimFacts(c *claim) []string {
	if c.denied == CodeIneligibleDomain {
		_, domain, _ := address.Parse(c.address)
		return []string{"domain", domain}
	}
	facts := []string{"address", c.address}
	if c.holder != none {
		facts = append(facts, "holder", cmp.Or(as.members[c.holder].Name(), as.members[c.holder].ID))
	}
	return facts
}
