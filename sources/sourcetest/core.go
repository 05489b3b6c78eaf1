package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/usher-go/usher/sources"
)

// coreChecks are the rules that every source must meet. "requests" is not one of
// the core; it needs Harness.Requests.
func coreChecks() []check {
	return []check{
		{name: "info", core: true, run: run.info,
			rule: "Info names kind and connection, and says the same every time"},
		{name: "users", core: true, run: func(r run) error { return r.listsUsers(r.New(r.tb)) },
			rule: "every user is listed once and as the directory has it, and nobody else"},
		{name: "groups", core: true, run: run.groups,
			rule: "every group is listed once with its members; a source without groups lists none and proves none"},
		{name: "restart", core: true, run: run.restart,
			rule: "every call starts a fresh listing"},
		{name: "break", core: true, run: run.breaks,
			rule: "the caller may break out of a listing anywhere"},
		{name: "cancel", core: true, run: run.cancel,
			rule: "a cancelled context surfaces as an error that matches ctx.Err() and stands last, and never as an end"},
		{name: "owned values", core: true, run: run.ownedValues,
			rule: "yielded values are the caller's to keep and change"},
		{name: "concurrent", core: true, run: run.concurrent,
			rule: "a source is safe for concurrent use"},
		{name: "requests", run: run.requests, shown: func(h Harness) bool { return h.Requests != nil },
			rule: "breaking out of a listing stops further requests, and Info makes none"},
	}
}

func (r run) info() error {
	src := r.New(r.tb)
	info := src.Info()
	switch {
	case info.Kind == "":
		return errors.New("Info.Kind is empty")
	case info.Connection == "":
		return errors.New("Info.Connection is empty")
	case src.Info() != info:
		return errors.New("Info says something else the second time")
	}
	return nil
}

func (r run) groups() error {
	src := r.New(r.tb)
	if len(r.Groups) > 0 && !src.Info().Lists.Has(sources.FactGroups) {
		return errors.New("the harness has groups, and Info.Lists lacks FactGroups")
	}
	return r.listsGroups(src)
}

func (r run) restart() error {
	src := r.New(r.tb)
	if err := errors.Join(breakAfter(src.Users(r.tb.Context()), 1), breakAfter(src.Groups(r.tb.Context()), 1)); err != nil {
		return err
	}
	if err := r.listsAll(src); err != nil {
		return fmt.Errorf("after a listing that was broken off: %w", err)
	}
	if err := r.listsAll(src); err != nil {
		return fmt.Errorf("after a whole listing: %w", err)
	}

	// Two listings at the same time, with one step of each in turn.
	next, stop := iter.Pull2(src.Users(r.tb.Context()))
	defer stop()
	var users, others []sources.User
	for user, err := range src.Users(r.tb.Context()) {
		other, otherErr, more := next()
		if err = errors.Join(err, otherErr); err != nil {
			return fmt.Errorf("two listings in turn: want no error, got: %w", err)
		}
		if !more {
			return fmt.Errorf("two listings in turn: one ends after %d users, the other goes on", len(users))
		}
		users, others = append(users, user), append(others, other)
	}
	return errors.Join(sameUsers(users, r.Users), sameUsers(others, r.Users))
}

func (r run) breaks() error {
	src := r.New(r.tb)
	for n := 1; n <= len(r.Users); n++ {
		if err := breakAfter(src.Users(r.tb.Context()), n); err != nil {
			return fmt.Errorf("Users, breaking after %d: %w", n, err)
		}
	}
	for n := 1; n <= len(r.Groups); n++ {
		if err := breakAfter(src.Groups(r.tb.Context()), n); err != nil {
			return fmt.Errorf("Groups, breaking after %d: %w", n, err)
		}
	}
	return nil
}

// breakAfter leaves the loop after n values. If the iteration continues, the range
// statement panics.
func breakAfter[T any](seq iter.Seq2[T, error], n int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the iteration panics: %v", r)
		}
	}()
	for _, err := range seq {
		if err != nil {
			return fmt.Errorf("want no error, got: %w", err)
		}
		if n--; n == 0 {
			break
		}
	}
	return nil
}

