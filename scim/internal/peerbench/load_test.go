package main

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The loop fails if a server gives a wrong answer, so no server is fast by one.
func TestLoopChecksAnswers(t *testing.T) {
	one := setting{clients: 1, requests: 1, limit: time.Minute}
	for name, c := range map[string]struct {
		op     operation
		status int
		body   string
		right  bool
	}{
		"right":           {get, 200, `{"id":"a","displayName":"User 0"}`, true},
		"another status":  {get, 404, `{"id":"a","displayName":"User 0"}`, false},
		"another user":    {get, 200, `{"id":"b","displayName":"User 0"}`, false},
		"no JSON":         {get, 200, `{`, false},
		"found":           {filter, 200, `{"totalResults":1,"Resources":[{"id":"a"}]}`, true},
		"found too many":  {filter, 200, `{"totalResults":2,"Resources":[{"id":"a"},{"id":"b"}]}`, false},
		"deactivated":     {patchActive, 200, `{"id":"a","active":false}`, true},
		"not deactivated": {patchActive, 200, `{"id":"a","active":true}`, false},
		"no active":       {patchActive, 200, `{"id":"a"}`, false},
		"made another":    {create, 201, `{"id":"a","userName":"other@example.com","displayName":"User 0"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer("peer", "http://peer.example", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			p.ids = make([]string, seeded)
			p.ids[0] = "a"
			_, got, err := loop(t.Context(), p, c.op, one)
			if !c.right {
				require.ErrorContains(t, err, "peer, "+c.op.name+", turn 0: status ")
				return
			}
			require.NoError(t, err)
			assert.Len(t, got, 1)
			assert.Equal(t, 1, p.turns[c.op.name])
			// The next turn requests the next user, and the answer has another
			// user.
			_, _, err = loop(t.Context(), p, c.op, one)
			assert.ErrorContains(t, err, "turn 1")
		})
	}
}

func TestRatio(t *testing.T) {
	to := []time.Duration{10, 10, 1000, 10, 10}
	assert.Equal(t, "1.00", ratio(to, to))
	// A round in which the machine was busy slows down both sides.
	assert.Equal(t, "2.00 (2.00-3.00)", ratio([]time.Duration{20, 10, 2000, 30, 90}, to))
}
