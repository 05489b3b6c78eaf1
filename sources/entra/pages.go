package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	graph "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/internal/rest"
)

const (
	version = "v1.0"

	// The largest page, and the largest batch, that Graph accepts.
	mostRows  = "999"
	mostBatch = 20

	// mostRepeated is how many pages in a row may hold nothing new. A delta may
	// replay pages; a list that only repeats itself does not end.
	mostRepeated = 1000
)

// api sends requests to one tenant through the request adapter of Microsoft's SDK.
// The transport below it repeats, pauses and checks answers, which the SDK leaves
// to others.
type api struct {
	adapter *graph.GraphRequestAdapterBase
	http    *rest.Transport
	base    *url.URL // includes the version
}

func newAPI(cfg Config, base *url.URL) (*api, error) {
	transport := rest.New(rest.Config{
		Base: cfg.Transport, Auth: newTokens(cfg.Credential, cfg.Scope), Origin: base, Attempts: cfg.Attempts, MaxWait: cfg.MaxWait,
		Limit: pace, Explain: explain, Logger: cfg.Logger,
	})
	adapter, err := graph.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&authentication.AnonymousAuthenticationProvider{}, graph.GraphClientOptions{},
		jsonserialization.NewJsonParseNodeFactory(), jsonserialization.NewJsonSerializationWriterFactory(),
		&http.Client{Transport: reading{transport}})
	if err != nil {
		return nil, err
	}
	a := &api{adapter: adapter, http: transport, base: base.JoinPath(version)}
	adapter.SetBaseUrl(a.base.String())
	return a, nil
}

// reading marks a batch as a request that only reads and may be sent twice. The
// adapter gives it a body that can be sent only once.
type reading struct{ next http.RoundTripper }

func (r reading) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return r.next.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	_ = req.Body.Close() // it is in memory
	if err != nil {
		return nil, err
	}
	sent := req.Clone(req.Context())
	sent.Body, sent.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	sent.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	sent.Header["Idempotency-Key"] = nil
	return r.next.RoundTrip(sent)
}

// pace slows down before Graph refuses: from four fifths on, an answer states the
// used share of the allowance, which is for ten seconds.
func pace(status int, header http.Header) time.Duration {
	used, err := strconv.ParseFloat(header.Get("x-ms-throttle-limit-percentage"), 64)
	if err != nil || status > 299 || !(used > 0.8) {
		return 0
	}
	return time.Duration((min(used, 1.8) - 0.8) * float64(10*time.Second))
}

// explain reads the body of a refused request.
func explain(status int, body []byte) (string, error) {
	code, message := graphError(body)
	return strings.Trim(code+": "+message, ": "), reasonOf(status, code)
}

// graphError returns the code and the message of Graph's error JSON.
func graphError(body []byte) (code, message string) {
	node, err := jsonserialization.NewJsonParseNodeFactory().GetRootParseNode("application/json", body)
	if err != nil || node == nil {
		return "", ""
	}
	parsed, err := node.GetObjectValue(odataerrors.CreateODataErrorFromDiscriminatorValue)
	failure, ok := parsed.(*odataerrors.ODataError)
	if err != nil || !ok || failure == nil || failure.GetErrorEscaped() == nil {
		return "", ""
	}
	text := func(value *string) string {
		if value == nil {
			return ""
		}
		return *value
	}
	return text(failure.GetErrorEscaped().GetCode()), text(failure.GetErrorEscaped().GetMessage())
}

// restart are the codes of Graph for a lost state of a delta.
var restart = []string{"syncStateNotFound", "syncStateInvalid", "resyncRequired", "resyncChangesApplyDifferences", "resyncChangesUploadDifferences"}

