package provisioning_test

import (
	"errors"
	"fmt"

	"github.com/usher-go/usher/provisioning"
)

// A settings page shows all problems of a config at once, each beside its field:
// syntax, unknown fields, meaning, and SOQL.
func ExampleParseConfig() {
	_, err := provisioning.ParseConfig([]byte(`{
		"format": 1,
		"source": "okta",
		"domains": {"primary": "acme", "convert": true},
		"assignments": [
			{"id": "sales", "mode": "automatic", "match": {"query": "Department = 'Sales'"}, "seets": ["core"]},
			{"id": "sales", "match": {"groups": ["g1"]}}
		],
		"locale": {"timezone": "Europe/Pariss"}
	}`))
	var invalid *provisioning.ConfigError
	if errors.As(err, &invalid) {
		for _, problem := range invalid.Problems {
			fmt.Println(problem)
		}
	}
	// Output:
	// assignments[0].seets: unknown field, did you mean "seats"?
	// domains.convert: exists for salesforce only, and the source is okta
	// assignments[1].id: "sales" is the id of assignments[0] as well; want each id once
	// assignments[0].match.query: selects by a query, which source okta does not have; want groups or attributes
	// locale.timezone: "Europe/Pariss" is not a TZ database name; want one such as Europe/Paris
}
