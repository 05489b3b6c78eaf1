package salesforce

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/sourcetest"
)

// savedRows are the records of testdata/answer.json.
func savedRows(t testing.TB) []row {
	data, err := os.ReadFile("testdata/answer.json")
	require.NoError(t, err)
	var answer struct{ Records []row }
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&answer))
	require.Len(t, answer.Records, 4)
	return answer.Records
}

// flat makes of a record what the Bulk API makes of it: texts in columns, those
// of relationships with a dot.
func flat(r row) map[string]string {
	out := map[string]string{}
	var put func(prefix string, fields map[string]any)
	put = func(prefix string, fields map[string]any) {
		for name, value := range fields {
			inner, nested := value.(map[string]any)
			switch {
			case name == "attributes":
			case nested:
				put(prefix+name+".", inner)
			case value == nil:
				out[prefix+name] = ""
			default:
				out[prefix+name] = fmt.Sprint(value)
			}
		}
	}
	put("", r)
	return out
}

// csvOf writes records with the columns that any of them has.
func csvOf(t testing.TB, rows []row, delimiter rune, upper bool) []byte {
	names := map[string]bool{}
	for _, r := range rows {
		for name := range flat(r) {
			names[name] = true
		}
	}
	delete(names, "Manager") // of relationships, only the fields are columns
	delete(names, "UserRole")
	header := slices.Sorted(maps.Keys(names))
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma, w.UseCRLF = delimiter, true
	shown := slices.Clone(header)
	if upper {
		for i, name := range shown {
			if !strings.Contains(name, "__c") && name != "LastLoginDate" { // which go by the name they have in the file
				shown[i] = strings.ToUpper(name) // as Data Loader writes it
			}
		}
	}
	require.NoError(t, w.Write(shown))
	for _, r := range rows {
		values := flat(r)
		var line []string
		for _, name := range header {
			line = append(line, values[name])
		}
		require.NoError(t, w.Write(line))
	}
	w.Flush()
	return b.Bytes()
}

