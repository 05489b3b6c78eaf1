package salesforce

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// A form is what a saved file holds.
type form uint8

const (
	formUnknown form = iota
	formAnswers      // one answer or several, each with totalSize and done
	formRecords      // records alone: nothing says that they are complete
)

// maxNesting is the largest depth of objects around the records of a saved file.
const maxNesting = 8

// A savedReader reads a saved file record by record.
type savedReader struct {
	text    *bufio.Reader
	limited *limitedReader
	dec     *json.Decoder
	rec     *record
	each    func(*record) error

	form    form
	listing tally // of all answers
	rows    int   // how many records came
	answers int   // number of answers around the next record
	nesting int
}

// readSaved reads a saved file to its end, passes on its records, and returns its
// form, which is known from the first record. It returns nil only if the file is
// complete and, for formAnswers, if the answers prove that the listing is complete.
func readSaved(r io.Reader, maxBytes int64, each func(*record) error) (form, error) {
	limited := &limitedReader{r: r, ofFile: maxBytes + 1, ofRecord: maxRecord}
	text, err := newTextReader(limited)
	if err != nil {
		return formUnknown, err
	}
	s := &savedReader{text: text, limited: limited, rec: newRecord(), each: each}
	err = s.read()
	if err == nil && s.form == formAnswers {
		err = s.listing.end()
	}
	return s.form, readError(err)
}

func (s *savedReader) read() error {
	first, blank, err := s.firstByte()
	if err != nil {
		return err
	}
	if first != '{' && first != '[' {
		return s.csv()
	}
	var lines *lineReader
	s.dec, lines = newLineDecoder(s.text, blank)
	return lines.in(s.json())
}

