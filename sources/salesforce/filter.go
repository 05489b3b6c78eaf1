package salesforce

import (
	"errors"
	"fmt"

	"github.com/usher-go/usher/internal/soql"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// defaultScope leaves out records that are not people of the company.
const defaultScope = "UserType = 'Standard'"

// A FilterError says at which position, and why, a SOQL condition cannot be used by
// an assignment.
type FilterError struct {
	Position int // in characters, counted from 1
	Reason   string
}

// Error implements error.
func (e *FilterError) Error() string { return fmt.Sprintf("position %d: %s", e.Position, e.Reason) }

// ValidateFilter returns nil if a text can be the filter of an assignment: a SOQL
// condition on User, as it stands after WHERE, of at most 10,000 bytes. It may use
// comparisons (=, !=, <>, <, <=, >, >=, LIKE, IN, NOT IN, INCLUDES, EXCLUDES) of
// fields, relationships up to five deep, date functions, toLabel and DISTANCE,
// joined by AND, OR, NOT and parentheses. IN and NOT IN may query another object,
// at most twice and only among the top-level AND terms, as in Id IN (SELECT
// AssigneeId FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Gong'). The
// error is a *FilterError.
//
// It does not know whether the org has the fields and objects and shows them to the
// integration user.
//
// Use it where an admin types the filter, and when a configuration is read.
func ValidateFilter(filter string) error {
	_, err := soql.Parse(filter)
	return filterError(err)
}

// filterError converts a parser's error to the public type.
func filterError(err error) error {
	if refusal, ok := errors.AsType[*soql.Error](err); ok {
		return (*FilterError)(refusal)
	}
	return err
}

// badFilter returns the error of a source for a filter that it cannot use.
func badFilter(op string, err error) error {
	return &sources.Error{Kind: kind, Op: op, Reason: sources.ErrBadQuery, Err: fmt.Errorf("filter: %w", filterError(err))}
}

// parseScope parses the field Scope of a configuration.
func parseScope(scope string) (soql.Condition, error) {
	if scope == "" {
		scope = defaultScope
	}
	condition, err := soql.Parse(scope)
	if err != nil {
		return condition, rest.Wrong("Scope", "%w", filterError(err))
	}
	return condition, nil
}
