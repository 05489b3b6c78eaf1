// Package assignment describes which bundle of settings governs a person. Package
// provisioning decides by it.
//
// An [Assignment] selects people (by group, by a query in the provider's own
// language, by attribute, or all of them) and says what they get: seats, a
// permission profile per workspace, a home workspace, what is captured of them, and
// any further settings of the application. [Rules] is the ordered list: the first
// assignment that matches a person governs, and the default assignment governs
// everybody whom none matches. Every run decides again, so moving an assignment up
// the list moves its people (rules R106 to R108, C1, S17).
//
// The [Mode] says who owns the settings afterwards. Under Automatic they always
// follow the assignment. Under Manual they are set once, at creation, and then
// belong to the application's admins (rules R114 to R121, S18).
//
// The package is pure: no I/O, no clock, no logs. Everything in it is data and may
// be used concurrently as long as nobody changes it.
package assignment
