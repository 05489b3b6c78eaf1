package rest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// RFC 8288, section 3, in the forms that servers and intermediaries send.
func TestLinks(t *testing.T) {
	self, next := Link{"https://a.example/x?limit=1", []string{"self"}}, Link{"https://a.example/x?after=b&limit=1", []string{"next"}}
	for name, c := range map[string]struct {
		values []string
		want   []Link
	}{
		"none":            {nil, nil},
		"empty":           {[]string{""}, nil},
		"two lines":       {[]string{`<https://a.example/x?limit=1>; rel="self"`, `<https://a.example/x?after=b&limit=1>; rel="next"`}, []Link{self, next}},
		"one line":        {[]string{`<https://a.example/x?limit=1>; rel="self", <https://a.example/x?after=b&limit=1>; rel="next"`}, []Link{self, next}},
		"no spaces":       {[]string{`<https://a.example/x?limit=1>;rel=self,<https://a.example/x?after=b&limit=1>;rel=next`}, []Link{self, next}},
		"many spaces":     {[]string{" \t<https://a.example/x?limit=1> ;\trel = \"self\" , , <https://a.example/x?after=b&limit=1>;rel=\"next\" ,"}, []Link{self, next}},
		"other case":      {[]string{`<https://a.example/x?limit=1>; REL="Self"`}, []Link{self}},
		"comma inside":    {[]string{`<https://a.example/x?f=a,b;c>; title="one, \"two\"; rel=no"; rel="next"`}, []Link{{"https://a.example/x?f=a,b;c", []string{"next"}}}},
		"several rels":    {[]string{`</y>; rel="next last"`}, []Link{{"/y", []string{"next", "last"}}}},
		"second rel":      {[]string{`</y>; rel=next; rel=prev`}, []Link{{"/y", []string{"next"}}}},
		"no rel":          {[]string{`</y>`}, []Link{{"/y", nil}}},
		"flag":            {[]string{`</y>; crossorigin; rel=next`}, []Link{{"/y", []string{"next"}}}},
		"empty parameter": {[]string{`</y>; ; rel=next;`}, []Link{{"/y", []string{"next"}}}},
		"extended title":  {[]string{`</y>; rel=next; title*=UTF-8'de'n%c3%a4chstes`}, []Link{{"/y", []string{"next"}}}},
		"anchored":        {[]string{`</y>; rel=next; anchor="#foo", </z>; rel=self`}, []Link{{"/z", []string{"self"}}}},
	} {
		got, err := Links(http.Header{"Link": c.values})
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
	for _, value := range []string{
		`https://a.example/x; rel=next`, `<https://a.example/x; rel=next`, `<>; rel=next`, `</y>; rel="next`, `</y>; rel="next\`,
		`</y>; rel=`, `</y>; =next`, `</y> rel=next`, `</y>; rel=next </z>; rel=self`, `</y>; rel=next junk`,
	} {
		_, err := Links(http.Header{"Link": {`</x>; rel=self`, value}})
		require.Error(t, err, value)
	}
}

func TestLinkTo(t *testing.T) {
	links := []Link{{"/a", []string{"self"}}, {"/b", []string{"next", "last"}}, {"/b", []string{"next"}}, {"/c", []string{"last"}}}
	for rel, want := range map[string]string{"self": "/a", "next": "/b", "prev": ""} {
		got, err := LinkTo(links, rel)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := LinkTo(links, "last")
	require.Error(t, err)
}

func FuzzLinks(f *testing.F) {
	f.Add(`<https://a.example/x>; rel="next", </y>; rel=self; title="a\"b"`)
	f.Add(`</y>; rel=next; anchor="#x",,`)
	f.Fuzz(func(t *testing.T, value string) {
		links, err := Links(http.Header{"Link": {value}})
		if err != nil {
			return
		}
		for _, link := range links {
			require.NotEmpty(t, link.Target)
			// A parsed link is found again in a header line of its own.
			again, err := Links(http.Header{"Link": {"<" + link.Target + ">"}})
			require.NoError(t, err)
			require.Equal(t, link.Target, again[0].Target)
		}
	})
}
