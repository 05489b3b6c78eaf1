package sourcetest

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
)

const secret = "hunter2"

func fixture() DirectoryConfig {
	return DirectoryConfig{
		Users: []sources.User{
			{ID: "1", Email: "ana@example.com", OtherEmails: []string{"a@example.com"}, Status: sources.StatusActive},
			{ID: "2", Email: "bo@example.com", Attributes: map[string]sources.Values{"Department": {"Sales"}}},
			{ID: "3", Email: "cy@example.com", Manager: sources.Manager{ID: "1"}},
		},
		Groups: []sources.Group{
			{ID: "g1", Name: "Sales", Members: []string{"2", "1"}},
			{ID: "g2", Members: []string{"3"}},
			{ID: "g3"},
		},
		Matches: map[string][]string{"all": {"3", "1", "2"}, "none": nil},
	}
}

// harness returns the harness of a directory whose sources are wrapped by wrap.
func harness(wrap func(*Directory) sources.Source) Harness {
	shared := NewDirectory(fixture())
	h := Harness{
		New:       func(testing.TB) sources.Source { return wrap(shared) },
		Users:     fixture().Users,
		Groups:    fixture().Groups,
		Requests:  shared.Requests,
		Matches:   fixture().Matches,
		BadQuery:  "no such query",
		MissingID: "nobody",
		Mutable: func(testing.TB) (sources.Source, func()) {
			d := NewDirectory(fixture())
			return wrap(d), func() {
				d.RemoveUsers("1")
				d.PutUsers(sources.User{ID: "2", Email: "bo.new@example.com"}, sources.User{ID: "4"})
				d.RemoveGroups("g3")
				d.PutGroups(sources.Group{ID: "g2", Members: []string{"4"}})
			}
		},
		ExpiredCursor: "0.1000",
		Faults:        make(map[Fault]func(testing.TB, int) (sources.Source, func() bool)),
		Secrets:       []string{secret},
	}
	for fault, reason := range map[Fault]error{
		FaultCut:          sources.ErrUnavailable,
		FaultBlank:        sources.ErrMalformed,
		FaultDrift:        sources.ErrMalformed,
		FaultRateLimited:  sources.ErrRateLimited,
		FaultUnavailable:  sources.ErrUnavailable,
		FaultUnauthorized: sources.ErrUnauthorized,
	} {
		h.Faults[fault] = func(_ testing.TB, at int) (sources.Source, func() bool) {
			d := NewDirectory(fixture())
			d.FailFrom(at, reason)
			return wrap(d), func() bool { return d.Failed() > 0 }
		}
	}
	return h
}

func plain(d *Directory) sources.Source { return d }

func TestDirectoryConforms(t *testing.T) { Test(t, harness(plain)) }

// A wrapper that only observes passes the suite like the source that it wraps.
func TestWrapperConforms(t *testing.T) {
	Test(t, harness(func(d *Directory) sources.Source { return observer{d} }))
}

type observer struct{ sources.Source }

func (o observer) Unwrap() sources.Source { return o.Source }

// A source that has only the two listings.
func TestBareSourceConforms(t *testing.T) {
	h := harness(func(d *Directory) sources.Source { return struct{ sources.Source }{d} })
	h.Requests, h.Faults = nil, map[Fault]func(testing.TB, int) (sources.Source, func() bool){FaultCut: h.Faults[FaultCut]}
	h.Unsupported = map[string]string{"requests": "not counted"}
	for _, c := range faultChecks() {
		if c.name != string(FaultCut) {
			h.Unsupported[c.name] = "cannot happen in memory"
		}
	}
	Test(t, h)
}

// A twisted source is a directory that breaks one rule of the contract.
type twisted struct {
	*Directory
	info    func() sources.Info
	users   func(context.Context) iter.Seq2[sources.User, error]
	groups  func(context.Context) iter.Seq2[sources.Group, error]
	match   func(context.Context, string) iter.Seq2[string, error]
	batch   func(context.Context, []string) (iter.Seq2[sources.User, error], func(string) iter.Seq2[string, error])
	one     func(context.Context, string, ...string) (sources.One, error)
	check   func(context.Context) error
	changes func(context.Context, sources.Cursor) iter.Seq2[sources.Change, error]
}

