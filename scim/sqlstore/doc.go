// Package sqlstore stores the users and groups that identity providers push in
// an SQL database. It is a scim.Store on database/sql.
//
//	db, err := sql.Open("sqlite", "file:scim.db") // the driver is the program's choice
//	...
//	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db})
//	...
//	handler, err := scim.NewHandler(scim.Config{Store: store, ...})
//
// # Databases
//
// SQLite, from 3.38, is for a single machine: several processes may share the
// file. Open turns on write-ahead logging, which is a permanent property of the
// file, and the store sets a busy timeout if the program has set none. An
// in-memory database exists separately on every connection, and therefore needs
// SetMaxOpenConns(1).
//
// PostgreSQL, from 12, is for more than one machine. Each connection is a
// process of the server, and by default a pool of database/sql keeps only two
// idle connections. Many concurrent requests then open and close connections all
// the time, which delays all requests. Give the pool a fixed size with
// SetMaxOpenConns and SetMaxIdleConns: 16 are enough for most programs.
//
// # Tables
//
// Open creates the tables, and the host may read them. Only the store writes to
// them: its writers take turns, and readers of changes rely on the sequence
// numbers that it assigns.
//
//   - usher_scim_directories: a row for each directory (tenant and connection)
//     with the last assigned sequence number. The lock of this row makes the
//     writers of one directory take turns.
//   - usher_scim_records: a row for each resource; doc is its JSON. The other
//     tables refer to a record by its ordinal, the sequence number of its
//     creation, which is short and never changes. Listings are in its order.
//   - usher_scim_versions: the sequence number and the time of each record's
//     last change, also by a membership that began or ended.
//   - usher_scim_keys: the keys by which a record can be found, with one row
//     for each value. A partial index enforces unique values.
//   - usher_scim_members: a row for each membership.
//   - usher_scim_totals: the number of records of each type in a directory, and
//     of members in a group. Triggers update it, except for members on SQLite.
//   - usher_scim_deletions: a row for each deleted record, for readers of
//     changes. The rows are never deleted; each takes about a hundred bytes.
//   - usher_scim_requests: a row for each request in a scim.RequestLog; entry
//     is its scim.RequestRecord as JSON.
//   - usher_scim_request_counts: the number of uses of each token, with its
//     last request as entry, and the numbers of refused and dropped requests.
//   - usher_scim_schema: the version of these tables. Open brings them to the
//     newest one. Programs that know them only up to version 4 fail from then
//     on: stop them first.
//
// # Transactions
//
// Every Apply is one transaction. It begins by locking the directory's row,
// which contains the last sequence number. Therefore numbers become visible in
// their order, and nothing that the write depends on changes before it commits.
// On PostgreSQL an Apply is one call of the function usher_scim_apply, and thus
// one round trip. Open creates the function, which needs the language plpgsql.
//
// Every read is one statement; List needs a second one if it must count a total
// that does not follow from the page. Every statement uses an index, even on a
// database without statistics about its tables.
//
// # Outages
//
// If the database is busy, full or unreachable, the error is a
// *scim.UnavailableError, which the handler answers with 503 and Retry-After. A
// write waits for its turn, a connection and the locks of other processes for 10
// seconds in total. While the file of a SQLite database is removed or replaced,
// writes fail, because the next start of the program would not find them.
package sqlstore
