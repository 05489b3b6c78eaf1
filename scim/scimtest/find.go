package scimtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"

	"github.com/usher-go/usher/scim"
	"github.com/usher-go/usher/sources"
)

// foundUsers pushes users in all the forms that providers use, and changes some
// of them. It then compares the users that a source over the store finds by
// each key with those that the index of a listing finds.
func (b *bench) foundUsers() error {
	const customExtension = "urn:example:staff:2.0:User"
	dir := b.dir
	handler, err := scim.NewHandler(scim.Config{Store: b.Store, Authenticate: func(*http.Request) (scim.Principal, error) {
		return scim.Principal{Tenant: dir.Tenant, Connection: dir.Connection}, nil
	}})
	if err != nil {
		return err
	}
	p := &pusher{bench: b, handler: handler, random: rand.New(rand.NewPCG(1, 2))}
	for i := range 40 {
		if err := p.user(http.MethodPost, i); err != nil {
			return err
		}
	}
	for range 12 {
		if err := p.group(); err != nil {
			return err
		}
	}
	for i := range 10 {
		if err := p.user(http.MethodPut, i); err != nil {
			return err
		}
	}
	for _, cfg := range []scim.SourceConfig{{}, {Kind: sources.KindOkta}, {Kind: sources.KindEntra}, {UserExtension: customExtension}} {
		if err := b.findsAsIndex(cfg); err != nil {
			return fmt.Errorf("as %+v: %w", cfg, err)
		}
	}
	return nil
}

// A pusher sends requests to a handler, as providers do.
type pusher struct {
	*bench
	handler http.Handler
	random  *rand.Rand
	users   []string // IDs of users
	all     []string // IDs of users and groups
}

func (p *pusher) send(method, path, body string) error {
	r := httptest.NewRequestWithContext(p.ctx, method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/scim+json")
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	var answer struct{ ID string }
	if w.Code >= http.StatusBadRequest || w.Body.Len() > 0 && json.Unmarshal(w.Body.Bytes(), &answer) != nil {
		return fmt.Errorf("%s %s %s: want it done, got %d %s", method, path, body, w.Code, w.Body)
	}
	if method == http.MethodPost {
		p.all = append(p.all, answer.ID)
	}
	return nil
}

func (p *pusher) pick(list ...string) string { return list[p.random.IntN(len(list))] }

// user sends a user whose user name is derived from i.
func (p *pusher) user(method string, i int) error {
	name := p.pick("ana", "ANA", "bo", "jos\u00e9", "Stra\u00dfe")
	address := func() string {
		return p.pick("", p.pick(" Ana", "ana", "BO", "jos\u00e9", "k\u212a")+"@"+p.pick("acme.com", "ACME.com ", "b\u00fccher.example", "xn--bcher-kva.example"))
	}
	manager := func() string { return p.pick(append(p.users, "nobody")...) }
	enterprise := p.pick(
		fmt.Sprintf(`{"manager":{"value":%q}}`, manager()), fmt.Sprintf(`{"manager":{"value":%q}}`, address()),
		fmt.Sprintf(`{"manager":{"$ref":"https://scim.example.com/v2/Users/%s"}}`, manager()),
		fmt.Sprintf(`{"manager":{"displayName":%q},"department":"D"}`, name+"  Young"), `{"department":"D"}`,
		fmt.Sprintf(`{"manager":{"value":%q}}`, strings.Repeat("\u20ac", 500)),
	)
	extension := p.pick("urn:ietf:params:scim:schemas:extension:usher:2.0:User", "urn:ietf:params:scim:schemas:extension:Gong:2.0:User",
		"urn:example:staff:2.0:User", "urn:ietf:params:scim:schemas:extension:other:2.0:Thing")
	said := p.pick(`{"country":"US"}`, fmt.Sprintf(`{"managerEmail":%q}`, address()), fmt.Sprintf(`{"managerFullName":%q}`, name+" YOUNG"),
		fmt.Sprintf(`{"managerEmail":%q,"managerFullName":%q}`, address(), strings.Repeat("long name ", 200)))
	userName := fmt.Sprint("u", i)
	if i%3 == 0 {
		userName = fmt.Sprintf("%s%d@%s", p.pick("U", "u", "\u00fc"), i, p.pick("acme.com", "B\u00fccher.example"))
	}
	body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true,"name":{"givenName":%q,"familyName":"Young"},
		"emails":[{"value":%q,"type":%q},{"value":%q,"type":"other"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":%s,%q:%s}`,
		userName, name, address(), p.pick("work", "home"), address(), enterprise, extension, said)
	if method == http.MethodPut {
		return p.send(method, "/Users/"+p.users[i], body)
	}
	err := p.send(method, "/Users", body)
	if err == nil {
		p.users = append(p.users, p.all[len(p.all)-1])
	}
	return err
}

// group sends a group with some of the existing users and groups.
func (p *pusher) group() error {
	var members []string
	for range p.random.IntN(6) {
		members = append(members, fmt.Sprintf(`{"value":%q}`, p.pick(p.all...)))
	}
	return p.send(http.MethodPost, "/Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],
		"displayName":"g%d","members":[%s]}`, len(p.all), strings.Join(members, ",")))
}

func (b *bench) findsAsIndex(cfg scim.SourceConfig) error {
	src := scim.AsSource(b.Store, b.dir.Tenant, b.dir.Connection, cfg)
	snapshot, err := sources.Collect(b.ctx, src, sources.CollectConfig{})
	if err != nil {
		return err
	}
	index := sources.NewIndex(snapshot)
	every := []sources.UserKey{{By: sources.UserByID, Value: "nobody"}, {By: sources.UserByEmail, Value: "nobody@acme.com"}, {By: "else", Value: "x"}}
	for i := range snapshot.Users {
		every = append(every, sources.UserKeys(&snapshot.Users[i])...)
		every = append(every, sources.UserKey{By: sources.UserByManagerID, Value: snapshot.Users[i].ID})
	}
	asked := [][]sources.UserKey{every, nil}
	for _, key := range every {
		asked = append(asked, []sources.UserKey{key})
	}
	for _, keys := range asked {
		what := fmt.Sprintf("find users by %d keys", len(keys))
		if len(keys) == 1 {
			what = fmt.Sprintf("find users by %s %.60q", keys[0].By, keys[0].Value)
		}
		got, proven, err := src.FindUsers(b.ctx, keys, nil, 1000)
		if err != nil {
			return fmt.Errorf("%s: want no error, got: %w", what, err)
		}
		want, wantProven, err := index.FindUsers(b.ctx, keys, nil, 1000)
		if err != nil {
			return err
		}
		got, want = inOrder(got), inOrder(want)
		if proven != wantProven || len(got) != len(want) {
			return fmt.Errorf("%s: want, as in the listing, %d, and %s proven, got %d and %s", what, len(want), wantProven, len(got), proven)
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				return fmt.Errorf("%s: want, as in the listing, %+v\ngot %+v", what, want[i], got[i])
			}
		}
	}
	if got, _, err := src.FindUsers(b.ctx, every, nil, 3); err != nil || len(got) != 3 {
		return fmt.Errorf("find at most 3 users: got %d and: %w", len(got), orNone(err))
	}
	return nil
}

// inOrder sorts users and their groups by ID.
func inOrder(found []sources.One) []sources.One {
	for i := range found {
		slices.SortFunc(found[i].Groups, func(a, b sources.Group) int { return cmp.Compare(a.ID, b.ID) })
	}
	slices.SortFunc(found, func(a, b sources.One) int { return cmp.Compare(a.User.ID, b.User.ID) })
	return found
}
