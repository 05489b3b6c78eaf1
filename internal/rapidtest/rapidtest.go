// Package rapidtest runs the tests of packages that draw their inputs with rapid.
package rapidtest

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

// seed begins the draws of every property.
const seed = 1

// Main is for TestMain. Every run draws the same inputs, on every machine, so
// that a change fails for what it is and not by chance; -rapid.seed=0 draws
// others each time. Under the race detector, which looks for races and not for
// laws, a property is drawn so many times as racing says; 0 stands for rapid's
// own number. A value given on the command line wins.
func Main(m *testing.M, racing int) {
	set("rapid.seed", seed)
	if underRace && racing > 0 {
		set("rapid.checks", racing)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// set sets a flag that rapid has registered, if the test binary links rapid.
func set(name string, value int) {
	if f := flag.Lookup(name); f != nil {
		if err := f.Value.Set(strconv.Itoa(value)); err != nil {
			panic(err)
		}
	}
}
