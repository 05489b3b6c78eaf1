package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// On PostgreSQL a write is one call of a function of the database: one round
// trip, which is a transaction by itself. The function first locks the
// directory's row. Each of its statements sees everything that was committed
// before the statement, so that the function checks the latest state, whatever
// the caller has read.
//
// The query plans must not depend on statistics, which a new database does not
// have. Therefore tables are joined row by row, through LATERAL queries with
// LIMIT, which prevents any other way of joining, and no table is read
// completely.

// planned are the settings of a function whose statements use only indexes.
const planned = `LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off`

// postgresCounters are the triggers on PostgreSQL that update @totals.
var postgresCounters = []string{
	`POSTGRESQL: CREATE FUNCTION @count_records() RETURNS TRIGGER ` + planned + ` AS $$
	BEGIN
		INSERT INTO @totals (directory, grp, type, total)
			SELECT c.directory, 0, c.type, CASE TG_OP WHEN 'INSERT' THEN COUNT(*) ELSE -COUNT(*) END FROM changed c GROUP BY c.directory, c.type
			ON CONFLICT (directory, grp, type) DO UPDATE SET total = @totals.total + excluded.total;
		IF TG_OP = 'DELETE' THEN
			DELETE FROM @totals t USING changed c WHERE t.directory = c.directory AND t.grp = c.ordinal;
		END IF;
		RETURN NULL;
	END $$`,
	`POSTGRESQL: CREATE FUNCTION @count_members() RETURNS TRIGGER ` + planned + ` AS $$
	BEGIN
		INSERT INTO @totals (directory, grp, type, total)
			SELECT c.directory, c.grp, c.member_type, CASE TG_OP WHEN 'INSERT' THEN COUNT(*) ELSE -COUNT(*) END FROM changed c
				GROUP BY c.directory, c.grp, c.member_type
			ON CONFLICT (directory, grp, type) DO UPDATE SET total = @totals.total + excluded.total;
		RETURN NULL;
	END $$`,
	`POSTGRESQL: CREATE TRIGGER @records_added AFTER INSERT ON @records REFERENCING NEW TABLE AS changed
		FOR EACH STATEMENT EXECUTE FUNCTION @count_records()`,
	`POSTGRESQL: CREATE TRIGGER @records_removed AFTER DELETE ON @records REFERENCING OLD TABLE AS changed
		FOR EACH STATEMENT EXECUTE FUNCTION @count_records()`,
	`POSTGRESQL: CREATE TRIGGER @members_added AFTER INSERT ON @members REFERENCING NEW TABLE AS changed
		FOR EACH STATEMENT EXECUTE FUNCTION @count_members()`,
	`POSTGRESQL: CREATE TRIGGER @members_removed AFTER DELETE ON @members REFERENCING OLD TABLE AS changed
		FOR EACH STATEMENT EXECUTE FUNCTION @count_members()`,
}

