package sqlstore

import "slices"

// migrations are the steps from an empty database to the present tables. A
// released step is never changed; a new one is appended.
//
// There are no foreign keys: only the store writes, at one place for each
// table, and checking every membership would lock the group's row again.
func migrations() [][]string {
	return [][]string{tables, slices.Concat(indexes, liteCounters, postgresCounters), sourceKeys, requestTables, versionTable}
}

// sourceKeys is version 3. It has no new tables: refill writes the keys of
// scim.SourceKeys for the users that were stored before.
var sourceKeys = []string{}

// requestTables is version 4: the histories of a scim.RequestLog. The rows
// contain tenant and connection, so that writing them needs no lock of a
// directory's row, and a directory without records can have requests.
var requestTables = []string{
	// tie is random. The day of at has an index and at itself has none, so that
	// only one index is possible for a search by directory and at.
	`CREATE TABLE @requests (
		tenant     EXACT_TEXT NOT NULL,
		connection EXACT_TEXT NOT NULL,
		at         BIGINT NOT NULL,
		tie        BIGINT NOT NULL,
		day        BIGINT NOT NULL,
		entry      TEXT NOT NULL,
		PRIMARY KEY (tenant, connection, at, tie)
	) BY_KEY`,
	`CREATE INDEX @requests_day ON @requests (day)`,
	`CREATE TABLE @request_counts (
		tenant     EXACT_TEXT NOT NULL,
		connection EXACT_TEXT NOT NULL,
		kind       EXACT_TEXT NOT NULL,
		name       EXACT_TEXT NOT NULL,
		first      BIGINT NOT NULL,
		last       BIGINT NOT NULL,
		total      BIGINT NOT NULL,
		entry      TEXT NOT NULL,
		PRIMARY KEY (tenant, connection, kind, name)
	) BY_KEY`,
	`CREATE INDEX @request_counts_last ON @request_counts (last)`,
}

// versionTable is version 5. A membership that begins or ends changes the
// number and the time of the member. The narrow table keeps them apart from the
// document, so that a change of a large group does not write the documents of
// its members again. A program of an older version reads them in the records,
// and fails.
var versionTable = []string{
	`CREATE TABLE @versions (
		ordinal   BIGINT NOT NULL,
		directory BIGINT NOT NULL,
		version   BIGINT NOT NULL,
		modified  BIGINT NOT NULL,
		PRIMARY KEY (ordinal, directory)
	) BY_KEY`,
	`INSERT INTO @versions (ordinal, directory, version, modified) SELECT ordinal, directory, version, modified FROM @records ORDER BY ordinal, directory`,
	`CREATE INDEX @versions_version ON @versions (directory, version, ordinal)`,
	`DROP INDEX @records_version`,
	`ALTER TABLE @records DROP COLUMN version`,
	`ALTER TABLE @records DROP COLUMN modified`,
	`SQLITE: DROP TRIGGER @members_added`,
	`SQLITE: DROP TRIGGER @members_removed`,
	postgresApply,
}

var tables = []string{
	// first is one less than the first sequence number: the time at which the
	// directory was created. Therefore numbers of an earlier database are
	// smaller.
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
}

// indexes is version 2. Each index of keys and members begins with the column
// that distinguishes the rows best, so that only one index is possible for a
// statement. All indexes of version 1 began with the directory, and the choice
// of the database depended on its statistics: without statistics it read the
// whole directory.
//
// totals counts records by type (grp 0) and the members of each group by type.
// Triggers update it; on SQLite, version 5 drops those of members.
var indexes = []string{
	`CREATE TABLE @keys_new (
		ordinal   BIGINT NOT NULL,
		directory BIGINT NOT NULL,
		name      EXACT_TEXT NOT NULL,
		value     EXACT_TEXT NOT NULL,
		type      EXACT_TEXT NOT NULL,
		is_unique BOOLEAN NOT NULL,
		PRIMARY KEY (ordinal, directory, name, value)
	) BY_KEY`,
	`INSERT INTO @keys_new (ordinal, directory, name, value, type, is_unique)
		SELECT ordinal, directory, name, value, type, is_unique FROM @keys`,
	`DROP TABLE @keys`,
	`ALTER TABLE @keys_new RENAME TO @keys`,
	`CREATE INDEX @keys_value ON @keys (value, name, directory, type, ordinal)`,
	`CREATE UNIQUE INDEX @keys_unique ON @keys (value, name, directory, type) WHERE is_unique`,

	`CREATE TABLE @members_new (
		grp         BIGINT NOT NULL,
		directory   BIGINT NOT NULL,
		member      BIGINT NOT NULL,
		member_type EXACT_TEXT NOT NULL,
		display     TEXT NOT NULL,
		PRIMARY KEY (grp, directory, member)
	) BY_KEY`,
	`INSERT INTO @members_new (grp, directory, member, member_type, display)
		SELECT grp, directory, member, member_type, display FROM @members`,
	`DROP TABLE @members`,
	`ALTER TABLE @members_new RENAME TO @members`,
	`CREATE INDEX @members_member ON @members (member, directory, grp)`,
	// Few members are not users: this index finds them without reading the
	// others.
	`CREATE INDEX @members_nested ON @members (grp, directory, member_type, member) WHERE member_type <> 'User'`,

	`CREATE TABLE @totals (
		directory BIGINT NOT NULL,
		grp       BIGINT NOT NULL,
		type      EXACT_TEXT NOT NULL,
		total     BIGINT NOT NULL,
		PRIMARY KEY (directory, grp, type)
	) BY_KEY`,
	`INSERT INTO @totals (directory, grp, type, total) SELECT directory, 0, type, COUNT(*) FROM @records GROUP BY directory, type`,
	`INSERT INTO @totals (directory, grp, type, total)
		SELECT directory, grp, member_type, COUNT(*) FROM @members GROUP BY directory, grp, member_type`,
}

// liteCounters are the triggers on SQLite that update totals.
var liteCounters = []string{
	`SQLITE: CREATE TRIGGER @records_added AFTER INSERT ON @records BEGIN
		INSERT INTO @totals (directory, grp, type, total) VALUES (NEW.directory, 0, NEW.type, 1)
			ON CONFLICT (directory, grp, type) DO UPDATE SET total = total + 1;
	END`,
	`SQLITE: CREATE TRIGGER @records_removed AFTER DELETE ON @records BEGIN
		UPDATE @totals SET total = total - 1 WHERE directory = OLD.directory AND grp = 0 AND type = OLD.type;
		DELETE FROM @totals WHERE directory = OLD.directory AND grp = OLD.ordinal;
	END`,
	`SQLITE: CREATE TRIGGER @members_added AFTER INSERT ON @members BEGIN
		INSERT INTO @totals (directory, grp, type, total) VALUES (NEW.directory, NEW.grp, NEW.member_type, 1)
			ON CONFLICT (directory, grp, type) DO UPDATE SET total = total + 1;
	END`,
	`SQLITE: CREATE TRIGGER @members_removed AFTER DELETE ON @members BEGIN
		UPDATE @totals SET total = total - 1 WHERE directory = OLD.directory AND grp = OLD.grp AND type = OLD.member_type;
	END`,
}
