package provisioning

import "github.com/usher-go/usher/sources"

// traits say what is special about the decisions for one kind of directory
// (S33). The words of the kinds, and what the sources themselves need to know,
// are in sources.KindOf. The zero traits are the neutral ones of a host's own
// kind.
type traits struct {
	// queries: assignments can select by the provider's query language, and
	// then whoever matches none is out of scope instead of in the default
	// assignment (S17).
	queries bool
	// domainOptions: domains.convert and domains.additional exist (S8), and
	// hierarchy.ignore and keep_active are meant for this kind.
	domainOptions bool
	// managerByEmail: the manager's id is free text, so the address is the
	// strongest key, as R80 to R82 say. Otherwise the id names somebody in the
	// same directory and is the strongest key (S22).
	managerByEmail bool
	// unmapped are the fields the kind never has: free to edit at any time, for
	// as long as nothing else fills them (R36, C6).
	unmapped fieldSet
	// locked are locked in addition to the fields that always are (R73).
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

// traitsOf returns the traits of the kind that a word names.
func traitsOf(word string) traits {
	kind, _ := sources.KindOf(word)
	return kindTraits[kind.Word]
}
