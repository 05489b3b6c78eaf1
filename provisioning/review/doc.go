// Package review shows plans to people, and lets them approve changes that wait
// for an approval.
//
// It is an HTTP handler that a host mounts behind its own authentication. One
// function of the host, Config.Access, decides what each viewer may see. It is
// required. Data that it does not permit is on no page, in no file and in no log.
//
//	pages, err := review.New(review.Config{Syncer: sync, Store: team, Setup: setup, Connections: connections, Access: access})
//	mux.Handle("/admin/review/", http.StripPrefix("/admin/review", pages))
//
// The pages are HTML that works without script, and every view of a plan is a
// URL. All URLs are relative, so that the handler may be mounted anywhere; the
// pattern must end with a slash.
//
// # State
//
// State that must outlast a request, such as an approval that waits for a second
// person, is stored as a document in the host's Store. A handler itself keeps only
// the plans that it decoded last, so that any replica can answer any request.
package review