func (s *twisted) Info() sources.Info { return s.info() }
func (s *twisted) Users(ctx context.Context) iter.Seq2[sources.User, error] {
	return s.users(ctx)
}
func (s *twisted) Groups(ctx context.Context) iter.Seq2[sources.Group, error] {
	return s.groups(ctx)
}
func (s *twisted) Match(ctx context.Context, query string) iter.Seq2[string, error] {
	return s.match(ctx, query)
}
func (s *twisted) UsersAndMatches(ctx context.Context, queries []string) (iter.Seq2[sources.User, error], func(string) iter.Seq2[string, error]) {
	return s.batch(ctx, queries)
}
func (s *twisted) One(ctx context.Context, id string, queries ...string) (sources.One, error) {
	return s.one(ctx, id, queries...)
}
func (s *twisted) Check(ctx context.Context) error { return s.check(ctx) }
func (s *twisted) Changes(ctx context.Context, after sources.Cursor) iter.Seq2[sources.Change, error] {
	return s.changes(ctx, after)
}

// alter changes what One returns about a user who exists.
func alter(change func(*sources.One)) func(*twisted) {
	return func(s *twisted) {
		s.one = func(ctx context.Context, id string, queries ...string) (sources.One, error) {
			one, err := s.Directory.One(ctx, id, queries...)
			if one.Found {
				change(&one)
			}
			return one, err
		}
	}
}

// twist returns the harness of directories that change has altered.
func twist(change func(*twisted)) Harness {
	return harness(func(d *Directory) sources.Source {
		s := &twisted{d, d.Info, d.Users, d.Groups, d.Match, d.UsersAndMatches, d.One, d.Check, d.Changes}
		change(s)
		return s
	})
}

