package provisioning

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usher-go/usher/sources"
)

// A claim is one person's wish for an address: a newcomer's, or that of a
// member whose address changed in the source. Everybody else keeps what they
// have and needs no claim.
type claim struct {
	person    int32
	address   string
	converted bool
	// denied says why the claim fails; empty: it is granted.
	denied Code
	// from is the member who holds the address and gives it up in this plan,
	// or none. The two must commit together (S2).
	from int32
	// joins is the member whom a newcomer becomes, by kind KindAdopt or
	// KindRehire; none for KindCreate.
	joins int32
	kind  Kind
	// waits is true for a frozen person's claim: it is granted to nobody, and
	// keeps others from taking the address meanwhile.
	waits bool
}

// codeWaits denies the claim of a frozen person. It is never told.
const codeWaits Code = "email.waits"

// resolveClaims decides all claims together, so that their order does not
// matter: first those that meet one another, then those that meet a holder;
// then denials are passed on to whoever waited for the denied to move.
func (p *pass) resolveClaims() {
	wanted := make(map[string][]*claim, len(p.claims))
	for i := range p.claims {
		c := &p.claims[i]
		key := addressKey(c.address)
		wanted[key] = append(wanted[key], c)
	}
	holders := p.holders(wanted)
	mover := make(map[int32]*claim, len(p.claims))
	for i := range p.claims {
		if c := &p.claims[i]; int(c.person) < len(p.members) {
			mover[c.person] = c
		}
	}
	for key, claims := range wanted {
		p.meet(claims, holders[key], mover)
	}
	waiting := make(map[*claim][]*claim)
	var denied []*claim
	for key, claims := range wanted {
		for _, c := range claims {
			if c.waits {
				c.denied = cmp.Or(c.denied, codeWaits)
			}
			p.meetHolders(c, holders[key], mover)
			switch {
			case c.denied != "":
				denied = append(denied, c)
			case c.from != none:
				waiting[mover[c.from]] = append(waiting[mover[c.from]], c)
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

// holders returns, for each wanted address, the members that have it now.
func (p *pass) holders(wanted map[string][]*claim) map[string][]int32 {
	holders := make(map[string][]int32)
	if len(wanted) == 0 {
		return holders
	}
	var buffer []byte
	for i := range p.members {
		if p.members[i].Email == "" {
			continue
		}
		email := strings.TrimSpace(p.members[i].Email)
		if !isASCII(email) { // as a host may spell a domain (S7)
			email = memberAddress(email)
		}
		buffer = appendKey(buffer[:0], email)
		if claims, ok := wanted[string(buffer)]; ok {
			key := addressKey(claims[0].address)
			holders[key] = append(holders[key], int32(i))
		}
	}
	return holders
}

// meet decides among the claims to one address (S5, S8).
func (p *pass) meet(claims []*claim, holders []int32, mover map[int32]*claim) {
	var converted, movers, newcomers int
	for _, c := range claims {
		switch {
		case c.converted:
			converted++
		case int(c.person) < len(p.members):
			movers++
		default:
			newcomers++
		}
	}
	for _, c := range claims {
		switch isMover := int(c.person) < len(p.members); {
		case c.converted && (len(claims) > 1 || p.keptByLinked(holders, mover)):
			c.denied = CodeEmailCollision
		case c.converted && !isMover && p.handMade(holders):
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

// keptByLinked reports whether a linked member holds the address and does not
// ask for another.
func (p *pass) keptByLinked(holders []int32, mover map[int32]*claim) bool {
	return slices.ContainsFunc(holders, func(h int32) bool { return p.members[h].Managed && mover[h] == nil })
}

// handMade reports whether a hand-made member holds the address.
func (p *pass) handMade(holders []int32) bool {
	return slices.ContainsFunc(holders, func(h int32) bool { return !p.members[h].Managed })
}

// meetHolders decides between a claim and the members that have the address
// (S2 to S4).
func (p *pass) meetHolders(c *claim, holders []int32, mover map[int32]*claim) {
	if c.denied != "" || len(holders) == 0 {
		return
	}
	holder := holders[0]
	if len(holders) > 1 {
		c.denied = CodeEmailTaken
		return
	}
	if leaving := mover[holder]; leaving != nil {
		c.from = holder
		return
	}
	if int(c.person) < len(p.members) {
		c.denied = CodeEmailTaken
		return
	}
	switch h := &p.members[holder]; {
	case !h.Managed:
		c.kind, c.joins = KindAdopt, holder
	case !p.isLinked(h) || p.byID.find(h.ExternalID) != none:
		c.denied = CodeEmailTaken
	case !p.snapshot.Proven.Has(sources.FactUsers):
		c.denied = CodeAbsenceIncomplete
	case h.Active && p.fates[holder] != fateLeave:
		c.denied = CodeEmailTaken
	case !h.Active && h.Owners.Of(FieldActive) == Hand:
		c.denied = CodeRemovedByHand // whoever was removed by hand stays out, under any identity
	case !p.sameName(h, c.person):
		c.kind, c.joins, c.denied = KindRehire, holder, CodeMatchRecycled
	default:
		c.kind, c.joins = KindRehire, holder
	}
}

// sameName reports whether a newcomer has the name of a former member.
func (p *pass) sameName(m *Member, person int32) bool {
	u := p.userOfPerson(person)
	return strings.EqualFold(trimmed(u.GivenName), trimmed(m.GivenName)) &&
		strings.EqualFold(trimmed(u.FamilyName), trimmed(m.FamilyName))
}

// trimmed is text without the Unicode white space around it (S9), and without
// what no database keeps: a NUL or broken UTF-8 in one field must not stop the
// rest of a person's changes.
func trimmed(text string) string {
	if strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text) {
		text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
	}
	return strings.TrimSpace(text)
}