// reasonOf returns the reason that a status and a code stand for, or nil if they
// add nothing to the status.
func reasonOf(status int, code string) error {
	lost := func(known string) bool { return strings.EqualFold(known, code) }
	switch {
	case status == http.StatusGone, status >= 400 && status <= 499 && slices.ContainsFunc(restart, lost):
		return sources.ErrCursorExpired
	case strings.EqualFold(code, "Directory_ExpiredPageToken"):
		return sources.ErrUnavailable // the listing took too long; a repetition may succeed
	case status == http.StatusBadRequest:
		return sources.ErrBadQuery // an unknown property, or something that is not an ID
	}
	return nil
}

// address returns the address of a path under the version, with a query.
func (a *api) address(path, query string) string {
	if query != "" {
		query = "?" + query
	}
	return a.base.String() + path + query
}

// get reads the object at an address into v.
func (a *api) get(ctx context.Context, at string, v any) error {
	u, err := url.Parse(at)
	if err != nil {
		return rest.Malformed("the address of a page is not one")
	}
	request := abstractions.NewRequestInformation()
	request.Method = abstractions.GET
	request.SetUri(*u)
	return a.send(ctx, request, u.Path, v)
}

// send sends a request through the SDK's adapter and decodes the answer into v.
func (a *api) send(ctx context.Context, request *abstractions.RequestInformation, path string, v any) error {
	body, err := a.adapter.SendPrimitive(ctx, request, "[]byte", abstractions.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue})
	if err != nil {
		return err
	}
	data, ok := body.([]byte)
	if !ok {
		return rest.Malformed("%s: the answer is empty", path)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return rest.Malformed("%s: %s", path, err)
	}
	return nil
}

// A page is one answer of a list or of a delta.
type page struct {
	Value *[]record       `json:"value"`
	Next  string          `json:"@odata.nextLink"`
	Delta string          `json:"@odata.deltaLink"`
	Error json.RawMessage `json:"error"` // set by a server that failed after it had sent status 200
}

// check returns an error for an answer that is not a complete list.
func (p *page) check() error {
	switch {
	case p.Value == nil:
		return rest.Malformed("an answer without value")
	case isGiven(p.Error):
		return rest.Malformed("a list that breaks off with an error")
	}
	return nil
}

// pages reads the pages of a list or a delta, from an address to the end, and
// passes the records of each page to take, until take returns false. It returns the
// link at the end of a delta, which leads to later changes; a list has none.
func (a *api) pages(ctx context.Context, first string, delta bool, take func([]record) (bool, error)) (later string, err error) {
	type whole = []record
	var problem error
	told, repeated := make(map[uint64]bool), 0
	err = rest.Follow(ctx, first, func(ctx context.Context, at string) (rest.Page[whole], error) {
		var answer page
		if err := a.get(ctx, at, &answer); err != nil {
			return rest.Page[whole]{}, err
		}
		if err := answer.check(); err != nil {
			return rest.Page[whole]{}, err
		}
		switch {
		case answer.Next != "" && answer.Delta != "":
			return rest.Page[whole]{}, rest.Malformed("an answer with a link to the next page, and with one that ends the delta")
		case delta && answer.Next == "" && answer.Delta == "":
			return rest.Page[whole]{}, rest.Malformed("an answer that neither goes on nor ends the delta")
		case !delta && answer.Delta != "":
			return rest.Page[whole]{}, rest.Malformed("a list that ends as a delta does")
		}
		next, err := a.link(answer.Next)
		if err != nil {
			return rest.Page[whole]{}, err
		}
		if later, err = a.link(answer.Delta); err != nil {
			return rest.Page[whole]{}, err
		}
		p := rest.Page[whole]{Next: next}
		fresh := len(*answer.Value) == 0 // rest.Follow counts empty pages
		for _, rec := range *answer.Value {
			part := rec.part()
			fresh = fresh || !told[part]
			told[part] = true
		}
		if fresh {
			repeated = 0
		} else if repeated++; repeated > mostRepeated {
			return rest.Page[whole]{}, rest.Malformed("%d pages in a row tell nothing new", repeated)
		}
		if len(*answer.Value) > 0 {
			p.Rows = []whole{*answer.Value}
		}
		return p, nil
	}, func(records whole) bool {
		var more bool
		more, problem = take(records)
		return more && problem == nil
	})
	if err == nil {
		err = problem
	}
	return later, err
}

