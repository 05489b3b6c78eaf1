package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The checked-in tables are the generator's output for the vendored files.
func TestTablesAreCurrent(t *testing.T) {
	want, err := generate()
	require.NoError(t, err)
	have, err := os.ReadFile(filepath.Join("..", "..", "tables.go"))
	require.NoError(t, err)
	assert.Equal(t, string(want), string(have), "run go generate ./timezone")
}

// The tables are most of what the package adds to the size of a program.
func TestTablesAreSmall(t *testing.T) {
	w, err := load()
	require.NoError(t, err)
	made, err := build(w)
	require.NoError(t, err)
	size := made.text.Len() + len(made.packedEntries()) + len(made.packedBuckets()) + len(made.packedZones()) + len(made.packedCountries())
	assert.Less(t, size, 120<<10)
}

// Every vendored file is documented, including its source.
func TestVendoredFilesAreDocumented(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	files, err := data.ReadDir("data")
	require.NoError(t, err)
	for _, f := range files {
		assert.Contains(t, string(readme), "`"+f.Name()+"`")
	}
}

// A line of byhand.txt that is wrong or no longer needed makes the generator
// fail.
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
		{"territories", "FR", []string{"GF XX"}},
		{"label", "Europe/Paris", []string{"Eastern Time (US & Canada)"}},
		{"label", "Romance Standard", []string{"Paris"}},
		{"label", "Europe/Paris", []string{"Париж"}},
		{"cyrillic", "RU-SVE", []string{"Київ"}},
	} {
		assert.Error(t, w.correct(c.word, c.subject, c.values), "%s %s", c.word, c.subject)
	}

	w.countries["FR"].names = append(w.countries["FR"].names, "Germany")
	_, err = build(w)
	assert.ErrorContains(t, err, "germany")
}

// The name of a metazone alone means one zone or nothing, however many zones
// its country has.
func TestOnlyZone(t *testing.T) {
	w, err := load()
	require.NoError(t, err)
	home := w.homes()
	for want, zones := range map[string][]string{
		"Asia/Tokyo":                     {"Asia/Tokyo"},
		"America/Argentina/Buenos_Aires": {"America/Argentina/Salta", "America/Argentina/Jujuy"}, // of a country whose zones keep the same rules
		"":                               {"America/Chicago", "America/Menominee"},               // of a country whose zones differ
	} {
		assert.Equal(t, want, w.onlyZone(zones, home))
	}
	assert.Empty(t, w.onlyZone([]string{"Europe/Madrid", "Africa/Ceuta"}, home), "a primary zone does not stand for the others")
	assert.Empty(t, w.onlyZone([]string{"Asia/Dubai", "Asia/Muscat"}, home), "never across a border")
	assert.Empty(t, w.onlyZone([]string{"Etc/UTC"}, home), "of no country")
}

func TestRomanisations(t *testing.T) {
	for _, c := range []struct{ code, name, want string }{
		{"RU-X", "Челябинская", "celabinskaa celjabinskaja cheljabinskaja chelyabinskaya cheliabinskaia"},
		{"RU-X", "Хабаровский", "habarovskij khabarovskij khabarovskiy khabarovsky khabarovskii"},
		{"RU-X", "Ямало-Ненецкий", "amalo-neneckij jamalo-neneckij yamalo-nenetskiy yamalo-nenetsky iamalo-nenetskii"},
		{"MN-X", "Өмнөговь", "omnogov omnogovi umnugovi"},
		{"MN-X", "Ховд", "hovd khovd"},
	} {
		w := &world{countries: map[string]*country{}}
		require.NoError(t, w.addCyrillic(c.code, []string{c.name}))
		assert.Equal(t, c.want, strings.Join(w.state(c.code).names, " "))
	}
}