func utf16Of(text []byte, big, mark bool) []byte {
	windows := strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n", "\r\n")
	units := utf16.Encode([]rune(windows))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	var out []byte
	for _, u := range units {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

func jsonOf(t testing.TB, v any) []byte {
	data, err := json.MarshalIndent(v, "", "    ")
	require.NoError(t, err)
	return data
}

type object = map[string]any

// savedForms are one answer in every form in which people save it. The forms
// are those of the sf command line (plugin-data), of the Bulk API, of Windows
// PowerShell's redirection and ConvertTo-Json, and of jq.
func savedForms(t testing.TB) (answers, records map[string][]byte) {
	rows := savedRows(t)
	var flatRows []map[string]string
	var lines bytes.Buffer
	for _, r := range rows {
		flatRows = append(flatRows, flat(r))
		data, err := json.Marshal(r)
		require.NoError(t, err)
		lines.Write(append(data, '\n'))
	}
	printed := func(records any) []byte {
		return jsonOf(t, object{"status": 0, "result": object{"records": records, "totalSize": len(rows), "done": true}, "warnings": []any{}})
	}
	plain := printed(rows)
	answers = map[string][]byte{
		"sf data query --json":           plain,
		"REST":                           jsonOf(t, object{"totalSize": len(rows), "done": true, "records": rows}),
		"--bulk --json":                  printed(flatRows),
		"byte order mark":                append([]byte("\xef\xbb\xbf"), plain...),
		"UTF-16, little endian":          utf16Of(plain, false, true),
		"UTF-16, big endian":             utf16Of(plain, true, true),
		"UTF-16, no mark":                utf16Of(plain, false, false),
		"UTF-16, big endian, no mark":    utf16Of(plain, true, false),
		"CRLF":                           bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n")),
		"colours":                        colored(plain),
		"colours in UTF-16":              utf16Of(colored(plain), false, true),
		"ConvertTo-Json, wrapped":        printed(object{"value": rows, "Count": len(rows)}),
		"ConvertTo-Json, pages wrapped":  jsonOf(t, object{"value": []any{object{"totalSize": 4, "done": false, "records": rows[:3]}, object{"totalSize": 4, "done": true, "records": rows[3:]}}, "Count": 2}),
		"ConvertTo-Json, one not a list": jsonOf(t, []any{object{"totalSize": 4, "done": false, "records": rows[:3]}, object{"totalSize": 4, "done": true, "records": rows[3]}}),
		"pages":                          jsonOf(t, []any{object{"totalSize": 4, "done": false, "records": rows[:1]}, object{"records": rows[1:], "totalSize": 4, "done": true}}),
	}
	records = map[string][]byte{
		"data export bulk --result-format json": jsonOf(t, flatRows),
		"data export bulk --result-format csv":  csvOf(t, rows, ',', false),
		"a delimiter of another country":        csvOf(t, rows, ';', false),
		"tabs":                                  csvOf(t, rows, '\t', false),
		"names in capitals":                     csvOf(t, rows, ',', true),
		"CSV in UTF-16":                         utf16Of(csvOf(t, rows, ',', false), false, true),
		"CSV with a mark":                       append([]byte("\xef\xbb\xbf"), csvOf(t, rows, ',', false)...),
		"jq .result.records":                    jsonOf(t, rows),
		"jq -c .result.records[]":               lines.Bytes(),
		"ConvertTo-Json of the records":         jsonOf(t, object{"value": rows, "Count": len(rows)}),
	}
	return answers, records
}

// colored writes JSON as a terminal shows it.
func colored(text []byte) []byte {
	s := strings.NewReplacer("{\n", "\x1b[90m{\x1b[39m\n", "true", "\x1b[38;5;33mtrue\x1b[0m", `"Id"`, "\x1b[1;34m\"Id\"\x1b[m").Replace(string(text))
	return []byte(s)
}

// savedMatches are filters and whom they select, in every form.
var savedMatches = map[string][]string{ // R98
	"Profile.Name = 'standard user' AND IsActive = true": {"005Qy0000000002IAA"},
	"IsActive = false":              {"005Qy0000000003IAA"},
	"Seniority__c > 10":             {"005Qy0000000001IAA"},
	"Remote__c != true":             {"005Qy0000000002IAA", "005Qy0000000003IAA"},
	"Skills__c INCLUDES ('SQL')":    {"005Qy0000000001IAA", "005Qy0000000003IAA"},
	"UserRole.Name != null":         {"005Qy0000000002IAA"},
	"manager.email LIKE 'nora%'":    {"005Qy0000000002IAA"},
	"ManagerId = '005Qy0000000002'": {"005Qy0000000003IAA"},
	"CALENDAR_MONTH(LastLoginDate) = 4 AND LastLoginDate >= 2026-04-28T00:00:00Z": {"005Qy0000000001IAA"},
}

func TestEveryFormConforms(t *testing.T) {
	answers, records := savedForms(t)
	for name, data := range answers {
		t.Run(name, func(t *testing.T) { savedFormConforms(t, data, sources.FactUsers|sources.FactManagers) })
	}
	// S12: nothing says that these are all.
	for name, data := range records {
		t.Run(name, func(t *testing.T) { savedFormConforms(t, data, sources.FactManagers) })
	}
}

func savedFormConforms(t *testing.T, data []byte, proven sources.Facts) {
	saved := fstest.MapFS{"x": {Data: data}}
	const noRequests = "a file is not asked over a network"
	sourcetest.Test(t, sourcetest.Harness{
		New:      func(t testing.TB) sources.Source { return fromFile(t, FileConfig{Path: "x", FS: saved}) },
		Users:    savedUsers(),
		Matches:  savedMatches,
		BadQuery: "Id != null LIMIT 1",
		Unsupported: map[string]string{
			"requests": noRequests, "fault cut": noRequests, "fault blank": noRequests, "fault drift": noRequests,
			"fault rate limited": noRequests, "fault unavailable": noRequests, "fault unauthorized": noRequests,
		},
	})
	src := fromFile(t, FileConfig{Path: "x", FS: saved})
	queries := slices.Sorted(maps.Keys(savedMatches))
	snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{Queries: queries})
	require.NoError(t, err)
	assert.Equal(t, proven, snapshot.Proven)
	assert.Equal(t, savedMatches, snapshot.Matches)
}

func TestSingleRecord(t *testing.T) {
	one := `{"Id":"005Qy0000000001IAA","Email":"a@acme.com","IsActive":true,"ManagerId":null}`
	for name, text := range map[string]string{
		"alone":                   one,
		"in an array":             "[" + one + "]",
		"as the records":          `{"totalSize":1,"done":true,"records":` + one + `}`,
		"printed, as the records": `{"status":0,"result":{"done":true,"totalSize":1,"records":` + one + `}}`,
		"wrapped":                 `{"value":[` + one + `],"Count":1}`,
		"a column alone":          "Id\n005Qy0000000001IAA\n",
		"without an end of line":  "\"Email\",\"Id\"\r\n\"a@acme.com\",\"005Qy0000000001IAA\"",
		"a blank line before":     "\r\n\r\n" + one,
	} {
		users, err := read(fromText(t, text).Users(t.Context()))
		require.NoError(t, err, name)
		require.Len(t, users, 1, name)
		assert.Equal(t, "005Qy0000000001IAA", users[0].ID, name)
	}
}

// Whatever cannot be read says what it is, and what to do.
func TestUnreadableFiles(t *testing.T) {
	one := userJSON(1)
	for text, want := range map[string]string{
		"":                              "ends in the middle",
		"\xff\xfe":                      "ends in the middle",
		"\xff\xfe{":                     "UTF-16 and ends in the middle of a character",
		"\xff\xfe\x00\x00{\x00\x00\x00": "UTF-32: save it as UTF-8",
		"PK\x03\x04...":                 "compressed, or a workbook",
		"\x1f\x8b\x08":                  "compressed, or a workbook",
		`[{"Id":"005000000000001AAA","LastName":"Jos` + "\xe9" + `"}]`: "not UTF-8, from byte 43 on: save it as UTF-8, in PowerShell with -Encoding utf8",
		"Id,LastName\n005000000000001AAA,M\xfcller\n":                  "not UTF-8, from byte 32 on",
		"{\"a\":\xc3":                   "not UTF-8",
		"\x1b]0;title\x07[" + one + "]": "control characters of a terminal",
		" ›   Warning: @salesforce/cli update available\n" + one:            "neither JSON nor CSV with a column Id: save what sf data query --json prints",
		"ID        EMAIL\n───── ─────\n0050000 a@acme.com\nTotal number: 1": "neither JSON nor CSV with a column Id",
		"Email,Name\na@acme.com,A\n": "neither JSON nor CSV with a column Id",
		"<html></html>":              "neither JSON nor CSV",
		"Id,Email\n005000000000001AAA,a@acme.com\n005000000000002AAA\n":                               "wrong number of fields",
		"Id,Email\n005000000000001AAA,\"a@acme.com\n":                                                 `extraneous or missing " in quoted-field`,
		"Id,Email\n001000000000001AAA,a@acme.com\n":                                                   "001000000000001AAA, which is none of User",
		"Id,Email\n,a@acme.com\n":                                                                     "a record without Id",
		`[{"errorCode":"INVALID_FIELD","message":"No such column"}]`:                                  "failed query: INVALID_FIELD: No such column",
		`{"errorCode":"X","message":"y"}`:                                                             "failed query: X: y",
		`{"status":0,"result":{"totalSize":7,"filePath":"export.csv"}}`:                               "the records are in export.csv",
		`{"status":0,"result":{"done":false,"records":[],"totalSize":0,"id":"750xx"}}`:                "done: false",
		`{"totalSize":1,"done":true,"records":["@{attributes=; Id=005}"]}`:                            "give it -Depth 10",
		`{"totalSize":1,"done":true,"records":"@{attributes=; Id=005}"}`:                              "give it -Depth 10",
		`["@{attributes=; Id=005}"]`:                                                                  "give it -Depth 10",
		`[{"Id":"005000000000001AAA","Manager":"@{attributes=; Email=x}"}]`:                           "give it -Depth 10",
		`{"value":[` + one + `],"Count":2}`:                                                           "1 elements of 2 (Count)",
		`{"totalSize":1,"done":true,"records":{"value":[` + one + `,` + userJSON(2) + `],"Count":2}}`: "2 records of 1",
		`[` + one + `,{"totalSize":0,"done":true,"records":[]}]`:                                      "a record without Id",
		`[{"totalSize":1,"done":true,"records":[` + one + `]},` + one + `]`:                           "records outside of them",
		one + `{"totalSize":0,"done":true,"records":[]}`:                                              "a record without Id",
		`{"totalSize":1,"done":true,"records":[` + one + `]}` + one:                                   "something follows",
		`[` + one + `]]`:                  "something follows",
		"[\n" + one + ",\n" + `{"Id" 1}]`: "line 2 or soon after: invalid character",
		"{\"status\":0,\r\n\"result\"\n}": "line 3 or soon after: invalid character",
		strings.Repeat("\n", 3_000) + "[" + one + strings.Repeat("\n", 300_000) + "7": "line 303001 or soon after",
		"[" + strings.Repeat("\n", 300_000) + one + "7":                               "line 300001 or soon after",
		`[` + one + `,7]`:                         "want records, which are objects, not 7",
		`[[` + one + `]]`:                         "",
		strings.Repeat(`{"result":`, 50) + one:    "objects within objects",
		`{"Email":"a@acme.com"}`:                  "or a record with its Id",
		`{"records":[` + one + `]}`:               "without totalSize and done",
		`{"status":0,"result":` + one + `,"x":1}`: "",
	} {
		src := fromText(t, text)
		_, err := read(src.Users(t.Context()))
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorIs(t, err, sources.ErrMalformed, text)
		require.ErrorContains(t, err, want, text)
		_, err = read(src.Match(t.Context(), "Id = null"))
		require.ErrorContains(t, err, want, text)
		snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{Queries: []string{"Id = null"}})
		require.Error(t, err, text)
		assert.False(t, snapshot.Proven.Has(sources.FactUsers), text)
		assert.Empty(t, snapshot.Matches, text)
	}
}

