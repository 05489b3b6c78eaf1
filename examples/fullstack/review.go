package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/review"
	"github.com/usher-go/usher/provisioning/syncer"
)

type tenantKey struct{}

// reviewPages returns the pages on which admins see plans and approve what
// waits. The tenant is the customer's name in the URL. Only this example takes
// it from there: an application whose admins belong to a customer takes it from
// the session.
func (a *app) reviewPages() (http.Handler, error) {
	pages, err := review.New(review.Config{
		Store: a.team, Syncer: a.sync, Setup: a.setup, Requests: a.directory, Logger: a.cfg.logger,
		Connections: func(_ context.Context, tenant string) ([]string, error) {
			return []string{a.customers[tenant].connection}, nil
		},
		Access: func(r *http.Request) (review.Access, error) {
			tenant, _ := r.Context().Value(tenantKey{}).(string)
			if a.customers[tenant] == nil {
				return review.Access{}, errors.New("no such customer")
			}
			access := review.Access{
				Actor: provisioning.ActorFrom(r.Context()), Tenant: tenant,
				May: review.See | review.History | review.Export | review.Plan | review.Operate,
			}
			for class := provisioning.ClassDeactivate; class <= provisioning.ClassIdentity; class++ {
				access.Approve = append(access.Approve, class)
			}
			return access, nil
		},
		// For the customer that is read from Salesforce, a second person must
		// approve the removal of leavers.
		TwoPeople: func(_ context.Context, target syncer.Target) ([]provisioning.Class, error) {
			if target.Tenant == "initech" {
				return []provisioning.Class{provisioning.ClassDeactivate}, nil
			}
			return nil, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant := r.PathValue("tenant")
		r = r.WithContext(context.WithValue(r.Context(), tenantKey{}, tenant))
		http.StripPrefix("/"+tenant+"/review", pages).ServeHTTP(w, r)
	}), nil
}
