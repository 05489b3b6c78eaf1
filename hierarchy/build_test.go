package hierarchy_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usher-go/usher/hierarchy"
)

func TestSmoke(t *testing.T) {
	c := hierarchy.Build([]hierarchy.Person{
		{Key: "a", Email: "A@x.com", Active: true, Follow: true},
		{Key: "b", Email: "b@x.com", Active: true, Follow: true, Manager: &hierarchy.Keys{Email: " a@X.com"}},
		{Key: "c", Email: "c@x.com", Active: true, Follow: true, Manager: &hierarchy.Keys{Email: "b@x.com"}},
	})
	assert.Equal(t, 1, c.Manager(2))
	assert.Equal(t, []int{1, 2}, slices.Collect(c.AllReports(0)))
	assert.Equal(t, []int{1, 0}, slices.Collect(c.Chain(2)))
	assert.Equal(t, hierarchy.NoManagerKey, c.Finding(0))
}
