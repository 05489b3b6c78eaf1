package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/usher-go/usher/provisioning"
)

// checkState: SetState replaces a document only for a caller that has its latest
// revision.
func checkState(ctx context.Context, b *bench) error {
	store := b.store.(provisioning.StateStore)
	is := func(tenant, name string, document []byte, revision provisioning.Revision) error {
		got, at, err := store.State(ctx, tenant, name)
		if err != nil {
			return fmt.Errorf("State: %w", err)
		}
		if !bytes.Equal(got, document) || (got == nil) != (document == nil) || at != revision {
			return fmt.Errorf("State of %.20q is %.40q at %q, want %.40q at %q", name, got, at, document, revision)
		}
		return nil
	}
	refused := func(revision provisioning.Revision, document []byte) error {
		if _, err := store.SetState(ctx, tenant, "a", revision, document); !errors.Is(err, provisioning.ErrStale) {
			return fmt.Errorf("SetState of what is at another revision than %q gave %s, want an error that matches ErrStale", revision, said(err))
		}
		return nil
	}
	if err := is(tenant, "a", nil, ""); err != nil {
		return err
	}
	if _, err := store.SetState(ctx, tenant, "a", "", nil); err != nil {
		return fmt.Errorf("SetState removes what is not there: %w", err)
	}
	if err := refused("7", []byte("x")); err != nil {
		return err
	}
	document := []byte("{\"a\":1}\x00\xff\n")
	first, err := store.SetState(ctx, tenant, "a", "", document)
	if err != nil || first == "" {
		return fmt.Errorf("SetState of a new document gave the revision %q and %s", first, said(err))
	}
	kept := bytes.Clone(document)
	document[0] = 'X' // the caller owns what it passed
	long := strings.Repeat("ü", 256)
	other, err := store.SetState(ctx, tenant, long, "", []byte{})
	if err != nil {
		return fmt.Errorf("SetState of an empty document under a name of 512 bytes: %w", err)
	}
	for _, err := range []error{
		is(tenant, "a", kept, first), is(tenant, long, []byte{}, other), is(tenant, "A", nil, ""), is("other", "a", nil, ""),
		refused("", []byte("x")), refused("", nil), refused("7", nil), refused(other, []byte("x")), is(tenant, "a", kept, first),
	} {
		if err != nil {
			return err
		}
	}
	second, err := store.SetState(ctx, tenant, "a", first, []byte("two"))
	if err != nil || second == first {
		return fmt.Errorf("SetState of a second document gave the revision %q after %q and %s", second, first, said(err))
	}
	if got, _, _ := store.State(ctx, tenant, "a"); len(got) == 3 {
		got[0] = 'X' // the caller owns what was returned
	}
	if err := errors.Join(refused(first, []byte("x")), is(tenant, "a", []byte("two"), second)); err != nil {
		return err
	}
	if gone, err := store.SetState(ctx, tenant, "a", second, nil); err != nil || gone != "" {
		return fmt.Errorf("SetState that removes gave the revision %q and %s, want none", gone, said(err))
	}
	third, err := store.SetState(ctx, tenant, "a", "", []byte("three"))
	if err != nil || third == first || third == second {
		return fmt.Errorf("SetState after a removal gave the revision %q and %s, want one that there never was", third, said(err))
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	third, err = store.SetState(ctx, tenant, "a", third, large)
	if err == nil {
		err = is(tenant, "a", large, third)
	}
	if err != nil {
		return fmt.Errorf("a document of 1 MiB: %w", err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if _, err := store.SetState(ended, tenant, "a", third, []byte("x")); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("SetState with a context that had ended gave %s, want an error that matches the context's", said(err))
	}
	return errors.Join(is(tenant, "a", large, third), b.raceForState(ctx, store))
}

// raceForState lets several writers replace one document in parallel. Only one may
// succeed at each revision.
func (b *bench) raceForState(ctx context.Context, store provisioning.StateStore) error {
	const writers, each = 4, 5
	var mu sync.Mutex
	wins := 0
	err := inParallel(writers, func(int) error {
		for done := 0; done < each; {
			document, revision, err := store.State(ctx, tenant, "race")
			if err != nil {
				return err
			}
			switch _, err = store.SetState(ctx, tenant, "race", revision, append(document, 'x')); {
			case err == nil:
				done++
				mu.Lock()
				wins++
				mu.Unlock()
			case !errors.Is(err, provisioning.ErrStale):
				return fmt.Errorf("SetState beside others: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	document, _, err := store.State(ctx, tenant, "race")
	if err == nil && len(document) != wins {
		err = fmt.Errorf("%d writers were told that they replaced the document, and it was replaced %d times", wins, len(document))
	}
	return err
}

// checkWindow: done actions are counted together with the write, by class, until the
// class is approved (S39).
func checkWindow(ctx context.Context, b *bench) error {
	const inWindow = time.Hour
	store := b.store.(provisioning.StateStore)
	counted := func(when, connection string, want map[provisioning.Class]int, grown int) error {
		got, err := store.Window(ctx, tenant, connection, inWindow)
		if err != nil {
			return fmt.Errorf("Window: %w", err)
		}
		maps.DeleteFunc(got.Done, func(_ provisioning.Class, n int) bool { return n == 0 })
		if !maps.Equal(got.Done, want) || got.Grown != grown {
			return fmt.Errorf("%s: Window of %s counts %v and growth by %d, want %v and %d", when, connection, got.Done, got.Grown, want, grown)
		}
		return nil
	}
	type counts = map[provisioning.Class]int
	if err := counted("before anything was done", "okta-prod", nil, 0); err != nil {
		return err
	}
	hire := creates("ana", "bob", "cyd", "dan")
	for i := range hire {
		hire[i].Classes = []provisioning.Class{provisioning.ClassCreate}
	}
	if err := b.apply(ctx, tenant, hire, done); err != nil {
		return err
	}
	if err := counted("after four creates", "okta-prod", counts{provisioning.ClassCreate: 4}, 4); err != nil {
		return err
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	leave := func(id string, approved ...provisioning.Class) provisioning.Action {
		a := update(team["id-"+id], func(m *provisioning.Member) { m.Active, m.Capture = false, nil })
		a.Kind, a.Classes, a.Approved = provisioning.KindDeactivate, []provisioning.Class{provisioning.ClassDeactivate, provisioning.ClassReparent}, approved
		return a
	}
	late := leave("cyd")
	late.Key, late.Revision = "late", "7"
	ana := leave("ana")
	for _, step := range []struct {
		when    string
		actions []provisioning.Action
		want    []outcome
		done    counts
		grown   int
	}{
		{"after one was repeated", hire[:1], []outcome{repeated}, counts{provisioning.ClassCreate: 4}, 4},
		{"after one was refused and another done", []provisioning.Action{late, ana}, []outcome{stale, done},
			counts{provisioning.ClassCreate: 4, provisioning.ClassDeactivate: 1, provisioning.ClassReparent: 1}, 3},
		{"after a class was approved", []provisioning.Action{leave("bob", provisioning.ClassDeactivate)}, []outcome{done},
			counts{provisioning.ClassCreate: 4, provisioning.ClassReparent: 2}, 2},
		{"after one more", []provisioning.Action{leave("cyd")}, []outcome{done},
			counts{provisioning.ClassCreate: 4, provisioning.ClassDeactivate: 1, provisioning.ClassReparent: 3}, 1},
	} {
		if err := b.apply(ctx, tenant, step.actions, step.want...); err != nil {
			return err
		}
		if err := counted(step.when, "okta-prod", step.done, step.grown); err != nil {
			return err
		}
	}
	move := update(team["id-dan"], func(m *provisioning.Member) { m.Connection, m.ExternalID = "okta-test", "ext-new" })
	move.Classes = []provisioning.Class{provisioning.ClassIdentity}
	if err := b.apply(ctx, tenant, []provisioning.Action{move}, done); err != nil {
		return err
	}
	if err := counted("after one went to another connection", "okta-test", counts{provisioning.ClassIdentity: 1}, 1); err != nil {
		return err
	}
	if err := counted("after one went to another connection", "okta-prod",
		counts{provisioning.ClassCreate: 4, provisioning.ClassDeactivate: 1, provisioning.ClassReparent: 3}, 0); err != nil {
		return err
	}
	if other, err := store.Window(ctx, "other", "okta-prod", inWindow); err != nil || len(other.Done) > 0 || other.Grown != 0 {
		return fmt.Errorf("Window of another tenant is %v with %s, want nothing", other, said(err))
	}
	return nil
}
