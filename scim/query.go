package scim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A listing is a query as a client sends it, by URL or by /.search.
type listing struct {
	filter     string
	sortBy     string
	descending bool
	startIndex int
	count      int
	cursor     string
	cursors    bool // the client pages by cursor (RFC 9865)
	projection *projection
}

// urlQuery reads a listing from the URL (RFC 7644 section 3.4.2).
func (x *exchange) urlQuery() (listing, error) {
	values, err := x.urlValues()
	if err != nil {
		return listing{}, err
	}
	q := listing{
		filter: values.Get("filter"), sortBy: values.Get("sortBy"),
		cursor: values.Get("cursor"), cursors: values.Has("cursor"),
	}
	if q.projection, err = newProjection(attributeNames(values["attributes"]), attributeNames(values["excludedAttributes"])); err != nil {
		return q, err
	}
	if values.Has("filter") && strings.TrimSpace(q.filter) == "" {
		return q, badFilter("the filter is empty")
	}
	if q.descending, err = sortOrder(values.Get("sortOrder")); err != nil {
		return q, err
	}
	if q.startIndex, err = wholeNumber("startIndex", values.Get("startIndex"), 1); err != nil {
		return q, err
	}
	if q.count, err = wholeNumber("count", values.Get("count"), x.cfg.PageSize); err != nil {
		return q, q.badCount(err)
	}
	return x.bounded(q)
}

// urlValues parses the query string. Unlike url.Query it returns an error for a
// malformed one, and it treats a semicolon as the ordinary character that it is
// in a query (RFC 3986 section 3.4).
func (x *exchange) urlValues() (url.Values, error) {
	var values url.Values
	for _, pair := range strings.Split(x.r.URL.RawQuery, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = unescapeValue(value)
		}
		if err != nil {
			return nil, badValue("the query string of the URL is malformed")
		}
		if values == nil {
			values = url.Values{}
		}
		name = parameterName(name)
		if have := values[name]; len(have) > 0 && have[0] != value && slices.Contains(singles, name) {
			return nil, badValue("%s: the URL has two different values", name)
		}
		values.Add(name, value)
	}
	return values, nil
}

// parameters are the parameters of a query. The singles among them have one
// value: of two filters, the overlooked one might be the one that should limit
// the answer.
var (
	parameters = []string{"attributes", "excludedAttributes", "filter", "startIndex", "count", "sortBy", "sortOrder", "cursor"}
	singles    = parameters[2:]
)

// parameterName returns the name of a parameter as RFC 7644 section 3.4.2
// spells it, for any letter case: an overlooked filter would select all users.
func parameterName(name string) string {
	for _, known := range parameters {
		if sameName(name, known) {
			return known
		}
	}
	return name
}

// unescapeValue undoes the escapes of a value in a query. A plus sign means a
// space, as in forms, unless the value has %20 for spaces; then it is a plus
// sign, for instance in an address.
func unescapeValue(s string) (string, error) {
	if strings.Contains(s, "%20") {
		return url.PathUnescape(s)
	}
	return url.QueryUnescape(s)
}

// urlProjection reads only attributes and excludedAttributes from the URL.
func (x *exchange) urlProjection() (*projection, error) {
	values, err := x.urlValues()
	if err != nil {
		return nil, err
	}
	return newProjection(attributeNames(values["attributes"]), attributeNames(values["excludedAttributes"]))
}

// searchRequest reads a listing from the body of /.search (section 3.4.3).
func (x *exchange) searchRequest(body *object) (listing, error) {
	q := listing{startIndex: 1, count: x.cfg.PageSize, cursors: body.at("cursor") >= 0}
	var only, except []string
	for _, f := range body.fields {
		var err error
		switch fold(f.name) {
		case "filter":
			q.filter, err = stringField(f)
		case "sortby":
			q.sortBy, err = stringField(f)
		case "cursor":
			q.cursor, err = stringField(f)
		case "sortorder":
			var order string
			if order, err = stringField(f); err == nil {
				q.descending, err = sortOrder(order)
			}
		case "startindex":
			q.startIndex, err = numberField(f, 1)
		case "count":
			q.count, err = numberField(f, x.cfg.PageSize)
			err = q.badCount(err)
		case "attributes":
			only, err = stringsField(f)
		case "excludedattributes":
			except, err = stringsField(f)
		}
		if err != nil {
			return q, err
		}
	}
	var err error
	if q.projection, err = newProjection(only, except); err != nil {
		return q, err
	}
	return x.bounded(q)
}

