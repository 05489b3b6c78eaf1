.PHONY: help test lint bench bench-peers demo fleet picture fuzz update ci

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

test: ## run all tests with the race detector, on a PostgreSQL too
	.ci/postgres .ci/race ./...
	cd examples/fleet && ../../.ci/race ./...

lint: ## vet, formatting and the linters of .golangci.yml
	.ci/lint

bench: ## measure; the budgets are ratios within one run
	go test -run '^$$' -bench . -benchmem ./hierarchy ./timezone ./provisioning ./scim ./scim/sqlstore

bench-peers: ## measure the SCIM handler over its stores beside other servers, with node also beside scimmy
	.ci/bench-peers

demo: ## play what Okta and Entra ID send against a whole application
	go run ./examples/fullstack -demo

fleet: ## keep 1,000 tenants with jobs on a PostgreSQL of its own
	cd examples/fleet && go run .

picture: ## take the picture of the review page that the README shows
	.ci/chromium go test -count=1 -run ReviewOfKestrel ./examples/fullstack -args -picture $(CURDIR)/docs/review.png

fuzz: ## give each fuzz test FUZZTIME (30s)
	.ci/fuzz $(or $(FUZZTIME),30s)

update: ## rewrite the expected plans of the scenarios, for you to read
	go test ./provisioning -run Scenarios -update

ci: ## what runs on every submission
	.ci/run
