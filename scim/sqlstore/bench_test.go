package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/internal/pgtest"
	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/scim/sqlstore"
)

var benchDir = scim.Directory{Tenant: "acme", Connection: "okta"}

// kinds are the compared kinds of stores. They do not wait for the disk,
// because that takes the same time for every measurement.
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

// times holds the durations of several operations. The operations alternate, so
// that other load on the machine affects all of them alike.
type times map[string][]time.Duration

func (t times) take(b *testing.B, name string, work func() error) {
	start := time.Now()
	err := work()
	t[name] = append(t[name], time.Since(start))
	if err != nil {
		b.Fatal(name, err)
	}
}

func (t times) median(name string) float64 {
	slices.Sort(t[name])
	return float64(t[name][len(t[name])/2])
}

// report reports the median of the operation to, and the medians of the named
// operations relative to it.
func (t times) report(b *testing.B, to string, names ...string) {
	b.ReportMetric(t.median(to)/1000, "µs("+to+")")
	for _, name := range names {
		b.ReportMetric(t.median(name)/t.median(to), name+"/"+to)
	}
	b.ReportMetric(0, "ns/op") // it would be that of all operations together
}

// findable are queries that match one user of fillUsers.
var findable = map[string]scim.Key{
	"userName":   {Name: scim.KeyUserName, Value: "u51"},
	"externalId": {Name: scim.KeyExternalID, Value: "ext-u51"},
	"email":      {Name: scim.KeyEmail, Value: "u51@example.com"},
	"id":         {Name: scim.KeyID, Value: "u51"},
	"group":      {Name: scim.KeyGroup, Value: "small"},
}

// fillUsers creates users u1 and so on. All are in the group "all", and u51 is
// in "small". In a database it uses few statements, and the tables have no
// statistics.
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

// BenchmarkFind finds a user in directories of three sizes. The budget is a
// ratio: a look-up among 100,000 users costs at most 1.5 times one among 100.
// The floor is a bare prepared statement that finds the document by the same
// key.
func BenchmarkFind(b *testing.B) {
	const bare = `SELECT r.doc FROM usher_scim_keys k JOIN usher_scim_records r ON r.ordinal = k.ordinal AND r.directory = k.directory
		WHERE k.value = 'u51' AND k.name = 'userName' AND k.directory = (SELECT id FROM usher_scim_directories WHERE connection = 'okta')`
	sizes := []string{"100", "10000", "100000"}
	for _, kind := range kinds {
		stores, floors := map[string]scim.Store{}, map[string]*sql.Stmt{}
		for _, size := range sizes {
			store, db := openKind(b, kind)
			users, err := strconv.Atoi(size)
			require.NoError(b, err)
			fillUsers(b, store, db, users)
			stores[size] = store
			if db != nil {
				floors[size], err = db.Prepare(bare)
				require.NoError(b, err)
			}
		}
		for name, key := range findable {
			b.Run("store="+kind+"/by="+name, func(b *testing.B) {
				q := scim.Query{Type: scim.TypeUser, Where: []scim.Key{key}, Limit: 101, Links: true, Count: true}
				t := times{}
				for b.Loop() {
					for _, size := range sizes {
						t.take(b, size, func() error {
							page, err := stores[size].List(context.Background(), benchDir, q)
							if err == nil && (page.Total != 1 || len(page.Records[0].Links) != 2) {
								err = fmt.Errorf("found %+v", page)
							}
							return err
						})
					}
					if floor := floors["100"]; floor != nil {
						t.take(b, "floor", func() error {
							var doc []byte
							return floor.QueryRow().Scan(&doc)
						})
					}
				}
				t.report(b, "100", slices.DeleteFunc([]string{"10000", "100000", "floor"}, func(name string) bool { return t[name] == nil })...)
			})
		}
	}
}

