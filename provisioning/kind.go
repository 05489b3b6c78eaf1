package provisioning

import "github.com/usher-go/usher/sources"

// traits are the differences between kinds of directory that matter to decisions
// (S33). The words of the kinds, and what the sources need to know, are in
// sources.KindOf. A host's own kind has the zero traits.
type traits struct {
	// queries: assignments can select by the provider's query language. A person
	// who matches none is then out of scope, instead of in the default assignment
	// (S17).
	queries bool
	// domainOptions: domains.convert and domains.additional exist (S8), and
	// hierarchy.ignore and keep_active are for this kind.
	domainOptions bool
	// managerByEmail: the manager's ID is free text, so the address is the
	// strongest key (R80 to R82). Otherwise the ID refers to a user of the same
	// directory and is the strongest key (S22).
	managerByEmail bool
	// unmapped are fields that the kind never has. They may be edited by hand at
	// any time, unless something else fills them (R36, C6).
	unmapped fieldSet
	// locked are fields that this kind locks in addition to those that are always
	// locked (R73).
	locked fieldSet
}

var kindTraits = map[string]traits{
	sources.KindOkta:  {managerByEmail: true, unmapped: fields(atMobilePhone)},
	sources.KindEntra: {unmapped: fields(atMobilePhone, atPhoneExtension)},
	sources.KindSalesforce: {
		queries: true, domainOptions: true,
		unmapped: fields(atCountry, atState),
		locked:   fields(atPhone, atMobilePhone, atPhoneExtension, atLocale, atTimeZone),
	},
	sources.KindOneLogin: {managerByEmail: true, unmapped: fields(atMobilePhone)},
	sources.KindRippling: {managerByEmail: true, unmapped: fields(atMobilePhone)},
	sources.KindSCIM:     {},
}

// traitsOf returns the traits of a kind.
func traitsOf(word string) traits {
	kind, _ := sources.KindOf(word)
	return kindTraits[kind.Word]
}
