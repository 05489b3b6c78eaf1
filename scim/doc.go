// Package scim is a SCIM 2.0 server (RFC 7643, RFC 7644, RFC 9865) that
// identity providers push users and groups to, as one http.Handler over a
// Store.
//
// [NewHandler] makes the handler; mount it anywhere with http.StripPrefix. It
// is tolerant of what the providers' clients really send and strict in what it
// stores and answers. A [Store] keeps the records: [Memory], the package
// sqlstore beside this one, or the host's own. [AsSource] reads a store as a
// directory source, so that a push and a pull meet at the same type.
//
// Who a request speaks for is decided by [Config.Authenticate], which is
// required: see [BearerTokens] and [TokenEndpoint].
package scim
