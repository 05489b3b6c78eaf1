package sourcetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/usher-go/usher/sources"
)

// A listing is the result of one iteration.
type listing[T any] struct {
	values []T
	err    error // the error that the source yielded
	breach error // the rule of iterations that the source broke
}

// endless is more than the number of values of any harness's directory.
const endless = 1_000_000

// list ranges over seq to its end, also past an error, as no caller does.
func list[T any](seq iter.Seq2[T, error]) (l listing[T]) {
	defer func() {
		if r := recover(); r != nil {
			l.breach = fmt.Errorf("the iteration panics: %v", r)
		}
	}()
	for value, err := range seq {
		switch {
		case l.err != nil:
			l.breach = fmt.Errorf("the iteration goes on after its error: %w", l.err)
			return l
		case err != nil:
			l.err = err
			if !reflect.ValueOf(&value).Elem().IsZero() {
				l.breach = fmt.Errorf("a value that is not zero stands beside the error: %w", err)
				return l
			}
		default:
			l.values = append(l.values, value)
			if len(l.values) == endless {
				l.breach = fmt.Errorf("the iteration does not end: it has yielded %d values", endless)
				return l
			}
		}
	}
	return l
}

// good returns the values of a listing, or an error if the listing failed.
func (l listing[T]) good(what string) ([]T, error) {
	switch {
	case l.breach != nil:
		return nil, fmt.Errorf("%s: %w", what, l.breach)
	case l.err != nil:
		return nil, fmt.Errorf("%s: want no error, got: %w", what, l.err)
	}
	return l.values, nil
}

// listsUsers returns how a listing of all users differs from the directory.
func (r run) listsUsers(src sources.Source) error {
	users, err := list(src.Users(r.tb.Context())).good("Users")
	if err != nil {
		return err
	}
	return sameUsers(users, r.Users)
}

func (r run) listsGroups(src sources.Source) error {
	groups, err := list(src.Groups(r.tb.Context())).good("Groups")
	if err != nil {
		return err
	}
	return sameGroups(groups, r.Groups)
}

func (r run) listsAll(src sources.Source) error {
	return errors.Join(r.listsUsers(src), r.listsGroups(src))
}

func sameUsers(got, want []sources.User) error {
	return same("user", got, want, func(u sources.User) string { return u.ID })
}

func sameGroups(got, want []sources.Group) error {
	return same("group", inOrder(got), inOrder(want), func(g sources.Group) string { return g.ID })
}

// inOrder returns the groups with their members sorted.
func inOrder(groups []sources.Group) []sources.Group {
	groups = slices.Clone(groups)
	for i := range groups {
		groups[i].Members = slices.Sorted(slices.Values(groups[i].Members))
	}
	return groups
}

// same compares two lists without regard to their order. Nil and empty are equal,
// as they are in JSON.
func same[T any](what string, got, want []T, id func(T) string) error {
	listed := make(map[string]T, len(got))
	var found []string
	for _, value := range got {
		key := id(value)
		if _, twice := listed[key]; twice {
			found = append(found, fmt.Sprintf("%s %q is listed twice", what, key))
		}
		listed[key] = value
	}
	for _, value := range want {
		key := id(value)
		other, ok := listed[key]
		switch {
		case !ok:
			found = append(found, fmt.Sprintf("%s %q is not listed", what, key))
		case text(other) != text(value):
			found = append(found, fmt.Sprintf("%s %q is listed as\n  %s\nwant\n  %s", what, key, text(other), text(value)))
		}
		delete(listed, key)
	}
	for _, key := range sortedKeys(listed) {
		found = append(found, fmt.Sprintf("%s %q is listed and not in the directory", what, key))
	}
	if len(found) == 0 {
		return nil
	}
	return errors.New(strings.Join(found, "\n"))
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
