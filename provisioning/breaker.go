package provisioning

import (
	"fmt"
	"slices"
	"strings"
)

// A Class is a kind of change that does harm in large numbers. Each class has a
// breaker: if a run would change more people than its limit allows, their actions
// are held until somebody approves them, and all other actions go on (S14, S15).
type Class uint8

// The classes.
const (
	ClassDeactivate      Class = iota + 1 // loses access
	ClassDowngrade                        // an active member loses a seat, a profile or capture
	ClassRewriteIdentity                  // gets another primary email
	ClassReparent                         // gets another manager
	ClassAdopt                            // a hand-made member comes under the source
	ClassCreate                           // is created
	ClassReactivate                       // an inactive member comes back
	ClassGrant                            // an active member gains a seat, a profile or capture
	ClassIdentity                         // an address or a record goes to another name; always held (S4)
	classCount
)

var classWords = [classCount]string{"", "deactivate", "downgrade", "rewrite_identity", "reparent", "adopt", "create", "reactivate", "grant", "identity"}

// String returns the word that stands for c in JSON and in the reason code
// "breaker.<class>".
func (c Class) String() string {
	if c.valid() {
		return classWords[c]
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// valid reports whether c is one of the classes. The zero Class is not, so that an
// approval without a class is refused.
func (c Class) valid() bool { return c >= ClassDeactivate && c < classCount }

// MarshalText implements encoding.TextMarshaler.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Class) UnmarshalText(text []byte) error {
	for i, word := range classWords {
		if i > 0 && string(text) == word {
			*c = Class(i)
			return nil
		}
	}
	return fmt.Errorf("class %q: want one of %s", text, strings.Join(classWords[1:], ", "))
}

// Breakers has the limits of all classes except ClassIdentity, which is always
// held. A nil Limit means the default: for deactivate, adopt and grant 20 % and
// more than 10 people, for downgrade 20 %, for rewrite_identity 10 %, for reparent
// 30 %, for create and reactivate none.
type Breakers struct {
	Deactivate      *Limit `json:"deactivate,omitempty"`
	Downgrade       *Limit `json:"downgrade,omitempty"`
	RewriteIdentity *Limit `json:"rewrite_identity,omitempty"`
	Reparent        *Limit `json:"reparent,omitempty"`
	Adopt           *Limit `json:"adopt,omitempty"`
	Create          *Limit `json:"create,omitempty"`
	Reactivate      *Limit `json:"reactivate,omitempty"`
	Grant           *Limit `json:"grant,omitempty"`
	// MinPopulation is the number of people below which percentages are not used:
	// then the count decides alone, and counts as 10 in a limit that has a
	// percentage only. Nil means 50.
	MinPopulation *int `json:"min_population,omitempty"`
}

// A Limit trips if more than Percent and more than Count people would change. If
// one of the two is nil, the other decides alone. The empty Limit never trips.
type Limit struct {
	// Percent refers to the population: the connection's managed active members
	// before the run, without the protected ones.
	Percent *float64 `json:"percent,omitempty"`
	Count   *int     `json:"count,omitempty"`
}

// given returns the configured limits by class; nil for those that are not
// configured.
func (b Breakers) given() [classCount]*Limit {
	return [classCount]*Limit{
		ClassDeactivate: b.Deactivate, ClassDowngrade: b.Downgrade, ClassRewriteIdentity: b.RewriteIdentity,
		ClassReparent: b.Reparent, ClassAdopt: b.Adopt, ClassCreate: b.Create, ClassReactivate: b.Reactivate, ClassGrant: b.Grant,
	}
}

// clone returns a copy of b that shares no memory with it.
func (b Breakers) clone() Breakers {
	for _, limit := range []**Limit{&b.Deactivate, &b.Downgrade, &b.RewriteIdentity, &b.Reparent, &b.Adopt, &b.Create, &b.Reactivate, &b.Grant} {
		if *limit != nil {
			*limit = &Limit{Percent: clonePointer((*limit).Percent), Count: clonePointer((*limit).Count)}
		}
	}
	b.MinPopulation = clonePointer(b.MinPopulation)
	return b
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	copied := *p
	return &copied
}

// smallTeamCount is the count of a limit without one, below the least population.
const smallTeamCount = 10

// limits returns the limits in force, by class, and the least population.
func (b Breakers) limits() (limits [classCount]Limit, minPopulation int) {
	percent, count := func(p float64) *float64 { return &p }, func(n int) *int { return &n }
	limits = [classCount]Limit{
		ClassDeactivate:      {Percent: percent(20), Count: count(10)},
		ClassDowngrade:       {Percent: percent(20)},
		ClassRewriteIdentity: {Percent: percent(10)},
		ClassReparent:        {Percent: percent(30)},
		ClassAdopt:           {Percent: percent(20), Count: count(10)},
		ClassGrant:           {Percent: percent(20), Count: count(10)},
		ClassIdentity:        {Count: count(0)},
	}
	for class, limit := range b.given() {
		if limit != nil {
			limits[class] = *limit
		}
	}
	minPopulation = 50
	if b.MinPopulation != nil {
		minPopulation = *b.MinPopulation
	}
	return limits, minPopulation
}

// at returns the limit in force for a population: below the least population, the
// count alone (S14).
func (l Limit) at(population, minPopulation int) Limit {
	if population >= minPopulation || l.Percent == nil {
		return l
	}
	count := smallTeamCount
	if l.Count != nil {
		count = *l.Count
	}
	return Limit{Count: &count}
}

// trips reports whether count people out of population are over a limit that at
// returned (S14: more than the limit, not equal to it).
func (l Limit) trips(count, population int) bool {
	if count == 0 || l.Percent == nil && l.Count == nil {
		return false
	}
	return (l.Percent == nil || float64(count)*100 > *l.Percent*float64(population)) && (l.Count == nil || count > *l.Count)
}

func (v *validation) breakers() {
	b := v.cfg.Breakers
	for class, limit := range b.given() {
		if limit == nil {
			continue
		}
		path := "breakers." + Class(class).String()
		if p := limit.Percent; p != nil && !(*p >= 0 && *p <= 100) {
			v.fail(path+".percent", "is %v; want 0 to 100", *p)
		}
		if n := limit.Count; n != nil && *n < 0 {
			v.fail(path+".count", "is %d; want 0 or more", *n)
		}
		if limit.Percent == nil && limit.Count == nil && Class(class) != ClassCreate && Class(class) != ClassReactivate {
			v.warn(path, "has neither percent nor count and so never trips")
		}
	}
	if n := b.MinPopulation; n != nil && *n < 0 {
		v.fail("breakers.min_population", "is %d; want 0 or more", *n)
	}
}

// A Breaker says how one class of change compares with its limit.
type Breaker struct {
	Class Class `json:"class"`
	// Count people wait, out of Population. Recent people were changed without an
	// approval in the window over which breakers count; Population is that at the
	// start of the window (S39).
	Count      int `json:"count"`
	Recent     int `json:"recent,omitempty"`
	Population int `json:"population"`
	// Limit is the limit in force for the population: below
	// Breakers.MinPopulation, it has no percentage.
	Limit Limit `json:"limit"`
	// Reason has the code breaker.<class>. Its facts tell if the snapshot was empty
	// (S13).
	Reason Reason `json:"reason"`
	// Hash is SHA-256 over what the class holds. An approval contains it (S15).
	Hash string `json:"hash"`
}

// guarded returns the fields that an approval of the class covers.
func (c Class) guarded() fieldSet {
	switch c {
	case ClassDeactivate:
		return fields(atActive, atCapture)
	case ClassDowngrade, ClassGrant:
		return settingFields
	case ClassRewriteIdentity:
		return fields(atEmail)
	case ClassReparent:
		return fields(atManager)
	default:
		return settingFields | fields(atConnection, atExternalID, atManaged, atActive, atEmail, atGivenName, atFamilyName, atManager)
	}
}

// classHash returns the hash of what a class holds: tenant, connection, class, and
// for each person, companions included, the old and the new values of the guarded
// fields. Nothing else of the plan is in it: what another class holds of the same
// action is in that class's hash. So an approval stays valid if a title changes, and
// becomes invalid if one more person would leave (S15).
func (p *Plan) classHash(class Class) string {
	type held struct {
		Kind    Kind     `json:"kind"`
		Who     []string `json:"who"`
		Changes []Change `json:"changes"`
	}
	content := struct {
		Tenant, Connection string
		Class              Class
		Held               []held
	}{p.Tenant, p.Connection, class, nil}
	guarded := class.guarded()
	for i := range p.Held {
		h := &p.Held[i]
		if !slices.Contains(h.Classes, class) {
			continue
		}
		a := &h.Action
		one := held{Kind: a.Kind, Who: []string{a.Member.ID, a.Member.Connection, a.Member.ExternalID}}
		for _, change := range a.Changes {
			if at, ok := fieldPositions[change.Field]; ok && guarded.has(at) && change.IsValue() {
				change.Owner = 0
				one.Changes = append(one.Changes, change)
			}
		}
		content.Held = append(content.Held, one)
	}
	return hashJSON(content)
}
