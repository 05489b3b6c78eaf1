package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/usher-go/usher/assignment"
	"github.com/usher-go/usher/provisioning"
)

// tenant is the tenant in which most checks work.
const tenant = "acme"

// A bench holds what a check works on: one empty store and its harness.
type bench struct {
	t     *testing.T
	h     *Harness
	store provisioning.Store
}

// An outcome is the expected result of one action.
type outcome uint8

const (
	done outcome = iota
	repeated
	stale
	conflict
	needy
	notShown
	otherwise
)

func (o outcome) String() string {
	return [...]string{"done", "done before (Repeated)", "refused with ErrStale", "refused with ErrConflict",
		"refused with ErrNeeds", "refused with ErrNotShown", "refused with another error"}[o]
}

func outcomeOf(r provisioning.Result) outcome {
	switch {
	case errors.Is(r.Err, provisioning.ErrStale):
		return stale
	case errors.Is(r.Err, provisioning.ErrConflict):
		return conflict
	case errors.Is(r.Err, provisioning.ErrNeeds):
		return needy
	case errors.Is(r.Err, provisioning.ErrNotShown):
		return notShown
	case r.Err != nil:
		return otherwise
	case r.Repeated:
		return repeated
	}
	return done
}

// apply applies actions and compares the results with the wanted outcomes: one for
// each action, or one for all of them.
func (b *bench) apply(ctx context.Context, tenant string, actions []provisioning.Action, want ...outcome) error {
	results, err := b.store.Apply(ctx, tenant, actions)
	if err != nil {
		return fmt.Errorf("Apply failed as a whole, though nothing but single actions can be wrong: %w", err)
	}
	return compareResults(actions, results, want)
}

func compareResults(actions []provisioning.Action, results []provisioning.Result, want []outcome) error {
	if len(results) != len(actions) {
		return fmt.Errorf("Apply gave %d results for %d actions, want one for each, in order", len(results), len(actions))
	}
	for i := range actions {
		a, r := &actions[i], results[i]
		if r.Key != a.Key || r.Kind != a.Kind || r.MemberID != a.Member.ID {
			return fmt.Errorf("result %d is that of %s %s %s, want the results in the order of the actions: %s %s %s",
				i, r.Key, r.Kind, r.MemberID, a.Key, a.Kind, a.Member.ID)
		}
		expected := want[min(i, len(want)-1)]
		if got := outcomeOf(r); got != expected {
			return fmt.Errorf("action %d (%s) was %s, want it %s; it gave %s", i, a.Key, got, expected, said(r.Err))
		}
	}
	return nil
}

// said returns the text of an error, or a text for nil.
func said(err error) string {
	if err == nil {
		return "no error"
	}
	return "the error " + strconv.Quote(err.Error())
}

// team reads the tenant's members by ID.
func (b *bench) team(ctx context.Context, tenant string) (map[string]provisioning.Member, error) {
	return teamOf(ctx, b.store, tenant)
}

func teamOf(ctx context.Context, store provisioning.Store, tenant string) (map[string]provisioning.Member, error) {
	team := make(map[string]provisioning.Member)
	for m, err := range store.Members(ctx, tenant) {
		if err != nil {
			return nil, fmt.Errorf("Members of %q: %w", tenant, err)
		}
		if _, twice := team[m.ID]; twice {
			return nil, fmt.Errorf("Members yielded %s twice, want every member once", m.ID)
		}
		if m.Revision == "" {
			return nil, fmt.Errorf("member %s has no revision, want one for every member that exists", m.ID)
		}
		team[m.ID] = m
	}
	return team, nil
}

// expect reads the team and compares it with the wanted members, without revisions.
func (b *bench) expect(ctx context.Context, tenant string, want ...provisioning.Member) error {
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	return sameTeam(team, want)
}

func sameTeam(team map[string]provisioning.Member, want []provisioning.Member) error {
	if len(team) != len(want) {
		return fmt.Errorf("the team has %d members, want %d", len(team), len(want))
	}
	for _, m := range want {
		got, ok := team[m.ID]
		if !ok {
			return fmt.Errorf("member %s is not in the team", m.ID)
		}
		if err := sameMember(got, m); err != nil {
			return err
		}
	}
	return nil
}

