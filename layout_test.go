package usher_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/usher-go/usher"

// mayImport is the complete import graph of the module, without tests and
// examples. An edge is a design decision, so a new edge is added here first.
var mayImport = map[string]string{
	"":                    "",
	"internal/extension":  "",
	"internal/strictjson": "",

	"sources":                   "internal/address internal/name internal/strictjson",
	"sources/sourcetest":        "sources sources/sourcetest/fake",
	"sources/sourcetest/fake":   "sources internal/soql",
	"sources/internal/rest":     "sources internal/redact",
	"sources/internal/resttest": "",
	"sources/recording":         "sources/internal/rest",
	"sources/okta":              "sources sources/internal/rest",
	"sources/onelogin":          "sources sources/internal/rest",
	"sources/rippling":          "sources sources/internal/rest",
	"sources/entra":             "sources sources/internal/rest",
	"sources/scimclient":        "sources sources/internal/rest scim",
	"sources/salesforce":        "sources sources/internal/rest internal/soql",

	"hierarchy":                     "internal/address internal/blocks internal/invisible internal/name",
	"timezone":                      "timezone/internal/key",
	"timezone/internal/key":         "",
	"timezone/internal/gen":         "timezone/internal/key",
	"timezone/internal/gen/extract": "",
	"assignment":                    "sources internal/set",

	"provisioning":           "sources assignment hierarchy timezone internal/address internal/alike internal/blocks internal/extension internal/name internal/set internal/soql internal/strictjson internal/text",
	"provisioning/storetest": "provisioning assignment sources",
	"provisioning/provtest":  "provisioning assignment sources internal/address internal/set",
	"provisioning/sqlstore":  "provisioning internal/address internal/sqldb",
	"provisioning/phone":     "provisioning timezone internal/extension internal/invisible",
	"provisioning/syncer":    "provisioning sources",
	"provisioning/review":    "provisioning provisioning/syncer hierarchy scim sources internal/alike internal/text",

	"scim":                      "sources internal/address internal/invisible internal/name internal/redact",
	"scim/elimity":              "scim sources",
	"scim/internal/elimitytest": "scim",
	"scim/internal/clienttest":  "",
	"scim/internal/peerbench":   "scim scim/internal/elimitytest scim/sqlstore",
	"scim/scimtest":             "scim sources scim/internal/clienttest",
	"scim/sqlstore":             "scim sources internal/sqldb",

	"internal/address":   "internal/invisible",
	"internal/alike":     "",
	"internal/invisible": "",
	"internal/name":      "internal/invisible",
	"internal/blocks":    "",
	"internal/set":       "",
	"internal/text":      "internal/invisible",
	"internal/redact":    "",
	"internal/soql":      "",
	"internal/sqldb":     "",
	"internal/pgserver":  "",
	"internal/pgtest":    "internal/pgserver",
	"internal/rapidtest": "",
}

// mayUse lists, for each package, the packages of other modules that it may
// import.
var mayUse = map[string][]string{
	"internal/address":          {"golang.org/x/net/idna"},
	"internal/name":             {"golang.org/x/text/unicode/norm"},
	"internal/text":             {"golang.org/x/text/width"},
	"provisioning/provtest":     {"github.com/stretchr/testify", "pgregory.net/rapid"},
	"sources/entra":             {"github.com/Azure/azure-sdk-for-go/sdk/azcore", "github.com/microsoft/kiota-", "github.com/microsoftgraph/msgraph-sdk-go-core", "github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"},
	"provisioning/phone":        {"github.com/nyaruka/phonenumbers"},
	"sources/okta":              {"github.com/okta/okta-sdk-golang/v5/okta"},
	"scim":                      {"github.com/elimity-com/scim", "github.com/go-jose/go-jose/v4", "golang.org/x/text/unicode/norm"},
	"scim/elimity":              {"github.com/elimity-com/scim", "github.com/scim2/filter-parser"},
	"scim/internal/elimitytest": {"github.com/elimity-com/scim", "github.com/scim2/filter-parser"},
	"scim/internal/peerbench":   {"github.com/jackc/pgx/v5/stdlib", "modernc.org/sqlite"},
	"internal/pgserver":         {"github.com/jackc/pgx/v5/stdlib"},
	"internal/pgtest":           {"github.com/jackc/pgx/v5"},
}

// pure lists the packages that decide. They link no HTTP, and of other modules
// only what domains in other scripts need.
var pure = []string{"sources", "hierarchy", "timezone", "assignment", "provisioning"}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps,Standard"}, args...)...).Output()
	require.NoError(t, err)
	var packages []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p listed
		require.NoError(t, decoder.Decode(&p))
		packages = append(packages, p)
	}
	return packages
}

func within(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

// TestImports checks the direction of imports: data flows one way, vendor SDKs
// stay in their own package, and test code stays in test packages.
func TestImports(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := within(p.ImportPath)
		if strings.HasPrefix(name, "examples/") {
			continue
		}
		allowed, known := mayImport[name]
		require.True(t, known, "package %q is not in mayImport: say there what it may import", name)
		for _, path := range p.Imports {
			switch {
			case strings.HasPrefix(path, module):
				require.Contains(t, strings.Fields(allowed), within(path), "%s imports %s", name, within(path))
			case strings.Contains(strings.SplitN(path, "/", 2)[0], "."):
				require.True(t, slices.ContainsFunc(mayUse[name], func(prefix string) bool { return strings.HasPrefix(path, prefix) }),
					"%s uses %s", name, path)
			case path == "testing" || strings.HasPrefix(path, "testing/"):
				require.True(t, strings.HasSuffix(name, "test"), "%s imports %s: only packages named ...test may", name, path)
			}
		}
	}
}

// TestPurePackages checks that the deciding packages stay light: a host that
// tests its rules compiles neither HTTP nor a vendor's SDK.
func TestPurePackages(t *testing.T) {
	for _, name := range pure {
		for _, dep := range list(t, "./"+name)[0].Deps {
			require.NotEqual(t, "net/http", dep, "%s links net/http", name)
			if strings.Contains(strings.SplitN(dep, "/", 2)[0], ".") && !strings.HasPrefix(dep, module) {
				require.True(t, strings.HasPrefix(dep, "golang.org/x/net/idna") || strings.HasPrefix(dep, "golang.org/x/text/"), "%s links %s", name, dep)
			}
		}
	}
}

// sdks lists the vendors' SDKs; one package alone compiles each. No package may
// compile a package in tooLarge: that takes gigabytes.
var (
	sdks = map[string][]string{
		"sources/entra": {"github.com/microsoft/", "github.com/microsoftgraph/", "github.com/Azure/"},
		"sources/okta":  {"github.com/okta/"},
	}
	tooLarge = []string{"github.com/microsoftgraph/msgraph-sdk-go", "github.com/microsoftgraph/msgraph-sdk-go/models", "github.com/microsoftgraph/msgraph-sdk-go/users", "github.com/microsoftgraph/msgraph-sdk-go/groups"}
)

// TestSDKs checks that only the package that reads a vendor's directory
// compiles the vendor's SDK, and that no package compiles all of one.
func TestSDKs(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := within(p.ImportPath)
		for _, dep := range p.Deps {
			require.NotContains(t, tooLarge, dep, "%s links %s", name, dep)
			for owner, prefixes := range sdks {
				if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(dep, prefix) }) {
					require.True(t, name == owner || strings.HasPrefix(name, "examples/"), "%s links %s", name, dep)
				}
			}
		}
	}
}
