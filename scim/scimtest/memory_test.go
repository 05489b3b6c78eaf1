package scimtest

import (
	"testing"

	"github.com/usher-go/usher/scim"
)

func memoryHarness() Harness {
	return Harness{
		New:         func(testing.TB) scim.Store { return &scim.Memory{} },
		Unsupported: map[string]string{"durable": "the memory of a process ends with it"},
	}
}

func TestMemoryConforms(t *testing.T) { TestStore(t, memoryHarness()) }