// postgresApply creates the function. Its parameters are those of callApply. It
// checks everything before it writes anything, so that a refusal is an outcome
// and not an error of the database. It returns the stored record, without a
// document that the caller has sent.
const postgresApply = `POSTGRESQL: CREATE OR REPLACE FUNCTION @apply(
	p_patience INTEGER, p_tenant TEXT, p_connection TEXT, p_op INTEGER, p_type TEXT, p_id TEXT, p_at BIGINT, p_if_version BIGINT,
	p_doc TEXT, p_display TEXT, p_keys TEXT, p_change BOOLEAN, p_skip BOOLEAN, p_replace BOOLEAN, p_remove TEXT, p_add TEXT,
	OUT o_outcome TEXT, OUT o_missing TEXT, OUT o_version BIGINT, OUT o_ordinal BIGINT, OUT o_created BIGINT, OUT o_modified BIGINT,
	OUT o_display TEXT, OUT o_doc TEXT
) ` + planned + ` AS $$
DECLARE
	dir      BIGINT;
	last     BIGINT; -- the last sequence number given
	rec      @records%ROWTYPE;
	ver      @versions%ROWTYPE; -- of the record
	ordinals BIGINT[]; -- of the members to add, with types and displays
	types    TEXT[];
	displays TEXT[];
	gone     BIGINT[]; -- who left, of a statement
	moved    BIGINT[] := '{}'; -- who joined or left, on the other side of memberships
	changed  BOOLEAN := p_doc IS NOT NULL;
BEGIN
	PERFORM set_config('lock_timeout', p_patience::TEXT, TRUE);
	SELECT d.id, d.seq INTO dir, last FROM @directories d WHERE d.tenant = p_tenant AND d.connection = p_connection FOR NO KEY UPDATE;
	IF dir IS NULL AND p_op = 1 THEN
		INSERT INTO @directories (tenant, connection, first, seq) SELECT p_tenant, p_connection, n.micros, n.micros
			FROM (SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS micros) n ON CONFLICT DO NOTHING;
		SELECT d.id, d.seq INTO dir, last FROM @directories d WHERE d.tenant = p_tenant AND d.connection = p_connection FOR NO KEY UPDATE;
	END IF;
	SELECT r.* INTO rec FROM @records r WHERE r.directory = dir AND r.id = p_id;
	IF p_op = 1 THEN
		IF FOUND THEN
			o_outcome := 'duplicate';
			RETURN;
		END IF;
		rec.ordinal := last + 1;
		rec.created := p_at;
	ELSIF NOT FOUND OR rec.type <> p_type THEN
		o_outcome := 'absent';
		RETURN;
	ELSE
		SELECT v.* INTO ver FROM @versions v WHERE v.ordinal = rec.ordinal AND v.directory = dir;
		IF p_if_version <> 0 AND p_if_version <> ver.version THEN
			o_outcome := 'conflict';
			RETURN;
		END IF;
	END IF;

	IF p_op = 3 THEN
		WITH g AS (DELETE FROM @members m WHERE m.grp = rec.ordinal AND m.directory = dir RETURNING m.member)
			SELECT array_agg(g.member) INTO moved FROM g;
		WITH g AS (DELETE FROM @members m WHERE m.member = rec.ordinal AND m.directory = dir RETURNING m.grp)
			SELECT array_agg(g.grp) INTO gone FROM g;
		moved := moved || gone;
		DELETE FROM @keys k WHERE k.ordinal = rec.ordinal AND k.directory = dir;
		DELETE FROM @versions v WHERE v.ordinal = rec.ordinal AND v.directory = dir;
		DELETE FROM @records r WHERE r.directory = dir AND r.ordinal = rec.ordinal;
		last := last + 1;
		INSERT INTO @deletions (directory, version, type, id) VALUES (dir, last, p_type, p_id);
	ELSE
		IF p_doc IS NOT NULL THEN
			PERFORM 1 FROM json_to_recordset(p_keys::JSON) AS k(name TEXT, value TEXT, is_unique BOOLEAN)
				CROSS JOIN LATERAL (SELECT 1 FROM @keys o WHERE o.value = k.value AND o.name = k.name AND o.directory = dir
					AND o.type = p_type AND o.is_unique AND o.ordinal <> rec.ordinal LIMIT 1) taken
				WHERE k.is_unique;
			IF FOUND THEN
				o_outcome := 'duplicate';
				RETURN;
			END IF;
		END IF;
		IF p_change THEN
			SELECT array_agg(a.ordinal) FILTER (WHERE a.ordinal IS NOT NULL), array_agg(a.type) FILTER (WHERE a.ordinal IS NOT NULL),
					array_agg(a.display) FILTER (WHERE a.ordinal IS NOT NULL), (array_agg(a.id) FILTER (WHERE a.ordinal IS NULL AND NOT p_skip))[1]
				INTO ordinals, types, displays, o_missing
				FROM (SELECT w.id, w.display, CASE WHEN w.id = p_id THEN rec.ordinal ELSE o.ordinal END AS ordinal,
						CASE WHEN w.id = p_id THEN p_type ELSE o.type END AS type
					FROM json_to_recordset(p_add::JSON) AS w(id TEXT, display TEXT)
					LEFT JOIN LATERAL (SELECT r.ordinal, r.type FROM @records r WHERE r.directory = dir AND r.id = w.id LIMIT 1) o ON TRUE) a;
			IF o_missing IS NOT NULL THEN
				o_outcome := 'no member';
				RETURN;
			END IF;
		END IF;

		IF p_op = 1 THEN
			INSERT INTO @records (directory, ordinal, type, id, created, display, doc)
				VALUES (dir, rec.ordinal, p_type, p_id, p_at, p_display, p_doc);
			INSERT INTO @versions (ordinal, directory, version, modified) VALUES (rec.ordinal, dir, last + 1, p_at);
		ELSIF p_doc IS NOT NULL THEN
			UPDATE @records r SET display = p_display, doc = p_doc WHERE r.directory = dir AND r.ordinal = rec.ordinal;
			DELETE FROM @keys k WHERE k.ordinal = rec.ordinal AND k.directory = dir AND (k.name, k.value, k.is_unique) NOT IN
				(SELECT n.name, n.value, n.is_unique FROM json_to_recordset(p_keys::JSON) AS n(name TEXT, value TEXT, is_unique BOOLEAN));
		END IF;
		IF p_doc IS NOT NULL THEN
			INSERT INTO @keys (ordinal, directory, name, value, type, is_unique) SELECT rec.ordinal, dir, k.name, k.value, p_type, k.is_unique
				FROM json_to_recordset(p_keys::JSON) AS k(name TEXT, value TEXT, is_unique BOOLEAN)
				ON CONFLICT (ordinal, directory, name, value) DO NOTHING;
		END IF;
		IF p_change AND p_replace THEN
			WITH g AS (DELETE FROM @members m WHERE m.grp = rec.ordinal AND m.directory = dir AND m.member NOT IN (SELECT unnest(ordinals))
				RETURNING m.member) SELECT array_agg(g.member) INTO gone FROM g;
			moved := moved || gone;
		END IF;
		IF p_change AND p_remove <> '[]' THEN
			WITH g AS (DELETE FROM @members m WHERE m.ctid = ANY (ARRAY(
				SELECT x.ctid FROM json_array_elements_text(p_remove::JSON) AS w(id)
					CROSS JOIN LATERAL (SELECT r.ordinal FROM @records r WHERE r.directory = dir AND r.id = w.id LIMIT 1) o
					CROSS JOIN LATERAL (SELECT y.ctid FROM @members y WHERE y.grp = rec.ordinal AND y.directory = dir AND y.member = o.ordinal LIMIT 1) x))
				RETURNING m.member) SELECT array_agg(g.member) INTO gone FROM g;
			moved := moved || gone;
		END IF;
		IF ordinals IS NOT NULL THEN
			WITH g AS (INSERT INTO @members (grp, directory, member, member_type, display)
				SELECT rec.ordinal, dir, a.ordinal, a.type, a.display FROM unnest(ordinals, types, displays) AS a(ordinal, type, display)
				ON CONFLICT (grp, directory, member) DO NOTHING RETURNING member) SELECT array_agg(g.member) INTO gone FROM g;
			moved := moved || gone;
			UPDATE @members m SET display = n.display
				FROM (SELECT x.ctid AS place, a.display FROM unnest(ordinals, displays) AS a(ordinal, display)
					CROSS JOIN LATERAL (SELECT y.ctid FROM @members y WHERE y.grp = rec.ordinal AND y.directory = dir
						AND y.member = a.ordinal AND y.display <> a.display LIMIT 1) x WHERE a.display <> '') n
				WHERE m.ctid = n.place;
			changed := changed OR FOUND;
		END IF;

		IF NOT changed AND moved = '{}' THEN
			last := NULL; -- there is nothing to write
		ELSE
			last := last + 1;
			ver.version := last;
			ver.modified := p_at;
			IF p_op = 2 THEN
				UPDATE @versions v SET version = last, modified = p_at WHERE v.ordinal = rec.ordinal AND v.directory = dir;
			END IF;
		END IF;
	END IF;

	IF last IS NOT NULL THEN
		IF moved <> '{}' THEN
			UPDATE @versions v SET version = last + n.number, modified = p_at
				FROM (SELECT x.ctid AS place, a.number FROM unnest(moved) WITH ORDINALITY AS a(ordinal, number)
					CROSS JOIN LATERAL (SELECT y.ctid FROM @versions y WHERE y.ordinal = a.ordinal AND y.directory = dir LIMIT 1) x
					WHERE a.ordinal <> rec.ordinal) n
				WHERE v.ctid = n.place;
		END IF;
		UPDATE @directories d SET seq = last + COALESCE(cardinality(moved), 0) WHERE d.tenant = p_tenant AND d.connection = p_connection;
	END IF;
	o_outcome := 'done';
	o_version := ver.version;
	o_ordinal := rec.ordinal;
	o_created := rec.created;
	o_modified := ver.modified;
	IF p_doc IS NULL THEN
		o_display := rec.display;
		o_doc := rec.doc;
	END IF;
END $$`

