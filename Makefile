.PHONY: help test lint bench bench-peers demo fleet picture fuzz update ci

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

test: ## run all tests with the race detector, also on a PostgreSQL
	.ci/postgres .ci/race ./...
	cd examples/fleet && ../../.ci/race ./...

lint: ## vet, formatting and the linters of .golangci.yml
	.ci/lint

bench: ## measure; the budgets are ratios within one run
	go test -run '^$$' -bench . -benchmem ./hierarchy ./timezone ./provisioning ./scim ./scim/sqlstore

bench-peers: ## measure the SCIM handler with each of its stores, and other servers; with node, also scimmy
	.ci/bench-peers

demo: ## send the requests of Okta and Entra ID to a complete application
	go run ./examples/fullstack -demo

fleet: ## sync 1,000 tenants with jobs on a temporary PostgreSQL
	cd examples/fleet && go run .

picture: ## make the README's picture of the review page
	.ci/chromium go test -count=1 -run ReviewOfKestrel ./examples/fullstack -args -picture $(CURDIR)/docs/review.png

fuzz: ## run each fuzz test for FUZZTIME (default 30s)
	.ci/fuzz $(or $(FUZZTIME),30s)

update: ## rewrite the expected plans of the scenarios; read the difference
	go test ./provisioning -run Scenarios -update

ci: ## run everything that runs on every submission
	.ci/run
