package hierarchy_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usher-go/usher/hierarchy"
)

func svg(t require.TestingT, people []hierarchy.Person, how hierarchy.SVG, from ...int) string {
	var b strings.Builder
	require.NoError(t, hierarchy.Build(people).SVG(&b, how, from...))
	for decoder := xml.NewDecoder(strings.NewReader(b.String())); ; { // the drawing is well-formed
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		require.NoError(t, err, "%s", b.String())
	}
}

func TestSVG(t *testing.T) {
	people := team("zoe", "bo<zoe", "cy<bo", "di<cy", "eli<cy", "ana<zoe", "lone")
	people[1].Manager = keys("zoe@acme.com", "", "")
	people[2].Manager = keys("ana@acme.com", "", "")
	people[3].GivenName = `</text><script>alert("1")</script>`
	people[4].Active = false

	all := svg(t, people, hierarchy.SVG{})
	assert.Equal(t, 7, strings.Count(all, `<text class="person`))
	assert.Equal(t, 5, strings.Count(all, `<path class="edge`))
	assert.Equal(t, 1, strings.Count(all, `class="edge changed"`), "cy goes from bo to ana")
	assert.Equal(t, 1, strings.Count(all, `person inactive`))
	assert.NotContains(t, all, "<script")
	assert.NotContains(t, all, "<a ")

	folded := svg(t, people, hierarchy.SVG{Levels: 3, Link: func(i int) string { return fmt.Sprintf(`chart?at=%d&x="`, i) }})
	assert.Equal(t, 5, strings.Count(folded, `<text class="person`))
	assert.Contains(t, folded, "cy Doe<tspan class=\"fold\" fill=\"#4b5563\"> (+2)</tspan>")
	assert.Contains(t, folded, `<a href="chart?at=2&amp;x=&#34;">`)

	cut := svg(t, people, hierarchy.SVG{Rows: 2})
	assert.Equal(t, 2, strings.Count(cut, `<text class="person`))
	assert.Contains(t, cut, "and 5 more")
}

// On every chart, each person is drawn, folded or counted exactly once.
func TestSVGShowsEverybody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := knottedTeam().Draw(t, "team")
		how := hierarchy.SVG{Levels: rapid.IntRange(0, 4).Draw(t, "levels"), Rows: rapid.IntRange(0, 8).Draw(t, "rows")}
		drawing := svg(t, people, how)
		n := strings.Count(drawing, `<text class="person`)
		for _, part := range strings.Split(drawing, "(+")[1:] {
			var folded int
			_, _ = fmt.Sscanf(part, "%d)", &folded)
			n += folded
		}
		if _, after, cut := strings.Cut(drawing, ">and "); cut {
			var rest int
			_, _ = fmt.Sscanf(after, "%d more", &rest)
			n += rest
		}
		assert.Equal(t, len(people), n, "%s", drawing)
	})
}
