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

// A stateName is where a document is stored.
type stateName struct{ tenant, name string }

// checkState: a document is what was stored last under its name, and replaces
// only the one whose revision is named (S38).
func checkState(ctx context.Context, b *bench) error {
	states := b.store.(provisioning.StateStore)
	at, known := stateName{tenant, "syncer okta-prod"}, provisioning.Revision("")
	holds := func(want []byte, when string) error {
		document, revision, err := states.State(ctx, at.tenant, at.name)
		if err != nil || revision != known || want != nil && !bytes.Equal(document, want) || want == nil && document != nil {
			return fmt.Errorf("State %s gave %d bytes of revision %q and %s, want %d bytes of %q", when, len(document), revision, said(err), len(want), known)
		}
		return nil
	}
	refused := func(revision provisioning.Revision, document []byte, when string) error {
		if _, err := states.SetState(ctx, at.tenant, at.name, revision, document); !errors.Is(err, provisioning.ErrStale) {
			return fmt.Errorf("SetState %s gave %s, want ErrStale", when, said(err))
		}
		return nil
	}
	if err := holds(nil, "of a name that has none"); err != nil {
		return err
	}
	if err := refused("7", []byte("x"), "of a revision where there is nothing"); err != nil {
		return err
	}
	seen := make(map[provisioning.Revision]bool)
	var stored []byte
	for i, document := range [][]byte{[]byte(`{"cursor":"1"}`), {0, 255, '\'', 0x80}, bytes.Repeat([]byte("large "), 1<<18), nil, []byte("again")} {
		next, err := states.SetState(ctx, at.tenant, at.name, known, document)
		if err != nil {
			return fmt.Errorf("SetState of the revision that is stored: %w", err)
		}
		if (next == "") != (document == nil) || next != "" && seen[next] {
			return fmt.Errorf("SetState gave the revision %q, want another one than ever before, and none for what was removed", next)
		}
		before := known
		seen[next], known, stored = true, next, document
		if err := errors.Join(holds(stored, fmt.Sprintf("after write %d", i)), refused(before, []byte("stale"), "of the revision before"),
			refused("no revision", nil, "of a revision that never was"), holds(stored, "after what was refused")); err != nil {
			return err
		}
	}
	for _, other := range []stateName{{"other", at.name}, {tenant, "syncer okta"}, {tenant, strings.ToUpper(at.name)}} {
		document, revision, err := states.State(ctx, other.tenant, other.name)
		if document != nil || revision != "" || err != nil {
			return fmt.Errorf("State of %v gave %q and %s, want none: it was stored for %v", other, document, said(err), at)
		}
	}
	return b.oneWriter(ctx, at, known)
}

// oneWriter: of several who replace one revision at the same time, one does.
func (b *bench) oneWriter(ctx context.Context, at stateName, known provisioning.Revision) error {
	var work sync.WaitGroup
	var mu sync.Mutex
	var failure error
	written := 0
	for i := range 8 {
		work.Go(func() {
			_, err := b.store.(provisioning.StateStore).SetState(ctx, at.tenant, at.name, known, []byte{byte(i)})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				written++
			} else if !errors.Is(err, provisioning.ErrStale) {
				failure = err
			}
		})
	}
	work.Wait()
	if failure != nil || written != 1 {
		return fmt.Errorf("of eight who replaced one revision, %d did, with %s; want one, and ErrStale for the others", written, said(failure))
	}
	return nil
}

// checkWindow: the window counts what was done by class, once, and begins anew
// with an approval (S39).
func checkWindow(ctx context.Context, b *bench) error {
	counted := func(connection string, want provisioning.Window, when string) error {
		got, err := b.store.(provisioning.StateStore).Window(ctx, tenant, connection, time.Hour)
		maps.DeleteFunc(got.Done, func(_ provisioning.Class, n int) bool { return n == 0 })
		if err != nil || !maps.Equal(got.Done, want.Done) || got.Grown != want.Grown {
			return fmt.Errorf("%s the window of %s is %v, want %v; it gave %s", when, connection, got, want, said(err))
		}
		return nil
	}
	both := func(want provisioning.Window, when string) error {
		return errors.Join(counted("okta-prod", want, when), counted("okta-test", provisioning.Window{}, when))
	}
	if err := both(provisioning.Window{}, "before anything was done"); err != nil {
		return err
	}
	hire := creates("ana", "bob", "cyd", "dan")
	for i := range hire {
		hire[i].Classes = []provisioning.Class{provisioning.ClassCreate}
	}
	for _, want := range []outcome{done, repeated} {
		if err := b.apply(ctx, tenant, hire, want); err != nil {
			return err
		}
		if err := both(provisioning.Window{Done: map[provisioning.Class]int{provisioning.ClassCreate: 4}, Grown: 4}, "after four creates, "+want.String()); err != nil {
			return err
		}
	}
	team, err := b.team(ctx, tenant)
	if err != nil {
		return err
	}
	change := func(id string, edit func(m *provisioning.Member), approved bool, classes ...provisioning.Class) provisioning.Action {
		m := team[id]
		a := update(m, edit)
		if a.Classes = classes; approved {
			a.Approved = classes
		}
		return a
	}
	leave := func(m *provisioning.Member) { m.Active = false }
	lose := func(m *provisioning.Member) { m.Seats = []string{"plus"} }
	stalest := change("id-cyd", lose, false, provisioning.ClassDowngrade)
	stalest.Revision = "7"
	for _, step := range []struct {
		when   string
		action provisioning.Action
		result outcome
		want   provisioning.Window
	}{
		{"after somebody left", change("id-ana", leave, false, provisioning.ClassDeactivate), done,
			provisioning.Window{Done: map[provisioning.Class]int{provisioning.ClassCreate: 4, provisioning.ClassDeactivate: 1}, Grown: 3}},
		{"after an action that was refused", stalest, stale,
			provisioning.Window{Done: map[provisioning.Class]int{provisioning.ClassCreate: 4, provisioning.ClassDeactivate: 1}, Grown: 3}},
		{"after an action of two classes", change("id-bob", lose, false, provisioning.ClassDowngrade, provisioning.ClassGrant), done,
			provisioning.Window{Done: map[provisioning.Class]int{provisioning.ClassCreate: 4, provisioning.ClassDeactivate: 1, provisioning.ClassDowngrade: 1, provisioning.ClassGrant: 1}, Grown: 3}},
		{"after somebody left with an approval", change("id-cyd", leave, true, provisioning.ClassDeactivate), done,
			provisioning.Window{Done: map[provisioning.Class]int{provisioning.ClassCreate: 4, provisioning.ClassDowngrade: 1, provisioning.ClassGrant: 1}, Grown: 2}},
		{"after somebody left again", change("id-dan", leave, false, provisioning.ClassDeactivate), done,
			provisioning.Window{Done: map[provisioning.Class]int{provisioning.ClassCreate: 4, provisioning.ClassDeactivate: 1, provisioning.ClassDowngrade: 1, provisioning.ClassGrant: 1}, Grown: 1}},
	} {
		if err := b.apply(ctx, tenant, []provisioning.Action{step.action}, step.result); err != nil {
			return err
		}
		if err := both(step.want, step.when); err != nil {
			return err
		}
	}
	other, err := b.store.(provisioning.StateStore).Window(ctx, "other", "okta-prod", time.Hour)
	if err != nil || other.Grown != 0 || len(other.Done) > 0 {
		return fmt.Errorf("the window of another tenant is %v with %s, want nothing in it", other, said(err))
	}
	return nil
}
