package onelogin

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/usher-go/usher/sources/internal/rest"
)

const (
	usersPath = "/api/2/users"
	rolesPath = "/api/2/roles"
)

// The queries of the listings. Without fields, the list of users lacks most fields,
// and the list of roles lacks the members. limit is the largest that OneLogin
// accepts.
const (
	memberQuery = "fields=id,role_ids,created_at&limit=50"
	roleQuery   = "fields=id,name,users&limit=650"
)

// userQuery asks for all fields of the type user except the roles.
func userQuery(noManagers bool) string {
	var fields []string
	for i, record := 0, reflect.TypeFor[user](); i < record.NumField(); i++ {
		field := record.Field(i).Tag.Get("json")
		if field == "role_ids" || noManagers && field == "manager_user_id" {
			continue
		}
		fields = append(fields, field)
	}
	return "fields=" + strings.Join(fields, ",") + "&limit=50"
}

// budget says how OneLogin states its rate limit.
var budget = rest.Budget{Limit: "X-RateLimit-Limit", Remaining: "X-RateLimit-Remaining", Reset: "X-RateLimit-Reset"}

// api sends requests to one account's API.
type api struct {
	http *rest.Transport
	base *url.URL
}

func newAPI(cfg Config, base *url.URL) *api {
	speak := rest.Config{
		Base: cfg.Transport, Origin: base, Attempts: cfg.Attempts, MaxWait: cfg.MaxWait,
		Limit: budget.Wait, Explain: explain, Secrets: []string{cfg.ClientSecret}, Logger: cfg.Logger,
	}
	speak.Auth = newAuth(cfg, base, speak)
	return &api{http: rest.New(speak), base: base}
}

// listing reads a list to its end and emits the result of convert for each record.
func listing[R, T any](ctx context.Context, a *api, path, query string, convert func(R) (rest.Row[T], error), emit func(T) bool) error {
	return rest.FollowCounted(ctx, "", func(ctx context.Context, cursor string) (rest.Page[rest.Row[T]], error) {
		return page(ctx, a, path, query, cursor, convert)
	}, emit)
}

// page reads one page; the first if cursor is empty. OneLogin refuses a cursor
// together with a limit, which the cursor contains.
func page[R, T any](ctx context.Context, a *api, path, query, cursor string, convert func(R) (rest.Row[T], error)) (rest.Page[rest.Row[T]], error) {
	var p rest.Page[rest.Row[T]]
	if cursor != "" {
		query, _, _ = strings.Cut(query, "&limit=")
		query += "&cursor=" + url.QueryEscape(cursor)
	}
	var records []R
	resp, err := a.http.Read(ctx, a.base.JoinPath(path).String()+"?"+query, &records)
	if err != nil {
		return p, err
	}
	total, err := strconv.Atoi(resp.Header.Get("Total-Count"))
	if err != nil || total < 0 {
		return p, rest.Malformed("the list has no header Total-Count that is a number")
	}
	p.Total, p.At, p.Next = total, rest.Date(resp.Header), resp.Header.Get("After-Cursor")
	if decoded, err := url.PathUnescape(p.Next); err == nil {
		p.Next = decoded // base64, with its = escaped or not
	}
	if len(records) == 0 { // a page behind the last one, although it may name a next one
		p.Next = ""
	}
	p.Rows, err = rest.Rows(records, convert)
	return p, err
}

// one reads one user.
func one(ctx context.Context, a *api, id string) (rec user, err error) {
	_, err = a.http.Read(ctx, a.base.JoinPath(usersPath).String()+"/"+url.PathEscape(id), &rec)
	return rec, err
}

// explain reads the body of a refused request. Depending on the age of the
// endpoint, the message is in one of three places.
func explain(_ int, body []byte) (string, error) {
	var answer struct {
		Message     string `json:"message"`
		Description string `json:"description"`
		Status      json.RawMessage
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", nil
	}
	var status struct{ Message string }
	_ = json.Unmarshal(answer.Status, &status) // a number if the message is elsewhere
	return cmp.Or(answer.Message, answer.Description, status.Message), nil
}
