package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
)

var benchDir = scim.Directory{Tenant: "acme", Connection: "okta"}

// kinds of store are compared. They do not wait for the disk, which takes the
// same time whatever is measured.
var kinds = []string{"memory", "sqlite", "postgresql"}

// openKind opens an empty store of a kind, and its database if it has one.
func openKind(b *testing.B, kind string) (scim.Store, *sql.DB) {
	var p place
	switch kind {
	case "memory":
		return &scim.Memory{}, nil
	case "sqlite":
		p = filePlace(b)
		p.dsn += "?_pragma=synchronous(off)"
	default:
		p = schemaPlace(b, pgtest.Start(b))
	}
	db := p.open(b)
	store, err := sqlstore.Open(b.Context(), sqlstore.Config{DB: db, Dialect: p.dialect})
	require.NoError(b, err)
	return store, db
}

// BenchmarkAddMember takes one member out of a group and adds it again. The
// budget is a ratio: a group of 100,000 costs at most 1.5 times one of 100.
func BenchmarkAddMember(b *testing.B) {
	for _, kind := range kinds {
		for _, members := range []int{100, 100_000} {
			b.Run(fmt.Sprintf("store=%s/members=%d", kind, members), func(b *testing.B) {
				store, db := openKind(b, kind)
				fillUsers(b, store, db, members)
				const id = "u51"
				w := scim.Write{Op: scim.Update, Ref: scim.Ref{Type: scim.TypeGroup, ID: "all"}, At: time.Unix(1_800_000_000, 0)}
				b.ResetTimer()
				for b.Loop() {
					for _, change := range []scim.MemberChange{{Remove: []string{id}}, {Add: []scim.Link{{Ref: scim.Ref{ID: id}}}}} {
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

// findable are queries that one user of fillUsers answers.
var findable = map[string]scim.Key{
	"userName":   {Name: scim.KeyUserName, Value: "u51"},
	"externalId": {Name: scim.KeyExternalID, Value: "ext-u51"},
	"email":      {Name: scim.KeyEmail, Value: "u51@example.com"},
	"id":         {Name: scim.KeyID, Value: "u51"},
	"group":      {Name: scim.KeyGroup, Value: "small"},
}

// fillUsers makes users u1 and so on, all of them in the group "all" and u51 in
// "small". A database gets them in few statements, and no statistics.
func fillUsers(b *testing.B, store scim.Store, db *sql.DB, users int) {
	if db != nil {
		fillTables(b, db, users)
		return
	}
	groups := map[string]*scim.MemberChange{"all": {}, "small": {Add: []scim.Link{{Ref: scim.Ref{ID: "u51"}}}}}
	apply := func(w scim.Write) {
		_, err := store.Apply(context.Background(), benchDir, w)
		require.NoError(b, err)
	}
	for i := range users {
		id := fmt.Sprint("u", i+1)
		groups["all"].Add = append(groups["all"].Add, scim.Link{Ref: scim.Ref{ID: id}})
		apply(scim.Write{Op: scim.Create, Ref: scim.Ref{Type: scim.TypeUser, ID: id}, Doc: []byte(`{"userName":"` + id + `","active":true}`), Keys: []scim.Key{
			{Name: scim.KeyUserName, Value: id, Unique: true}, {Name: scim.KeyExternalID, Value: "ext-" + id}, {Name: scim.KeyEmail, Value: id + "@example.com"},
		}})
	}
	for id, members := range groups {
		apply(scim.Write{Op: scim.Create, Ref: scim.Ref{Type: scim.TypeGroup, ID: id}, Doc: []byte(`{}`), Display: id, Members: members})
	}
}

// BenchmarkFind looks a user up in directories of three sizes. The budget is a
// ratio: 100,000 users cost at most 1.5 times 100. The floor is a bare
// statement that finds the document by the same keys.
func BenchmarkFind(b *testing.B) {
	const floor = `SELECT r.doc FROM usher_scim_keys k JOIN usher_scim_records r ON r.ordinal = k.ordinal AND r.directory = k.directory
		WHERE k.value = $1 AND k.name = 'userName' AND k.directory = $2`
	for _, kind := range kinds {
		for _, users := range []int{100, 10_000, 100_000} {
			store, db := openKind(b, kind)
			fillUsers(b, store, db, users)
			for name, key := range findable {
				b.Run(fmt.Sprintf("store=%s/by=%s/users=%d", kind, name, users), func(b *testing.B) {
					q := scim.Query{Type: scim.TypeUser, Where: []scim.Key{key}, Limit: 101, Links: true, Count: true}
					for b.Loop() {
						if page, err := store.List(context.Background(), benchDir, q); err != nil || page.Total != 1 || len(page.Records[0].Links) != 2 {
							b.Fatal(page, err)
						}
					}
				})
			}
			if db == nil {
				continue
			}
			b.Run(fmt.Sprintf("store=%s/by=floor/users=%d", kind, users), func(b *testing.B) {
				var dir int64
				require.NoError(b, db.QueryRow(`SELECT id FROM usher_scim_directories WHERE tenant = 'acme' AND connection = 'okta'`).Scan(&dir))
				stmt, err := db.Prepare(floor)
				require.NoError(b, err)
				defer stmt.Close()
				for b.Loop() {
					var doc []byte
					if err := stmt.QueryRow("u51", dir).Scan(&doc); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkGrow posts 10,000 users to a handler over an empty store. "last/first"
// is what one of the last thousand costs, over one of the first. The floor
// writes the same rows in bare transactions.
func BenchmarkGrow(b *testing.B) {
	const users, part = 10_000, 1000
	grow := func(b *testing.B, post func(i int)) {
		var first, last time.Duration
		for b.Loop() {
			start := time.Now()
			for i := range users {
				switch i {
				case part:
					first += time.Since(start)
				case users - part:
					start = time.Now()
				}
				post(i)
			}
			last += time.Since(start)
		}
		b.ReportMetric(last.Seconds()/first.Seconds(), "last/first")
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*users), "µs/user")
	}
	for _, kind := range kinds {
		b.Run("store="+kind, func(b *testing.B) {
			store, _ := openKind(b, kind)
			handler, err := scim.NewHandler(scim.Config{
				Store:        store,
				Authenticate: func(*http.Request) (scim.Principal, error) { return scim.Principal{Tenant: "acme"}, nil },
			})
			require.NoError(b, err)
			run := 0
			grow(b, func(i int) {
				if i == 0 {
					run++
				}
				body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"u%[1]d-%[2]d@example.com","externalId":"x%[1]d-%[2]d",
					"active":true,"name":{"givenName":"User","familyName":"N%[2]d"},"emails":[{"value":"u%[1]d-%[2]d@example.com"}]}`, run, i)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/Users", strings.NewReader(body)))
				if w.Code != http.StatusCreated {
					b.Fatal(w.Body)
				}
			})
		})
		if kind == "memory" {
			continue
		}
		b.Run("store="+kind+"-floor", func(b *testing.B) {
			_, db := openKind(b, kind)
			seq := int64(0)
			grow(b, func(int) {
				seq++
				require.NoError(b, bareUser(db, seq))
			})
		})
	}
}

// bareUser writes the rows of a user and nothing else.
func bareUser(db *sql.DB, seq int64) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	id := fmt.Sprint("u", seq, "@example.com")
	_, err = tx.Exec(`INSERT INTO usher_scim_records (directory, ordinal, type, id, version, created, modified, display, doc)
		VALUES (1, $1, 'User', $2, $1, 0, 0, '', $3)`, seq, id, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+id+
		`","active":true,"name":{"givenName":"User","familyName":"N"},"emails":[{"value":"`+id+`"}],"externalId":"`+id+`"}`)
	if err == nil {
		_, err = tx.Exec(`INSERT INTO usher_scim_keys (ordinal, directory, name, value, type, is_unique)
			VALUES ($1, 1, 'userName', $2, 'User', TRUE), ($1, 1, 'externalId', $2, 'User', FALSE), ($1, 1, 'emails.value', $2, 'User', FALSE)`, seq, id)
	}
	return errors.Join(err, tx.Commit())
}

// BenchmarkLastPage reads the last page of 100,000 users and of as many
// members, by keyset, with the total.
func BenchmarkLastPage(b *testing.B) {
	for _, kind := range kinds {
		for _, users := range []int{1000, 100_000} {
			store, db := openKind(b, kind)
			fillUsers(b, store, db, users)
			rec, err := store.Get(context.Background(), benchDir, scim.Ref{Type: scim.TypeUser, ID: fmt.Sprint("u", users-100)}, false)
			require.NoError(b, err)
			for of, where := range map[string][]scim.Key{"directory": nil, "group": {{Name: scim.KeyGroup, Value: "all"}}} {
				b.Run(fmt.Sprintf("store=%s/of=%s/users=%d", kind, of, users), func(b *testing.B) {
					q := scim.Query{Type: scim.TypeUser, Where: where, After: rec.Ordinal, Limit: 100, Count: true}
					for b.Loop() {
						if page, err := store.List(context.Background(), benchDir, q); err != nil || len(page.Records) != 100 || page.Total != users {
							b.Fatal(len(page.Records), page.Total, err)
						}
					}
				})
			}
		}
	}
}

// BenchmarkReplaceMembers replaces 50,000 members by the other half of 100,000.
func BenchmarkReplaceMembers(b *testing.B) {
	const users = 100_000
	for _, kind := range kinds {
		b.Run("store="+kind, func(b *testing.B) {
			store, db := openKind(b, kind)
			fillUsers(b, store, db, users)
			var halves [2]scim.MemberChange
			for i := range halves {
				halves[i].Replace = true
				halves[i].Add, _ = userLinks(1+i*users/2, 1+(i+1)*users/2, "")
			}
			for i := 0; b.Loop(); i++ {
				w := scim.Write{Op: scim.Update, Ref: scim.Ref{Type: scim.TypeGroup, ID: "all"}, At: time.Unix(1_800_000_000, 0), Members: &halves[i%2]}
				if _, err := store.Apply(context.Background(), benchDir, w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
