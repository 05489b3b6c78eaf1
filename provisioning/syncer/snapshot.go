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
	// wholeReading is how often a provider with deltas is read completely, to find
	// what a delta may have missed.
	wholeReading = 24 * time.Hour
	// maxSnapshot is the maximum size of a stored snapshot, compressed, in bytes. A
	// larger directory is read completely every time.
	maxSnapshot = 60 << 20
)

// A mirror is the last snapshot of a provider that has deltas, and the cursor
// after which the next delta begins. It is stored apart from the state, and is
// valid even if no plan was made of it.
type mirror struct {
	snapshot *sources.Snapshot
	head     mirrorHead
	name     string
	revision provisioning.Revision
}

// mirrorHead is the first line of a stored mirror. The snapshot follows, in its
// public form.
type mirrorHead struct {
	Format int            `json:"format"`
	Cursor sources.Cursor `json:"cursor"`
	Whole  time.Time      `json:"whole"` // when the provider was last read completely
}

func mirrorName(target Target) string { return "snapshot/" + target.Connection }

// dropMirror removes the stored mirror.
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

// mirror returns the stored mirror. Its snapshot is nil if there is none from
// which a delta can begin.
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

// storeMirror stores a snapshot and its cursor. If another process has stored a
// mirror meanwhile, that mirror stays.
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

// refresh reads a provider: only the changes if Setup.Deltas is set, the source
// has deltas and there is a mirror to begin from; otherwise everything.
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
