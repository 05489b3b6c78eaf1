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
// SQLite, from 3.35, is for one machine: several processes may share the file.
// Open turns on write-ahead logging, which stays with the file, and the store
// turns on foreign keys, and a busy timeout where the program set none, on
// every connection that it takes from the pool. A database in memory must be
// one that all connections share, such as "file:team?mode=memory&cache=shared";
// a plain ":memory:" is another database on every connection, and needs
// SetMaxOpenConns(1). In memory, or with a pool of one connection, do not write
// to the store inside a loop over Members: the writer would wait for the loop.
//
// PostgreSQL, from 12, is for when one machine is not enough.
//
// # Tables
//
// The tables are made by Open and are the host's to read and to join:
//
//   - usher_members: a row for each member and a column for each field. Sets
//     and maps (other_emails, seats, profiles, capture, extra, attributes,
//     owners) are JSON, NULL if empty. Three columns are what members are found
//     by, or NULL: email_key, by which addresses are unique, name_key, and
//     recorded_by, the manager of an active member whose recording is on. The
//     other columns are never NULL.
//   - usher_counts: how many people each connection has (kind "people"), how many
//     hold each seat ("seat") and have each role ("role"), as provisioning.Counts
//     has it.
//   - usher_states: the documents of a syncer, under compare-and-set.
//   - usher_windows: how many actions of each class were done in each minute of
//     the last day, and by how many people each connection grew.
//   - usher_keys: the keys of done actions. They outlive their members, so that
//     an old plan does not create anew somebody whom the host deleted.
//   - usher_effects: the effects that are still to be delivered.
//   - usher_audit: who did what, when and why. Rows that are too old to keep
//     may be deleted by the host; nothing depends on them.
//   - usher_plans: plans by their hash, as JSON compressed with gzip. The host
//     may delete those that were applied or rejected.
//   - usher_tenants: a row for each tenant, with the last revision given. Its
//     row lock is what makes writers of one tenant take turns.
//   - usher_locks: who has a tenant locked, and until when.
//   - usher_schema: the version of these tables.
//
// Write members through Put and Delete, which keep revisions, keys and counters
// right. Where the host must write with SQL of its own, it gives each row that
// it changes a revision that the tenant never had (add to usher_tenants.revision
// first, in the same transaction), adds and deletes no rows, and does not
// change the columns from which keys and counters are made: connection, external_id, managed, active,
// protected, email, given_name, family_name, manager_id, seats and capture.
//
// # Transactions
//
// Up to 500 actions share a transaction, since round trips and the disk are what
// costs time: a process that is killed loses at most those, whole, and applying
// the plan again does them. Of actions that commit together none is in another
// transaction, however many they are.
//
// A transaction begins by reading the members and the keys that it is about.
// The members stay as they are until its end, and every action is compared
// with them before anything is written (S45).
//
// In a transaction actions are looked up and written as a set, and where
// something is in the way of a group, it alone is refused, or done by itself at
// its place in the order. Where the database refuses a statement, such as one
// with a NUL in a text of PostgreSQL, the transaction begins anew with savepoints
// around ever smaller parts, until the refusal is that of one group.
//
// # Look-ups
//
// Every statement is a look-up by an index, whose cost does not grow with the
// team, also in a PostgreSQL that has no statistics or old ones: transactions on
// the tables that grow turn scans of whole tables off for themselves
// (enable_seqscan, enable_bitmapscan).
package sqlstore
