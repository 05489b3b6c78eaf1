package sourcetest

import (
	"context"
	"iter"
	"sync"

	"github.com/usher-go/usher/sources"
)

// The functions below break an iteration in different ways.

// first stops after n values.
func first[T any](n int, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		count := 0
		for value, err := range seq {
			if count == n || !yield(value, err) {
				return
			}
			count++
		}
	}
}

// also yields one additional pair.
func also[T any](seq iter.Seq2[T, error], value T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for value, err := range seq {
			if !yield(value, err) {
				return
			}
		}
		yield(value, err)
	}
}

// each changes every value.
func each[T any](seq iter.Seq2[T, error], change func(*T)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for value, err := range seq {
			if err == nil {
				change(&value)
			}
			if !yield(value, err) {
				return
			}
		}
	}
}

// without leaves out some values.
func without[T any](seq iter.Seq2[T, error], drop func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for value, err := range seq {
			if !drop(value) && !yield(value, err) {
				return
			}
		}
	}
}

// silent stops where it should yield an error.
func silent[T any](seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for value, err := range seq {
			if err != nil || !yield(value, nil) {
				return
			}
		}
	}
}

// late is silent unless the error comes before any value.
func late[T any](seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		begun := false
		for value, err := range seq {
			if begun && err != nil || !yield(value, err) {
				return
			}
			begun = true
		}
	}
}

// failing replaces an error by another one.
func failing[T any](seq iter.Seq2[T, error], other func(error) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for value, err := range seq {
			if err != nil {
				err = other(err)
			}
			if !yield(value, err) {
				return
			}
		}
	}
}

// stubborn does not stop when the caller stops.
func stubborn[T any](seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for value, err := range seq {
			yield(value, err)
		}
	}
}

// eager reads everything before it yields the first value.
func eager[T any](seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		l := list(seq)
		for _, value := range l.values {
			if !yield(value, nil) {
				return
			}
		}
		if l.err != nil {
			var none T
			yield(none, l.err)
		}
	}
}

// once continues where the last call stopped.
func once[T any](seq iter.Seq2[T, error]) func(context.Context) iter.Seq2[T, error] {
	values := list(seq).values
	return func(context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			for len(values) > 0 {
				value := values[0]
				values = values[1:]
				if !yield(value, nil) {
					return
				}
			}
		}
	}
}

// shared yields the same values, not copies, on every call.
func shared[T any](seq iter.Seq2[T, error]) func(context.Context) iter.Seq2[T, error] {
	values := sync.OnceValue(func() []T { return list(seq).values })
	return func(context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			for _, value := range values() {
				if !yield(value, nil) {
					return
				}
			}
		}
	}
}

// failure returns other if err is not nil.
func failure(err, other error) error {
	if err == nil {
		return nil
	}
	return &sources.Error{Kind: "test", Err: other}
}