// BenchmarkGrow posts 10,000 users to a handler over an empty store. "last" is
// the cost of one of the last thousand, "first" of one of the first thousand,
// and "floor" of a bare transaction that writes the rows of another user.
func BenchmarkGrow(b *testing.B) {
	const users, part = 10_000, 1000
	for _, kind := range kinds {
		b.Run("store="+kind, func(b *testing.B) {
			t := times{}
			for b.Loop() {
				store, _ := openKind(b, kind)
				handler, err := scim.NewHandler(scim.Config{
					Store:        store,
					Authenticate: func(*http.Request) (scim.Principal, error) { return scim.Principal{Tenant: "acme"}, nil },
				})
				require.NoError(b, err)
				var bare *sql.DB
				if kind != "memory" {
					_, bare = openKind(b, kind)
				}
				for i := range users {
					part := map[bool]string{i < part: "first", i >= users-part: "last"}[true]
					body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"u%[1]d@example.com","externalId":"x%[1]d",
						"active":true,"name":{"givenName":"User","familyName":"N%[1]d"},"emails":[{"value":"u%[1]d@example.com"}]}`, i)
					t.take(b, part, func() error {
						w := httptest.NewRecorder()
						handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/Users", strings.NewReader(body)))
						if w.Code != http.StatusCreated {
							return errors.New(w.Body.String())
						}
						return nil
					})
					if bare != nil && part == "last" {
						t.take(b, "floor", func() error { return bareUser(bare, int64(i)) })
					}
				}
			}
			t.report(b, "first", slices.DeleteFunc([]string{"last", "floor"}, func(name string) bool { return t[name] == nil })...)
		})
	}
}

// bareUser writes only the rows of a user.
func bareUser(db *sql.DB, seq int64) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	id := fmt.Sprint("u", seq, "@example.com")
	_, err = tx.Exec(`INSERT INTO usher_scim_records (directory, ordinal, type, id, created, display, doc)
		VALUES (1, $1, 'User', $2, 0, '', $3)`, seq, id, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+id+
		`","active":true,"name":{"givenName":"User","familyName":"N"},"emails":[{"value":"`+id+`"}],"externalId":"`+id+`"}`)
	if err == nil {
		_, err = tx.Exec(`INSERT INTO usher_scim_versions (ordinal, directory, version, modified) VALUES ($1, 1, $1, 0)`, seq)
	}
	if err == nil {
		_, err = tx.Exec(`INSERT INTO usher_scim_keys (ordinal, directory, name, value, type, is_unique)
			VALUES ($1, 1, 'userName', $2, 'User', TRUE), ($1, 1, 'externalId', $2, 'User', FALSE), ($1, 1, 'emails.value', $2, 'User', FALSE)`, seq, id)
	}
	return errors.Join(err, tx.Commit())
}

// BenchmarkMembers removes one member from a group and adds it again, in a
// group of 100 and in one of 100,000: the budget is a ratio of 1.5. It also
// reads the last page of the members and of the directories, and replaces half
// of the members of the large group.
func BenchmarkMembers(b *testing.B) {
	sizes := []string{"100", "100000"}
	for _, kind := range kinds {
		stores := map[string]scim.Store{}
		for _, size := range sizes {
			store, db := openKind(b, kind)
			users, err := strconv.Atoi(size)
			require.NoError(b, err)
			fillUsers(b, store, db, users)
			stores[size] = store
		}
		write := func(size string, change *scim.MemberChange) error {
			_, err := stores[size].Apply(context.Background(), benchDir, scim.Write{
				Op: scim.Update, Ref: scim.Ref{Type: scim.TypeGroup, ID: "all"}, At: time.Unix(1_800_000_000, 0), Members: change,
			})
			return err
		}
		b.Run("store="+kind+"/one", func(b *testing.B) {
			t := times{}
			for b.Loop() {
				for _, size := range sizes {
					t.take(b, size, func() error {
						return errors.Join(write(size, &scim.MemberChange{Remove: []string{"u51"}}),
							write(size, &scim.MemberChange{Add: []scim.Link{{Ref: scim.Ref{ID: "u51"}}}}))
					})
				}
			}
			t.report(b, "100", "100000")
		})
		for of, where := range map[string][]scim.Key{"directory": nil, "group": {{Name: scim.KeyGroup, Value: "all"}}} {
			b.Run("store="+kind+"/last page of the "+of, func(b *testing.B) {
				t := times{}
				after := map[string]int64{}
				for _, size := range sizes {
					users, _ := strconv.Atoi(size)
					rec, err := stores[size].Get(context.Background(), benchDir, scim.Ref{Type: scim.TypeUser, ID: fmt.Sprint("u", users-50)}, false)
					require.NoError(b, err)
					after[size] = rec.Ordinal
				}
				for b.Loop() {
					for _, size := range sizes {
						t.take(b, size, func() error {
							q := scim.Query{Type: scim.TypeUser, Where: where, After: after[size], Limit: 100, Count: true}
							page, err := stores[size].List(context.Background(), benchDir, q)
							if err == nil && (len(page.Records) != 50 || strconv.Itoa(page.Total) != size) {
								err = fmt.Errorf("%d of %d", len(page.Records), page.Total)
							}
							return err
						})
					}
				}
				t.report(b, "100", "100000")
			})
		}
		for _, writers := range []int{0, 8} {
			b.Run(fmt.Sprintf("store=%s/replace 50000 of 100000 beside %d writers", kind, writers), func(b *testing.B) {
				var halves [2]scim.MemberChange
				for i := range halves {
					halves[i].Replace = true
					halves[i].Add, _ = userLinks(1+i*50_000, 1+(i+1)*50_000, "")
				}
				require.NoError(b, write("100000", &halves[1]))
				stop := besideWriters(b, stores["100000"], writers)
				for i := 0; b.Loop(); i++ {
					require.NoError(b, write("100000", &halves[i%2]))
				}
				made, longest := stop()
				if writers > 0 {
					b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "others/s")
					b.ReportMetric(float64(longest.Milliseconds()), "ms-others-longest")
				}
			})
		}
	}
}

// besideWriters creates users in the same directory until stop is called. stop
// returns the number of created users, and the longest time for one of them.
func besideWriters(b *testing.B, store scim.Store, writers int) (stop func() (made int64, longest time.Duration)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var made atomic.Int64
	waits := make([]time.Duration, writers)
	first := time.Now().UnixNano()
	for w := range writers {
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprint("w", first, "-", w, "-", i)
				began := time.Now()
				_, err := store.Apply(context.Background(), benchDir, scim.Write{
					Op: scim.Create, Ref: scim.Ref{Type: scim.TypeUser, ID: id}, Doc: []byte(`{"userName":"` + id + `"}`),
					Keys: []scim.Key{{Name: scim.KeyUserName, Value: id, Unique: true}},
				})
				if err != nil {
					b.Error(err)
					return
				}
				waits[w] = max(waits[w], time.Since(began))
				made.Add(1)
			}
		})
	}
	return func() (int64, time.Duration) {
		n := made.Load()
		cancel()
		running.Wait()
		return n, slices.Max(append(waits, 0))
	}
}