// Every check fails for a source that breaks its rule and is otherwise correct.
func TestChecksCanFail(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		check string
		want  string // text that the failure contains
		twist func(*twisted)
	}{
		{"info", "Connection is empty", func(s *twisted) {
			s.info = func() sources.Info { return sources.Info{Kind: "test"} }
		}},
		{"users", `user "3" is not listed`, func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] { return first(2, s.Directory.Users(ctx)) }
		}},
		{"users", `user "3" is listed twice`, func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] {
				return also(s.Directory.Users(ctx), sources.User{ID: "3"}, nil)
			}
		}},
		{"users", `user "9" is listed and not in the directory`, func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] {
				return also(s.Directory.Users(ctx), sources.User{ID: "9"}, nil)
			}
		}},
		{"users", `user "1" is listed as`, func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] {
				return each(s.Directory.Users(ctx), func(u *sources.User) { u.Email = strings.ToUpper(u.Email) })
			}
		}},
		{"groups", `group "g1" is listed as`, func(s *twisted) {
			s.groups = func(ctx context.Context) iter.Seq2[sources.Group, error] {
				return each(s.Directory.Groups(ctx), func(g *sources.Group) { g.Members = nil })
			}
		}},
		{"groups", "lacks FactGroups", func(s *twisted) {
			s.info = func() sources.Info {
				return sources.Info{Kind: "test", Connection: "test", Lists: sources.FactUsers}
			}
		}},
		{"restart", "after a listing that was broken off", func(s *twisted) {
			s.users = once(s.Directory.Users(ctx))
		}},
		{"break", "the iteration panics", func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] { return stubborn(s.Directory.Users(ctx)) }
		}},
		{"cancel", "claims its end", func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] { return silent(s.Directory.Users(ctx)) }
		}},
		{"cancel", "claims its end", func(s *twisted) { // the source ignores the context
			s.groups = func(ctx context.Context) iter.Seq2[sources.Group, error] {
				return s.Directory.Groups(context.WithoutCancel(ctx))
			}
		}},
		{"cancel", "want an error that matches context.Canceled", func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] {
				return failing(s.Directory.Users(ctx), func(error) error { return errors.New("stopped") })
			}
		}},
		{"cancel", "goes on after its error", func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] {
				return also(s.Directory.Users(ctx), sources.User{}, ctx.Err())
			}
		}},
		{"cancel", "a value that is not zero stands beside the error", func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] {
				return func(yield func(sources.User, error) bool) {
					for u, err := range s.Directory.Users(ctx) {
						if err != nil {
							u.ID = "last"
						}
						if !yield(u, err) {
							return
						}
					}
				}
			}
		}},
		{"owned values", "changed by the caller", func(s *twisted) {
			s.users = shared(s.Directory.Users(ctx))
		}},
		{"owned values", "changed by the caller", func(s *twisted) {
			s.groups = shared(s.Directory.Groups(ctx))
		}},
		{"requests", "it reads ahead", func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] { return eager(s.Directory.Users(ctx)) }
		}},
		{"requests", "requests were made after the break", func(s *twisted) {
			s.users = func(ctx context.Context) iter.Seq2[sources.User, error] {
				return func(yield func(sources.User, error) bool) {
					s.Directory.Users(ctx)(yield)
					_ = s.Directory.Check(ctx)
				}
			}
		}},
		{"requests", "Info made 1 requests", func(s *twisted) {
			s.info = func() sources.Info {
				_ = s.Directory.Check(ctx)
				return s.Directory.Info()
			}
		}},
		{"match", `Match all: got ["1" "3"], want ["1" "2" "3"]`, func(s *twisted) {
			s.match = func(ctx context.Context, q string) iter.Seq2[string, error] {
				return first(2, s.Directory.Match(ctx, q))
			}
		}},
		{"bad query", `want an error that matches "query refused", got none`, func(s *twisted) {
			s.match = func(ctx context.Context, q string) iter.Seq2[string, error] { return silent(s.Directory.Match(ctx, q)) }
		}},
		{"batch match", `user "3" is not listed`, func(s *twisted) {
			s.batch = func(ctx context.Context, q []string) (iter.Seq2[sources.User, error], func(string) iter.Seq2[string, error]) {
				users, match := s.Directory.UsersAndMatches(ctx, q)
				return first(2, users), match
			}
		}},
		{"batch match", `after the listing: the answer to all: got []`, func(s *twisted) {
			s.batch = func(ctx context.Context, q []string) (iter.Seq2[sources.User, error], func(string) iter.Seq2[string, error]) {
				users, match := s.Directory.UsersAndMatches(ctx, q)
				ended := false
				listing := func(yield func(sources.User, error) bool) {
					for u, err := range users {
						if !yield(u, err) {
							return
						}
					}
					ended = true
				}
				return listing, func(query string) iter.Seq2[string, error] {
					if ended && query == "all" {
						return first(0, match(query))
					}
					return match(query)
				}
			}
		}},
		{"batch match", `want an error that matches "query refused", got none`, func(s *twisted) {
			s.batch = func(ctx context.Context, q []string) (iter.Seq2[sources.User, error], func(string) iter.Seq2[string, error]) {
				users, match := s.Directory.UsersAndMatches(ctx, q)
				return users, func(query string) iter.Seq2[string, error] { return silent(match(query)) }
			}
		}},
		{"read one", `user "1" is listed as`, alter(func(o *sources.One) { o.User = sources.User{ID: o.User.ID} })},
		{"read one", "Found is false", alter(func(o *sources.One) { o.Found = false })},
		{"read one", `group "g1" is not listed`, alter(func(o *sources.One) { o.Groups = nil })},
		{"read one", `group "g9" is listed and not in the directory`, alter(func(o *sources.One) { o.Groups = append(o.Groups, sources.Group{ID: "g9"}) })},
		{"read one", `group "g1" is listed as`, alter(func(o *sources.One) { o.Groups[0].Members = []string{"1"} })},
		{"read one", "it claims to prove groups", alter(func(o *sources.One) { o.Proven |= sources.FactGroups })},
		{"read one", `Matches["all"] is false, want true`, alter(func(o *sources.One) { o.Matches["all"] = false })},
		{"read one", "managers not proven", alter(func(o *sources.One) { o.Proven &^= sources.FactManagers })},
		{"read one", "a user that is missing: want an answer and no error", func(s *twisted) {
			s.one = func(ctx context.Context, id string, queries ...string) (sources.One, error) {
				one, err := s.Directory.One(ctx, id, queries...)
				if err == nil && !one.Found {
					err = &sources.Error{Kind: "test", Reason: sources.ErrNotFound}
				}
				return one, err
			}
		}},
		{"read one", "a user that is missing: want Found false", func(s *twisted) {
			s.one = func(ctx context.Context, id string, queries ...string) (sources.One, error) {
				one, err := s.Directory.One(ctx, id, queries...)
				one.User.ID = id
				return one, err
			}
		}},
		{"read one", "a user that is missing: it claims to prove", func(s *twisted) {
			s.one = func(ctx context.Context, id string, queries ...string) (sources.One, error) {
				one, err := s.Directory.One(ctx, id, queries...)
				one.Proven |= sources.FactMemberships
				return one, err
			}
		}},
		{"read one", "a user that is missing: it proves nothing", func(s *twisted) {
			s.one = func(ctx context.Context, id string, queries ...string) (sources.One, error) {
				one, err := s.Directory.One(ctx, id, queries...)
				if !one.Found {
					one.Proven = 0
				}
				return one, err
			}
		}},
		{"check", "want no error", func(s *twisted) {
			s.check = func(context.Context) error { return errors.New("always") }
		}},
		{"delta", "the round from the empty cursor", func(s *twisted) {
			s.changes = func(ctx context.Context, at sources.Cursor) iter.Seq2[sources.Change, error] {
				return first(3, s.Directory.Changes(ctx, at)) // cut before Next
			}
		}},
		{"delta", `user "1" is listed and not in the directory`, func(s *twisted) {
			s.changes = func(ctx context.Context, at sources.Cursor) iter.Seq2[sources.Change, error] {
				return without(s.Directory.Changes(ctx, at), func(c sources.Change) bool { return c.UserRemoved != "" })
			}
		}},
		{"delta", "want Next in the last change and in no other", func(s *twisted) {
			s.changes = func(ctx context.Context, at sources.Cursor) iter.Seq2[sources.Change, error] {
				return also(s.Directory.Changes(ctx, at), sources.Change{UserRemoved: "7"}, nil)
			}
		}},
		{"expired cursor", `want an error that matches "cursor expired", got none`, func(s *twisted) {
			s.changes = func(ctx context.Context, at sources.Cursor) iter.Seq2[sources.Change, error] {
				return silent(s.Directory.Changes(ctx, at))
			}
		}},
		{"expired cursor", "1 changes came instead of the error alone", func(s *twisted) {
			s.changes = func(ctx context.Context, at sources.Cursor) iter.Seq2[sources.Change, error] {
				return also(first(1, s.Directory.Changes(ctx, "")), sources.Change{}, sources.ErrCursorExpired)
			}
		}},
	} {
		t.Run(c.check, func(t *testing.T) { fails(t, c.check, twist(c.twist), c.want) })
	}
}

