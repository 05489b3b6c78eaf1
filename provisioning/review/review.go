package review

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
)

// Config describes a handler. Store, Syncer, Setup, Connections and Access are
// required.
type Config struct {
	// Store, Syncer and Setup are those of the host's syncer.Config. The pages
	// show a history if the store is a provisioning.AuditLog.
	Store  syncer.Store
	Syncer *syncer.Syncer
	Setup  func(context.Context, syncer.Target) (syncer.Setup, error)
	// Connections lists the connections of a tenant.
	Connections func(ctx context.Context, tenant string) ([]string, error)
	// Access identifies the sender of a request and returns what they may see
	// and do. It is called for every request. It alone determines the tenant.
	// After an error, which is logged and not shown, nothing is served.
	Access func(*http.Request) (Access, error)
	// Requests reads the SCIM requests of pushed connections that
	// scim.Config.Requests records. Nil: no requests are shown.
	Requests RequestReader
	// Rules lists further configs of a connection, such as drafts, which can be
	// compared with the config in force. The viewer selects them by their
	// Revision. Nil: only pasted configs can be compared.
	Rules func(context.Context, syncer.Target) ([]provisioning.Config, error)
	// TwoPeople returns the classes for which a second person must confirm an
	// approval for a connection: a setting of the tenant. It is called again
	// when the second person confirms. After an error nothing is approved. Nil:
	// no class.
	TwoPeople func(context.Context, syncer.Target) ([]provisioning.Class, error)
	// Logger receives actions and failures; it identifies people by IDs. Nil:
	// slog.Default.
	Logger *slog.Logger
}

// An Access is the identity of a request's sender, and what they may see and
// do. The zero Access permits nothing.
type Access struct {
	// Actor is the ID of the sender, for the audit log. Tenant is the tenant
	// for whom the sender works. Both are required.
	Actor, Tenant string
	// Connections are the connections that the sender may see. Nil: all
	// connections of the tenant.
	Connections []string
	May         Ability
	// Approve are the classes that the sender may approve.
	Approve []provisioning.Class
	// Hide are the fields of people that the sender may not see. Nil: the
	// sender may see all fields.
	Hide provisioning.Mask
}

// An Ability is a set of permitted operations.
type Ability uint8

// The abilities. The zero Ability permits nothing.
const (
	// See permits viewing plans, people, the chart and the health of
	// connections.
	See Ability = 1 << iota
	// History permits viewing what was done to a person, and by whom.
	History
	// Export permits downloading plans and charts as files.
	Export
	// Plan permits reading the directory and making plans from it, also under
	// other rules. These plans are not applied.
	Plan
	// Operate permits applying what needs no approval, and running, pausing and
	// resuming a connection.
	Operate
)

// Has reports whether a permits everything in other.
func (a Ability) Has(other Ability) bool { return a&other == other }

func (a *Access) mayApprove(class provisioning.Class) bool {
	return a.May.Has(See) && slices.Contains(a.Approve, class)
}

//go:embed assets
var assets embed.FS

type handler struct {
	cfg   Config
	plans planCache
}

// New returns the handler. It fails if a required field is missing.
func New(cfg Config) (http.Handler, error) {
	for _, required := range []struct {
		name    string
		missing bool
	}{
		{"Access", cfg.Access == nil}, {"Store", cfg.Store == nil}, {"Syncer", cfg.Syncer == nil},
		{"Setup", cfg.Setup == nil}, {"Connections", cfg.Connections == nil},
	} {
		if required.missing {
			return nil, fmt.Errorf("review: Config.%s is required", required.name)
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	h := &handler{cfg: cfg}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", serveStyle)
	for _, p := range []struct {
		pattern, title string
		needs          Ability
		do             func(*request) error
	}{
		{"GET /{$}", "Connections", See, (*request).runs},
		{"GET /plan", "Plan", See, (*request).showPlan},
		{"GET /approve", "Approve", See, (*request).showApprove},
		{"GET /outcome", "Outcome", See, (*request).showOutcome},
		{"GET /person", "Person", See, (*request).showPerson},
		{"GET /requests", "SCIM requests", See, (*request).showRequests},
		{"GET /whatif", "What if", See | Plan, (*request).showWhatIf},
		{"GET /chart", "Org chart", See, (*request).showChart},

		{"POST /whatif", "What if", See | Plan, (*request).tryWhatIf},
		{"POST /plan", "Plan", See | Plan, (*request).makePlan},
		{"POST /approve", "Approve", See, (*request).approve},
		{"POST /apply", "Apply", See | Operate, (*request).apply},
		{"POST /run", "Run", See | Operate, (*request).run},
		{"POST /pause", "Pause", See | Operate, (*request).pause},
		{"POST /resume", "Resume", See | Operate, (*request).resume},

		{"GET /chart.svg", "", See | Export, (*request).chartFile},
		{"GET /chart.dot", "", See | Export, (*request).chartFile},
		{"GET /chart.mmd", "", See | Export, (*request).chartFile},
		{"GET /export.html", "", See | Export, (*request).exportHTML},
		{"GET /export.csv", "", See | Export, (*request).exportCSV},
		{"GET /export.json", "", See | Export, (*request).exportJSON},
	} {
		mux.HandleFunc(p.pattern, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, p.title, p.needs, p.do) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.serve(w, r, "", See, func(*request) error { return errNotFound })
	})
	return http.NewCrossOriginProtection().Handler(secured(mux)), nil
}

// policy forbids scripts, frames, and all content from other sites.
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func serveStyle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, assets, "assets/style.css")
}

