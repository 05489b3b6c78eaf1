package scim

import (
	"net/http"
	"strings"
)

// Mount serves handler, which NewHandler made, below prefix ("/scim/v2") and
// every other path with rest; a nil rest answers 404. It never redirects,
// whereas http.ServeMux redirects <prefix>//Users and the prefix itself:
// clients of providers do not follow redirects, and an administrator may enter
// a base URL that ends with a slash.
func Mount(prefix string, handler, rest http.Handler) http.Handler {
	prefix = "/" + strings.Trim(prefix, "/")
	if prefix == "/" {
		prefix = ""
	}
	if rest == nil {
		rest = http.HandlerFunc(notMounted)
	}
	mounted := http.StripPrefix(prefix, handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if below, ok := strings.CutPrefix(r.URL.Path, prefix); ok && (below == "" || below[0] == '/') {
			mounted.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// notMounted answers 404, and holds no connection for a body that does not
// arrive.
func notMounted(w http.ResponseWriter, r *http.Request) {
	discardBody(w, r)
	http.NotFound(w, r)
}