// bounded limits the numbers to their ranges. A page of a cursor has at least
// one resource: only the last one has no nextCursor (RFC 9865 section 2).
func (x *exchange) bounded(q listing) (listing, error) {
	if q.cursors && q.count < 1 {
		return q, fail(http.StatusBadRequest, scimTypeInvalidCount, "count: want at least 1 with a cursor")
	}
	q.startIndex = max(q.startIndex, 1)
	q.count = min(max(q.count, 0), x.cfg.MaxPageSize)
	return q, nil
}

// badCount returns the error for a count that is no number. With a cursor it has
// the type that RFC 9865 section 2.1 gives it.
func (q listing) badCount(err error) error {
	if err == nil || !q.cursors {
		return err
	}
	return fail(http.StatusBadRequest, scimTypeInvalidCount, "count: want a whole number of at least 1")
}

func stringField(f field) (string, error) {
	s, ok := f.value.(string)
	if !ok && f.value != nil {
		return "", badValue("%s: want a string", clip(f.name))
	}
	return s, nil
}

func numberField(f field, absent int) (int, error) {
	switch v := f.value.(type) {
	case nil:
		return absent, nil
	case number:
		return wholeNumber(f.name, string(v), absent)
	case string:
		return wholeNumber(f.name, v, absent)
	}
	return 0, badValue("%s: want a whole number", clip(f.name))
}

func stringsField(f field) ([]string, error) {
	list, ok := f.value.([]any)
	if s, isString := f.value.(string); isString {
		return attributeNames([]string{s}), nil
	}
	if !ok && f.value != nil {
		return nil, badValue("%s: want a list of attribute names", clip(f.name))
	}
	var names []string
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, badValue("%s: want a list of attribute names", clip(f.name))
		}
		names = append(names, s)
	}
	return attributeNames(names), nil
}

func sortOrder(s string) (descending bool, err error) {
	switch strings.ToLower(s) {
	case "", "ascending":
		return false, nil
	case "descending":
		return true, nil
	}
	return false, badValue("sortOrder: want ascending or descending")
}

// wholeNumber parses a number; one beyond the range of int becomes the nearest
// int.
func wholeNumber(name, s string, absent int) (int, error) {
	if s == "" {
		return absent, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, badValue("%s: want a whole number, got %q", clip(name), clip(s))
	}
	return int(n), nil
}

// A cursor is a position in one listing: the ordinal of the last record, or the
// number of passed records if the order is not by ordinal. It contains a mark
// of its directory and query and is invalid for others. It grants no permission
// and reveals no data.
const (
	cursorBytes = 8 + 8
	maxPlace    = 1 << 62 // a page can be added to it without overflow
)

func (x *exchange) encodeCursor(mark [8]byte, place int64) string {
	b := binary.BigEndian.AppendUint64(mark[:], uint64(place))
	return base64.RawURLEncoding.EncodeToString(b)
}

func (x *exchange) decodeCursor(mark [8]byte, cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != cursorBytes || [8]byte(b[:8]) != mark {
		return 0, fail(http.StatusBadRequest, scimTypeInvalidCursor, "cursor: it is not one of this listing")
	}
	place := binary.BigEndian.Uint64(b[8:])
	if place > maxPlace {
		return 0, fail(http.StatusBadRequest, scimTypeInvalidCursor, "cursor: it is not one of this listing")
	}
	return int64(place), nil
}

// cursorMark identifies the directory and query of a cursor.
func (x *exchange) cursorMark(types []*resourceType, q listing) [8]byte {
	h := sha256.New()
	for _, part := range []string{x.dir.Tenant, x.dir.Connection, q.filter, q.sortBy, strconv.FormatBool(q.descending)} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	for _, rt := range types {
		h.Write([]byte(rt.endpoint))
	}
	return [8]byte(h.Sum(nil)[:8])
}
