package scimtest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/scim"
)

// A broken store is the reference store with one wrong method. A nil field
// leaves its method correct.
type broken struct {
	scim.Memory
	get     func(s *broken, ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error)
	list    func(s *broken, ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error)
	apply   func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error)
	changes func(s *broken, ctx context.Context, dir scim.Directory, after int64, limit int) ([]scim.Record, error)

	mu   sync.Mutex
	seen map[string]int
}

func (s *broken) Get(ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
	if s.get == nil {
		return s.Memory.Get(ctx, dir, ref, links)
	}
	return s.get(s, ctx, dir, ref, links)
}

func (s *broken) List(ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
	if s.list == nil {
		return s.Memory.List(ctx, dir, q)
	}
	return s.list(s, ctx, dir, q)
}

func (s *broken) Apply(ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
	if s.apply == nil {
		return s.Memory.Apply(ctx, dir, w)
	}
	return s.apply(s, ctx, dir, w)
}

func (s *broken) Changes(ctx context.Context, dir scim.Directory, after int64, limit int) ([]scim.Record, error) {
	if s.changes == nil {
		return s.Memory.Changes(ctx, dir, after, limit)
	}
	return s.changes(s, ctx, dir, after, limit)
}

// count returns how often it was called with a name.
func (s *broken) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	s.seen[name]++
	return s.seen[name]
}

// The following functions return stores with one fault. Most do the right thing
// with the wrong input, or change a right answer.

func editRecord(edit func(*scim.Record)) *broken {
	return &broken{get: func(s *broken, ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
		rec, err := s.Memory.Get(ctx, dir, ref, links)
		edit(&rec)
		return rec, err
	}}
}

func editWrite(edit func(s *broken, w *scim.Write)) *broken {
	return &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
		edit(s, &w)
		return s.Memory.Apply(ctx, dir, w)
	}}
}

func editMembers(edit func(c *scim.MemberChange)) *broken {
	return editWrite(func(_ *broken, w *scim.Write) {
		if w.Members != nil {
			c := *w.Members
			edit(&c)
			w.Members = &c
		}
	})
}

func editAnswer(edit func(w scim.Write, rec *scim.Record)) *broken {
	return &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
		rec, err := s.Memory.Apply(ctx, dir, w)
		edit(w, &rec)
		return rec, err
	}}
}

func editError(edit func(error) error) *broken {
	return &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
		rec, err := s.Memory.Apply(ctx, dir, w)
		return rec, edit(err)
	}}
}

func editQuery(edit func(q *scim.Query)) *broken {
	return &broken{list: func(s *broken, ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
		edit(&q)
		return s.Memory.List(ctx, dir, q)
	}}
}

func editPage(edit func(q scim.Query, page *scim.Page)) *broken {
	return &broken{list: func(s *broken, ctx context.Context, dir scim.Directory, q scim.Query) (scim.Page, error) {
		page, err := s.Memory.List(ctx, dir, q)
		edit(q, &page)
		return page, err
	}}
}

func editChanges(edit func(records []scim.Record) []scim.Record) *broken {
	return &broken{changes: func(s *broken, ctx context.Context, dir scim.Directory, after int64, limit int) ([]scim.Record, error) {
		records, err := s.Memory.Changes(ctx, dir, after, limit)
		return edit(records), err
	}}
}

// piecemeal does parts of a write before it finds that the rest is not
// possible.
func piecemeal(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
	rec, err := s.Memory.Apply(ctx, dir, w)
	var noMember *scim.NoMemberError
	if errors.As(err, &noMember) {
		w.Members = nil
		_, _ = s.Memory.Apply(ctx, dir, w)
	}
	return rec, err
}

