package sources

// The names of the attributes that every source gives in User.Attributes, beside
// the provider's own names for the same values (rule S35). An assignment, or a
// host's mapping of attributes, that uses these names works for every provider. An
// attribute that is empty in the directory is absent (S11).
const (
	AttributeDepartment     = "department"
	AttributeDivision       = "division"
	AttributeCostCenter     = "cost_center"
	AttributeEmployeeNumber = "employee_number"
	// AttributeOrganization is the organization or company the person works
	// for, as text: CompanyName in Salesforce, organization in SCIM.
	AttributeOrganization = "organization"
)
