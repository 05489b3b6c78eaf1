package syncer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

const (
	// wholeReading is how often a provider is read as a whole though it has
	// deltas, for what a delta may have missed.
	wholeReading = 24 * time.Hour
	// maxSnapshot bounds a stored snapshot, compressed. Of a larger directory
	// everything is read every time.
	maxSnapshot = 60 << 20
)

// A mirror is the last snapshot of a provider that has deltas, with the place
// behind which its next delta begins. It is stored on its own, and true whether
// or not it has been decided on.
type mirror struct {
	snapshot *sources.Snapshot
	head     mirrorHead
	name     string
	revision provisioning.Revision
}

// mirrorHead is the first line of a stored mirror; the snapshot in its public
// form is behind it.
type mirrorHead struct {
	Format int            `json:"format"`
	Cursor sources.Cursor `json:"cursor"`
	Whole  time.Time      `json:"whole"` // when everything was last read
}

func mirrorName(target Target) string { return "snapshot/" + target.Connection }

// dropMirror removes what is stored.
func (s *Syncer) dropMirror(ctx context.Context, target Target) error {
	_, revision, err := s.cfg.Store.State(ctx, target.Tenant, mirrorName(target))
	if err == nil && revision != "" {
		_, err = s.cfg.Store.SetState(ctx, target.Tenant, mirrorName(target), revision, nil)
	}
	if err != nil {
		return fmt.Errorf("remove snapshot: %w", err)
	}
	return nil
}

// mirror returns what is stored, with no snapshot if there is nothing that a
// delta could begin from.
func (r *round) mirror(ctx context.Context) (*mirror, error) {
	m := &mirror{name: mirrorName(r.target)}
	document, revision, err := r.cfg.Store.State(ctx, r.target.Tenant, m.name)
	if err != nil {
		return nil, fmt.Errorf("syncer: read snapshot: %w", err)
	}
	if m.revision = revision; document == nil {
		return m, nil
	}
	err = m.read(document)
	age := r.cfg.Now().Sub(m.head.Whole)
	if err != nil || age < -maxSkew || age > wholeReading || m.head.Format != stateFormat {
		m.snapshot, m.head.Cursor = nil, "" // everything is read anew
	}
	return m, nil
}

func (m *mirror) read(document []byte) error {
	unzip, err := gzip.NewReader(bytes.NewReader(document))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		return err
	}
	head, body, _ := bytes.Cut(text, []byte("\n"))
	if err := json.Unmarshal(head, &m.head); err != nil {
		return err
	}
	m.snapshot, err = sources.ReadSnapshot(body)
	return err
}

// storeMirror stores a snapshot and its cursor. Where another process has stored one
// meanwhile, that stays.
func (r *round) storeMirror(ctx context.Context, m *mirror, snapshot *sources.Snapshot, next sources.Cursor) error {
	if m.snapshot == nil {
		m.head.Whole = snapshot.Taken
	}
	m.head.Format, m.head.Cursor = stateFormat, next
	var document bytes.Buffer
	zip := gzip.NewWriter(&document)
	err := json.NewEncoder(zip).Encode(m.head)
	if err == nil {
		err = sources.WriteSnapshot(zip, snapshot)
	}
	if err = errors.Join(err, zip.Close()); err != nil {
		return fmt.Errorf("syncer: snapshot of %s: %w", r.target.Connection, err)
	}
	content := document.Bytes()
	if len(content) > maxSnapshot || next == "" {
		content = nil
	}
	_, err = r.cfg.Store.SetState(ctx, r.target.Tenant, m.name, m.revision, content)
	if err != nil && !errors.Is(err, provisioning.ErrStale) {
		return fmt.Errorf("syncer: save snapshot: %w", err)
	}
	return nil
}

// refresh reads a provider: what changed, where that is wanted and can be had,
// and everything else.
func (r *round) refresh(ctx context.Context, cfg sources.CollectConfig) (*sources.Snapshot, error) {
	if _, ok := sources.As[sources.DeltaSource](r.setup.Source); !ok || !r.setup.Deltas {
		return sources.Collect(ctx, r.setup.Source, cfg)
	}
	m, err := r.mirror(ctx)
	if err != nil {
		return new(sources.Snapshot), err
	}
	snapshot, next, err := sources.Refresh(ctx, r.setup.Source, m.snapshot, m.head.Cursor, cfg)
	if err != nil {
		return snapshot, err
	}
	return snapshot, r.storeMirror(ctx, m, snapshot, next)
}
