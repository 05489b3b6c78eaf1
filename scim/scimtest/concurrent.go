package scimtest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/usher-go/usher/scim"
)

func concurrentChecks() []check {
	return []check{
		{name: "racing creates", core: true, run: (*bench).racingCreates,
			rule: "of racing creates with one unique key exactly one succeeds, the others are refused with ErrDuplicate"},
		{name: "racing updates", core: true, run: (*bench).racingUpdates,
			rule: "IfVersion keeps racing changes from losing one another"},
		{name: "racing members", core: true, run: (*bench).racingMembers,
			rule: "racing changes of one group's members lose nothing, without any IfVersion"},
		{name: "followed changes", core: true, run: (*bench).followed,
			rule: "a change that becomes visible later has a greater number, so that a reader who follows misses none"},
	}
}

const racers = 8

// race runs work in several goroutines at once.
func race(work func(racer int) error) error {
	errs := make([]error, racers)
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() { errs[i] = work(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (b *bench) racingCreates() error {
	for round := range 5 {
		var won atomic.Int32
		name, at := fmt.Sprintf("name%d", round), b.at()
		err := race(func(racer int) error {
			w := scim.Write{Op: scim.Create, Ref: userRef(fmt.Sprintf("u%d-%d", round, racer)), At: at, Doc: []byte(`{}`), Keys: userKeys(name)}
			_, err := b.Apply(b.ctx, b.dir, w)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, scim.ErrDuplicate) {
				return fmt.Errorf("%s: want it done or an error that matches ErrDuplicate, got: %w", describe(w), err)
			}
			return nil
		})
		if err == nil && won.Load() != 1 {
			err = fmt.Errorf("%d of %d racing creates of one userName succeeded, want 1", won.Load(), racers)
		}
		if err != nil {
			return err
		}
	}
	page, err := b.List(b.ctx, b.dir, scim.Query{Limit: 100})
	if err == nil && len(page.Records) != 5 {
		err = fmt.Errorf("there are %d records, want 5", len(page.Records))
	}
	return err
}

// racingUpdates increments a counter in a document. An update that fails with a
// version conflict reads the document again.
func (b *bench) racingUpdates() error {
	const each = 10
	at := b.at()
	if _, err := b.do(scim.Write{Op: scim.Create, Ref: userRef("u1"), At: at, Doc: []byte("0")}); err != nil {
		return err
	}
	err := race(func(int) error {
		for done := 0; done < each; {
			rec, err := b.Get(b.ctx, b.dir, userRef("u1"), false)
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(rec.Doc))
			if err != nil {
				return fmt.Errorf("the document is %q: %w", rec.Doc, err)
			}
			w := scim.Write{Op: scim.Update, Ref: rec.Ref, At: at, IfVersion: rec.Version, Doc: strconv.AppendInt(nil, int64(n)+1, 10)}
			switch _, err := b.Apply(b.ctx, b.dir, w); {
			case err == nil:
				done++
			case !errors.Is(err, scim.ErrConflict):
				return fmt.Errorf("%s: want it done or an error that matches ErrConflict, got: %w", describe(w), err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	rec, err := b.Get(b.ctx, b.dir, userRef("u1"), false)
	if want := strconv.AppendInt(nil, racers*each, 10); err == nil && !bytes.Equal(rec.Doc, want) {
		err = fmt.Errorf("%s updates are left of %s that were acknowledged", rec.Doc, want)
	}
	return err
}

func (b *bench) racingMembers() error {
	const each = 10
	var all []string
	for i := range racers * each {
		all = append(all, fmt.Sprintf("u%d", i))
	}
	if err := errors.Join(b.have(all...), b.have("g1")); err != nil {
		return err
	}
	at := b.at()
	err := race(func(racer int) error {
		for i := range each {
			id := all[racer*each+i]
			if _, err := b.do(scim.Write{Op: scim.Update, Ref: groupRef("g1"), At: at, Members: adding(id)}); err != nil {
				return err
			}
			if i%2 == 1 { // every second one is removed again
				leave := &scim.MemberChange{Remove: []string{id}}
				if _, err := b.do(scim.Write{Op: scim.Update, Ref: groupRef("g1"), At: at, Members: leave}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var want []string
	for i := 0; i < len(all); i += 2 {
		want = append(want, "User/"+all[i]+"/Display of "+all[i])
	}
	return b.linked(groupRef("g1"), want...)
}

// followed reads changes while other goroutines write.
func (b *bench) followed() error {
	const each = 30
	at := b.at()
	if err := b.have("g0"); err != nil {
		return err
	}
	done := make(chan struct{})
	var writeErr error
	go func() {
		defer close(done)
		writeErr = race(func(racer int) error {
			for i := range each {
				id := fmt.Sprintf("u%d-%d", racer, i)
				if _, err := b.do(scim.Write{Op: scim.Create, Ref: userRef(id), At: at, Doc: []byte(`{}`), Keys: userKeys(id)}); err != nil {
					return err
				}
				if i%3 == 0 {
					if _, err := b.do(scim.Write{Op: scim.Delete, Ref: userRef(id), At: at}); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}()
	alive := map[string]bool{}
	var after int64
	var readErr error
	for last := false; !last && readErr == nil; {
		select {
		case <-done:
			last = true // read once more
		default:
		}
		var page []scim.Record
		page, readErr = b.changes(after, 7)
		for _, rec := range page {
			after = rec.Version
			alive[rec.ID] = !rec.Deleted
		}
	}
	<-done
	if err := errors.Join(writeErr, readErr); err != nil {
		return err
	}
	for racer := range racers {
		for i := range each {
			id := fmt.Sprintf("u%d-%d", racer, i)
			if now, seen := alive[id]; !seen && i%3 != 0 {
				return fmt.Errorf("a reader who follows the changes missed %q", id)
			} else if now != (i%3 != 0) {
				return fmt.Errorf("a reader who follows the changes missed the end of %q", id)
			}
		}
	}
	return nil
}

func (b *bench) durable() error {
	if err := errors.Join(b.have("u1", "u2", "u3"), b.all(
		b.newGroup("g1", "u1", "u2"), scim.Write{Op: scim.Delete, Ref: userRef("u3"), At: b.at()})); err != nil {
		return err
	}
	before, err := b.changes(0, 100)
	if err != nil {
		return err
	}
	b.Store = b.Reopen(b.tb, b.Store)
	after, err := b.changes(0, 100)
	if err != nil {
		return err
	}
	if len(after) != len(before) {
		return fmt.Errorf("opened again: changes are %q, want %q", ids(after), ids(before))
	}
	for i := range before {
		if err := same("opened again: change", after[i], before[i]); err != nil {
			return err
		}
	}
	last := before[len(before)-1].Version
	next, err := b.do(b.newUser("u4"))
	if err == nil && next.Version <= last {
		err = fmt.Errorf("opened again: the next number is %d, want more than %d", next.Version, last)
	}
	return errors.Join(err, b.finds(scim.TypeUser, scim.KeyUserName, "u1", "u1"), b.refused(b.newUser("u1"), scim.ErrDuplicate),
		b.linked(groupRef("g1"), "User/u1/Display of u1", "User/u2/Display of u2"))
}
