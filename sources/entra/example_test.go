package entra_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/entra"
	"github.com/usher-go/usher/sources/sourcetest/fake"
)

// Read a tenant, and later what changed. A made-up tenant stands in for Microsoft;
// in production the credential has no options, and the source has no URL and no
// transport.
func Example() {
	const ada, bo, sales = "0b5a1cd2-6f3e-4a57-9c11-000000000001", "0b5a1cd2-6f3e-4a57-9c11-000000000002", "0b5a1cd2-6f3e-4a57-9c11-000000000101"
	company := fake.NewDirectory()
	company.PutUsers(
		sources.User{ID: ada, UserName: "ada@acme.com", Email: "ada@acme.com", Status: sources.StatusActive, Title: "CEO", TimeZone: "GMT Standard Time"},
		sources.User{ID: bo, UserName: "bo@acme.com", Email: "bo@acme.com", Status: sources.StatusActive, Manager: sources.Manager{ID: ada}},
	)
	company.PutGroups(sources.Group{ID: sales, Name: "Sales", Members: []string{ada, bo}})
	tenant := httptest.NewTLSServer(&fake.Entra{Directory: company, ClientID: "id", ClientSecret: "secret"})
	defer tenant.Close()

	credential, err := azidentity.NewClientSecretCredential("acme.onmicrosoft.com", "id", "secret", &azidentity.ClientSecretCredentialOptions{
		ClientOptions:            azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: tenant.URL}, Transport: tenant.Client()},
		DisableInstanceDiscovery: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	src, err := entra.New(entra.Config{
		Connection: "entra-prod",
		Credential: credential,
		TimeZones:  true,
		URL:        tenant.URL,
		Transport:  tenant.Client().Transport,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	snapshot, cursor, err := sources.Refresh(context.Background(), src, nil, "", sources.CollectConfig{})
	if err != nil {
		fmt.Println(err) // what was read so far proves nobody's absence
		return
	}
	for _, u := range snapshot.Users {
		fmt.Printf("%s %s, zone %q, manager %q\n", u.Email, u.Status, u.TimeZone, u.Manager.ID)
	}
	fmt.Println("proven:", snapshot.Proven)

	company.RemoveUsers(bo)
	snapshot, _, err = sources.Refresh(context.Background(), src, snapshot, cursor, sources.CollectConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range snapshot.Groups {
		fmt.Println(g.Name, g.Members)
	}
	// Output:
	// ada@acme.com active, zone "GMT Standard Time", manager ""
	// bo@acme.com active, zone "", manager "0b5a1cd2-6f3e-4a57-9c11-000000000001"
	// proven: users, groups, memberships, managers
	// Sales [0b5a1cd2-6f3e-4a57-9c11-000000000001]
}
