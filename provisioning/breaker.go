package provisioning

import "fmt"

// A Class is a kind of change that can do harm in bulk. Each has a breaker: if
// more people than its limit would change in one run, their actions are held
// until somebody approves them, and the others go on (S14, S15).
type Class uint8

// The classes.
const (
	ClassDeactivate      Class = iota + 1 // loses access
	ClassDowngrade                        // loses a seat, a profile or capture
	ClassRewriteIdentity                  // gets another primary email
	ClassReparent                         // gets another manager
	ClassCreate                           // is created
	classCount
)

var classWords = [classCount]string{"", "deactivate", "downgrade", "rewrite_identity", "reparent", "create"}

// String returns the word that stands for c in JSON and in the reason code
// "breaker.<class>".
func (c Class) String() string {
	if c.valid() {
		return classWords[c]
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// valid reports whether c is one of the classes. The zero Class is none, so
// that no approval is given by leaving it out.
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
	return fmt.Errorf("class %q: want deactivate, downgrade, rewrite_identity, reparent or create", text)
}

// Breakers are the limits of each class. A nil Limit is the class's default:
// deactivate 20 % and more than 10 people, downgrade 20 %, rewrite_identity
// 10 %, reparent 30 %, create none.
type Breakers struct {
	Deactivate      *Limit `json:"deactivate,omitempty"`
	Downgrade       *Limit `json:"downgrade,omitempty"`
	RewriteIdentity *Limit `json:"rewrite_identity,omitempty"`
	Reparent        *Limit `json:"reparent,omitempty"`
	Create          *Limit `json:"create,omitempty"`
	// MinPopulation is the number of people below which percentages are not
	// used and counts alone decide. Nil: 50.
	MinPopulation *int `json:"min_population,omitempty"`
}

// A Limit trips if more than its percentage and more than its count of people
// would change; if one of the two is nil, the other decides alone. A Limit
// with neither never trips.
type Limit struct {
	// Percent is of the population: the connection's managed active members
	// before the run, without the protected ones.
	Percent *float64 `json:"percent,omitempty"`
	Count   *int     `json:"count,omitempty"`
}

// given returns the limits that the config gives, by class.
func (b Breakers) given() [classCount]*Limit {
	return [classCount]*Limit{
		ClassDeactivate: b.Deactivate, ClassDowngrade: b.Downgrade, ClassRewriteIdentity: b.RewriteIdentity,
		ClassReparent: b.Reparent, ClassCreate: b.Create,
	}
}

// limits returns the limits in force, by class.
func (b Breakers) limits() (limits [classCount]Limit, minPopulation int) {
	percent := func(p float64) *float64 { return &p }
	ten := 10
	limits = [classCount]Limit{
		ClassDeactivate:      {Percent: percent(20), Count: &ten},
		ClassDowngrade:       {Percent: percent(20)},
		ClassRewriteIdentity: {Percent: percent(10)},
		ClassReparent:        {Percent: percent(30)},
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

// trips reports whether a change of count people out of population is past the
// limit (S14: more than, not equal).
func (l Limit) trips(count, population, minPopulation int) bool {
	percent := l.Percent
	if population < minPopulation {
		percent = nil
	}
	if count == 0 || percent == nil && l.Count == nil {
		return false
	}
	return (percent == nil || float64(count)*100 > *percent*float64(population)) && (l.Count == nil || count > *l.Count)
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
		if limit.Percent == nil && limit.Count == nil && Class(class) != ClassCreate {
			v.warn(path, "has neither percent nor count and so never trips")
		}
	}
	if n := b.MinPopulation; n != nil && *n < 0 {
		v.fail("breakers.min_population", "is %d; want 0 or more", *n)
	}
}

// A Breaker says how one class of change stood against its limit.
type Breaker struct {
	Class Class `json:"class"`
	// Count people of Population would change.
	Count      int   `json:"count"`
	Population int   `json:"population"`
	Limit      Limit `json:"limit"`
	// Reason is breaker.<class>; its facts say if the snapshot was empty (S13).
	Reason Reason `json:"reason"`
}
