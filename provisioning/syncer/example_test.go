package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// A host serves SCIM to Okta. A change that Okta pushes is in the team before
// Okta gets its answer.
func Example() {
	directory := new(scim.Memory)    // or scim/sqlstore
	team := new(provisioning.Memory) // or provisioning/sqlstore

	// The settings page of a tenant changes what this function returns. A
	// restart is not necessary.
	setup := func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
		return syncer.Setup{
			Rules: provisioning.Config{
				Source: sources.KindOkta, Connection: target.Connection, Revision: "1",
				Domains: provisioning.Domains{Primary: "acme.com"},
			},
			Source: scim.AsSource(directory, target.Tenant, target.Connection, scim.SourceConfig{Kind: sources.KindOkta}),
			Pushed: true,
		}, nil
	}
	keeper, err := syncer.New(syncer.Config{
		Store: team,
		Setup: setup,
		Targets: func(context.Context) ([]syncer.Target, error) {
			return []syncer.Target{{Tenant: "acme", Connection: "okta-1"}}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keeper.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = keeper.Serve(ctx) }() // whole runs, retries, effects

	handler, err := scim.NewHandler(scim.Config{
		Store: directory,
		Authenticate: scim.BearerTokens(scim.FixedTokens(scim.Token{
			Hash:      scim.HashToken("secret"),
			Principal: scim.Principal{Tenant: "acme", Connection: "okta-1", Kind: sources.KindOkta},
		})),
		OnChange: func(ctx context.Context, e scim.Event) {
			// An error means that the decision comes later. No change is lost.
			_ = keeper.Push(ctx, syncer.Target(e.Directory))
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(scim.Mount("/scim/v2", handler, nil))
	defer server.Close()

	request, _ := http.NewRequest(http.MethodPost, server.URL+"/scim/v2/Users", strings.NewReader(`{
		"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ana@acme.com", "active": true,
		"name": {"givenName": "Ana", "familyName": "Young"}, "emails": [{"value": "ana@acme.com", "primary": true}]
	}`))
	request.Header.Set("Authorization", "Bearer secret")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(response.Status)
	for m, err := range team.Members(ctx, "acme") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Name(), m.Email, "active:", m.Active)
	}
	// Output:
	// 201 Created
	// Ana Young ana@acme.com active: true
}

// staff is the host's own source.
type staff struct{ users []sources.User }

func (s *staff) Info() sources.Info {
	return sources.Info{Kind: "okta", Connection: "okta", Lists: sources.FactUsers}
}

func (s *staff) Users(context.Context) iter.Seq2[sources.User, error] {
	return func(yield func(sources.User, error) bool) {
		for _, u := range s.users {
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (s *staff) Groups(context.Context) iter.Seq2[sources.Group, error] {
	return func(func(sources.Group, error) bool) {}
}

// More people leave than the limit allows. They are held, whatever made them
// leave, until an admin has seen the plan and approved it.
func ExampleSyncer_Apply() {
	ctx := context.Background()
	var directory staff
	for i := range 12 {
		directory.users = append(directory.users, sources.User{
			ID: fmt.Sprint(i), Status: sources.StatusActive, Email: fmt.Sprintf("p%d@acme.com", i), GivenName: "Pat", FamilyName: fmt.Sprint(i),
		})
	}
	keeper, err := syncer.New(syncer.Config{
		Store: new(provisioning.Memory),
		Setup: func(context.Context, syncer.Target) (syncer.Setup, error) {
			return syncer.Setup{
				Rules:  provisioning.Config{Source: "okta", Domains: provisioning.Domains{Primary: "acme.com"}},
				Source: &directory,
			}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keeper.Close()
	acme := syncer.Target{Tenant: "acme", Connection: "okta"}
	if _, err := keeper.Run(ctx, acme); err != nil {
		fmt.Println(err)
		return
	}
	directory.users = directory.users[:1]
	report, err := keeper.Run(ctx, acme)
	if err != nil {
		fmt.Println(err)
		return
	}
	health, err := keeper.Health(ctx, acme)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Outcome)
	fmt.Println(health.Status, health.Problems[0].Code)
	fmt.Println(health.Problems[0].Advice)

	plan, err := keeper.Plan(ctx, acme) // the host shows the plan to an admin, who approves what is held
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err = keeper.Apply(provisioning.WithActor(ctx, "admin-7"), acme, plan, plan.Approve(provisioning.ClassDeactivate))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Outcome)
	// Output:
	// 0 done, 0 done before, 0 refused, 11 held
	// held breaker.deactivate
	// Look at the plan. If it is right, approve the class; if not, mend the directory or the rules.
	// 11 done, 0 done before, 0 refused, 0 held
}

// An effect is delivered at least once, with the same key each time. A host
// that must execute it only once stores the keys that it has seen, if possible
// in the transaction that executes the effect.
func ExampleConfig_deliver() {
	var mu sync.Mutex
	ended := make(map[string]bool) // in a real host, a table with a unique key
	endSessions := func(_ context.Context, tenant string, e provisioning.Effect) error {
		if e.Kind != provisioning.AccessEnded {
			return nil // the effect counts as delivered
		}
		mu.Lock()
		defer mu.Unlock()
		if ended[e.Key] {
			return nil // it was executed before, but a process died before it stored the delivery
		}
		fmt.Println("end the sessions of a member of", tenant)
		ended[e.Key] = true
		return nil
	}
	cfg := syncer.Config{Deliver: endSessions}

	effect := provisioning.Effect{Kind: provisioning.AccessEnded, Key: "4f1d", About: "m-1"}
	for range 2 { // simulates a delivery that is repeated after a crash
		if err := cfg.Deliver(context.Background(), "acme", effect); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// end the sessions of a member of acme
}

// The host mails failures to the person who is responsible for a connection,
// once for each change of the status.
func ExampleConfig_observe() {
	mail := func(_ context.Context, e syncer.Event) {
		if e.Kind == syncer.StatusChanged {
			fmt.Println("mail:", e.Connection, "is", e.Status, e.Code)
		}
	}
	keeper, err := syncer.New(syncer.Config{
		Store:   new(provisioning.Memory),
		Observe: mail,
		Setup: func(context.Context, syncer.Target) (syncer.Setup, error) {
			return syncer.Setup{}, errors.New("the settings cannot be read")
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keeper.Close()
	_, err = keeper.Run(context.Background(), syncer.Target{Tenant: "acme", Connection: "okta"})
	fmt.Println(err)
	// Output:
	// mail: okta is failed run.failed
	// syncer: setup of okta: the settings cannot be read
}
