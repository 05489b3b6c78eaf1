// Package fake plays identity providers, for tests and demonstrations. A
// [Directory] is a company in memory; a face, such as [OneLogin], is an
// http.Handler that shows it as one provider's API does: with the provider's
// paths and JSON, its pages and cursors, its limits and errors, and the quirks
// that are known of it.
//
//	company := fake.NewDirectory()
//	company.PutUsers(sources.User{ID: "101", Email: "ana@acme.com", Status: sources.StatusActive})
//	server := httptest.NewServer(&fake.OneLogin{Directory: company, ClientID: "id", ClientSecret: "secret"})
//
//	src, err := onelogin.New(onelogin.Config{URL: server.URL, ClientID: "id", ClientSecret: "secret"})
//
// Without a network, [Transport] hands requests to a face directly, so that a
// test can run in a bubble of testing/synctest, where hours pass at once.
//
// # What a user looks like behind a face
//
// A directory holds sources.User and sources.Group, as the provider's source in
// this module lists them. Each field has the place that the source reads it
// from. An attribute under one of the provider's own names ("company",
// "custom_attributes.region") is given under that name; those of rule S35
// ("cost_center") are left aside, since they repeat another. Where the provider
// has more words than sources.Status, the attribute that the source gives its
// word under decides ("status").
//
// IDs are the directory's own, so give the ones that the provider would: digits
// for OneLogin, GUIDs for Entra, 005 and 00G in front for Salesforce.
package fake
