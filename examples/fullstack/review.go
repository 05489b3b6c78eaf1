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

// reviewPages shows plans to admins, who approve there what waits. Each customer
// has them under its own name, which only this application takes from the URL: an
// application whose admins belong to a customer takes it from their session.
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
		// The customer that is read from Salesforce wants a second person for leavers.
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
