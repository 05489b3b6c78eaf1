// Package sqlstore keeps a team in an SQL database: a provisioning.Store on
// database/sql, with locks, outbox, plans and audit log.
//
//	db, err := sql.Open("sqlite", "file:team.db") // the driver is the program's choice
//	...
//	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	...
//	outcome, err := provisioning.Apply(ctx, store, tenant, plan)
//
// # Databases
//
// SQLite 3.35 or later is for one machine. Several processes may share the file.
// Open turns on write-ahead logging, which the file keeps. On every connection that
// the store takes from the pool, it turns on foreign keys, and sets a busy timeout
// if the program has set none. All connections must share an in-memory database,
// as with "file:team?mode=memory&cache=shared". A plain ":memory:" is a separate
// database on every connection, and needs SetMaxOpenConns(1). In memory, or with a
// pool of one connection, do not write to the store inside a loop over Members:
// the writer would wait for the loop.
//
// PostgreSQL 12 or later is for more than one machine.
//
// # Tables
//
// Open creates the tables. The host may read and join them:
//
//   - usher_members: a row for each member and a column for each field. Sets
//     and maps (other_emails, seats, profiles, capture, extra, attributes,
//     owners) are JSON, NULL if empty. Three columns hold keys by which members
//     are found, or NULL: email_key, which is unique, name_key, and recorded_by,
//     the manager of an active member whose recording is on. The other columns
//     are never NULL.
//   - usher_counts: how many people each connection has (kind "people"), how many
//     hold each seat ("seat") and have each role ("role"), as in
//     provisioning.Counts.
//   - usher_states: the documents of a syncer, under compare-and-set.
//   - usher_windows: how many actions of each class were done in each minute of
//     the last day, and by how many people each connection grew.
//   - usher_keys: the keys of done actions. They stay after their members are
//     deleted, so that an old plan does not create a deleted member again.
//   - usher_effects: the effects that are not delivered yet.
//   - usher_audit: who did what, when and why. The host may delete old rows;
//     nothing depends on them.
//   - usher_plans: plans by their hash, as JSON compressed with gzip. The host
//     may delete plans that were applied or rejected.
//   - usher_tenants: a row for each tenant, with the last revision given. The
//     lock of this row makes the writers of one tenant take turns.
//   - usher_locks: who has locked a tenant, and until when.
//   - usher_schema: the version of these tables.
//
// Write members with Put and Delete, which update revisions, keys and counters. If
// the host has to write with its own SQL, it gives each row that it changes a
// revision that the tenant never had (add to usher_tenants.revision first, in the
// same transaction). It must not add or delete rows, and must not change the
// columns from which keys and counters are made: connection, external_id, managed,
// active, protected, email, given_name, family_name, manager_id, seats and capture.
//
// # Transactions
//
// Up to about 500 actions share a transaction, because round trips and disk writes
// take most of the time. If the process is killed, at most the actions of one
// transaction are lost, all of them together; applying the plan again does them.
// Actions that commit together are always in one transaction, however many they
// are.
//
// A transaction first reads the members and the keys that it concerns. The members
// do not change until its end, and every action is compared with them before
// anything is written (S45).
//
// A transaction reads and writes its actions as a set. A group that cannot be
// written with the set is refused alone, or done alone at its place in the order.
// If the database refuses a statement, such as one with a NUL in a text of
// PostgreSQL, the transaction starts again with savepoints around smaller and
// smaller parts, until one group alone is refused.
//
// # Look-ups
//
// Every statement uses an index, so that its cost does not grow with the team. This
// also holds in a PostgreSQL that has no statistics or old ones: transactions on
// growing tables turn off scans of whole tables for themselves (enable_seqscan,
// enable_bitmapscan).
package sqlstore
