package provisioning

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// S39: an entry that a fast clock recorded is counted as long as the clock may
// have been set back since then, and not for as long as the clock was wrong.
func TestWindowAfterAWrongClock(t *testing.T) {
	for name, c := range map[string]struct {
		wrong time.Duration
		want  int
	}{
		"right": {0, 1}, "an hour ahead": {time.Hour, 1}, "a year ahead": {365 * 24 * time.Hour, 0}, "two hours late": {-2 * time.Hour, 0},
	} {
		var m Memory
		team := m.tenant("acme")
		at := windowKey{"okta", time.Now().Add(c.wrong).Unix() / 60}
		team.window(at).Done[ClassGrant]++
		window, err := m.Window(t.Context(), "acme", "okta", time.Hour)
		require.NoError(t, err)
		assert.Equal(t, c.want, window.Done[ClassGrant], name)

		team.countAction(&Action{Member: Member{Connection: "okta"}})
		_, kept := team.windows[at]
		assert.Equal(t, c.wrong < MaxWindow, kept, name)
	}
}