// A failure is an answer other than the requested page. Its text is shown.
type failure struct {
	Status int
	Text   string
}

func (f *failure) Error() string { return f.Text }

var (
	errNotFound  = &failure{http.StatusNotFound, "There is nothing here for you."}
	errForbidden = &failure{http.StatusForbidden, "You may not do this."}
)

func invalid(format string, args ...any) error {
	return &failure{http.StatusUnprocessableEntity, fmt.Sprintf(format, args...)}
}

// maxForm bounds the size of a request's body: two configs and a reason.
const maxForm = 4 << 20

// A request is one request whose sender's access is known.
type request struct {
	*handler
	ctx    context.Context
	r      *http.Request
	access Access
	page   *page
}

// serve answers a request if its sender has the needed ability.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, title string, needs Ability, do func(*request) error) {
	q := &request{handler: h, r: r, page: &page{w: w, title: title}}
	access, err := h.cfg.Access(r)
	if err == nil && (access.Actor == "" || access.Tenant == "") {
		err = errors.New("Access.Actor and Access.Tenant are required")
	}
	if err != nil {
		h.cfg.Logger.WarnContext(r.Context(), "review: access refused", "error", err)
		q.page.fail(errForbidden)
		return
	}
	q.access = access
	q.page.access = access
	q.ctx = provisioning.WithActor(r.Context(), access.Actor)
	if !access.May.Has(needs) {
		q.page.fail(errForbidden)
		return
	}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			q.page.fail(&failure{http.StatusBadRequest, "The form could not be read, or is too large."})
			return
		}
	} else if title != "" {
		stop := q.page.startLate(firstByte)
		defer stop()
	}
	if err := do(q); err != nil {
		var f *failure
		if !errors.As(err, &f) {
			if r.Context().Err() == nil {
				h.cfg.Logger.ErrorContext(r.Context(), "review: failed", "tenant", access.Tenant, "actor", access.Actor, "page", title, "error", q.hidden(err.Error()))
			}
			f = &failure{http.StatusInternalServerError, "This did not work. It is in the log of the application."}
		}
		q.page.fail(f)
	}
}

// hidden returns a text that may contain data of people, if the viewer may see
// all fields.
func (q *request) hidden(text string) string {
	if len(q.access.Hide) > 0 {
		return "(hidden)"
	}
	return text
}

// firstByte is the time after which the beginning of a page is sent, even if
// the rest is not known yet.
const firstByte = 50 * time.Millisecond

// connections returns the connections that the sender may see.
func (q *request) connections() ([]string, error) {
	all, err := q.cfg.Connections(q.ctx, q.access.Tenant)
	if err != nil {
		return nil, fmt.Errorf("connections: %w", err)
	}
	if q.access.Connections == nil {
		return all, nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(c string) bool { return !slices.Contains(q.access.Connections, c) }), nil
}

// target returns the connection that the request names. If there is only one
// connection, the request need not name it.
func (q *request) target() (syncer.Target, error) {
	return q.targetOf(q.r.FormValue("connection"))
}

func (q *request) targetOf(connection string) (syncer.Target, error) {
	all, err := q.connections()
	if err != nil {
		return syncer.Target{}, err
	}
	if connection == "" && len(all) == 1 {
		connection = all[0]
	}
	if connection == "" || !slices.Contains(all, connection) {
		return syncer.Target{}, errNotFound
	}
	q.page.connection = connection
	return syncer.Target{Tenant: q.access.Tenant, Connection: connection}, nil
}