// callApply calls the function.
const callApply = `SELECT o_outcome, COALESCE(o_missing, ''), COALESCE(o_version, 0), COALESCE(o_ordinal, 0),
	COALESCE(o_created, 0), COALESCE(o_modified, 0), COALESCE(o_display, ''), o_doc
	FROM @apply(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (s *Store) applyPostgres(ctx context.Context, wait sqldb.Wait, dir scim.Directory, w write) (scim.Record, error) {
	var doc, display any // NULL if the write has no document
	if w.Doc != nil {
		doc, display = string(w.Doc), w.Display
	}
	type key struct {
		Name   string `json:"name"`
		Value  string `json:"value"`
		Unique bool   `json:"is_unique"`
	}
	keys := make([]key, 0, len(w.keys))
	for _, k := range w.keys {
		keys = append(keys, key(k))
	}
	change := w.Members
	args := []any{
		wait, dir.Tenant, dir.Connection, int64(w.Op), w.Ref.Type, w.Ref.ID, fromTime(w.At), w.IfVersion, doc, display, list(keys),
		change != nil, change != nil && change.SkipUnknown, change != nil && change.Replace, w.remove, w.add,
	}
	var outcome, missing string
	rec := scim.Record{Ref: w.Ref}
	read := func(rows *sql.Rows) error {
		var created, modified int64
		err := rows.Scan(&outcome, &missing, &rec.Version, &rec.Ordinal, &created, &modified, &rec.Display, &rec.Doc)
		rec.Created, rec.LastModified = toTime(created), toTime(modified)
		return err
	}
	err := s.db.Query(ctx, wait, callApply, args, read)
	if sqldb.Serialization(err) { // the host has changed the default isolation level
		err = s.db.WriteWithin(ctx, wait, func(tx *sqldb.Tx) error { return tx.Each(ctx, callApply, args, read) })
	}
	if err != nil {
		return scim.Record{}, err
	}
	if w.Doc != nil {
		rec.Doc, rec.Display = w.Doc, w.Display
	}
	switch outcome {
	case "done":
		return rec, nil
	case "absent":
		return scim.Record{}, scim.ErrNotFound
	case "conflict":
		return scim.Record{}, scim.ErrConflict
	case "duplicate":
		return scim.Record{}, scim.ErrDuplicate
	case "no member":
		return scim.Record{}, &scim.NoMemberError{ID: missing}
	}
	return scim.Record{}, fmt.Errorf("the function answers %q", outcome)
}
