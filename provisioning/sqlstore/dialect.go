package sqlstore

import (
	"database/sql"
	"strconv"
	"strings"
)

// A Dialect is the language of a database.
type Dialect uint8

// The dialects.
const (
	SQLite Dialect = iota
	PostgreSQL
)

// A dialect turns the SQL of this package, which is the common part of the two
// languages, into that of one database. In it @ stands for the prefix of the
// tables, ? for an argument, and the words in capitals below for what each
// language says in its own way.
type dialect struct {
	kind  Dialect
	words *strings.Replacer
	// tx asks for the isolation that the statements are written for, where the
	// database has a choice.
	tx *sql.TxOptions
}

func newDialect(kind Dialect, prefix string) *dialect {
	d := &dialect{kind: kind}
	if kind == PostgreSQL {
		d.tx = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
		d.words = strings.NewReplacer("@", prefix,
			"JSON_TYPE", "JSONB",
			"SERIAL_KEY", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
			"NOW_MS", "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
		)
		return d
	}
	d.words = strings.NewReplacer("@", prefix,
		"JSON_TYPE", "TEXT",
		"SERIAL_KEY", "INTEGER PRIMARY KEY AUTOINCREMENT",
		"NOW_MS", "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
	)
	return d
}

// sql returns a query in the language of the database.
func (d *dialect) sql(query string) string {
	query = d.words.Replace(query)
	if d.kind == SQLite {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}
