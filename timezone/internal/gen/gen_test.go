package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The checked-in tables are what the generator makes of the vendored files.
func TestTablesAreCurrent(t *testing.T) {
	want, err := generate()
	require.NoError(t, err)
	have, err := os.ReadFile(filepath.Join("..", "..", "tables.go"))
	require.NoError(t, err)
	assert.Equal(t, string(want), string(have), "run go generate ./timezone")
}

// The tables are what a program grows by, but for some code.
func TestTablesAreSmall(t *testing.T) {
	w, err := load()
	require.NoError(t, err)
	made, err := build(w)
	require.NoError(t, err)
	size := made.text.Len() + len(made.packedEntries()) + len(made.packedBuckets()) + len(made.packedZones()) + len(made.packedCountries())
	assert.Less(t, size, 100<<10)
}

// Every vendored file is documented, with where it comes from.
func TestVendoredFilesAreDocumented(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	files, err := data.ReadDir("data")
	require.NoError(t, err)
	for _, f := range files {
		assert.Contains(t, string(readme), "`"+f.Name()+"`")
	}
}

// A line of byhand.txt that is wrong, or no longer needed, stops the generator.
func TestCorrectionsAreChecked(t *testing.T) {
	w, err := load()
	require.NoError(t, err)
	for _, c := range []struct {
		word, subject string
		values        []string
	}{
		{"country", "FR", []string{"FRANCE"}},
		{"part", "US-CA", []string{"california"}},
		{"zone", "US America/Denver", []string{"CA"}},
		{"windows", "UTC", []string{"Etc/UTC"}},
		{"retired", "CN-11", []string{"CN-BJ"}},
		{"contry", "FR", []string{"Gaul"}},
	} {
		assert.Error(t, w.correct(c.word, c.subject, c.values), "%s %s", c.word, c.subject)
	}

	w.countries["FR"].names = append(w.countries["FR"].names, "Germany")
	_, err = build(w)
	assert.ErrorContains(t, err, "germany")
}
