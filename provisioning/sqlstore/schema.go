package sqlstore

// migrations are the steps from an empty database to the present tables. Each step
// is a list of statements. A released step is never changed. New steps are
// appended.
var migrations = [][]string{
	{
		`CREATE TABLE @tenants (
			tenant   TEXT NOT NULL PRIMARY KEY,
			revision BIGINT NOT NULL
		)`,
		`CREATE TABLE @members (
			tenant          TEXT NOT NULL,
			id              TEXT NOT NULL,
			revision        BIGINT NOT NULL,
			protected       BOOLEAN NOT NULL DEFAULT FALSE,
			connection      TEXT NOT NULL,
			external_id     TEXT NOT NULL,
			managed         BOOLEAN NOT NULL,
			active          BOOLEAN NOT NULL,
			email           TEXT NOT NULL,
			email_key       TEXT,
			other_emails    JSON_TYPE,
			private_email   TEXT NOT NULL,
			given_name      TEXT NOT NULL,
			family_name     TEXT NOT NULL,
			title           TEXT NOT NULL,
			phone           TEXT NOT NULL,
			mobile_phone    TEXT NOT NULL,
			phone_extension TEXT NOT NULL,
			timezone        TEXT NOT NULL,
			country         TEXT NOT NULL,
			state           TEXT NOT NULL,
			locale          TEXT NOT NULL,
			manager_id      TEXT NOT NULL,
			assignment_id   TEXT NOT NULL,
			seats           JSON_TYPE,
			home            TEXT NOT NULL,
			profiles        JSON_TYPE,
			capture         JSON_TYPE,
			extra           JSON_TYPE,
			owners          JSON_TYPE,
			PRIMARY KEY (tenant, id)
		)`,
		`CREATE UNIQUE INDEX @members_email ON @members (tenant, email_key)`,
		`CREATE UNIQUE INDEX @members_identity ON @members (tenant, connection, external_id)
			WHERE managed AND external_id <> ''`,
		`CREATE TABLE @keys (
			tenant     TEXT NOT NULL,
			action_key TEXT NOT NULL,
			member_id  TEXT NOT NULL,
			PRIMARY KEY (tenant, action_key),
			FOREIGN KEY (tenant, member_id) REFERENCES @members (tenant, id) ON DELETE CASCADE
		)`,
		`CREATE INDEX @keys_member ON @keys (tenant, member_id)`,
		`CREATE TABLE @effects (
			seq        SERIAL_KEY,
			tenant     TEXT NOT NULL,
			kind       TEXT NOT NULL,
			action_key TEXT NOT NULL,
			to_id      TEXT NOT NULL,
			about_id   TEXT NOT NULL
		)`,
		`CREATE INDEX @effects_tenant ON @effects (tenant, seq)`,
		`CREATE INDEX @effects_key ON @effects (tenant, action_key)`,
		`CREATE TABLE @plans (
			tenant   TEXT NOT NULL,
			hash     TEXT NOT NULL,
			saved_at TEXT NOT NULL,
			plan     TEXT NOT NULL,
			PRIMARY KEY (tenant, hash)
		)`,
		`CREATE TABLE @audit (
			seq          SERIAL_KEY,
			tenant       TEXT NOT NULL,
			committed_at TEXT NOT NULL,
			action_key   TEXT NOT NULL,
			kind         TEXT NOT NULL,
			member_id    TEXT NOT NULL,
			email        TEXT NOT NULL,
			actor        TEXT NOT NULL,
			changes      JSON_TYPE NOT NULL,
			reasons      JSON_TYPE NOT NULL
		)`,
		`CREATE INDEX @audit_tenant ON @audit (tenant, seq)`,
		`CREATE TABLE @locks (
			tenant     TEXT NOT NULL PRIMARY KEY,
			owner      TEXT NOT NULL,
			expires_ms BIGINT NOT NULL
		)`,
	},
	{
		// A secondary index begins with the selective column and ends with the tenant
		// as an expression. So PostgreSQL cannot use it for a look-up by the tenant
		// alone. Without statistics, PostgreSQL uses any index that has some of the
		// columns, also for foreign key checks. If that were the tenant alone, it would
		// read the whole tenant each time.
		`DROP INDEX @members_email`,
		`DROP INDEX @members_identity`,
		`DROP INDEX @keys_member`,
		`DROP INDEX @effects_key`,
		`CREATE UNIQUE INDEX @members_email ON @members (email_key, (tenant || ''))`,
		`CREATE UNIQUE INDEX @members_identity ON @members (external_id, connection, (tenant || ''))
			WHERE managed AND external_id <> ''`,
		`CREATE INDEX @keys_member ON @keys (member_id, (tenant || ''))`,
		`CREATE INDEX @effects_key ON @effects (action_key, (tenant || ''))`,
		// Pages of these tables are read in the order of (tenant, seq). The primary key
		// has this order, so that PostgreSQL does not use another index and sort. In
		// SQLite, seq is the row ID, which costs nothing.
		`POSTGRESQL:DROP INDEX @effects_tenant`,
		`POSTGRESQL:ALTER TABLE @effects DROP CONSTRAINT @effects_pkey, ADD PRIMARY KEY (tenant, seq)`,
		`POSTGRESQL:DROP INDEX @audit_tenant`,
		`POSTGRESQL:ALTER TABLE @audit DROP CONSTRAINT @audit_pkey, ADD PRIMARY KEY (tenant, seq)`,
		// A plan is stored compressed. A plan that was saved as text stays text.
		`ALTER TABLE @plans RENAME COLUMN plan TO plan_text`,
		`ALTER TABLE @plans ADD COLUMN plan BYTES_TYPE NOT NULL DEFAULT ''`,
		`SQLITE:UPDATE @plans SET plan = CAST(plan_text AS BLOB)`,
		`POSTGRESQL:UPDATE @plans SET plan = convert_to(plan_text, 'UTF8')`,
		`ALTER TABLE @plans DROP COLUMN plan_text`,
	},
	{
		// Keys of done actions outlive their members.
		`DROP INDEX @keys_member`,
		`POSTGRESQL:ALTER TABLE @keys DROP CONSTRAINT @keys_tenant_member_id_fkey`,
		`SQLITE:ALTER TABLE @keys RENAME TO @keys_before`,
		`SQLITE:CREATE TABLE @keys (
			tenant     TEXT NOT NULL,
			action_key TEXT NOT NULL,
			member_id  TEXT NOT NULL,
			PRIMARY KEY (tenant, action_key)
		)`,
		`SQLITE:INSERT INTO @keys SELECT tenant, action_key, member_id FROM @keys_before`,
		`SQLITE:DROP TABLE @keys_before`,
		// The keys by which members are found, and the counters; refill fills them in.
		`ALTER TABLE @members ADD COLUMN attributes JSON_TYPE`,
		`ALTER TABLE @members ADD COLUMN subject TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE @members ADD COLUMN name_key TEXT`,
		`ALTER TABLE @members ADD COLUMN recorded_by TEXT`,
		`CREATE INDEX @members_name ON @members (name_key, (tenant || ''))`,
		`CREATE INDEX @members_manager ON @members (manager_id, (tenant || ''))`,
		`CREATE INDEX @members_recorded ON @members (recorded_by, (tenant || ''))`,
		`CREATE TABLE @counts (
			tenant TEXT NOT NULL,
			kind   TEXT NOT NULL,
			name   TEXT NOT NULL,
			n      BIGINT NOT NULL,
			PRIMARY KEY (tenant, kind, name)
		) BY_KEY`,
		`ALTER TABLE @plans ADD COLUMN connection TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE @plans ADD COLUMN saved BIGINT NOT NULL DEFAULT 0`,
		`CREATE INDEX @plans_newest ON @plans (connection, (tenant || ''), saved)`,
		// The function draws revisions, which makes other writers of the tenant wait.
		// Its first row has the last revision drawn, and those of the given keys that
		// are done. The next rows are the members, which are locked until the end of
		// the transaction. Each statement of the function sees what was committed
		// before the statement began. OFFSET prevents other join orders: the tables are
		// searched once for each element of a list.
		`POSTGRESQL:CREATE FUNCTION @turn(of_tenant TEXT, revisions BIGINT, member_ids TEXT[], action_keys TEXT[],
			OUT drawn BIGINT, OUT done JSON, OUT member @members) RETURNS SETOF RECORD LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM BY_INDEX;
			INSERT INTO @tenants AS t (tenant, revision) VALUES (of_tenant, revisions)
				ON CONFLICT (tenant) DO UPDATE SET revision = t.revision + excluded.revision RETURNING t.revision INTO drawn;
			done := (SELECT json_agg(k.action_key) FROM unnest(action_keys) AS j(action_key) CROSS JOIN LATERAL
				(SELECT k.action_key FROM @keys k WHERE k.tenant = of_tenant AND k.action_key = j.action_key OFFSET 0) k);
			RETURN NEXT;
			done := NULL;
			FOR member IN SELECT m.* FROM unnest(member_ids) AS j(id) CROSS JOIN LATERAL
				(SELECT m.* FROM @members m WHERE m.tenant = of_tenant AND m.id = j.id OFFSET 0 FOR UPDATE) m LOOP
				RETURN NEXT;
			END LOOP;
		END $$`,
	},
	{
		// The documents of a syncer, and the counts of each minute: done actions by
		// class, and in the class '' the number of people by which the connection grew.
		// refill counts the roles.
		`CREATE TABLE @states (
			tenant   TEXT NOT NULL,
			name     TEXT NOT NULL,
			revision TEXT NOT NULL,
			document BYTES_TYPE NOT NULL,
			PRIMARY KEY (tenant, name)
		)`,
		`CREATE TABLE @windows (
			tenant     TEXT NOT NULL,
			minute     BIGINT NOT NULL,
			connection TEXT NOT NULL,
			class      TEXT NOT NULL,
			n          BIGINT NOT NULL,
			PRIMARY KEY (tenant, minute, connection, class)
		) BY_KEY`,
		`CREATE INDEX @members_subject ON @members (subject, (tenant || '')) WHERE subject <> ''`,
	},
	{
		`CREATE INDEX @audit_member ON @audit (member_id, (tenant || ''), seq)`,
	},
}

// timeLayout is the form of times in the tables: UTC, and of fixed length, so that
// they sort as text.
const timeLayout = "2006-01-02T15:04:05.000000Z"
