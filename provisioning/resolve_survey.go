package provisioning

import (
	"reflect"

	"github.com/usher-go/usher/internal/blocks"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/sources"
)

// none is the index of no user and no member.
const none int32 = -1

// A survey is the first stage. It finds out which user is which member, which
// assignment governs each user as far as the facts tell, and the base of the
// breakers' percentages. It decides nothing.
//
// Later stages identify people by their person: the index of a member or, behind
// the last member, of a newcomer.
type survey struct {
	r        *Resolver
	tenant   string
	snapshot *sources.Snapshot
	users    []sources.User
	members  []Member
	about    map[string]bool // external IDs to decide about; nil: all
	others   Facts           // about people who are not in the input

	byID         *idTable       // users
	membersByID  *idTable       // made on first use
	userOf       []int32        // by member: the linked user, or none
	memberOf     []int32        // by user: the linked member, or none
	repeated     map[int32]bool // positions of users whose ID was listed before
	inconsistent map[int32]bool // users whose listings differ (S5)

	governance
	journal
}

func newSurvey(r *Resolver, in Input) *survey {
	s := &survey{r: r, tenant: in.Tenant, snapshot: in.Snapshot, members: in.Members}
	if s.snapshot == nil {
		s.snapshot = &sources.Snapshot{}
	}
	s.users = s.snapshot.Users
	if in.About != nil {
		s.about = make(map[string]bool, len(in.About))
		for _, id := range in.About {
			s.about[id] = true
		}
	}
	if in.Facts != nil {
		s.others = *in.Facts
	}
	return s
}

// otherDirectory reports whether the snapshot is of another directory than the
// config's. Then nothing may be decided.
func (s *survey) otherDirectory() bool {
	kind, connection := s.snapshot.Kind, s.snapshot.Connection
	if (kind == "" || sources.SameKind(kind, s.r.cfg.Source)) && (connection == "" || connection == s.r.cfg.Connection) {
		return false
	}
	s.find(because(CodeOtherConnection, "config", s.r.cfg.Source+" "+s.r.cfg.Connection, "snapshot", kind+" "+connection))
	return true
}

// look fills in the survey.
func (s *survey) look() {
	s.index()
	s.link()
	s.governance = govern(&s.r.rules, s.snapshot, s.byID)
	for user := range s.repeated { // about a repeated listing, nothing is decided that more facts could change
		s.close(user)
	}
	for user := range s.inconsistent {
		s.close(user)
	}
	for _, group := range s.unknownGroups {
		if s.r.retires {
			break
		}
		s.find(because(CodeUnknownGroup, "group", group))
	}
}

// index enters the users by ID and sets aside those listed twice (S5).
func (s *survey) index() {
	s.byID = newIDTable(len(s.users), func(i int32) string { return s.users[i].ID })
	for i := range s.users {
		first, added := s.byID.add(int32(i))
		if added {
			continue
		}
		if s.repeated == nil {
			s.repeated, s.inconsistent = make(map[int32]bool), make(map[int32]bool)
		}
		s.repeated[int32(i)] = true
		if !sameUser(s.users[first], s.users[i]) {
			s.inconsistent[first] = true
		}
	}
}

// sameUser reports whether two listings of a user are equal. Empty and absent
// values are equal.
func sameUser(a, b sources.User) bool {
	for _, u := range []*sources.User{&a, &b} {
		if len(u.OtherEmails) == 0 {
			u.OtherEmails = nil
		}
		if len(u.Attributes) == 0 {
			u.Attributes = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

// link finds the user of each member of the connection (S1). If two members have
// the same external ID, the one with the smaller ID is linked.
func (s *survey) link() {
	s.userOf = make([]int32, len(s.members))
	s.memberOf = make([]int32, len(s.users))
	for i := range s.memberOf {
		s.memberOf[i] = none
	}
	blocks.Each(len(s.members), func() func(start, end int) {
		return func(start, end int) {
			some, users := s.members[start:end], s.userOf[start:end]
			s.byID.findAll(len(some), func(k int) string { return some[k].ExternalID }, users)
			for k := range some {
				if !s.r.isLinked(&some[k]) || !text.Storable(some[k].ExternalID) {
					users[k] = none
				}
			}
		}
	})
	for i, user := range s.userOf {
		if user == none {
			continue
		}
		if other := s.memberOf[user]; other != none {
			if s.members[other].ID < s.members[i].ID {
				s.userOf[i] = none
				continue
			}
			s.userOf[other] = none
		}
		s.memberOf[user] = int32(i)
	}
}

// concerns reports whether the run decides about the person with the external ID.
// All others are context.
func (s *survey) concerns(externalID string) bool { return s.about == nil || s.about[externalID] }

// proves reports whether the snapshot proves all of the facts.
func (s *survey) proves(facts sources.Facts) bool { return s.snapshot.Proven.Has(facts) }

// member returns the position of the member with the ID, or none.
func (s *survey) member(id string) int32 {
	if s.membersByID == nil {
		s.membersByID = newIDTable(len(s.members), func(i int32) string { return s.members[i].ID })
		for i := range s.members {
			s.membersByID.add(int32(i))
		}
	}
	return s.membersByID.find(id)
}

// nameOfMember returns the name of the manager whom a member has now.
func (s *survey) nameOfMember(m *Member) string {
	if m == nil || m.ManagerID == "" {
		return ""
	}
	if at := s.member(m.ManagerID); at != none {
		return s.members[at].Name()
	}
	return m.ManagerID
}

// freeMemberID returns the ID for a user's new member: the first of those computed
// from connection and external ID that no member has. A member may have one of them
// whose identity was changed since.
func (s *survey) freeMemberID(externalID string) string {
	for attempt := 0; ; attempt++ {
		if id := newMemberID(s.r.cfg.Connection, externalID, attempt); s.member(id) == none {
			return id
		}
	}
}
