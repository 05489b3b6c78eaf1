// Package hierarchy builds the org chart: it decides who reports to whom from
// people and what their directory says about their managers.
//
// [Build] takes everybody at once, so the order of the input does not matter, and a
// manager who arrives later is linked in the run in which they arrive (rule S23). A
// manager is named by email, directory ID or full name, and the strongest key that
// is given decides (rules R80 to R84, C5, A19, S22). [Person.IDFirst] says whether
// the ID or the email is stronger, which depends on the directory. If the directory
// names nobody who can be the manager, the current edge stays and a [Finding] says
// why: no build ever removes a manager (rules R89, S11, S25), and none closes a
// cycle (rule S24). [Chart.Together] ensures the latter if a chart is applied in
// parts.
//
// The caller decides whether a person's edge follows the directory at all (update
// mode, ignored structure, rules R85 to R95): [Person.Follow].
//
// The [Chart] says who manages whom and what changed, walks up and down, and draws
// itself as text, SVG, Graphviz DOT and Mermaid.
//
// The package is pure: no I/O except to the given writer, no clock, no logs.
// Several goroutines may use a Chart at the same time.
package hierarchy
