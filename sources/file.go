package sources

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/usher-go/usher/internal/strictjson"
)

// ReadSnapshot parses a snapshot in its public JSON form. The caller has to bound
// the size of data.
//
// Parsing is strict. The error names every problem with its path: unknown and
// repeated fields, values of another type, a format other than SnapshotFormat or
// none, a missing connection, a user or group without an ID. Nothing is corrected
// or dropped: a user may appear twice, and a group may name a user who is not
// listed, as it happens with providers.
func ReadSnapshot(data []byte) (*Snapshot, error) {
	var s Snapshot
	err := strictjson.Decode(data, &s)
	if err != nil {
		// Of a file with another format, report only that: its other findings would
		// distract.
		var header struct {
			Format int `json:"format"`
		}
		if json.Unmarshal(data, &header) == nil && header.Format != SnapshotFormat {
			err = formatError(header.Format)
		}
	} else {
		err = s.check()
	}
	if err != nil {
		return nil, fmt.Errorf("sources: read snapshot: %w", err)
	}
	return &s, nil
}

func formatError(format int) error {
	if format == 0 {
		return fmt.Errorf(`format: missing, want "format": %d`, SnapshotFormat)
	}
	return fmt.Errorf("format: %d is not a format this version reads, want %d", format, SnapshotFormat)
}

// check reports missing required fields and other problems that JSON types cannot
// express.
func (s *Snapshot) check() error {
	if s.Format != SnapshotFormat {
		return formatError(s.Format)
	}
	var findings strictjson.Errors
	if s.Connection == "" {
		findings.Add("connection", "missing: a person is identified by connection and id")
	}
	for i := range s.Users {
		if s.Users[i].ID == "" {
			findings.Add(fmt.Sprintf("users[%d].id", i), "missing")
		}
	}
	for i := range s.Groups {
		if s.Groups[i].ID == "" {
			findings.Add(fmt.Sprintf("groups[%d].id", i), "missing")
		}
		if at := slices.Index(s.Groups[i].Members, ""); at >= 0 {
			findings.Add(fmt.Sprintf("groups[%d].members[%d]", i, at), "want the id of a user, got an empty string")
		}
	}
	for _, query := range slices.Sorted(maps.Keys(s.Matches)) {
		if s.Matches[query] == nil {
			findings.Add(fmt.Sprintf("matches[%q]", query), "want an array, got null: leave out a query that was not answered")
		}
		if at := slices.Index(s.Matches[query], ""); at >= 0 {
			findings.Add(fmt.Sprintf("matches[%q][%d]", query, at), "want the id of a user, got an empty string")
		}
	}
	return findings.Err()
}

// WriteSnapshot writes s in its public JSON form, which [ReadSnapshot] parses. The
// form is canonical: equal snapshots give equal bytes, whatever the order of their
// users, groups, members and matches. Each user and group is on a line of its own,
// so that files can be compared line by line. s is not changed. Format is written
// as SnapshotFormat, whatever s holds.
func WriteSnapshot(w io.Writer, s *Snapshot) error {
	out := &snapshotWriter{w: bufio.NewWriter(w)}
	out.json = json.NewEncoder(&out.line)
	out.json.SetEscapeHTML(false)

	out.text(`{"format":`)
	out.value(SnapshotFormat)
	out.text(`,"kind":`)
	out.value(s.Kind)
	out.text(`,"connection":`)
	out.value(s.Connection)
	if !s.Taken.IsZero() {
		out.text(`,"taken":`)
		out.value(s.Taken.UTC())
	}
	out.text(`,"proven":`)
	out.value(s.Proven)

	out.text(`,"users":[`)
	writeSorted(out, s.Users, func(u *User) string { return u.ID }, func(u *User) any { return u })
	out.text("]")
	if len(s.Groups) > 0 {
		out.text(`,"groups":[`)
		writeSorted(out, s.Groups, func(g *Group) string { return g.ID }, func(g *Group) any {
			return Group{ID: g.ID, Name: g.Name, Members: sortedSet(g.Members)}
		})
		out.text("]")
	}
	if len(s.Matches) > 0 {
		out.text(`,"matches":{`)
		for i, query := range slices.Sorted(maps.Keys(s.Matches)) {
			out.separator(i)
			out.value(query)
			out.text(":")
			out.value(sortedSet(s.Matches[query]))
		}
		out.text("}")
	}
	out.text("}\n")
	if out.err == nil {
		out.err = out.w.Flush()
	}
	if out.err != nil {
		return fmt.Errorf("sources: write snapshot: %w", out.err)
	}
	return nil
}

// sortedSet returns the distinct values of list, sorted. It never returns nil, so
// that an empty answer to a query is written as an array.
func sortedSet(list []string) []string {
	set := append(make([]string, 0, len(list)), list...)
	slices.Sort(set)
	return slices.Compact(set)
}

// A snapshotWriter writes a snapshot in pieces, so that the JSON of a large
// directory is never in memory as a whole. It keeps the first error.
type snapshotWriter struct {
	w    *bufio.Writer
	line bytes.Buffer
	json *json.Encoder
	err  error
}

func (o *snapshotWriter) text(s string) {
	if o.err == nil {
		_, o.err = o.w.WriteString(s)
	}
}

func (o *snapshotWriter) separator(i int) {
	if i > 0 {
		o.text(",")
	}
	o.text("\n")
}

func (o *snapshotWriter) value(v any) {
	if o.err != nil {
		return
	}
	o.line.Reset()
	if o.err = o.json.Encode(v); o.err == nil {
		_, o.err = o.w.Write(bytes.TrimSuffix(o.line.Bytes(), []byte("\n")))
	}
}

// writeSorted writes list ordered by ID. Entries with the same ID, of which there
// are few, are ordered by their JSON.
func writeSorted[T any](o *snapshotWriter, list []T, id func(*T) string, form func(*T) any) {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if byID := cmp.Compare(id(&list[a]), id(&list[b])); byID != 0 || a == b {
			return byID
		}
		first, errA := json.Marshal(form(&list[a]))
		second, errB := json.Marshal(form(&list[b]))
		o.err = cmp.Or(o.err, errA, errB)
		return bytes.Compare(first, second)
	})
	for i, at := range order {
		o.separator(i)
		o.value(form(&list[at]))
	}
}