// link checks a link of an answer or of a cursor: it must lead to this API.
func (a *api) link(link string) (string, error) {
	if link == "" {
		return "", nil
	}
	u, err := rest.NextLink(a.base, link)
	if err != nil {
		return "", rest.Malformed("@odata.nextLink or deltaLink: %s", err)
	}
	return u.String(), nil
}

// An outcome is the answer to one request of a batch: a body or a failure.
type outcome struct {
	body    json.RawMessage
	failure *rest.Error
}

// missing reports whether Graph says that the object does not exist.
func (o outcome) missing() bool { return o.failure != nil && rest.IsMissing(o.failure) }

// batch reads what is at some addresses, each a path and query under the version,
// twenty at a time, and returns the answers in their order. Graph answers a batch
// with status 200 as a whole and may refuse single requests in it. Refused requests
// are sent again in a later batch, after the pause that Graph asks for. A request
// that fails for good becomes an outcome with a failure; it is not an error of
// batch.
func (a *api) batch(ctx context.Context, urls []string) ([]outcome, error) {
	outcomes := make([]outcome, len(urls))
	waiting := make([]int, len(urls)) // positions in urls
	for i := range waiting {
		waiting[i] = i
	}
	for attempt := 1; len(waiting) > 0; attempt++ {
		now := waiting[:min(mostBatch, len(waiting))]
		waiting = slices.Clone(waiting[len(now):])
		answers, err := a.sendBatch(ctx, urls, now)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(now, func(i int) bool { return answers[i].Status <= 299 }) {
			attempt = 1
		}
		for _, i := range now {
			answer := answers[i]
			path, _, _ := strings.Cut(urls[i], "?")
			header := make(http.Header, len(answer.Headers))
			for name, value := range answer.Headers {
				header.Set(name, value.Value)
			}
			failure, again := a.http.Part("/"+version+path, attempt, answer.Status, header, answer.Body)
			switch {
			case again:
				waiting = append(waiting, i)
			case failure == nil && !isGiven(answer.Body):
				return nil, rest.Malformed("a batch has no body for %s", path)
			default:
				outcomes[i] = outcome{answer.Body, failure}
			}
		}
	}
	return outcomes, nil
}

type batchAnswer struct {
	ID      string               `json:"id"`
	Status  int                  `json:"status"`
	Headers map[string]rest.Text `json:"headers"`
	Body    json.RawMessage      `json:"body"`
}

// sendBatch sends the requests at some positions in one batch and returns the
// answers by position.
func (a *api) sendBatch(ctx context.Context, urls []string, positions []int) (map[int]batchAnswer, error) {
	type request struct {
		ID     string `json:"id"`
		Method string `json:"method"`
		URL    string `json:"url"`
	}
	var batch struct {
		Requests []request `json:"requests"`
	}
	for _, i := range positions {
		batch.Requests = append(batch.Requests, request{strconv.Itoa(i), http.MethodGet, urls[i]})
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, err
	}
	send := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(abstractions.POST, "{+baseurl}/$batch", map[string]string{"baseurl": a.base.String()})
	send.SetStreamContentAndContentType(body, "application/json")
	var answer struct {
		Responses []batchAnswer `json:"responses"`
	}
	if err := a.send(ctx, send, "/"+version+"/$batch", &answer); err != nil {
		return nil, err
	}
	answers := make(map[int]batchAnswer, len(positions))
	for _, response := range answer.Responses { // they come in any order
		i, err := strconv.Atoi(response.ID)
		if err != nil || !slices.Contains(positions, i) {
			return nil, rest.Malformed("a batch answers %.40q, which was not asked", response.ID)
		}
		answers[i] = response
	}
	for _, i := range positions {
		if _, ok := answers[i]; !ok {
			return nil, rest.Malformed("a batch leaves one of its requests unanswered")
		}
	}
	return answers, nil
}
