package sqlstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/scim"
)

var benchDir = scim.Directory{Tenant: "acme", Connection: "okta"}

// stores are one of each kind, made by calling the function. They do not wait
// for the disk, which takes the same time whatever is measured.
func stores(b *testing.B) map[string]func(b *testing.B) scim.Store {
	server := pgtest.Start(b)
	return map[string]func(b *testing.B) scim.Store{
		"memory": func(*testing.B) scim.Store { return &scim.Memory{} },
		"sqlite": func(b *testing.B) scim.Store {
			p := filePlace(b)
			p.dsn += "?_pragma=synchronous(off)"
			return p.store(b)
		},
		"postgresql": func(b *testing.B) scim.Store { return schemaPlace(b, server).store(b) },
	}
}

// fill makes a group g of that many members, u0 and so on, and one user more.
func fill(b *testing.B, store scim.Store, members int) {
	apply := func(w scim.Write) {
		w.At = time.Unix(1_800_000_000, 0)
		_, err := store.Apply(context.Background(), benchDir, w)
		require.NoError(b, err)
	}
	group := scim.Ref{Type: scim.TypeGroup, ID: "g"}
	apply(scim.Write{Op: scim.Create, Ref: group, Doc: []byte(`{"displayName":"g"}`), Display: "g"})
	var links []scim.Link
	for i := range members + 1 {
		ref := scim.Ref{Type: scim.TypeUser, ID: fmt.Sprintf("u%d", i)}
		apply(scim.Write{Op: scim.Create, Ref: ref, Doc: []byte(`{"userName":"u"}`), Keys: []scim.Key{
			{Name: scim.KeyUserName, Value: ref.ID, Unique: true},
		}})
		links = append(links, scim.Link{Ref: ref})
	}
	apply(scim.Write{Op: scim.Update, Ref: group, Members: &scim.MemberChange{Add: links[:members]}})
}

// BenchmarkAddMember adds one member to a group and takes it out again. The
// budget is a ratio: a group of 100,000 costs at most 1.5 times one of 100.
func BenchmarkAddMember(b *testing.B) {
	for kind, open := range stores(b) {
		for _, members := range []int{100, 100_000} {
			b.Run(fmt.Sprintf("store=%s/members=%d", kind, members), func(b *testing.B) {
				store := open(b)
				fill(b, store, members)
				id := fmt.Sprintf("u%d", members)
				w := scim.Write{Op: scim.Update, Ref: scim.Ref{Type: scim.TypeGroup, ID: "g"}, At: time.Unix(1_800_000_000, 0)}
				b.ResetTimer()
				for b.Loop() {
					for _, change := range []scim.MemberChange{{Add: []scim.Link{{Ref: scim.Ref{ID: id}}}}, {Remove: []string{id}}} {
						w.Members = &change
						if _, err := store.Apply(context.Background(), benchDir, w); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// BenchmarkFind looks a user up by userName among 10,000.
func BenchmarkFind(b *testing.B) {
	for kind, open := range stores(b) {
		b.Run("store="+kind, func(b *testing.B) {
			store := open(b)
			fill(b, store, 10_000)
			q := scim.Query{Type: scim.TypeUser, Where: []scim.Key{{Name: scim.KeyUserName, Value: "u5000"}}, Limit: 100, Links: true, Count: true}
			b.ResetTimer()
			for b.Loop() {
				if page, err := store.List(context.Background(), benchDir, q); err != nil || page.Total != 1 {
					b.Fatal(page, err)
				}
			}
		})
	}
}

// BenchmarkLastPage reads the last page of 100,000 members, by keyset.
func BenchmarkLastPage(b *testing.B) {
	for kind, open := range stores(b) {
		for _, members := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("store=%s/members=%d", kind, members), func(b *testing.B) {
				store := open(b)
				fill(b, store, members)
				rec, err := store.Get(context.Background(), benchDir, scim.Ref{Type: scim.TypeUser, ID: fmt.Sprintf("u%d", members-100)}, false)
				require.NoError(b, err)
				q := scim.Query{Type: scim.TypeUser, Where: []scim.Key{{Name: scim.KeyGroup, Value: "g"}}, After: rec.Ordinal - 1, Limit: 100}
				b.ResetTimer()
				for b.Loop() {
					if page, err := store.List(context.Background(), benchDir, q); err != nil || len(page.Records) != 100 {
						b.Fatal(len(page.Records), err)
					}
				}
			})
		}
	}
}
