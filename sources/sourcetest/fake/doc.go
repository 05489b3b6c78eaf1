// Package fake imitates identity providers, for tests and demonstrations. A
// [Directory] is a company in memory. A face, such as [OneLogin], is an
// http.Handler that shows it through one provider's API: with the provider's paths
// and JSON, pages and cursors, limits and errors, and known oddities.
//
//	company := fake.NewDirectory()
//	company.PutUsers(sources.User{ID: "101", Email: "ana@acme.com", Status: sources.StatusActive})
//	server := httptest.NewServer(&fake.OneLogin{Directory: company, ClientID: "id", ClientSecret: "secret"})
//
//	src, err := onelogin.New(onelogin.Config{URL: server.URL, ClientID: "id", ClientSecret: "secret"})
//
// [Transport] passes requests to a face without a network, so that a test can run
// in a bubble of testing/synctest, where hours pass at once.
//
// # How a face shows a user
//
// A directory holds sources.User and sources.Group, as the provider's source in
// this module lists them. A face writes each field where the source reads it. An
// attribute with one of the provider's own names ("company",
// "custom_attributes.region") is shown under that name; the attributes of rule S35
// ("cost_center") are not shown, since they repeat others. If the provider has more
// states than sources.Status, the attribute in which the source gives the
// provider's word decides ("status").
//
// IDs are shown as they are in the directory, so use IDs of the provider's form:
// digits for OneLogin, GUIDs for Entra, 005 and 00G at the beginning for
// Salesforce.
package fake
