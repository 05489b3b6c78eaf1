package review_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/review"
	"github.com/usher-go/usher/provisioning/syncer"
	"github.com/usher-go/usher/scim"
)

// A host mounts the pages behind its own sign-in. For each request, it returns
// who sends it, and what this person may see and do.
func Example() {
	team, pushed := new(provisioning.Memory), new(scim.Memory) // the host's stores
	setup := func(_ context.Context, target syncer.Target) (syncer.Setup, error) {
		return syncer.Setup{
			Rules:  provisioning.Config{Source: "okta", Connection: target.Connection, Domains: provisioning.Domains{Primary: "acme.com"}},
			Source: scim.AsSource(pushed, target.Tenant, target.Connection, scim.SourceConfig{Kind: "okta"}), Pushed: true,
		}, nil
	}
	sync, err := syncer.New(syncer.Config{Store: team, Setup: setup, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer sync.Close()

	pages, err := review.New(review.Config{
		Store: team, Syncer: sync, Setup: setup,
		Connections: func(context.Context, string) ([]string, error) { return []string{"okta-1"}, nil },
		Access: func(r *http.Request) (review.Access, error) {
			session, err := r.Cookie("session") // the session of the host's sign-in
			if err != nil || session.Value != "olga's" {
				return review.Access{}, errors.New("nobody is signed in")
			}
			return review.Access{
				Actor: "olga", Tenant: "acme", May: review.See | review.History | review.Plan,
				Approve: []provisioning.Class{provisioning.ClassDeactivate},
				Hide:    provisioning.Mask{provisioning.FieldPrivateEmail, provisioning.FieldMobilePhone},
			}, nil
		},
		TwoPeople: func(context.Context, syncer.Target) ([]provisioning.Class, error) {
			return []provisioning.Class{provisioning.ClassDeactivate}, nil // a setting of the customer
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/people/", http.StripPrefix("/admin/people", pages))

	server := httptest.NewServer(mux)
	defer server.Close()
	for _, session := range []string{"", "olga's"} {
		r, _ := http.NewRequest("GET", server.URL+"/admin/people/", nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: session})
		answer, err := server.Client().Do(r)
		if err != nil {
			log.Fatal(err)
		}
		answer.Body.Close()
		fmt.Println(answer.Status)
	}
	// Output:
	// 403 Forbidden
	// 200 OK
}
