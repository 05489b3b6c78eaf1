package sqlstore

// migrations are the steps from an empty database to the tables of today, each
// a list of statements. A step that was released is never changed; a new one
// goes to the end.
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
		// An index that is not for the primary key begins with what tells rows apart
		// and ends with the tenant, as an expression: so it is of no use for a look-up
		// by anything else. Without statistics PostgreSQL takes any index that has some
		// of the columns, also for the checks of foreign keys, and if that is the
		// tenant alone, it reads the whole tenant each time.
		`DROP INDEX @members_email`,
		`DROP INDEX @members_identity`,
		`DROP INDEX @keys_member`,
		`DROP INDEX @effects_key`,
		`CREATE UNIQUE INDEX @members_email ON @members (email_key, (tenant || ''))`,
		`CREATE UNIQUE INDEX @members_identity ON @members (external_id, connection, (tenant || ''))
			WHERE managed AND external_id <> ''`,
		`CREATE INDEX @keys_member ON @keys (member_id, (tenant || ''))`,
		`CREATE INDEX @effects_key ON @effects (action_key, (tenant || ''))`,
		// Of these tables pages are read in the order of (tenant, seq). One index
		// is for that, so that PostgreSQL does not sort what it finds by another.
		// SQLite has seq as the row's own number, at no cost.
		`POSTGRESQL:DROP INDEX @effects_tenant`,
		`POSTGRESQL:ALTER TABLE @effects DROP CONSTRAINT @effects_pkey, ADD PRIMARY KEY (tenant, seq)`,
		`POSTGRESQL:DROP INDEX @audit_tenant`,
		`POSTGRESQL:ALTER TABLE @audit DROP CONSTRAINT @audit_pkey, ADD PRIMARY KEY (tenant, seq)`,
		// A plan is kept compressed. One that was saved as text stays so.
		`ALTER TABLE @plans RENAME COLUMN plan TO plan_text`,
		`ALTER TABLE @plans ADD COLUMN plan BYTES_TYPE NOT NULL DEFAULT ''`,
		`SQLITE:UPDATE @plans SET plan = CAST(plan_text AS BLOB)`,
		`POSTGRESQL:UPDATE @plans SET plan = convert_to(plan_text, 'UTF8')`,
		`ALTER TABLE @plans DROP COLUMN plan_text`,
	},
}

// timeLayout is the form of times in the tables: UTC, of one length, so that
// they sort as text.
const timeLayout = "2006-01-02T15:04:05.000000Z"
