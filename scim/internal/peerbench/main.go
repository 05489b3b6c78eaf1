// Command peerbench measures this module's SCIM handler beside other servers
// on the same machine at the same time: elimity-com/scim's own server, scimmy on
// Node, and a bare net/http handler that answers GET with bytes it has. All hold
// the same users, with an index for the user name, and are asked the same
// requests one after the other, round after round. The peers hold them in
// memory; this module's handler does so in memory, on SQLite and on PostgreSQL,
// which wait for the disk. `make bench-peers` runs it with everything it needs.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 9, "how many rounds count, after one that does not")
	postgres := flag.String("postgres", os.Getenv("USHER_TEST_POSTGRES"), "URL of a PostgreSQL, in which tables are left behind; without it it is left out")
	script := flag.String("scimmy", "", "scimmy.mjs, beside the packages it needs; without it scimmy is left out")
	only := flag.String("only", "", `measure only the lines whose name has this in it, such as "in process", "create, loopback" or "add a member"`)
	timeout := flag.Duration("timeout", 20*time.Minute, "after which the program gives up")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	if err := run(ctx, os.Stdout, max(*rounds, 1), *only, *script, *postgres); err != nil {
		fmt.Fprintln(os.Stderr, "peerbench:", err)
		os.Exit(1)
	}
}

var settings = []setting{
	{name: "in process", clients: 1, requests: 4000, limit: 2 * time.Second},
	{name: "loopback, 1 client", loopback: true, clients: 1, requests: 1000, limit: 2 * time.Second},
	{name: "loopback, 8 clients", loopback: true, clients: 8, requests: 2000, limit: 2 * time.Second},
}

// A line of the table is an operation in a setting.
type line struct {
	op      operation
	setting setting
}

func (l line) name() string { return l.op.name + ", " + l.setting.name }

// chosen are the lines of these operations and settings whose name has only in
// it.
func chosen(only string, settings []setting, ops ...operation) (lines []line) {
	for _, s := range settings {
		for _, op := range ops {
			if l := (line{op, s}); strings.Contains(l.name(), only) {
				lines = append(lines, l)
			}
		}
	}
	return lines
}

func run(ctx context.Context, out io.Writer, rounds int, only, script, postgres string) error {
	onUsers, onGroups := chosen(only, settings, create, get, filter, patchActive), chosen(only, settings[:2], addMember)
	if len(onUsers)+len(onGroups) == 0 {
		return fmt.Errorf("-only %q is in the name of no line", only)
	}
	dir, err := os.MkdirTemp("", "peerbench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system's to clean, otherwise
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	if len(onUsers) > 0 {
		peers, err := startPeers(ctx, dir, script, postgres)
		if err != nil {
			return err
		}
		if err := users(ctx, table, rounds, onUsers, peers); err != nil {
			return err
		}
		fmt.Fprintln(table)
	}
	if len(onGroups) > 0 {
		if err := groups(ctx, table, rounds, onGroups); err != nil {
			return err
		}
	}
	return table.Flush()
}

// users prints what each operation on users costs, a line for each.
func users(ctx context.Context, out io.Writer, rounds int, lines []line, peers []*peer) error {
	fmt.Fprint(out, "| ")
	for _, p := range peers {
		fmt.Fprintf(out, "\t| %s", p.name)
	}
	fmt.Fprint(out, "\t| a request to usher\t|\n|---")
	for range peers {
		fmt.Fprint(out, "\t|--:")
	}
	fmt.Fprint(out, "\t|--:\t|\n")
	for _, l := range lines {
		fmt.Fprintln(os.Stderr, "measuring", l.name())
		asked := slices.DeleteFunc(slices.Clone(peers), func(p *peer) bool {
			return !l.setting.loopback && p.handler == nil || p.only != "" && p.only != l.op.name
		})
		times, err := interleave(rounds, len(asked), func(i int) (time.Duration, error) { return measure(ctx, asked[i], l.op, l.setting) })
		if err != nil {
			return err
		}
		fmt.Fprint(out, "| ", l.name())
		for _, p := range peers {
			cell := "-"
			if i := slices.Index(asked, p); i >= 0 {
				cell = ratio(times[i], times[0])
			}
			fmt.Fprintf(out, "\t| %s", cell)
		}
		fmt.Fprintf(out, "\t| %.1f µs\t|\n", median(microseconds(times[0])))
	}
	return nil
}

// groups prints what one member more costs a group of 100 and of 100,000.
func groups(ctx context.Context, out io.Writer, rounds int, lines []line) error {
	var peers []*peer
	for _, size := range []int{100, 100_000} {
		p, err := newGroup(ctx, size)
		if err != nil {
			return err
		}
		peers = append(peers, p)
	}
	fmt.Fprint(out, "| usher\t| group of 100\t| group of 100,000\t| adding one to 100\t|\n|---\t|--:\t|--:\t|--:\t|\n")
	for _, l := range lines {
		times, err := interleave(rounds, len(peers), func(i int) (time.Duration, error) { return measureMember(ctx, peers[i], l.op, l.setting) })
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %s\t| %s\t| %s\t| %.1f µs\t|\n", l.name(), ratio(times[0], times[0]), ratio(times[1], times[0]), median(microseconds(times[0])))
	}
	return nil
}

// interleave takes the time of each of n in turn, round after round, and
// leaves the first round out: what is compiled or grows does so there.
func interleave(rounds, n int, take func(i int) (time.Duration, error)) ([][]time.Duration, error) {
	times := make([][]time.Duration, n)
	for round := range rounds + 1 {
		for i := range n {
			each, err := take(i)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				times[i] = append(times[i], each)
			}
		}
	}
	return times, nil
}

// ratio is the median of the rounds' ratios, so that a moment in which the
// machine is busy counts for both or is outvoted; and the middle half of them.
func ratio(times, to []time.Duration) string {
	ratios := make([]float64, len(times))
	for i := range times {
		ratios[i] = float64(times[i]) / float64(to[i])
	}
	slices.Sort(ratios)
	text := fmt.Sprintf("%.2f", median(ratios))
	if low, high := ratios[len(ratios)/4], ratios[(len(ratios)*3)/4]; low != high {
		text += fmt.Sprintf(" (%.2f-%.2f)", low, high)
	}
	return text
}

func microseconds(times []time.Duration) []float64 {
	out := make([]float64, len(times))
	for i, t := range times {
		out[i] = float64(t) / float64(time.Microsecond)
	}
	return out
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
