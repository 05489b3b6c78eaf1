//go:build unix

package main

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/examples/internal/programtest"
	"github.com/usher-go/usher/internal/pgtest"
)

// measured is the environment variable with which the program is the floor.
const measured = "USHER_QUICKSTART_FLOOR"

func TestMain(m *testing.M) {
	programtest.Main(m, func() {
		if os.Getenv(measured) == "" {
			main()
		} else if err := floor(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	})
}

// BenchmarkImport brings 100,000 people from a saved answer into an empty team,
// and then again, with nothing to do. The floor decodes the same file once into
// structs, and scans the same team (design section 5). Each is a process.
//
//	B/person  peak memory of the process of the first import, for each person
//	s/first, s/again  how long they took
//	x-floor/again     how many times the floor's time the second took
func BenchmarkImport(b *testing.B) {
	const people = 100_000
	dir := b.TempDir()
	users, config := filepath.Join(dir, "users.json"), filepath.Join(dir, "config.json")
	writeAnswer(b, users, people)
	writeRules(b, config)
	measure := func(b *testing.B, newTeam func() string) {
		var peak int64
		var first, again, least time.Duration
		for b.Loop() {
			db := newTeam()
			out, took, rss := program(b, "", "-users", users, "-config", config, "-db", db)
			require.Contains(b, out, fmt.Sprintf("applied: %d done, 0 done before, 0 refused, 0 held", people))
			peak, first = max(peak, rss), shorter(first, took)
			for range 3 {
				out, took, _ = program(b, "", "-users", users, "-config", config, "-db", db)
				require.Contains(b, out, "Nothing is left to do.")
				again = shorter(again, took)
				_, took, _ = program(b, "floor", users, db)
				least = shorter(least, took)
			}
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(peak)/people, "B/person")
		b.ReportMetric(first.Seconds(), "s/first")
		b.ReportMetric(again.Seconds(), "s/again")
		b.ReportMetric(float64(again)/float64(least), "x-floor/again")
	}
	b.Run("SQLite", func(b *testing.B) {
		measure(b, func() string { return filepath.Join(b.TempDir(), "team.db") })
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		server := pgtest.Start(b)
		measure(b, func() string { return server.Schema(b) })
	})
}

func shorter(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// program runs the test binary as a program, and returns what it prints, how
// long it takes, and the most memory that it has at once, in bytes.
func program(b *testing.B, which string, args ...string) (string, time.Duration, int64) {
	cmd := programtest.Command(b, []string{measured + "=" + which}, args...)
	var out, errors strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errors
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	require.NoError(b, err, errors.String())
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	if runtime.GOOS != "darwin" {
		peak *= 1024 // elsewhere it counts in KiB
	}
	return out.String(), took, int64(peak) //nolint:unconvert // an int32 on some systems
}

// floor is the least that a run has to do: it decodes the file and scans the
// team.
func floor(users, team string) error {
	text, err := os.ReadFile(users)
	if err != nil {
		return err
	}
	var answer struct {
		Records []struct {
			Id, Username, Email, FirstName, LastName, Title, Phone, MobilePhone, Extension string
			IsActive                                                                       bool
			TimeZoneSidKey, LocaleSidKey, Country, State, ManagerId, UserType, Department  string
			Manager                                                                        struct{ Email string }
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	driver := "sqlite"
	if strings.Contains(team, "://") {
		driver = "pgx"
	}
	db, err := sql.Open(driver, team)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.Query(`SELECT connection, external_id, managed, active, email, other_emails, private_email,
		given_name, family_name, title, phone, mobile_phone, phone_extension, timezone, country, state, locale, manager_id,
		assignment_id, seats, home, profiles, capture, extra, attributes, owners, revision, id, protected, subject
		FROM usher_members WHERE tenant = '` + tenant + `' ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	n := 0
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		n++
	}
	if n != len(answer.Records) {
		return fmt.Errorf("%d members, and %d records", n, len(answer.Records))
	}
	return rows.Err()
}

// writeAnswer writes an answer of Salesforce with people in the departments of
// the made-up company, eight to a manager. The form is that of demo/users.json.
func writeAnswer(b *testing.B, path string, people int) {
	file, err := os.Create(path)
	require.NoError(b, err)
	out := bufio.NewWriter(file)
	departments := []string{"Sales", "Customer Success", "Support", "Marketing", "Engineering", "Product", "Operations", "Finance", "People", "Executive"}
	id := func(i int) string { return fmt.Sprintf("0058c0%09dAAA", i) }
	fmt.Fprintf(out, `{"totalSize": %d, "done": true, "records": [`, people)
	for i := range people {
		manager, email := "null", "null"
		if i > 0 {
			boss := (i - 1) / 8
			manager = `"` + id(boss) + `"`
			email = fmt.Sprintf(`{"attributes": {"type": "User"}, "Email": "p%d@kestrel.example"}`, boss)
		}
		if i > 0 {
			out.WriteString(",")
		}
		fmt.Fprintf(out, "\n"+`{"attributes": {"type": "User", "url": "/services/data/v64.0/sobjects/User/%[2]s"}, "Id": "%[2]s",
			"Username": "p%[1]d@kestrel.example.crm", "Email": "p%[1]d@kestrel.example", "FirstName": "Given%[3]d", "LastName": "Family%[1]d",
			"IsActive": true, "Title": "Colleague %[4]d", "Phone": "(865) %03[5]d-%04[6]d", "MobilePhone": null, "Extension": null,
			"TimeZoneSidKey": "America/New_York", "LocaleSidKey": "en_US", "Country": "US", "State": null,
			"ManagerId": %[7]s, "Manager": %[8]s, "UserType": "Standard", "Department": "%[9]s"}`,
			i, id(i), i%997, i%7, i/10_000, i%10_000, manager, email, departments[i%len(departments)])
	}
	out.WriteString("\n]}\n")
	require.NoError(b, out.Flush())
	require.NoError(b, file.Close())
}

// writeRules writes the rules of the made-up company, without its small pools.
func writeRules(b *testing.B, path string) {
	data, err := demo.ReadFile("demo/config.json")
	require.NoError(b, err)
	var rules map[string]any
	require.NoError(b, json.Unmarshal(data, &rules))
	delete(rules["seats"].(map[string]any), "pools")
	data, err = json.Marshal(rules)
	require.NoError(b, err)
	require.NoError(b, os.WriteFile(path, data, 0o600))
}
