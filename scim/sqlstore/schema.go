package sqlstore

// migrations are the steps from an empty database to the tables of today. A
// step that was released is never changed; a new one goes to the end.
//
// There are no foreign keys: only the store writes, in one place for each
// table, and checking every membership would lock the group's row again.
func migrations() [][]string {
	return [][]string{{
		// first is the number before the first: the time at which the directory
		// came into being, so that numbers of an earlier database are smaller.
		`CREATE TABLE @directories (
			id         SERIAL_KEY,
			tenant     EXACT_TEXT NOT NULL,
			connection EXACT_TEXT NOT NULL,
			first      BIGINT NOT NULL,
			seq        BIGINT NOT NULL,
			UNIQUE (tenant, connection)
		)`,
		`CREATE TABLE @records (
			directory BIGINT NOT NULL,
			ordinal   BIGINT NOT NULL,
			type      EXACT_TEXT NOT NULL,
			id        EXACT_TEXT NOT NULL,
			version   BIGINT NOT NULL,
			created   BIGINT NOT NULL,
			modified  BIGINT NOT NULL,
			display   TEXT NOT NULL,
			doc       TEXT NOT NULL,
			PRIMARY KEY (directory, ordinal),
			UNIQUE (directory, id)
		)`,
		`CREATE INDEX @records_type ON @records (directory, type, ordinal)`,
		`CREATE INDEX @records_version ON @records (directory, version)`,
		`CREATE TABLE @keys (
			directory BIGINT NOT NULL,
			ordinal   BIGINT NOT NULL,
			name      EXACT_TEXT NOT NULL,
			value     EXACT_TEXT NOT NULL,
			type      EXACT_TEXT NOT NULL,
			is_unique BOOLEAN NOT NULL,
			PRIMARY KEY (directory, ordinal, name, value)
		) BY_KEY`,
		`CREATE INDEX @keys_value ON @keys (directory, name, value, ordinal)`,
		`CREATE UNIQUE INDEX @keys_unique ON @keys (directory, type, name, value) WHERE is_unique`,
		`CREATE TABLE @members (
			directory   BIGINT NOT NULL,
			grp         BIGINT NOT NULL,
			member      BIGINT NOT NULL,
			member_type EXACT_TEXT NOT NULL,
			display     TEXT NOT NULL,
			PRIMARY KEY (directory, grp, member)
		) BY_KEY`,
		`CREATE INDEX @members_member ON @members (directory, member, grp)`,
		`CREATE TABLE @deletions (
			directory BIGINT NOT NULL,
			version   BIGINT NOT NULL,
			type      EXACT_TEXT NOT NULL,
			id        EXACT_TEXT NOT NULL,
			PRIMARY KEY (directory, version)
		) BY_KEY`,
	}}
}