func TestEveryStoreCheckCanFail(t *testing.T) {
	tests := []struct {
		check, how string
		store      *broken
		want       string // a part of the expected error
	}{
		{"round trip", "drops the display name", editWrite(func(_ *broken, w *scim.Write) { w.Display = "" }), "Display is"},
		{"round trip", "writes JSON anew", editRecord(func(r *scim.Record) { r.Doc = bytes.ReplaceAll(r.Doc, []byte(`":"`), []byte(`": "`)) }), "Doc is"},
		{"round trip", "counts seconds", editRecord(func(r *scim.Record) { r.Created = r.Created.Truncate(time.Second) }), "Created is"},
		{"round trip", "has local times", editRecord(func(r *scim.Record) { r.LastModified = r.LastModified.In(time.FixedZone("EST", -5*3600)) }), "LastModified is"},
		{"round trip", "looks at no type", &broken{get: func(s *broken, ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
			for _, typ := range []string{"User", "Group", "Device"} {
				if rec, err := s.Memory.Get(ctx, dir, scim.Ref{Type: typ, ID: ref.ID}, links); err == nil {
					return rec, nil
				}
			}
			return scim.Record{}, scim.ErrNotFound
		}}, "ErrNotFound"},
		{"round trip", "folds IDs", &broken{get: func(s *broken, ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
			ref.ID = strings.ToLower(ref.ID)
			return s.Memory.Get(ctx, dir, ref, links)
		}}, `"U1"`},
		{"round trip", "chokes on a NUL", &broken{get: func(s *broken, ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
			if strings.Contains(ref.ID, "\x00") {
				return scim.Record{}, errors.New("invalid byte sequence")
			}
			return s.Memory.Get(ctx, dir, ref, links)
		}}, "invalid byte sequence"},
		{"round trip", "takes any operation", editWrite(func(_ *broken, w *scim.Write) {
			if w.Op == 0 {
				w.Op = scim.Update
			}
		}), "zero Op"},
		{"update", "keeps old keys", editWrite(func(_ *broken, w *scim.Write) {
			if w.Op == scim.Update && w.Doc != nil {
				w.Keys = append(w.Keys, userKeys("u1")...)
			}
		}), "u1@example.com"},
		{"update", "clears what is not given", editWrite(func(_ *broken, w *scim.Write) {
			if w.Op == scim.Update && w.Doc == nil {
				w.Doc = []byte{}
			}
		}), "a write without Doc"},
		{"update", "answers with what was", editAnswer(func(w scim.Write, r *scim.Record) {
			if w.Op == scim.Update {
				r.Doc = nil
			}
		}), "Doc is"},
		{"update", "makes what is not there", &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
			rec, err := s.Memory.Apply(ctx, dir, w)
			if errors.Is(err, scim.ErrNotFound) {
				w.Op = scim.Create
				return s.Memory.Apply(ctx, dir, w)
			}
			return rec, err
		}}, "ErrNotFound"},
		{"delete", "keeps the record", editWrite(func(_ *broken, w *scim.Write) {
			if w.Op == scim.Delete {
				w.Op = scim.Update
			}
		}), "ErrNotFound"},
		{"delete", "answers with nothing", editAnswer(func(w scim.Write, r *scim.Record) {
			if w.Op == scim.Delete {
				*r = scim.Record{Ref: r.Ref}
			}
		}), "Doc is"},
		{"unique", "looks at no key", editWrite(func(_ *broken, w *scim.Write) {
			w.Keys = slices.Clone(w.Keys)
			for i := range w.Keys {
				w.Keys[i].Unique = false
			}
		}), "ErrDuplicate"},
		{"unique", "takes all keys for unique", editWrite(func(_ *broken, w *scim.Write) {
			w.Keys = slices.Clone(w.Keys)
			for i := range w.Keys {
				w.Keys[i].Unique = true
			}
		}), "want it done"},
		{"unique", "folds keys", editWrite(func(_ *broken, w *scim.Write) {
			w.Keys = slices.Clone(w.Keys)
			for i := range w.Keys {
				w.Keys[i].Value = strings.ToLower(w.Keys[i].Value)
			}
		}), "want it done"},
		{"unique", "has its own error", editError(func(err error) error {
			if errors.Is(err, scim.ErrDuplicate) {
				return errors.New("constraint failed")
			}
			return err
		}), "constraint failed"},
		{"versions", "looks at no version", editWrite(func(_ *broken, w *scim.Write) { w.IfVersion = 0 }), "ErrConflict"},
		{"versions", "looks at no version to delete", editWrite(func(_ *broken, w *scim.Write) {
			if w.Op == scim.Delete {
				w.IfVersion = 0
			}
		}), "ErrConflict"},
		{"versions", "saves a write", &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
			if rec, err := s.Memory.Get(ctx, dir, w.Ref, false); err == nil && w.Doc != nil && bytes.Equal(rec.Doc, w.Doc) {
				return rec, nil
			}
			return s.Memory.Apply(ctx, dir, w)
		}}, "want more than"},
		{"atomic", "writes what it can", &broken{apply: piecemeal}, "Doc is"},
		{"directories", "joins their names", &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
			return s.Memory.Apply(ctx, scim.Directory{Tenant: dir.Tenant + dir.Connection}, w)
		}, get: func(s *broken, ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
			return s.Memory.Get(ctx, scim.Directory{Tenant: dir.Tenant + dir.Connection}, ref, links)
		}}, "in the directory"},
		{"directories", "folds tenants", &broken{get: func(s *broken, ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
			dir.Tenant = strings.ToLower(dir.Tenant)
			return s.Memory.Get(ctx, dir, ref, links)
		}}, "ErrNotFound"},
		{"cancel", "reads on", &broken{get: func(s *broken, ctx context.Context, dir scim.Directory, ref scim.Ref, links bool) (scim.Record, error) {
			return s.Memory.Get(context.WithoutCancel(ctx), dir, ref, links)
		}}, "Get with a cancelled context"},
		{"cancel", "writes on in secret", &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
			rec, err := s.Memory.Apply(context.WithoutCancel(ctx), dir, w)
			return rec, errors.Join(err, ctx.Err())
		}}, `"u2"`},
		{"list", "lists the newest first", editPage(func(_ scim.Query, p *scim.Page) { slices.Reverse(p.Records) }), "want"},
		{"list", "counts the page", editPage(func(_ scim.Query, p *scim.Page) { p.Total = len(p.Records) }), "Total is"},
		{"list", "skips no more", editQuery(func(q *scim.Query) { q.Offset = 0 }), "Offset 1"},
		{"list", "starts anew", editQuery(func(q *scim.Query) { q.After = 0 }), "after the second"},
		{"list", "takes 0 for no limit", editQuery(func(q *scim.Query) {
			if q.Limit == 0 {
				q.Limit = 100
			}
		}), "Limit 0"},
		{"list", "always links", editPage(func(_ scim.Query, p *scim.Page) {
			for i := range p.Records {
				p.Records[i].Links = []scim.Link{}
			}
		}), "want none"},
		{"list", "forgets the document with the times", editPage(func(q scim.Query, p *scim.Page) {
			for i := range p.Records {
				if q.NoMeta {
					p.Records[i].Doc = nil
				}
			}
		}), "NoMeta true"},
		{"list", "forgets the times with the document", editPage(func(q scim.Query, p *scim.Page) {
			for i := range p.Records {
				if q.NoDoc {
					p.Records[i].Version = 0
				}
			}
		}), "NoDoc true"},
		{"list", "forgets the place with the times", editPage(func(q scim.Query, p *scim.Page) {
			for i := range p.Records {
				if q.NoMeta {
					p.Records[i].Ordinal = 0
				}
			}
		}), "Ordinal is"},
		{"where", "looks at the first key", editQuery(func(q *scim.Query) { q.Where = q.Where[:min(1, len(q.Where))] }), "one of two keys"},
		{"where", "folds values", editQuery(func(q *scim.Query) {
			q.Where = slices.Clone(q.Where)
			for i := range q.Where {
				q.Where[i].Value = strings.ToLower(q.Where[i].Value)
			}
		}), `"U2"`},
		{"any", "knows no such thing", editQuery(func(q *scim.Query) { q.Any = nil }), "list where any of"},
		{"any", "looks at the first key", editQuery(func(q *scim.Query) { q.Any = q.Any[:min(1, len(q.Any))] }), "two keys of two users"},
		{"any", "lists a record for each key", editPage(func(q scim.Query, p *scim.Page) {
			if len(p.Records) == 1 && len(q.Any) == 2 && q.Any[1].Value == "ext-u3" {
				p.Records = append(p.Records, p.Records[0])
			}
		}), "two keys of one user"},
		{"any", "takes it for all that is asked", editQuery(func(q *scim.Query) {
			if len(q.Any) > 0 {
				q.Where = nil
			}
		}), "beside a key that one has"},
		{"found users", "loses manager keys", editWrite(func(_ *broken, w *scim.Write) {
			w.Keys = slices.DeleteFunc(slices.Clone(w.Keys), func(k scim.Key) bool { return k.Name == scim.KeyManagerName })
		}), "manager_name"},
		{"found users", "loses addresses in other forms", editWrite(func(_ *broken, w *scim.Write) {
			w.Keys = slices.DeleteFunc(slices.Clone(w.Keys), func(k scim.Key) bool { return k.Name == scim.KeyAddress })
		}), "email"},
		{"found users", "knows no groups", editPage(func(_ scim.Query, p *scim.Page) {
			for i := range p.Records {
				if p.Records[i].Type == scim.TypeUser {
					p.Records[i].Links = nil
				}
			}
		}), "Groups"},
		{"members", "counts every write", &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
			if rec, err := s.Memory.Get(ctx, dir, w.Ref, false); err == nil && w.Doc == nil && w.Op == scim.Update {
				w.Doc, w.Keys, w.Display = rec.Doc, rec.Keys, rec.Display
			}
			return s.Memory.Apply(ctx, dir, w)
		}}, "no change"},
		{"members", "adds to what is to be replaced", editMembers(func(c *scim.MemberChange) { c.Replace = false }), "replace by others"},
		{"members", "keeps no text", editMembers(func(c *scim.MemberChange) {
			c.Add = slices.Clone(c.Add)
			for i := range c.Add {
				c.Add[i].Display = ""
			}
		}), "Links are"},
		{"members", "passes over who is not there", editMembers(func(c *scim.MemberChange) {
			c.Add = slices.DeleteFunc(slices.Clone(c.Add), func(l scim.Link) bool { return l.ID == "nobody" })
		}), "NoMemberError"},
		{"members", "always wants everybody", editMembers(func(c *scim.MemberChange) { c.SkipUnknown = false }), "leave out who is unknown"},
		{"members", "leaves out only some", editMembers(func(c *scim.MemberChange) {
			if c.SkipUnknown && c.Replace {
				c.Replace = false
			}
		}), "Links are"},
		{"members", "changes the group alone", editChanges(func(all []scim.Record) []scim.Record {
			return slices.DeleteFunc(all, func(r scim.Record) bool { return r.ID == "u3" && r.Version != r.Ordinal })
		}), `changed are ["g1"], want ["g1" "u3"]`},
		{"ended memberships", "forgets the members of a deleted group", editChanges(func(all []scim.Record) []scim.Record {
			deleted := slices.ContainsFunc(all, func(r scim.Record) bool { return r.ID == "g1" && r.Deleted })
			return slices.DeleteFunc(all, func(r scim.Record) bool { return deleted && r.ID == "u2" })
		}), `changed are ["g1" "g2"]`},
		{"links", "says what type it was told", editRecord(func(r *scim.Record) {
			for i := range r.Links {
				r.Links[i].Type = scim.TypeUser
			}
		}), "Links are"},
		{"links", "remembers names", editRecord(func(r *scim.Record) {
			for i := range r.Links {
				r.Links[i].Display = strings.ReplaceAll(r.Links[i].Display, "Renamed", "Group g1")
			}
		}), "Links are"},
		{"ended memberships", "touches no group", editChanges(func(all []scim.Record) []scim.Record {
			return slices.DeleteFunc(all, func(r scim.Record) bool { return r.ID == "g2" })
		}), "changed are"},
		{"ended memberships", "keeps the time", editChanges(func(all []scim.Record) []scim.Record {
			for i := range all {
				all[i].LastModified = all[i].Created
			}
			return all
		}), "LastModified"},
		{"many members", "has a limit", editMembers(func(c *scim.MemberChange) { c.Add = c.Add[:min(1000, len(c.Add))] }), "has 1000 members"},
		{"changes", "forgets deletions", editChanges(func(all []scim.Record) []scim.Record {
			return slices.DeleteFunc(all, func(r scim.Record) bool { return r.Deleted })
		}), "want"},
		{"changes", "shows what was deleted", editChanges(func(all []scim.Record) []scim.Record {
			for i := range all {
				if all[i].Deleted {
					all[i].Doc = []byte(`{}`)
				}
			}
			return all
		}), "deleted user"},
		{"changes", "has no members", editChanges(func(all []scim.Record) []scim.Record {
			for i := range all {
				all[i].Links = nil
			}
			return all
		}), "the change of a group"},
		{"expired cursor", "takes any number", &broken{changes: func(s *broken, ctx context.Context, dir scim.Directory, after int64, limit int) ([]scim.Record, error) {
			all, err := s.Memory.Changes(ctx, dir, after, limit)
			if err != nil && ctx.Err() == nil {
				return nil, nil
			}
			return all, err
		}}, "ErrCursorExpired"},
		{"racing creates", "lets two in", &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
			w.Keys = slices.Clone(w.Keys)
			if s.count(w.Keys[0].Value) == 2 {
				w.Keys[0].Unique, w.Keys[0].Value = false, "another"
			}
			return s.Memory.Apply(ctx, dir, w)
		}}, "want 1"},
		{"racing creates", "gives up", editError(func(err error) error {
			if errors.Is(err, scim.ErrDuplicate) {
				return errors.New("database is locked")
			}
			return err
		}), "database is locked"},
		{"racing updates", "loses one", &broken{apply: func(s *broken, ctx context.Context, dir scim.Directory, w scim.Write) (scim.Record, error) {
			if w.Op == scim.Update && s.count("update") == 5 {
				return scim.Record{}, nil
			}
			return s.Memory.Apply(ctx, dir, w)
		}}, "79 updates are left of 80"},
		{"racing members", "loses one", editMembers(func(c *scim.MemberChange) {
			c.Add = slices.DeleteFunc(slices.Clone(c.Add), func(l scim.Link) bool { return l.ID == "u0" })
		}), "Links are"},
		{"followed changes", "misses one", editChanges(func(all []scim.Record) []scim.Record {
			return slices.DeleteFunc(all, func(r scim.Record) bool { return r.ID == "u1-1" })
		}), "missed"},
	}
	covered := map[string]bool{"durable": true} // covered by TestDurableCanFail
	for _, test := range tests {
		covered[test.check] = true
		t.Run(test.check+"/"+test.how, func(t *testing.T) {
			h := memoryHarness()
			h.New = func(testing.TB) scim.Store { return test.store }
			err := checkNamed(t, test.check).try(t, h)
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.want)
		})
	}
	for _, c := range checks() {
		assert.True(t, covered[c.name], "nothing breaks %q", c.name)
	}
}

