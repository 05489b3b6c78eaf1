package sourcetest

import (
	"errors"
	"fmt"
	"testing"
)

// problems returns what is wrong with the harness itself.
func (h Harness) problems(tb testing.TB) []error {
	if h.New == nil {
		return []error{errors.New("Harness.New is required")}
	}
	var found []error
	say := func(format string, args ...any) { found = append(found, fmt.Errorf("Harness."+format, args...)) }
	if len(h.Users) < 3 {
		say("Users: want at least three, got %d", len(h.Users))
	}
	src := h.New(tb)
	left := make(map[string]string, len(h.Unsupported))
	for name, reason := range h.Unsupported {
		left[name] = reason
	}
	for _, c := range checks() {
		reason, excused := left[c.name]
		delete(left, c.name)
		switch {
		case excused && c.core:
			say("Unsupported[%q]: this check is of the core and cannot be left out: %s", c.name, c.rule)
		case excused && reason == "":
			say("Unsupported[%q]: want the reason", c.name)
		case excused || c.core || c.ability != nil && !c.ability(src):
		case !c.shown(h):
			say("Unsupported: the harness has nothing for the check %q (%s); give it, or the reason here", c.name, c.rule)
		}
	}
	for _, name := range sortedKeys(left) {
		say("Unsupported[%q]: there is no check of that name", name)
	}
	return found
}
