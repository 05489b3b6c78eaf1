//go:build !unix

package scim_test

import (
	"testing"
	"time"
)

// cpu returns 0, because the CPU time is not known on this system.
func cpu(testing.TB) time.Duration { return 0 }