// S12: for every fault and every kind of request, the suite detects a source
// that claims to be complete although it is not.
func TestFaultChecksCanFail(t *testing.T) {
	for _, fault := range faultChecks() {
		t.Run(fault.name, func(t *testing.T) {
			fails(t, fault.name, twist(func(s *twisted) {
				s.users = func(ctx context.Context) iter.Seq2[sources.User, error] { return silent(s.Directory.Users(ctx)) }
			}), "Users, with the fault from request 0 on: it claims to be complete")
			fails(t, fault.name, twist(func(s *twisted) {
				s.groups = func(ctx context.Context) iter.Seq2[sources.Group, error] {
					return late(s.Directory.Groups(ctx)) // only the error of the second page is dropped
				}
			}), "Groups, with the fault from request 1 on: it claims to be complete")
			fails(t, fault.name, twist(func(s *twisted) {
				s.match = func(ctx context.Context, q string) iter.Seq2[string, error] { return silent(s.Directory.Match(ctx, q)) }
			}), "Match all, with the fault from request 0 on: it claims to be complete")
			fails(t, fault.name, twist(func(s *twisted) {
				s.check = func(ctx context.Context) error {
					_ = s.Directory.Check(ctx)
					return nil
				}
			}), "Check, with the fault from request 0 on: it claims to be complete")
			fails(t, fault.name, twist(func(s *twisted) {
				s.changes = func(ctx context.Context, at sources.Cursor) iter.Seq2[sources.Change, error] {
					return also(silent(s.Directory.Changes(ctx, at)), sources.Change{Next: "next"}, nil)
				}
			}), "Changes, with the fault from request 0 on: it claims to be complete")
			fails(t, fault.name, twist(func(s *twisted) {
				s.one = func(ctx context.Context, id string, queries ...string) (sources.One, error) {
					one, err := s.Directory.One(ctx, id, queries...)
					return one, failure(err, sources.ErrNotFound)
				}
			}), "One, with the fault from request 0 on: want an error that matches")
			fails(t, fault.name, twist(func(s *twisted) {
				s.one = func(ctx context.Context, id string, queries ...string) (sources.One, error) {
					one, err := s.Directory.One(ctx, id, queries...)
					if err != nil {
						one = sources.One{Found: true}
					}
					return one, err
				}
			}), "a One that is not zero stands beside the error")
			fails(t, fault.name, twist(func(s *twisted) {
				s.one = func(ctx context.Context, id string, queries ...string) (sources.One, error) {
					one, err := s.Directory.One(ctx, id, queries...)
					if err != nil {
						return sources.One{Proven: sources.FactUsers}, nil // claims that the user does not exist
					}
					return one, nil
				}
			}), "One, with the fault from request 0 on: it claims to be complete")
			fails(t, fault.name, twist(func(s *twisted) {
				s.check = func(ctx context.Context) error {
					if s.Directory.Check(ctx) == nil {
						return nil
					}
					return errors.New("some error")
				}
			}), "want a *sources.Error")
			fails(t, fault.name, twist(func(s *twisted) {
				s.check = func(ctx context.Context) error {
					if err := s.Directory.Check(ctx); err != nil {
						return &sources.Error{Kind: "test", Err: errors.New("password " + secret)}
					}
					return nil
				}
			}), "shows a secret")
			fails(t, fault.name, twist(func(s *twisted) {
				s.check = func(ctx context.Context) error {
					return failure(s.Directory.Check(ctx), errors.New(strings.Repeat("answer ", 1000)))
				}
			}), "bytes long, want at most 2000")
			fails(t, fault.name, twist(func(s *twisted) {
				s.check = func(context.Context) error { return errors.New("always") }
			}), "which it does not reach: want no error")

			h := harness(plain)
			h.Faults[Fault(fault.name)] = func(testing.TB, int) (sources.Source, func() bool) {
				return NewDirectory(fixture()), func() bool { return false }
			}
			fails(t, fault.name, h, "the fault was never met")
		})
	}
}