// sameMember compares every field except the revision. Empty and absent values are
// equal.
func sameMember(got, want provisioning.Member) error {
	gotFields, wantFields := fieldsOf(got), fieldsOf(want)
	for name := range wantFields {
		if _, ok := gotFields[name]; !ok {
			gotFields[name] = nil
		}
	}
	for name, value := range gotFields {
		if !reflect.DeepEqual(value, wantFields[name]) {
			return fmt.Errorf("member %s: field %s is %s, want %s", want.ID, name, text(value), text(wantFields[name]))
		}
	}
	for name, value := range got.Extra {
		if a, b := reflect.TypeOf(value), reflect.TypeOf(want.Extra[name]); a != b {
			return fmt.Errorf("member %s: extra setting %q came back as %v, want %v", want.ID, name, a, b)
		}
	}
	return nil
}

// fieldsOf returns a member's JSON form without the revision.
func fieldsOf(m provisioning.Member) map[string]any {
	m.Revision = ""
	var fields map[string]any
	if err := json.Unmarshal([]byte(text(m)), &fields); err != nil {
		return map[string]any{"json": err.Error()} // a value that JSON cannot express
	}
	return fields
}

// text returns the JSON of a value.
func text(value any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Sprintf("%v", value)
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

// collect reads a listing to its end.
func collect[T any](listing iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for value, err := range listing {
		if err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	return all, nil
}

// person returns a managed member. Different names have nothing in common.
func person(name string) provisioning.Member {
	return provisioning.Member{
		ID: "id-" + name, Connection: "okta-prod", ExternalID: "ext-" + name, Managed: true, Active: true,
		Email: name + "@acme.example", GivenName: name, FamilyName: "Test",
		Settings: assignment.Settings{Seats: []string{"core"}},
	}
}

// create returns the action that creates m, with an effect of its own.
func create(m provisioning.Member) provisioning.Action {
	key := "create " + m.ID
	return provisioning.Action{
		Kind: provisioning.KindCreate, Key: key, Member: m,
		Changes: provisioning.Difference(new(provisioning.Member), &m),
		Effects: []provisioning.Effect{{Kind: provisioning.NotifyManager, Key: key, To: "id-boss", About: m.ID}},
		Reasons: []provisioning.Reason{{Code: provisioning.CodeMatchNew}},
	}
}

// creates returns the actions that create people of the given names.
func creates(names ...string) []provisioning.Action {
	actions := make([]provisioning.Action, len(names))
	for i, name := range names {
		actions[i] = create(person(name))
	}
	return actions
}

// update returns the action that applies edit to m, which is as the store has it.
func update(m provisioning.Member, edit func(m *provisioning.Member)) provisioning.Action {
	after := m.Clone()
	edit(&after)
	kind := provisioning.KindUpdate
	switch {
	case m.Active && !after.Active:
		kind = provisioning.KindDeactivate
	case !m.Active && after.Active:
		kind = provisioning.KindReactivate
	}
	return provisioning.Action{
		Kind: kind, Key: "update " + m.ID + " " + string(m.Revision), Revision: m.Revision, Member: after,
		Changes: provisioning.Difference(&m, &after),
		Reasons: []provisioning.Reason{{Code: provisioning.CodeSourceValue, Facts: map[string]string{"fields": "title"}}},
	}
}

// keyed returns the action under another key.
func keyed(key string, a provisioning.Action) provisioning.Action {
	a.Key, a.Effects = key, slices.Clone(a.Effects)
	for i := range a.Effects {
		a.Effects[i].Key = key
	}
	return a
}

// titled returns an edit that gives a title.
func titled(title string) func(m *provisioning.Member) {
	return func(m *provisioning.Member) { m.Title = title }
}

// mailed returns an edit that gives a primary email.
func mailed(name string) func(m *provisioning.Member) {
	return func(m *provisioning.Member) { m.Email = name + "@acme.example" }
}

// together makes actions commit together.
func together(with string, actions ...provisioning.Action) []provisioning.Action {
	for i := range actions {
		actions[i].With = with
	}
	return actions
}

// hired creates people of the given names and returns them as stored, in the
// order of the names.
func (b *bench) hired(ctx context.Context, names ...string) ([]provisioning.Member, error) {
	if err := b.apply(ctx, tenant, creates(names...), done); err != nil {
		return nil, fmt.Errorf("creating the people of this check: %w", err)
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return nil, err
	}
	members := make([]provisioning.Member, len(names))
	for i, name := range names {
		m, ok := team["id-"+name]
		if !ok {
			return nil, fmt.Errorf("member id-%s was created and is not in the team", name)
		}
		members[i] = m
	}
	return members, nil
}
