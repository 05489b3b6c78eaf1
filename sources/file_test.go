package sources_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/sources"
)

// whole has a value in every field of the public form.
var whole = sources.Snapshot{
	Format: 1, Kind: "okta", Connection: "okta-prod", Proven: all,
	Users: []sources.User{
		{ID: "00u2", Email: "bo@acme.com"},
		{
			ID: "00u1", UserName: "ana@acme.okta.com", Status: sources.StatusActive,
			Email: "ana@acme.com", OtherEmails: []string{"b@acme.com", "a@acme.com"}, PrivateEmail: "ana@example.org",
			GivenName: "Ana", FamilyName: "<O'Neil> & Søn", Title: "CEO",
			Phone: "(212) 575-1994", MobilePhone: "540.946.4600", PhoneExtension: "3437",
			TimeZone: "America/New_York", Country: "US", State: "NY", Locale: "en-US",
			Manager:    sources.Manager{Email: "bo@acme.com", ID: "00u2", Name: "Bo Berg"},
			Attributes: map[string]sources.Values{"Department": {"Sales"}, "Skills": {"go", "soql"}},
		},
	},
	Groups:  []sources.Group{{ID: "00g2"}, {ID: "00g1", Name: "Sales", Members: []string{"00u2", "00u1", "00u2"}}},
	Matches: map[string][]string{"IsActive = true": {"00u2", "00u1"}, "IsActive = false": {}},
}

const wholeJSON = `{"format":1,"kind":"okta","connection":"okta-prod","proven":["users","groups","memberships","managers"],"users":[
{"id":"00u1","user_name":"ana@acme.okta.com","status":"active","email":"ana@acme.com","other_emails":["b@acme.com","a@acme.com"],"private_email":"ana@example.org","given_name":"Ana","family_name":"<O'Neil> & Søn","title":"CEO","phone":"(212) 575-1994","mobile_phone":"540.946.4600","phone_extension":"3437","timezone":"America/New_York","country":"US","state":"NY","locale":"en-US","manager":{"email":"bo@acme.com","id":"00u2","name":"Bo Berg"},"attributes":{"Department":"Sales","Skills":["go","soql"]}},
{"id":"00u2","email":"bo@acme.com"}],"groups":[
{"id":"00g1","name":"Sales","members":["00u1","00u2"]},
{"id":"00g2"}],"matches":{
"IsActive = false":[],
"IsActive = true":["00u1","00u2"]}}
`

// These bytes are public. A change of them needs a new SnapshotFormat.
func TestSnapshotForm(t *testing.T) {
	assert.Equal(t, wholeJSON, canonical(t, &whole))

	read, err := sources.ReadSnapshot([]byte(wholeJSON))
	require.NoError(t, err)
	want := whole
	want.Users = []sources.User{whole.Users[1], whole.Users[0]}
	want.Groups = []sources.Group{{ID: "00g1", Name: "Sales", Members: []string{"00u1", "00u2"}}, {ID: "00g2"}}
	want.Matches = map[string][]string{"IsActive = true": {"00u1", "00u2"}, "IsActive = false": {}}
	assert.Equal(t, &want, read)

	assert.Equal(t, "{\"format\":1,\"kind\":\"\",\"connection\":\"\",\"proven\":[],\"users\":[]}\n", canonical(t, &sources.Snapshot{}))
}

// Writing and reading keeps any snapshot, and the order of its parts does not
// matter.
func TestSnapshotFormIsCanonical(t *testing.T) {
	id := rapid.StringMatching(`[a-c]{1,2}`)
	text := rapid.String()
	user := rapid.Custom(func(t *rapid.T) sources.User {
		return sources.User{
			ID: id.Draw(t, "id"), Title: text.Draw(t, "title"), Status: sources.Status(rapid.IntRange(0, 3).Draw(t, "status")),
			Attributes: map[string]sources.Values{text.Draw(t, "name"): rapid.SliceOfN(text, 1, 3).Draw(t, "values")},
		}
	})
	group := rapid.Custom(func(t *rapid.T) sources.Group {
		return sources.Group{ID: id.Draw(t, "id"), Name: text.Draw(t, "name"), Members: rapid.SliceOfN(id, 1, 4).Draw(t, "members")}
	})
	rapid.Check(t, func(t *rapid.T) {
		s := sources.Snapshot{
			Kind: text.Draw(t, "kind"), Connection: id.Draw(t, "connection"), Proven: sources.Facts(rapid.IntRange(0, 15).Draw(t, "proven")),
			Users: rapid.SliceOf(user).Draw(t, "users"), Groups: rapid.SliceOf(group).Draw(t, "groups"),
			Matches: rapid.MapOf(text, rapid.SliceOf(id)).Draw(t, "matches"),
		}
		written := canonical(t, &s)
		read, err := sources.ReadSnapshot([]byte(written))
		require.NoError(t, err, written)
		assert.Equal(t, written, canonical(t, read))
		assert.Len(t, read.Users, len(s.Users), "duplicates stay (S5)")
		assert.Len(t, read.Groups, len(s.Groups))
		assert.Len(t, read.Matches, len(s.Matches))

		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		random.Shuffle(len(s.Users), func(i, j int) { s.Users[i], s.Users[j] = s.Users[j], s.Users[i] })
		random.Shuffle(len(s.Groups), func(i, j int) { s.Groups[i], s.Groups[j] = s.Groups[j], s.Groups[i] })
		assert.Equal(t, written, canonical(t, &s))
	})
}

func TestReadSnapshotRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                             `line 1, column 1: unexpected end of JSON input`,
		`{"users":[]}`:                 `format: missing, want "format": 1`,
		`{"usres":[],"people":{}}`:     `format: missing, want "format": 1`,
		`{"format":2,"persons":[]}`:    `format: 2 is not a format this version reads, want 1`,
		`{"format":"1"}`:               `format: want a whole number within 64 bits, got a string`,
		`{"format":1}`:                 `connection: missing: a person is identified by connection and id`,
		`{"format":1,"connexion":"c"}`: `connexion: unknown field, did you mean "connection"?`,
		`{"format":1,"connection":"c","users":[{"id":"1"},{"Email":"x"},{"id":"2","other_emails":3}]}`: "users[1].Email: unknown field, did you mean \"email\"?\nusers[2].other_emails: want an array of strings, got a number",
		`{"format":1,"connection":"c","users":[{"id":"1","status":"gone"}]}`:                           `users[0].status: status "gone": want active, inactive, staged or unknown`,
		`{"format":1,"connection":"c","matches":{"q":null}}`:                                           `matches["q"]: want an array, got null: leave out a query that was not answered`, // S12
		`{"format":1,"connection":"c","proven":["everything"]}`:                                        `proven: proven "everything": want users, groups, memberships or managers`,
		`{"format":1,"connection":"c","users":[{"id":"1","attributes":{"Tags":[{}]}}]}`:                `users[0].attributes.Tags: attribute value {}: want a string, number, boolean or an array of those`,
		`{"format":1,"connection":"c","users":[{}],"groups":[{"id":"g","members":["1",""]},{"name":"x"}],"matches":{"a b":[""]}}`: "users[0].id: missing\ngroups[0].members[1]: want the id of a user, got an empty string\n" +
			"groups[1].id: missing\nmatches[\"a b\"][0]: want the id of a user, got an empty string",
	} {
		s, err := sources.ReadSnapshot([]byte(text))
		assert.Nil(t, s, text)
		assert.EqualError(t, err, "sources: read snapshot: "+want, text)
	}
}

func TestWriteSnapshotPassesOnErrors(t *testing.T) {
	boom := errors.New("boom")
	assert.ErrorIs(t, sources.WriteSnapshot(failingWriter{boom}, &whole), boom)
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// FuzzReadSnapshot: no input makes it panic, and a snapshot that was read is the
// same after writing and reading it again.
func FuzzReadSnapshot(f *testing.F) {
	f.Add([]byte(wholeJSON))
	f.Add([]byte(`{"format":1,"connection":"c","users":[{"id":"1","attributes":{"a":null,"b":[],"c":[1,true,"x"]}},{"id":"1"}]}`))
	f.Add([]byte(`{"format":1,"connection":"c","users":null,"proven":null,"matches":{"q":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := sources.ReadSnapshot(data)
		if err != nil {
			return
		}
		written := canonical(t, s)
		again, err := sources.ReadSnapshot([]byte(written))
		require.NoError(t, err, written)
		assert.Equal(t, written, canonical(t, again))
	})
}

// The floor is encoding/json with the same bytes.
func BenchmarkReadSnapshot(b *testing.B) {
	s := sources.Snapshot{Connection: "c"}
	for i := range 20_000 {
		u := whole.Users[1]
		u.ID = fmt.Sprint(i)
		s.Users = append(s.Users, u)
	}
	var file bytes.Buffer
	require.NoError(b, sources.WriteSnapshot(&file, &s))
	b.Run("strict", func(b *testing.B) {
		b.SetBytes(int64(file.Len()))
		b.ReportAllocs()
		for b.Loop() {
			_, err := sources.ReadSnapshot(file.Bytes())
			require.NoError(b, err)
		}
	})
	b.Run("floor", func(b *testing.B) {
		b.SetBytes(int64(file.Len()))
		b.ReportAllocs()
		for b.Loop() {
			require.NoError(b, json.Unmarshal(file.Bytes(), new(sources.Snapshot)))
		}
	})
}
