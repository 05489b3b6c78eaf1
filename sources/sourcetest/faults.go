package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/usher-go/usher/sources"
)

// faultChecks returns a check for each fault.
func faultChecks() []check {
	faults := []struct {
		fault   Fault
		reasons []error // the error has to match one of these
	}{
		{FaultCut, []error{sources.ErrMalformed, sources.ErrUnavailable}},
		{FaultBlank, []error{sources.ErrMalformed, sources.ErrUnavailable}},
		{FaultDrift, []error{sources.ErrMalformed}},
		{FaultRateLimited, []error{sources.ErrRateLimited}},
		{FaultUnavailable, []error{sources.ErrUnavailable}},
		{FaultUnauthorized, []error{sources.ErrUnauthorized}},
	}
	checks := make([]check, len(faults))
	for i, f := range faults {
		checks[i] = check{
			name:  string(f.fault),
			rule:  "a listing that meets a fault at any request never looks like a complete one; the error says what to do and shows no secret",
			shown: func(h Harness) bool { return h.Faults[f.fault] != nil },
			run:   func(r run) error { return r.fault(f.fault, f.reasons) },
		}
	}
	return checks
}

// An outcome is the result of one operation of a source.
type outcome struct {
	complete bool // the source claims that it is complete
	err      error
	breach   error
}

// An operation is one request to a source.
type operation struct {
	name string
	do   func(context.Context, sources.Source) outcome
}

// operations returns everything that src can be asked for.
func (r run) operations(src sources.Source) []operation {
	all := []operation{
		{"Users", func(ctx context.Context, src sources.Source) outcome {
			l := list(src.Users(ctx))
			return outcome{l.err == nil, l.err, l.breach}
		}},
		{"Groups", func(ctx context.Context, src sources.Source) outcome {
			l := list(src.Groups(ctx))
			return outcome{l.err == nil, l.err, l.breach}
		}},
	}
	if can[sources.Matcher](src) {
		for _, query := range sortedKeys(r.Matches) {
			all = append(all, operation{"Match " + query, func(ctx context.Context, src sources.Source) outcome {
				l := list(sources.Match(ctx, src, query))
				return outcome{l.err == nil, l.err, l.breach}
			}})
		}
	}
	if can[sources.OneReader](src) {
		all = append(all, operation{"One", func(ctx context.Context, src sources.Source) outcome {
			reader, _ := sources.As[sources.OneReader](src)
			one, err := reader.One(ctx, r.Users[0].ID)
			if err != nil && !reflect.ValueOf(one).IsZero() {
				return outcome{false, err, fmt.Errorf("a One that is not zero stands beside the error: %w", err)}
			}
			return outcome{err == nil, err, nil}
		}})
	}
	if can[sources.Checker](src) {
		all = append(all, operation{"Check", func(ctx context.Context, src sources.Source) outcome {
			err := sources.Check(ctx, src)
			return outcome{err == nil, err, nil}
		}})
	}
	if can[sources.DeltaSource](src) {
		all = append(all, operation{"Changes", func(ctx context.Context, src sources.Source) outcome {
			delta, _ := sources.As[sources.DeltaSource](src)
			l := list(delta.Changes(ctx, ""))
			ended := len(l.values) > 0 && l.values[len(l.values)-1].Next != ""
			return outcome{ended, l.err, l.breach}
		}})
	}
	return all
}

// mostRequests is more than the number of requests of any operation on a harness's
// directory.
const mostRequests = 10_000

// fault plays the fault at each request of each operation, until no request meets
// it any more.
func (r run) fault(fault Fault, reasons []error) error {
	var met int
	for _, op := range r.operations(r.New(r.tb)) {
		for at := 0; ; at++ {
			src, wasMet := r.Faults[fault](r.tb, at)
			got := op.do(r.tb.Context(), src)
			if !wasMet() {
				if got.err != nil {
					return fmt.Errorf("%s, with a fault from request %d on, which it does not reach: want no error, got: %w", op.name, at, got.err)
				}
				break
			}
			met++
			if err := r.judgeFault(got, reasons); err != nil {
				return fmt.Errorf("%s, with the fault from request %d on: %w", op.name, at, err)
			}
			if at == mostRequests {
				return fmt.Errorf("%s: the fault is still met at request %d; does its function honour at?", op.name, at)
			}
		}
	}
	if met == 0 {
		return errors.New("Harness.Faults: the fault was never met")
	}
	return nil
}

func (r run) judgeFault(got outcome, reasons []error) error {
	switch {
	case got.breach != nil:
		return got.breach
	case got.complete:
		return errors.New("it claims to be complete")
	}
	return r.judge(got.err, reasons...)
}

// longestError is the largest length of an error, in bytes, that counts as showing
// only a short excerpt of an answer.
const longestError = 2000

// judge returns what is wrong with an error that should match one of reasons.
func (r run) judge(err error, reasons ...error) error {
	if err == nil {
		return fmt.Errorf("want an error that matches %q, got none", words(reasons))
	}
	if err := r.judgeForm(err); err != nil {
		return err
	}
	for _, reason := range reasons {
		if errors.Is(err, reason) {
			return nil
		}
	}
	return fmt.Errorf("want an error that matches %q, got: %w", words(reasons), err)
}

// judgeForm returns what is wrong with the form of an error.
func (r run) judgeForm(err error) error {
	shown := fmt.Sprintf("%v %+v", err, err)
	for _, secret := range r.Secrets {
		if secret != "" && strings.Contains(shown, secret) {
			return errors.New("the error shows a secret (the error is not printed here)")
		}
	}
	var known *sources.Error
	switch {
	case !errors.As(err, &known):
		return fmt.Errorf("want a *sources.Error, got %T: %w", err, err)
	case len(err.Error()) > longestError:
		return fmt.Errorf("the error is %d bytes long, want at most %d", len(err.Error()), longestError)
	}
	return nil
}

func words(reasons []error) string {
	texts := make([]string, len(reasons))
	for i, reason := range reasons {
		texts[i] = reason.Error()
	}
	return strings.Join(texts, " or ")
}
