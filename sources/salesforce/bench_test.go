package salesforce

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// savedAnswer is an answer with n people.
func savedAnswer(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"totalSize":%d,"done":true,"records":[`, n)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"attributes":{"type":"User","url":"/services/data/v64.0/sobjects/User/005Qy%07d000IAA"},"Id":"005Qy%07d000IAA",`+
			`"Username":"p%d@acme.com","Email":"p%d@acme.com","FirstName":"Given","LastName":"Family","IsActive":true,"Title":"Account Executive",`+
			`"Phone":"+1 555 0100","MobilePhone":null,"Extension":null,"TimeZoneSidKey":"America/Los_Angeles","LocaleSidKey":"en_US",`+
			`"CountryCode":"US","StateCode":"CA","ManagerId":"005Qy0000000000IAA","Manager":{"attributes":{"type":"User"},"Email":"p0@acme.com"},`+
			`"UserType":"Standard","Department":"Sales","Profile":{"attributes":{"type":"Profile"},"Name":"Standard User"},"UserRole":null}`, i, i, i, i)
	}
	b.WriteString("]}")
	return b.String()
}

// The listing of a saved answer, and beside it the floor: the same text decoded
// by encoding/json as a whole, into nothing but maps.
func BenchmarkUsers(b *testing.B) {
	const people = 10_000
	text := savedAnswer(people)
	b.Run("file", func(b *testing.B) {
		src := fromFile(b, FileConfig{Path: "x", FS: fstest.MapFS{"x": {Data: []byte(text)}}})
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for _, err := range src.Users(b.Context()) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != people {
				b.Fatal(n)
			}
		}
	})
	b.Run("floor", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			var all struct{ Records []map[string]any }
			if err := json.Unmarshal([]byte(text), &all); err != nil || len(all.Records) != people {
				b.Fatal(err)
			}
		}
	})
}
