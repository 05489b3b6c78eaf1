package fake

import "slices"

// A moveKind says what a move is.
type moveKind uint8

const (
	userGone   moveKind = iota // user was removed
	groupGone                  // group was removed
	managerNew                 // user got a manager other than former
	memberIn                   // user came into group
	memberOut                  // user left group; both still exist
	unassigned                 // app was taken from user or group
)

// A move is an event in a directory that a provider reports by a log or a delta.
type move struct {
	stamp
	kind             moveKind
	user, group, app string
	former           string
	still            []string
}

// moves are all moves in their order, and the latest move of each relation: a new
// manager, or a member who came into a group or left it. The first state of a new
// object is no move.
type moves struct {
	log      []move
	managers map[string]int            // by user: the position in log
	members  map[string]map[string]int // by group and member
}

func newMoves() moves {
	return moves{managers: make(map[string]int), members: make(map[string]map[string]int)}
}

// add logs a move. It forgets the relations of removed objects.
func (m *moves) add(what move) {
	at := len(m.log)
	m.log = append(m.log, what)
	switch what.kind {
	case userGone:
		m.forget(what.user)
	case groupGone:
		m.forget(what.group)
	case managerNew:
		m.managers[what.user] = at
	case memberIn, memberOut:
		if m.members[what.group] == nil {
			m.members[what.group] = make(map[string]int)
		}
		m.members[what.group][what.user] = at
	case unassigned:
	}
}

func (m *moves) forget(id string) {
	delete(m.managers, id)
	delete(m.members, id)
}

// manager returns the latest change of a user's manager.
func (m *moves) manager(user string) (move, bool) {
	at, moved := m.managers[user]
	if !moved {
		return move{}, false
	}
	return m.log[at], true
}

// member returns the latest move of a user into a group or out of it.
func (m *moves) member(group, user string) (move, bool) {
	at, moved := m.members[group][user]
	if !moved {
		return move{}, false
	}
	return m.log[at], true
}

// related logs who came into a group and who left it. Both lists are ordered by ID.
func (d *Directory) related(group string, before, after []string, now stamp) {
	for _, user := range before {
		if _, stays := slices.BinarySearchFunc(after, user, compareIDs); !stays {
			d.moves.add(move{stamp: now, kind: memberOut, user: user, group: group, still: slices.Clone(d.groupOf[user])})
		}
	}
	for _, user := range after {
		if _, was := slices.BinarySearchFunc(before, user, compareIDs); !was {
			d.moves.add(move{stamp: now, kind: memberIn, user: user, group: group})
		}
	}
}
