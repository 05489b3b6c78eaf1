package sources

// The names under which every source gives a person's place in the company in
// User.Attributes, beside the provider's own names for the same values (rule
// S35). An assignment, or a host's mapping of attributes, that uses these names
// works for every provider. An attribute whose value the directory leaves empty
// is absent (S11).
const (
	AttributeDepartment     = "department"
	AttributeDivision       = "division"
	AttributeCostCenter     = "cost_center"
	AttributeEmployeeNumber = "employee_number"
	// AttributeOrganization is the organization or company the person works
	// for, as text: CompanyName in Salesforce, organization in SCIM.
	AttributeOrganization = "organization"
)
