// Package hierarchy builds the org chart: from people and what their directory
// says about their managers it decides who reports to whom.
//
// [Build] takes everybody at once, so the order of the input never matters and
// a manager who arrives later is linked in the run in which it arrives (rule
// S23). A manager is named by email, by directory id or by full name, and the
// strongest key that is given decides (rules R80 to R84, C5, A19, S22). Which
// of email and id is the stronger depends on the directory: [Person.IDFirst].
// Where the directory names nobody who can be the manager, the current edge
// stays and a [Finding] tells why: no build ever removes somebody's manager
// (rules R89, S11, S25), and none closes a cycle (rule S24). [Chart.Together]
// keeps that so where a chart is applied in parts.
//
// Whether a person's edge follows the directory at all (update mode, ignored
// structure, rules R85 to R95) is the caller's decision: [Person.Follow].
//
// The [Chart] answers who manages whom and what changed, walks up and down, and
// draws itself as text, Graphviz DOT and Mermaid.
//
// The package is pure: no I/O but to the writer given, no clock, no logs. A
// Chart may be used by several goroutines at once.
package hierarchy