// S12: a file that was an answer and is none any more does not prove what it
// proved.
func TestFileThatChanges(t *testing.T) {
	saved := fstest.MapFS{"x": {Data: []byte(`{"totalSize":1,"done":true,"records":[` + userJSON(1) + `]}`)}}
	src := fromFile(t, FileConfig{Path: "x", FS: saved})
	saved["x"].Data = []byte("[" + userJSON(1) + "]")
	_, err := read(src.Users(t.Context()))
	require.ErrorContains(t, err, "is none any more")
}

// S12: managers are proven if every record says something about one.
func TestRecordsWithoutManager(t *testing.T) {
	src := fromText(t, `[{"Id":"005Qy0000000001IAA","ManagerId":null},{"Id":"005Qy0000000002IAA"},{"Id":"005Qy0000000003IAA","Manager":{"Title":"x"}}]`)
	users, err := read(src.Users(t.Context()))
	require.ErrorContains(t, err, "2 records carry no manager, not even null")
	require.Len(t, users, 3, "they are listed all the same")
	snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{})
	require.Error(t, err)
	assert.Zero(t, snapshot.Proven&sources.FactManagers)
}

// Many files are read at once, and a query that fails does not disturb the rest.
func TestOneReadingAnswersAll(t *testing.T) {
	reads := 0
	src := fromFile(t, FileConfig{Path: "testdata/sf.json", FS: countingFS{&reads}})
	reads = 0
	snapshot, err := sources.Collect(t.Context(), src, sources.CollectConfig{Queries: []string{
		"Department = 'sales'", "Region__c = 'West'", "LastLoginDate = LAST_N_DAYS:30", "a = 1 LIMIT 1", "IsActive = 'true'", "Id = null",
	}})
	assert.Equal(t, 1, reads)
	assert.Equal(t, map[string][]string{"Department = 'sales'": {"005Qy0000000002IAA", "005Qy0000000003IAA"}, "Id = null": {}}, snapshot.Matches)
	assert.Equal(t, sources.FactUsers|sources.FactManagers, snapshot.Proven)
	require.ErrorIs(t, err, sources.ErrUnsupported)
	require.ErrorIs(t, err, sources.ErrBadQuery)
	for _, want := range []string{
		`match "Region__c = 'West'": salesforce: match in file: not supported by this source: a file cannot answer this filter: the records do not carry Region__c`,
		`match "LastLoginDate = LAST_N_DAYS:30"`, "LastLoginDate: periods such as LAST_N_DAYS depend on the clock",
		`match "a = 1 LIMIT 1": salesforce: match in file: query refused: filter: position 7`, "IsActive: the value in the record is not of the same type",
	} {
		require.ErrorContains(t, err, want)
	}
}

