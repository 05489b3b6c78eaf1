// Command gen writes the tables of package timezone from the files in data. It
// uses no network and no clock: the same files give the same bytes.
//
//	go generate ./timezone
package main

import (
	"embed"
	"flag"
	"log"
	"os"
)

//go:embed data
var data embed.FS

func main() {
	log.SetFlags(0)
	out := flag.String("out", "tables.go", "file to write")
	flag.Parse()
	source, err := generate()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, source, 0o644); err != nil {
		log.Fatal(err)
	}
}

// generate returns the source of the tables.
func generate() ([]byte, error) {
	w, err := load()
	if err != nil {
		return nil, err
	}
	t, err := build(w)
	if err != nil {
		return nil, err
	}
	return t.source()
}
