// Package scim is a SCIM 2.0 server (RFC 7643, RFC 7644, RFC 9865) that
// identity providers push users and groups to, as one http.Handler over a
// Store.
//
// [NewHandler] makes the handler; mount it with [Mount], or anywhere with
// http.StripPrefix. It is tolerant of what the providers' clients really send
// and strict in what it stores and answers. A [Store] keeps the records:
// [Memory], sqlstore on a database, elimity over resource handlers that were
// written for elimity-com/scim, or the host's own. [AsSource] reads a store as a
// directory source, so that a push and a pull meet at the same type; say there,
// and in [Principal], which kind of provider pushes.
//
// Who a request speaks for is decided by [Config.Authenticate], which is
// required: see [BearerTokens] and [TokenEndpoint].
//
// # What the handler takes
//
// Names of attributes, operations, operators and schemas in any letter case;
// bodies that name no schema; booleans and numbers as strings, and strings as
// booleans and numbers; JSON in a string; one value where a list is declared,
// and a list of one where a value is; the manager and members as plain ids;
// null and the empty string as "no value"; dotted and qualified names as keys,
// and names of extensions without their URN; filters without quotes; unknown
// attributes, in bodies and paths, which are kept and served as they came. A
// value filter of equalities that selects nothing of a list makes what it
// describes. Passwords are accepted and never kept.
//
// # What it refuses
//
// Everything is bounded: URLs and filters, depth, bodies, operations, pages, the
// time a body and an answer may take, and the work that one request may cause,
// a bulk request with all its operations ([Config.MaxWork]). Requests of much
// work take turns, one of each tenant at a time, and stop when their client
// leaves. An address that guesses credentials is slowed down.
//
// Duplicate names (in any letter case, of any script), invalid UTF-8, NUL
// characters and a second value behind the first are refused, as is any value
// that is not of its attribute's type, a role or entitlement without its value,
// an operation without one, a path that is one typing mistake away from a
// declared name, and user names that people cannot see or tell apart. Each
// refusal is a SCIM error that names the attribute; a failure of the store is
// logged and not shown to clients.
//
// # What it keeps
//
// What is acknowledged can be read: a document is read back before it is
// committed. A stored record that cannot be read all the same, because the
// store was damaged, is answered with 500 and logged, and can be deleted. In
// lists it has its id and meta and no attributes, and [AsSource] gives it as a
// user of unknown status, so that it harms no other record and is never taken
// to be deleted.
package scim