func checkNamed(t *testing.T, name string) check {
	at := slices.IndexFunc(checks(), func(c check) bool { return c.name == name })
	require.GreaterOrEqual(t, at, 0, "there is no check %q", name)
	return checks()[at]
}

func TestDurableCanFail(t *testing.T) {
	h := memoryHarness()
	h.Unsupported = nil
	h.Reopen = func(testing.TB, scim.Store) scim.Store { return &scim.Memory{} }
	assert.ErrorContains(t, checkNamed(t, "durable").try(t, h), "opened again")
}

func TestHarnessProblems(t *testing.T) {
	for want, spoil := range map[string]func(*Harness){
		"New is nil":                   func(h *Harness) { h.New = nil },
		"of the core":                  func(h *Harness) { h.Unsupported["atomic"] = "hard" },
		"want the reason":              func(h *Harness) { h.Unsupported["durable"] = "" },
		"no check of that name":        func(h *Harness) { h.Unsupported["colours"] = "none" },
		`nothing for the check "durab`: func(h *Harness) { h.Unsupported = nil },
	} {
		h := memoryHarness()
		spoil(&h)
		require.Len(t, h.problems(), 1, want)
		assert.Contains(t, h.problems()[0], want)
	}
	assert.Empty(t, memoryHarness().problems())
}
