// Package review shows plans to people, and lets them approve what waits.
//
// It is an HTTP handler that a host mounts behind its own authentication. What a
// page shows, and to whom, is decided by one function of the host, Config.Access;
// without it there is no handler, and what it does not allow is on no page, in no
// file and in no log.
//
//	pages, err := review.New(review.Config{Syncer: sync, Store: team, Setup: setup, Connections: connections, Access: access})
//	mux.Handle("/admin/review/", http.StripPrefix("/admin/review", pages))
//
// The pages are HTML that works without script, and every view of a plan is a
// URL. All URLs are relative, so that the handler may be mounted anywhere; the
// pattern has to end with a slash.
//
// # State
//
// What has to outlast a request, such as an approval that waits for a second
// person, is a document of the host's Store. A handler remembers nothing else but
// the plans that it decoded last, so that any replica answers any request.
package review
