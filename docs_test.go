package usher_test

import (
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usher-go/usher/provisioning"
)

var fence = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

// pages are the documents that are written by hand, by their path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	read := func(name string) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		found[name] = string(text)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "llms.txt"} {
		read(name)
	}
	require.NoError(t, filepath.WalkDir("docs", func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".md") {
			read(filepath.ToSlash(name))
		}
		return err
	}))
	return found
}

// TestGuidesAreAutomatic checks that the documentation recommends automatic
// provisioning, and that every config of a guide has it (R6).
func TestGuidesAreAutomatic(t *testing.T) {
	mode := regexp.MustCompile(`(?:"mode": "|Mode: +assignment\.)(\w+)`)
	all := pages(t)
	require.Regexp(t, `\| mode \| automatic: .*recommended, since the data stays current \(R6\)`, all["docs/guides/glossary.md"])
	for _, provider := range []string{"okta", "entra", "salesforce", "onelogin", "rippling"} {
		found := mode.FindAllStringSubmatch(all["docs/guides/"+provider+".md"], -1)
		require.NotEmpty(t, found, provider)
		for _, match := range found {
			require.Equal(t, "automatic", strings.ToLower(match[1]), provider)
		}
	}
}

// TestGuidesCompile compiles and vets the Go code of every guide, and runs its
// tests and examples, in a module that requires this one, as a host's module
// does. The blocks of a page, one after another, are one file, which begins
// with the package clause: a test file if the package's name ends with _test. A
// block with a path after its language ("testdata/...") is saved at that path.
func TestGuidesCompile(t *testing.T) {
	host := hostModule(t)
	var found int
	for name, text := range pages(t) {
		var code strings.Builder
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			if block[1] == "go" {
				code.WriteString(block[2] + "\n")
			}
		}
		if !strings.HasPrefix(name, "docs/guides/") || code.Len() == 0 {
			continue
		}
		found++
		formatted, err := format.Source([]byte(code.String()))
		require.NoError(t, err, name)
		require.True(t, string(formatted) == strings.TrimSuffix(code.String(), "\n"), "%s: not as gofmt has it", name)
		page := strings.TrimSuffix(path.Base(name), ".md")
		file := page + ".go"
		if clause, _, _ := strings.Cut(code.String(), "\n"); strings.HasSuffix(clause, "_test") {
			file = page + "_test.go"
		}
		require.NoError(t, os.Mkdir(filepath.Join(host, page), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(host, page, file), formatted, 0o600))
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			if _, name, named := strings.Cut(block[1], " "); named && strings.HasPrefix(name, "testdata/") {
				require.NoError(t, os.MkdirAll(filepath.Join(host, page, "testdata"), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(host, page, name), []byte(block[2]), 0o600))
			}
		}
	}
	require.NotZero(t, found)
	for _, command := range []string{"vet", "test"} {
		cmd := exec.Command("go", command, "./...")
		cmd.Dir = host
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %s\n%s", command, out)
	}
}

// hostModule creates a module that requires this module and everything that
// this module requires.
func hostModule(t *testing.T) string {
	t.Helper()
	host := t.TempDir()
	here, err := os.Getwd()
	require.NoError(t, err)
	requires, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	text := strings.Replace(string(requires), "module "+module+"\n", "module host.example/guides\n", 1)
	require.Contains(t, text, "host.example")
	text += "\nrequire " + module + " v0.0.0\nreplace " + module + " => " + strconv.Quote(here) + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(host, "go.mod"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(host, "go.sum"), sums, 0o600))
	return host
}

// TestGuidesConfigs checks that the configs in the guides are valid.
func TestGuidesConfigs(t *testing.T) {
	for name, text := range pages(t) {
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(block[1], "json config") {
				_, err := provisioning.ParseConfig([]byte(block[2]))
				require.NoError(t, err, "%s\n%s", name, block[2])
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks checks that every link from a document to a target within the
// repository is valid, headings included.
func TestLinks(t *testing.T) {
	all := pages(t)
	for name, text := range all {
		for _, found := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			target, err := url.Parse(found[1])
			require.NoError(t, err, name)
			if target.Scheme != "" {
				continue
			}
			file := name
			if target.Path != "" {
				file = path.Join(path.Dir(name), target.Path)
			}
			_, err = os.Stat(file)
			require.NoError(t, err, "%s links to %s", name, found[1])
			if target.Fragment == "" {
				continue
			}
			var anchors []string
			for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(all[file], ""), -1) {
				anchors = append(anchors, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
			}
			require.Contains(t, anchors, target.Fragment, "%s links to %s", name, found[1])
		}
	}
}

// TestIndex checks that the index names every page, and that the index for
// machines names every guide and reference.
func TestIndex(t *testing.T) {
	all := pages(t)
	for name := range all {
		if !strings.HasPrefix(name, "docs/") || name == "docs/README.md" {
			continue
		}
		if strings.HasPrefix(name, "docs/decisions/") {
			if name != "docs/decisions/README.md" {
				require.Contains(t, all["docs/decisions/README.md"], "("+path.Base(name), "the list of decisions does not name %s", name)
			}
			continue
		}
		require.Contains(t, all["docs/README.md"], "("+strings.TrimPrefix(name, "docs/"), "the index does not name %s", name)
		require.Contains(t, all["llms.txt"], "("+name, "llms.txt does not name %s", name)
	}
}

// TestNames checks that every name of this module that a document writes as
// code, such as `syncer.Setup.Interval`, exists.
func TestNames(t *testing.T) {
	names := exported(t)
	quoted := regexp.MustCompile("`" + `([a-z]+)\.([A-Z]\w*(?:\.[A-Z]\w*)?)(?:\([^` + "`" + `]*\))?` + "`")
	for file, text := range pages(t) {
		for _, found := range quoted.FindAllStringSubmatch(text, -1) {
			if known, ours := names[found[1]]; ours {
				require.True(t, known[found[2]], "%s names %s", file, found[0])
			}
		}
	}
}

// exported returns the exported names of the module's packages by the last
// element of the package path: functions, types, values, methods and fields
// ("Type.Field"). Two packages named sqlstore share one entry.
func exported(t *testing.T) map[string]map[string]bool {
	t.Helper()
	names := make(map[string]map[string]bool)
	for _, p := range list(t, "./...") {
		dir := within(p.ImportPath)
		if dir == "" || strings.Contains(dir, "internal") || strings.HasPrefix(dir, "examples/") {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		known := names[path.Base(dir)]
		if known == nil {
			known = make(map[string]bool)
			names[path.Base(dir)] = known
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, decl := range parsed.Decls {
				declared(decl, known)
			}
		}
	}
	return names
}

func declared(decl ast.Decl, known map[string]bool) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			receiver := d.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if of, ok := receiver.(*ast.Ident); ok {
				name = of.Name + "." + name
			}
		}
		known[name] = true
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					known[name.Name] = true
				}
			case *ast.TypeSpec:
				known[s.Name.Name] = true
				var members *ast.FieldList
				switch typ := s.Type.(type) {
				case *ast.StructType:
					members = typ.Fields
				case *ast.InterfaceType:
					members = typ.Methods
				}
				if members == nil {
					continue
				}
				for _, member := range members.List {
					for _, name := range member.Names {
						known[s.Name.Name+"."+name.Name] = true
					}
				}
			}
		}
	}
}