// The race detector finds an unsafe source. Without it, the check still detects
// a source whose listings disturb each other.
func TestConcurrentCanFail(t *testing.T) {
	fails(t, "concurrent", twist(func(s *twisted) {
		taken := make(chan bool, 1) // room for one listing at a time
		s.users = func(ctx context.Context) iter.Seq2[sources.User, error] {
			return func(yield func(sources.User, error) bool) {
				select {
				case taken <- true:
					s.Directory.Users(ctx)(yield) // the slot is never released
				default:
				}
			}
		}
	}), "is not listed")
}

func TestHarnessIsChecked(t *testing.T) {
	problems := func(change func(*Harness)) string {
		h := harness(plain)
		change(&h)
		return errors.Join(h.problems(t)...).Error()
	}
	assert.Equal(t, "Harness.New is required", errors.Join(Harness{}.problems(t)...).Error())
	assert.Contains(t, problems(func(h *Harness) { h.Users = nil }), "Users: want at least three, got 0")
	assert.Contains(t, problems(func(h *Harness) { h.Mutable = nil }), `nothing for the check "delta"`)
	assert.Contains(t, problems(func(h *Harness) { delete(h.Faults, FaultDrift) }), `nothing for the check "fault drift"`)
	assert.Contains(t, problems(func(h *Harness) { h.Unsupported = map[string]string{"users": "shy"} }), "cannot be left out")
	assert.Contains(t, problems(func(h *Harness) { h.Unsupported = map[string]string{"delta": ""} }), "want the reason")
	assert.Contains(t, problems(func(h *Harness) { h.Unsupported = map[string]string{"dleta": "typo"} }), "no check of that name")
}

// fails runs one check and requires that it fails with the text.
func fails(t *testing.T, name string, h Harness, want string) {
	t.Helper()
	for _, c := range checks() {
		if c.name == name {
			require.ErrorContains(t, c.run(run{tb: t, Harness: h}), want)
			return
		}
	}
	t.Fatalf("there is no check %q", name)
}