// json reads a file of JSON.
func (s *savedReader) json() error {
	if _, err := s.value(); err != nil {
		return err
	}
	for s.form == formRecords && s.dec.More() { // one record a line
		if err := s.dec.Decode(s.rec); err != nil {
			return err
		}
		if err := s.found(); err != nil {
			return err
		}
	}
	_, err := s.dec.Token()
	if _, syntax := errors.AsType[*json.SyntaxError](err); syntax || err == nil {
		return rest.Malformed("something follows the answer in the file")
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if s.form == formUnknown {
		return rest.Malformed("the file holds neither an answer nor a record")
	}
	return nil
}

// firstByte returns the first byte of the file that is not white space, without
// consuming it, and how many lines end before it.
func (s *savedReader) firstByte() (c byte, lines int, err error) {
	for {
		if c, err = s.text.ReadByte(); err != nil {
			return 0, lines, err
		}
		if !unicode.IsSpace(rune(c)) {
			return c, lines, s.text.UnreadByte()
		}
		if c == '\n' {
			lines++
		}
	}
}

// found passes on the record that was just read.
func (s *savedReader) found() error {
	what := formRecords
	if s.answers > 0 {
		what = formAnswers
		if err := s.listing.row(s.rec); err != nil {
			return err
		}
	}
	if err := s.is(what); err != nil {
		return err
	}
	s.rows++
	s.limited.ofRecord = maxRecord
	return s.each(s.rec)
}

// is records what the file holds.
func (s *savedReader) is(what form) error {
	if s.form != formUnknown && s.form != what {
		return rest.Malformed("the file holds answers of Salesforce, and records outside of them")
	}
	s.form = what
	return nil
}

// value reads an object or an array of objects, and returns their number.
func (s *savedReader) value() (objects int, err error) {
	if s.nesting++; s.nesting > maxNesting {
		return 0, rest.Malformed("objects within objects, and no record among them")
	}
	defer func() { s.nesting-- }()
	token, err := s.dec.Token()
	if err != nil {
		return 0, err
	}
	switch token {
	case json.Delim('{'):
		return 1, s.object()
	case json.Delim('['):
		return s.array()
	}
	if text, ok := token.(string); ok && strings.HasPrefix(text, "@{") {
		return 0, errPowerShell
	}
	return 0, rest.Malformed("want an answer of Salesforce, an object or an array of objects, not %.40v", token)
}

// array reads the elements of an array and its closing bracket. If the first
// element is a record, all are.
func (s *savedReader) array() (objects int, err error) {
	for s.dec.More() {
		if objects > 0 && (s.form == formRecords || s.answers > 0) {
			if err = s.dec.Decode(s.rec); err == nil {
				err = s.found()
			}
		} else {
			_, err = s.value()
		}
		if err != nil {
			return objects, err
		}
		objects++
	}
	_, err = s.dec.Token()
	return objects, err
}

// object reads the members of an object and its closing brace, and finds out by
// them whether it is an answer, a wrapper or a record.
func (s *savedReader) object() error {
	about := about{}
	before, objects := s.rows, 0
	inside := ""
	for s.dec.More() {
		key, err := s.dec.Token()
		if err != nil {
			return err
		}
		switch key := key.(string); key {
		case "records":
			inside = key
			s.answers++
			_, err = s.value()
			s.answers--
		case "result", "value": // from sf; from PowerShell for an array
			inside = key
			objects, err = s.value()
		default:
			var value json.RawMessage
			err = s.dec.Decode(&value)
			about[key] = value
		}
		if err != nil {
			return err
		}
	}
	if _, err := s.dec.Token(); err != nil {
		return err
	}
	if err := about.failure(); err != nil {
		return err
	}
	switch {
	case inside == "records", about.has("totalSize"), about.has("done"):
		return s.answer(about, s.rows-before)
	case inside == "value" && about.has("Count"):
		var count int
		err := about.get("Count", &count)
		if err == nil && count != objects {
			err = rest.Malformed("%d elements of %d (Count)", objects, count)
		}
		return err
	case inside != "":
		return nil
	}
	data, err := json.Marshal(about)
	if err == nil {
		err = s.rec.UnmarshalJSON(data)
	}
	if err == nil && s.answers == 0 && s.rec.value("Id") == nil {
		err = rest.Malformed("want an answer of Salesforce (totalSize, done, records) or a record with its Id")
	}
	if err != nil {
		return err
	}
	return s.found()
}

// answer reads the meta data of an answer.
func (s *savedReader) answer(about about, rows int) error {
	a := answer{rows: rows}
	var file string
	err := errors.Join(about.get("totalSize", &a.total), about.get("done", &a.done), about.get("filePath", &file))
	if err != nil {
		return err
	}
	if file != "" {
		return rest.Malformed("the file is what sf data export bulk says of itself; the records are in %.200s", file)
	}
	if err := s.is(formAnswers); err != nil {
		return err
	}
	return s.listing.add(a)
}

// about has the members of an object except those with records.
type about map[string]json.RawMessage

func (a about) has(key string) bool { return a[key] != nil }

func (a about) get(key string, into any) error {
	if value, ok := a[key]; ok && json.Unmarshal(value, into) != nil {
		return rest.Malformed("the value of %s is not what an answer has there", key)
	}
	return nil
}

// failure returns the error of a query that failed: {"status": 1, "name": ...,
// "message": ...} from sf, or {"errorCode": ..., "message": ...} from the REST API.
func (a about) failure() error {
	var (
		status              json.Number
		name, code, message string
	)
	err := errors.Join(a.get("status", &status), a.get("name", &name), a.get("errorCode", &code), a.get("message", &message))
	if err != nil {
		return err
	}
	if status != "" && status != "0" {
		return rest.Malformed("the file holds a failed query: status %.20s, %.80s: %.200s", status, name, message)
	}
	if code != "" {
		return rest.Malformed("the file holds a failed query: %.80s: %.200s", code, message)
	}
	return nil
}

// csv reads a header with the names of the fields, and a record in each line, as sf
// and the Bulk API write them, with any delimiter.
func (s *savedReader) csv() error {
	head, _ := s.text.Peek(textBuffer) // the next read returns the error
	header, _, _ := strings.Cut(string(head), "\n")
	delimiter, ok := delimiterOf(header)
	if !ok {
		return rest.Malformed("the file is neither JSON nor CSV with a column Id: save what sf data query --json prints, and nothing else that is on the screen")
	}
	lines := csv.NewReader(s.text)
	lines.Comma, lines.ReuseRecord = delimiter, true
	names, err := lines.Read()
	if err != nil {
		return err
	}
	var columns []*column
	for _, name := range names {
		c, err := s.rec.column(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		columns = append(columns, c)
	}
	s.form = formRecords
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.rec.reset()
		for i, field := range fields {
			s.rec.set(columns[i], columns[i].text(field))
		}
		if err := s.found(); err != nil {
			return err
		}
	}
}

// headerForm matches the first name of a header and the delimiter behind it, which
// is one that the Bulk API knows.
var headerForm = regexp.MustCompile("^\\s*\"?[A-Za-z][A-Za-z0-9_.]*\"?\\s*?(?:([,;\t|^`])|$)")

// delimiterOf returns the delimiter between the names of a header, one of which is
// Id.
func delimiterOf(header string) (rune, bool) {
	m := headerForm.FindStringSubmatch(strings.TrimRight(header, "\r"))
	if m == nil {
		return 0, false
	}
	delimiter := cmp.Or(m[1], ",")
	for name := range strings.SplitSeq(header, delimiter) {
		if strings.EqualFold(strings.Trim(strings.TrimSpace(name), `"`), "Id") {
			return rune(delimiter[0]), true
		}
	}
	return 0, false
}

// limitedReader limits the number of bytes of a file and of each record.
type limitedReader struct {
	r                io.Reader
	ofFile, ofRecord int64 // bytes that may still be read
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.ofFile <= 0 || l.ofRecord <= 0 {
		return 0, &rest.Error{Reason: sources.ErrTooLarge, Detail: "the file, or one record of it"}
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.ofFile, l.ofRecord)])
	l.ofFile -= int64(n)
	l.ofRecord -= int64(n)
	return n, err
}
