package pgtest

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Plans are those by which the statements of a connection ran.
type Plans struct {
	mu   sync.Mutex
	text []string
}

// Explained opens the database of a URL with one connection, whose statements
// tell the plans by which they ran. Statements that the server runs by itself,
// such as the checks of foreign keys, tell theirs too. The settings are SQL, such
// as "SET plan_cache_mode = force_generic_plan".
func Explained(tb testing.TB, url string, settings ...string) (*sql.DB, *Plans) {
	tb.Helper()
	plans := new(Plans)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		tb.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		if _, plan, ok := strings.Cut(notice.Message, "plan:"); ok {
			plans.mu.Lock()
			defer plans.mu.Unlock()
			plans.text = append(plans.text, plan)
		}
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { _ = db.Close() })
	for _, setting := range append([]string{
		"LOAD 'auto_explain'", "SET auto_explain.log_min_duration = 0", "SET auto_explain.log_nested_statements = on",
		"SET auto_explain.log_analyze = on", "SET auto_explain.log_timing = off", "SET auto_explain.log_format = json",
		"SET client_min_messages = log",
	}, settings...) {
		if _, err := db.Exec(setting); err != nil {
			tb.Skipf("the plans of this server cannot be seen: %v", err)
		}
	}
	return db, plans
}

// A Scan is how one statement read one table, or one index of it.
type Scan struct {
	Query string // the statement
	Node  string // the kind of scan, such as Index Scan
	Of    string // the table, or else the index
	By    string // the condition that an index looks up
	// Rows is how many rows it read, those that it then left out included.
	Rows float64
	// Sorted is how many rows the statement sorted, in any place.
	Sorted float64
}

// Take returns how tables were read since it was called before, and how many
// statements did so.
func (p *Plans) Take(tb testing.TB) (scans []Scan, statements int) {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.text {
		var plan struct {
			Query string `json:"Query Text"`
			Plan  planNode
		}
		if err := json.Unmarshal([]byte(text), &plan); err != nil {
			tb.Fatalf("%v in the plan %s", err, text)
		}
		scans = append(scans, plan.Plan.scans(plan.Query, plan.Plan.sorted())...)
	}
	statements, p.text = len(p.text), nil
	return scans, statements
}

// A planNode is a node of a plan in PostgreSQL's JSON.
type planNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Index    string     `json:"Index Name"`
	Cond     string     `json:"Index Cond"`
	Rows     float64    `json:"Actual Rows"`
	Loops    float64    `json:"Actual Loops"`
	Filtered float64    `json:"Rows Removed by Filter"`
	Rechecks float64    `json:"Rows Removed by Index Recheck"`
	Plans    []planNode `json:"Plans"`
}

func (n *planNode) scans(query string, sorted float64) (scans []Scan) {
	if strings.HasSuffix(n.Type, "Scan") && n.Relation+n.Index != "" {
		of := n.Relation
		if of == "" {
			of = n.Index
		}
		scans = append(scans, Scan{query, n.Type, of, n.Cond, (n.Rows + n.Filtered + n.Rechecks) * n.Loops, sorted})
	}
	for i := range n.Plans {
		scans = append(scans, n.Plans[i].scans(query, sorted)...)
	}
	return scans
}

func (n *planNode) sorted() float64 {
	sorted := 0.0
	if strings.HasSuffix(n.Type, "Sort") && len(n.Plans) > 0 {
		sorted = n.Plans[0].Rows * n.Plans[0].Loops
	}
	for i := range n.Plans {
		sorted = max(sorted, n.Plans[i].sorted())
	}
	return sorted
}

// String says it in a line.
func (s Scan) String() string {
	return fmt.Sprintf("%s of %s by %q reads %.0f rows, the statement sorts %.0f: %s", s.Node, s.Of, s.By, s.Rows, s.Sorted, s.Query)
}
