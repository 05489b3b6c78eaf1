// Package sqlstore keeps what identity providers push in an SQL database: a
// scim.Store on database/sql.
//
//	db, err := sql.Open("sqlite", "file:scim.db") // the driver is the program's choice
//	...
//	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	...
//	handler, err := scim.NewHandler(scim.Config{Store: store, ...})
//
// # Databases
//
// SQLite, from 3.38, is for one machine: several processes may share the file.
// Open turns on write-ahead logging, which stays with the file, and the store
// sets a busy timeout where the program set none. A database in memory is
// another one on every connection, and needs SetMaxOpenConns(1).
//
// PostgreSQL, from 12, is for when one machine is not enough. There a
// connection is a process of the server, and a pool of database/sql keeps two
// that are idle unless it is told otherwise: many requests at once then open and
// close connections all the time, which delays everybody's. Give the pool one
// size, by SetMaxOpenConns and SetMaxIdleConns: 16 are enough for most programs.
//
// # Tables
//
// The tables are made by Open and are the host's to read. Only the store
// writes to them: its writers take turns, and readers of changes rely on the
// numbers it gives.
//
//   - usher_scim_directories: a row for each directory (tenant and connection)
//     with the last sequence number given. Its row lock is what makes writers
//     of one directory take turns.
//   - usher_scim_records: a row for each resource; doc is its JSON. The other
//     tables know a record by its ordinal, the number of its creation, which
//     is short, never changes, and is the order of listings.
//   - usher_scim_keys: what a record can be found by, with one row for each
//     value. A partial index holds the unique ones unique. Programs that know
//     these tables up to version 2 write no keys of managers, so that they are
//     to be stopped before a newer one opens the tables.
//   - usher_scim_members: a row for each membership.
//   - usher_scim_totals: how many records a directory has of each type, and a
//     group members. Triggers keep it.
//   - usher_scim_deletions: a row for each record that was deleted, for
//     readers of changes. They are kept; a row takes about a hundred bytes.
//   - usher_scim_requests: a row for each request that a scim.RequestLog
//     remembers; entry is its scim.RequestRecord as JSON.
//   - usher_scim_request_counts: how often each token was used, with its last
//     request as entry, and how many requests were refused and dropped.
//   - usher_scim_schema: the version of these tables.
//
// # Transactions
//
// Every Apply is one transaction, and begins with the lock of the directory's
// row, which has the last sequence number. So numbers become visible in their
// order, and nothing that the write depends on changes before it commits. On
// PostgreSQL it is one call of the function usher_scim_apply, and so one round
// trip; Open makes the function, which needs the language plpgsql.
//
// Every read is one statement, and List another one for a total that the page
// does not tell. All statements go by an index whatever the database knows of
// its tables.
//
// # Outages
//
// A database that is busy, full or away is a *scim.UnavailableError, which the
// handler answers with 503 and Retry-After. A write waits for its turn, a
// connection and the locks of other processes for 10 seconds in all.
package sqlstore
