package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

// org speaks to one org's REST API.
type org struct {
	http     *rest.Transport
	data     string // "/services/data/v64.0"
	maxUsage int    // percent
	usage    atomic.Int64
}

// get sends a request with a path of the org and notes the usage that the
// answer reports.
func (o *org) get(ctx context.Context, path string) (*http.Response, error) {
	resp, err := o.http.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	if percent, ok := usage(resp.Header); ok {
		o.usage.Store(percent)
	}
	return resp, nil
}

// polite is asked before every request but the first one of a call. The first
// is always made, since nothing else tells that the usage has gone down again:
// the allowance covers the last 24 hours, and there is no time to wait for.
func (o *org) polite() error {
	if percent := o.usage.Load(); o.maxUsage < 100 && percent >= int64(o.maxUsage) {
		return &rest.Error{
			Method: http.MethodGet, Path: o.data, Reason: sources.ErrRateLimited,
			Detail: fmt.Sprintf("not sent: the org has used %d %% of its daily API requests, and reading stops at %d %%", percent, o.maxUsage),
		}
	}
	return nil
}

var usageForm = regexp.MustCompile(`(?:^|[;,]\s*)api-usage=([0-9]{1,12})/([0-9]{1,12})`)

// usage reads the header Sforce-Limit-Info ("api-usage=150/15000") as a
// percentage.
func usage(header http.Header) (percent int64, ok bool) {
	m := usageForm.FindStringSubmatch(header.Get("Sforce-Limit-Info"))
	if m == nil {
		return 0, false
	}
	used, _ := strconv.ParseInt(m[1], 10, 64)
	allowed, _ := strconv.ParseInt(m[2], 10, 64)
	if allowed == 0 {
		return 0, false
	}
	return 100 * used / allowed, true
}

// describeUser asks which fields users have. The function it returns finds a
// field, or the field of a relationship by the relationship, and returns its
// name as the org spells it.
func (o *org) describeUser(ctx context.Context) (has func(field string) (string, bool), err error) {
	resp, err := o.get(ctx, o.data+"/sobjects/User/describe")
	if err != nil {
		return nil, err
	}
	var described struct {
		Fields []struct {
			Name             string `json:"name"`
			RelationshipName string `json:"relationshipName"`
		} `json:"fields"`
	}
	if err := rest.Decode(resp, &described); err != nil {
		return nil, err
	}
	names := map[string]string{}
	relationships := map[string]string{}
	for _, field := range described.Fields {
		names[strings.ToLower(field.Name)] = field.Name
		if field.RelationshipName != "" {
			relationships[strings.ToLower(field.RelationshipName)] = field.RelationshipName
		}
	}
	if len(names) == 0 {
		return nil, rest.Malformed("the description of User names no fields")
	}
	return func(field string) (string, bool) {
		relationship, of, nested := strings.Cut(field, ".")
		if !nested {
			name, ok := names[strings.ToLower(field)]
			return name, ok
		}
		name, ok := relationships[strings.ToLower(relationship)]
		return name + "." + of, ok
	}, nil
}

// Salesforce's error codes that say more than the status of the answer.
var reasons = map[string]error{
	"INVALID_SESSION_ID":            sources.ErrUnauthorized,
	"REQUEST_LIMIT_EXCEEDED":        sources.ErrRateLimited, // with 403 and without Retry-After
	"INVALID_QUERY_LOCATOR":         sources.ErrCursorExpired,
	"MALFORMED_QUERY":               sources.ErrBadQuery,
	"INVALID_FIELD":                 sources.ErrBadQuery,
	"INVALID_TYPE":                  sources.ErrBadQuery,
	"INVALID_QUERY_FILTER_OPERATOR": sources.ErrBadQuery,
	"QUERY_TOO_COMPLICATED":         sources.ErrBadQuery,
	"QUERY_TIMEOUT":                 sources.ErrUnavailable,
	"SERVER_UNAVAILABLE":            sources.ErrUnavailable,
	"API_DISABLED_FOR_ORG":          sources.ErrForbidden,
	"API_CURRENTLY_DISABLED":        sources.ErrForbidden,
	"INSUFFICIENT_ACCESS":           sources.ErrForbidden,
	// Of the token endpoint.
	"invalid_grant":          sources.ErrUnauthorized,
	"invalid_client":         sources.ErrUnauthorized,
	"invalid_client_id":      sources.ErrUnauthorized,
	"invalid_app_access":     sources.ErrUnauthorized,
	"inactive_user":          sources.ErrUnauthorized,
	"inactive_org":           sources.ErrUnauthorized,
	"unsupported_grant_type": sources.ErrForbidden,
	"rate_limit_exceeded":    sources.ErrRateLimited,
}

// explain reads the body of a refused request: a list of errors, or the one
// error of the token endpoint.
func explain(status int, body []byte) (string, error) {
	var list []struct {
		ErrorCode string `json:"errorCode"`
		Message   string `json:"message"`
	}
	var one struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	var code, message string
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		code, message = list[0].ErrorCode, list[0].Message
	} else if json.Unmarshal(body, &one) == nil {
		code, message = one.Error, one.Description
	}
	reason := reasons[code]
	if status == http.StatusNotFound {
		// Users are asked for by queries, so this is never about a user: the
		// address or the API version is wrong.
		reason = sources.ErrMalformed
		message += " (is the address right, and the API version one that the org has?)"
	}
	if code == "INVALID_QUERY_LOCATOR" {
		message += " (the listing took too long: start it again)"
	}
	if code != "" {
		message = code + ": " + message
	}
	return message, reason
}