func (r run) cancel() error {
	src := r.New(r.tb)
	for n := range r.Users {
		got := listCancelled(src.Users, n)
		if err := judgeCancelled(got, n, len(r.Users)); err != nil {
			return fmt.Errorf("Users, cancelled after %d: %w", n, err)
		}
	}
	for n := range r.Groups {
		got := listCancelled(src.Groups, n)
		if err := judgeCancelled(got, n, len(r.Groups)); err != nil {
			return fmt.Errorf("Groups, cancelled after %d: %w", n, err)
		}
	}
	return nil
}

// listCancelled ranges over a listing and cancels its context after n values.
func listCancelled[T any](listing func(context.Context) iter.Seq2[T, error], n int) listing[T] {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return list(func(yield func(T, error) bool) {
		if n == 0 {
			cancel()
		}
		count := 0
		for value, err := range listing(ctx) {
			if count++; count == n {
				cancel()
			}
			if !yield(value, err) {
				return
			}
		}
	})
}

// judgeCancelled allows a source to yield all values that it has already read.
func judgeCancelled[T any](l listing[T], n, all int) error {
	switch {
	case l.breach != nil:
		return l.breach
	case l.err == nil && n > 0 && len(l.values) == all:
		return nil
	case l.err == nil:
		return fmt.Errorf("the listing claims its end after %d of %d", len(l.values), all)
	case !errors.Is(l.err, context.Canceled):
		return fmt.Errorf("want an error that matches context.Canceled, got: %w", l.err)
	}
	return nil
}

func (r run) ownedValues() error {
	src := r.New(r.tb)
	for round := range 2 {
		users, err := list(scrambling(src.Users(r.tb.Context()), sources.User.Clone, scrambleUser)).good("Users")
		if err != nil {
			return err
		}
		groups, err := list(scrambling(src.Groups(r.tb.Context()), cloneGroup, scrambleGroup)).good("Groups")
		if err != nil {
			return err
		}
		if err := errors.Join(sameUsers(users, r.Users), sameGroups(groups, r.Groups)); err != nil {
			return fmt.Errorf("listing %d, while the caller changes what it is given: %w", round+1, err)
		}
	}
	return nil
}

// scrambling yields a copy of each value and then overwrites the value.
func scrambling[T any](seq iter.Seq2[T, error], clone func(T) T, scramble func(T)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for value, err := range seq {
			copied := clone(value)
			scramble(value)
			if !yield(copied, err) {
				return
			}
		}
	}
}

func scrambleUser(u sources.User) {
	for i := range u.OtherEmails {
		u.OtherEmails[i] = "changed by the caller"
	}
	for name, values := range u.Attributes {
		for i := range values {
			values[i] = "changed by the caller"
		}
		u.Attributes[name+" changed by the caller"] = nil
	}
}

func scrambleGroup(g sources.Group) {
	for i := range g.Members {
		g.Members[i] = "changed by the caller"
	}
}

func (r run) concurrent() error {
	src := r.New(r.tb)
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = r.listsAll(src) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (r run) requests() error {
	src := r.New(r.tb)
	before := r.Requests()
	src.Info()
	if made := r.Requests() - before; made != 0 {
		return fmt.Errorf("Info made %d requests", made)
	}
	if _, err := list(src.Users(r.tb.Context())).good("Users"); err != nil {
		return err
	}
	whole := r.Requests() - before

	src = r.New(r.tb)
	before = r.Requests()
	atBreak := 0
	for _, err := range src.Users(r.tb.Context()) {
		if err != nil {
			return fmt.Errorf("want no error, got: %w", err)
		}
		atBreak = r.Requests() - before
		break
	}
	made := r.Requests() - before
	switch {
	case made > atBreak:
		return fmt.Errorf("%d requests were made after the break", made-atBreak)
	case made >= whole:
		return fmt.Errorf("a listing broken off at its first user made %d requests, the whole listing %d: "+
			"it reads ahead, or the directory fits on one page", made, whole)
	}
	return nil
}
