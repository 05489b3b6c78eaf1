// Package scim is a SCIM 2.0 server (RFC 7643, RFC 7644, RFC 9865) to which
// identity providers push users and groups. It is one http.Handler over a
// Store.
//
// [NewHandler] makes the handler; mount it with [Mount], or anywhere with
// http.StripPrefix. It tolerates what the providers' clients really send, and
// is strict in what it stores and answers. A [Store] keeps the records:
// [Memory], sqlstore on a database, elimity over resource handlers that were
// written for elimity-com/scim, or the host's own. [AsSource] reads a store as
// a directory source, so that pushed and pulled users have the same type. Set
// the kind of the provider there and in [Principal].
//
// [Config.Authenticate], which is required, returns the principal of a request:
// see [BearerTokens] and [TokenEndpoint].
//
// # What the handler accepts
//
// Names of attributes, operations, operators and schemas in any letter case;
// bodies that name no schema; booleans and numbers as strings, and strings as
// booleans and numbers; JSON in a string; one value where a list is declared,
// and a list of one value where a single value is declared; the manager and
// members as plain ids; null and the empty string as "no value"; dotted and
// qualified names as keys, and names of extensions without their URN; filters
// without quotes; unknown attributes, in bodies and paths, which are stored and
// served as they were sent. If a value filter that consists of equalities
// selects no element of a list, the element that it describes is created.
// Passwords are accepted and never stored.
//
// # What it refuses
//
// Everything is bounded: URLs and filters, depth, bodies, operations, pages,
// the time of reading a body and of sending an answer, and the work of one
// request; a bulk request counts with all its operations ([Config.MaxWork]).
// Requests with much work run one at a time for each tenant, and stop when
// their client disconnects. An address that guesses credentials is slowed down.
//
// The handler refuses duplicate names (in any letter case, of any script),
// invalid UTF-8, NUL characters and a second value after the first. It also
// refuses a value that does not have its attribute's type, a unique value that
// another resource has, a complex value without a required part (for a role or
// entitlement its value), a change of an immutable value, an operation without
// a value, a path that differs from a declared name by one typing mistake, a
// query parameter with two different values, two Authorization headers, and
// user names that people cannot see or cannot distinguish. Each refusal is a
// SCIM error that names the attribute. A failure of the store is logged and not
// shown to clients.
//
// # What it guarantees
//
// What is acknowledged can be read: a document is read back before it is
// committed. If a stored record is unreadable nevertheless, because the store
// was damaged, it is answered with 500 and logged, and can be deleted. Lists
// contain it with its id and meta and without attributes, and [AsSource]
// returns it as a user of unknown status. Therefore it harms no other record
// and is never mistaken for a deleted user.
package scim
