package sqlstore

import (
	"context"
	"database/sql"

	"github.com/usher-go/usher/internal/sqldb"
	"github.com/usher-go/usher/scim"
)

// refillSize is the number of users that are read at a time.
const refillSize = 500

// refill writes the keys that users of versions before 3 do not have.
func refill(ctx context.Context, tx *sqldb.Tx, dialect Dialect) error {
	var version int
	if _, err := tx.Get(ctx, `SELECT version FROM @schema`, nil, &version); err != nil || version >= 3 {
		return err
	}
	type row struct {
		Directory int64  `json:"directory"`
		Ordinal   int64  `json:"ordinal"`
		Name      string `json:"name"`
		Value     string `json:"value"`
	}
	from := `json_to_recordset(?1::JSON) AS j(directory BIGINT, ordinal BIGINT, name TEXT, value TEXT)`
	listed := `j.ordinal, j.directory, j.name, j.value`
	if dialect == SQLite {
		from = `json_each(?1) j`
		listed = `json_extract(j.value, '$.ordinal'), json_extract(j.value, '$.directory'), json_extract(j.value, '$.name'), json_extract(j.value, '$.value')`
	}
	insert := `INSERT INTO @keys (ordinal, directory, name, value, type, is_unique) SELECT ` + listed + `, 'User', FALSE FROM ` + from +
		` WHERE TRUE ON CONFLICT DO NOTHING`

	var directories []int64
	if err := tx.Each(ctx, `SELECT id FROM @directories`, nil, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		directories = append(directories, id)
		return err
	}); err != nil {
		return err
	}
	page := `SELECT ` + columns + ` FROM @records r` + joinVersion(dialect) + ` WHERE r.directory = ?1 AND r.type = 'User' AND r.ordinal > ?2 ORDER BY r.ordinal LIMIT ?3`
	for _, directory := range directories {
		for after, more := int64(0), true; more; {
			var rows []row
			read := 0
			if err := tx.Each(ctx, page, []any{directory, after, refillSize}, func(users *sql.Rows) error {
				rec, err := scanRecord(users)
				for _, key := range scim.SourceKeys(rec) {
					rows = append(rows, row{directory, rec.Ordinal, key.Name, key.Value})
				}
				after = rec.Ordinal
				read++
				return err
			}); err != nil {
				return err
			}
			more = read == refillSize
			if len(rows) == 0 {
				continue
			}
			if _, err := tx.Exec(ctx, insert, list(rows)); err != nil {
				return err
			}
		}
	}
	return nil
}
