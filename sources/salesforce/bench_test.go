package salesforce

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/usher-go/usher/sources"
)

// savedAnswer returns an answer with n people.
func savedAnswer(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"totalSize":%d,"done":true,"records":[`, n)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"attributes":{"type":"User","url":"/services/data/v64.0/sobjects/User/005Qy%07d000IAA"},"Id":"005Qy%07d000IAA",`+
			`"Username":"p%d@acme.com","Email":"p%d@acme.com","FirstName":"Given","LastName":"Family","IsActive":true,"Title":"Account Executive %d",`+
			`"Phone":"+1 555 0100","MobilePhone":null,"Extension":null,"TimeZoneSidKey":"America/Los_Angeles","LocaleSidKey":"en_US",`+
			`"CountryCode":"US","StateCode":"CA","ManagerId":"005Qy0000000000IAA","Manager":{"attributes":{"type":"User"},"Email":"p0@acme.com"},`+
			`"UserType":"Standard","Department":"Sales %d","Profile":{"attributes":{"type":"Profile"},"Name":"Standard User"},"UserRole":null}`, i, i, i, i, i%7, i%40)
	}
	b.WriteString("]}")
	return b.String()
}

// savedQueries returns n filters of the kind that assignments have.
func savedQueries(n int) []string {
	var queries []string
	for i := range n {
		queries = append(queries, fmt.Sprintf("IsActive = true AND (Department = 'sales %d' OR Title LIKE '%%executive %d%%') AND Profile.Name != 'Chatter Free User'", i, i))
	}
	return queries
}

// flatRecord is a record of savedAnswer as a struct.
type flatRecord struct {
	Id, Username, Email, FirstName, LastName, Title, Phone, MobilePhone, Extension string
	IsActive                                                                       bool
	TimeZoneSidKey, LocaleSidKey, CountryCode, StateCode, ManagerId                string
	UserType, Department                                                           string
	Manager                                                                        struct{ Email string }
	Profile, UserRole                                                              struct{ Name string }
}

// Reads a saved answer: the users alone, and with the answers to 20 queries. The
// floor decodes the same text once into structs.
func BenchmarkCollect(b *testing.B) {
	const people = 10_000
	text := savedAnswer(people)
	b.Run("floor", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			var all struct{ Records []flatRecord }
			if err := json.Unmarshal([]byte(text), &all); err != nil || len(all.Records) != people {
				b.Fatal(err)
			}
		}
	})
	for _, n := range []int{0, 20} {
		queries := savedQueries(n)
		b.Run(fmt.Sprintf("queries=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				src := fromFile(b, FileConfig{Path: "x", FS: fstest.MapFS{"x": {Data: []byte(text)}}})
				s, err := sources.Collect(b.Context(), src, sources.CollectConfig{Queries: queries})
				if err != nil || len(s.Users) != people || len(s.Matches) != n {
					b.Fatal(err)
				}
			}
		})
	}
}
