package salesforce

import (
	"errors"
	"fmt"

	"github.com/usher-go/usher/internal/soql"
	"github.com/usher-go/usher/sources"
)

// defaultScope leaves out the records that are no people of the company.
const defaultScope = "UserType = 'Standard'"

// A FilterError says where a SOQL condition is not one that an assignment may
// use, and why.
type FilterError struct {
	Position int // in characters, counted from 1
	Reason   string
}

// Error implements error.
func (e *FilterError) Error() string { return fmt.Sprintf("position %d: %s", e.Position, e.Reason) }

// ValidateFilter reports whether a text can be the filter of an assignment: a
// SOQL condition on User, as it stands after WHERE, of at most 10,000 bytes.
// Comparisons (=, !=, <>, <, <=, >, >=, LIKE, IN, NOT IN, INCLUDES, EXCLUDES) of
// fields, of relationships up to five deep, of date functions, toLabel and
// DISTANCE are joined by AND, OR, NOT and parentheses. IN and NOT IN may ask
// another object, twice at most and only among the AND terms of the whole, as in
// Id IN (SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSet.Name
// = 'Gong'). The error is a *FilterError.
//
// Whether the org knows the fields and objects, and lets the integration user
// see them, is found out by asking it.
//
// Use it where an admin types the filter, and when a configuration is read.
func ValidateFilter(filter string) error {
	_, err := soql.Parse(filter)
	return filterError(err)
}

// filterError gives a parser's error its public type.
func filterError(err error) error {
	if refusal, ok := errors.AsType[*soql.Error](err); ok {
		return (*FilterError)(refusal)
	}
	return err
}

// badFilter is the error of a source that was given a filter it cannot use.
func badFilter(op string, err error) error {
	return &sources.Error{Kind: kind, Op: op, Reason: sources.ErrBadQuery, Err: fmt.Errorf("filter: %w", filterError(err))}
}

// parseScope reads the field Scope of a configuration.
func parseScope(scope string) (soql.Condition, error) {
	if scope == "" {
		scope = defaultScope
	}
	condition, err := soql.Parse(scope)
	if err != nil {
		return condition, fmt.Errorf("field Scope: %w", filterError(err))
	}
	return condition, nil
}