type countingFS struct{ reads *int }

func (c countingFS) Open(name string) (fs.File, error) {
	*c.reads++
	return os.Open(name)
}

// The answers that package rest lets through are JSON by their content type,
// and what is saved in a file may be anything.
func FuzzReadSaved(f *testing.F) {
	f.Add(`{"totalSize":1,"done":true,"records":[` + userJSON(1) + `]}`)
	f.Add(`{"records":[{}],"totalSize":-1,"done":true}`)
	f.Add(`{"done":true,"totalSize":0,"records":[],"records":[` + userJSON(1) + `]}`)
	f.Add(`{"totalSize":1e3,"done":true,"records":[{"Id":{}}]}`)
	f.Add(`{"status":0,"result":{"totalSize":1,"done":true,"records":{"value":[` + userJSON(1) + `],"Count":1}}}`)
	f.Add(`[` + userJSON(1) + `,` + userJSON(2) + `]`)
	f.Add("Id,Manager.Email\n005000000000001AAA,\"a\"\"b\"\n")
	f.Add("\xff\xfe{\x00}\x00")
	f.Fuzz(func(t *testing.T, text string) {
		rows := 0
		form, err := readSaved(strings.NewReader(text), 1<<20, func(*record) error { rows++; return nil })
		if err != nil {
			require.True(t, errors.Is(err, sources.ErrMalformed) || errors.Is(err, sources.ErrTooLarge), "%v", err)
			return
		}
		require.NotEqual(t, formUnknown, form)
	})
}
