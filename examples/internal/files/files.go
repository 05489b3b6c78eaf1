// Package files reads the input files of the example programs, and reports all
// problems of a file at once.
package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/usher-go/usher/internal/strictjson"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/sources"
)

// Read parses a file of at most limit bytes. The error names the file once, and
// lists all its problems.
func Read[T any](path string, limit int64, parse func([]byte) (T, error)) (T, error) {
	var none T
	file, err := os.Open(path)
	if err != nil {
		return none, InFile(path, err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return none, InFile(path, err)
	}
	if int64(len(data)) > limit {
		return none, InFile(path, fmt.Errorf("more than %d bytes", limit))
	}
	value, err := parse(data)
	if err != nil {
		return none, InFile(path, err)
	}
	return value, nil
}

// MaxRules is the largest size of a file of rules, in bytes.
const MaxRules = 16 << 20

// ReadRules reads rules from a file; see ParseRules.
func ReadRules(path, kind string) (*provisioning.Resolver, error) {
	return Read(path, MaxRules, func(data []byte) (*provisioning.Resolver, error) { return ParseRules(data, kind) })
}

// ParseRules returns the resolver of a config for a directory of a kind, or of any
// kind if it is "". The error lists all problems.
func ParseRules(data []byte, kind string) (*provisioning.Resolver, error) {
	cfg, err := provisioning.ParseConfig(data)
	var invalid *provisioning.ConfigError
	if err != nil && !errors.As(err, &invalid) {
		return nil, err
	}
	var problems []provisioning.Problem
	if invalid != nil {
		problems = invalid.Problems
		_ = json.Unmarshal(data, &cfg) // decodes as much as possible
	}
	if kind != "" && cfg.Source != "" && !sources.SameKind(cfg.Source, kind) {
		problems = append(problems, provisioning.Problem{
			Path: "source", Message: fmt.Sprintf("is %q; want %q, as the directory is", cfg.Source, kind),
		})
	}
	if len(problems) > 0 {
		return nil, &provisioning.ConfigError{Problems: problems}
	}
	return provisioning.New(cfg)
}

// InFile returns an error with the name of the file and what is wrong with it,
// without the names of functions.
func InFile(path string, err error) error {
	var (
		list    []string
		invalid *provisioning.ConfigError
		finds   strictjson.Errors
		system  *fs.PathError
	)
	switch {
	case errors.As(err, &invalid):
		for _, problem := range invalid.Problems {
			if !problem.Warning {
				list = append(list, strings.TrimPrefix(problem.String(), ": "))
			}
		}
	case errors.As(err, &finds):
		list = strings.Split(finds.Error(), "\n")
	case errors.As(err, &system):
		err = system.Err
	}
	switch len(list) {
	case 0:
		text := err.Error()
		for _, function := range []string{"sources: read snapshot: ", "provisioning: members: ", "provisioning: "} {
			text = strings.TrimPrefix(text, function)
		}
		return &fileError{path + ": " + text, err}
	case 1:
		return &fileError{path + ": " + list[0], err}
	}
	return &fileError{fmt.Sprintf("%s: %d things are wrong:\n  %s", path, len(list), strings.Join(list, "\n  ")), err}
}

type fileError struct {
	text string
	err  error
}

func (e *fileError) Error() string { return e.text }
func (e *fileError) Unwrap() error { return e.err }
