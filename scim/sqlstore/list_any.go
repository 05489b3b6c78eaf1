package sqlstore

import (
	"strings"

	"github.com/usher-go/usher/scim"
)

// any selects the records that have at least one of the keys. It reports false
// if no record of the type can have one. Each key is looked up separately, in
// the index that begins with its value.
func (s *selection) any(dialect Dialect, keys []scim.Key, typ string) bool {
	type row struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	const stored = "" // stands for all names of stored keys
	rows := make(map[string][]row)
	for _, key := range keys {
		name := stored
		switch key.Name {
		case scim.KeyID, scim.KeyGroup:
			name = key.Name
		case scim.KeyMember:
			if typ != "" && typ != scim.TypeGroup { // only groups have members
				continue
			}
			name = key.Name
		}
		if isText(key.Name) && isText(key.Value) {
			rows[name] = append(rows[name], row{key.Name, key.Value})
		}
	}
	name, value := `j.name`, `j.value`
	if dialect == SQLite {
		name, value = `json_extract(j.value, '$.name')`, `json_extract(j.value, '$.value')`
	}
	var parts []string
	for _, part := range []struct{ key, table, ordinal, typ, where string }{
		{stored, `@keys`, `ordinal`, `type`, `y.value = ` + value + ` AND y.name = ` + name},
		{scim.KeyID, `@records`, `ordinal`, `type || ''`, `y.id = ` + value}, // an expression, so that the index of types is not used
		{scim.KeyMember, `@members`, `grp`, ``, `y.member = ` + ordinalOf(value)},
		{scim.KeyGroup, `@members`, `member`, `member_type`, `y.grp = ` + ordinalOf(value)},
	} {
		if len(rows[part.key]) == 0 {
			continue
		}
		listed := s.arg(list(rows[part.key]))
		part.where += ` AND y.directory = ` + theDirectory
		if typ != "" && part.typ != "" {
			if s.typ == "" {
				s.typ = s.arg(typ)
			}
			part.where += ` AND y.` + part.typ + ` = ` + s.typ
		}
		columns := `SELECT y.directory AS directory, y.` + part.ordinal + ` AS ordinal FROM `
		if dialect == PostgreSQL { // OFFSET prevents any other way of joining
			parts = append(parts, columns+`json_to_recordset(`+listed+`::JSON) AS j(name TEXT, value TEXT)
				CROSS JOIN LATERAL (SELECT * FROM `+part.table+` y WHERE `+part.where+` OFFSET 0) y`)
		} else {
			parts = append(parts, columns+`json_each(`+listed+`) j CROSS JOIN `+part.table+` y ON `+part.where)
		}
	}
	s.from, s.ordinal = ` FROM (SELECT DISTINCT directory, ordinal FROM (`+strings.Join(parts, ` UNION ALL `)+`) u) x WHERE TRUE`, "ordinal"
	return len(parts) > 0
}
