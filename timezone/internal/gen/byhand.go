package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usher-go/usher/timezone/internal/key"
)

// readByHand applies a file of lines written by hand. They are in an order in
// which each needs only those before it.
func (w *world) readByHand(file string) error {
	b, err := data.ReadFile("data/" + file)
	if err != nil {
		return err
	}
	var errs []error
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		head, tail, _ := strings.Cut(line, ":")
		word, subject, _ := strings.Cut(head, " ")
		var values []string
		for v := range strings.SplitSeq(tail, ";") {
			if v = strings.TrimSpace(v); v != "" {
				values = append(values, v)
			}
		}
		if err := w.correct(word, subject, values); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, n, err))
		}
	}
	return errors.Join(errs...)
}

func (w *world) correct(word, subject string, values []string) error {
	switch word {
	case "country":
		return addNames(&w.country(subject).names, values)
	case "part":
		return addNames(&w.state(subject).names, values)
	case "cyrillic":
		return w.addCyrillic(subject, values)
	case "former":
		return addNames(&w.country(values[0]).names, []string{subject})
	case "same", "only":
		w.country(subject).answer = values[0]
	case "none":
		w.country(subject)
	case "territories":
		for _, code := range strings.Fields(values[0]) {
			if w.countries[code] == nil || w.countries[subject] == nil {
				return fmt.Errorf("%s or %s is no country", code, subject)
			}
			w.countries[code].of = subject
		}
	case "zone":
		return w.placeStates(subject, strings.Fields(values[0]))
	case "nowhere":
		w.state(subject).nowhere = true
	case "island":
		w.state(subject).zone = values[0]
	case "windows":
		if w.windows[subject] != "" {
			return fmt.Errorf("CLDR has %s", subject)
		}
		w.windows[subject] = values[0]
	case "label":
		return w.addLabels(key.Labels, subject, values)
	case "west":
		return w.addLabels(key.West, subject, values)
	case "ambiguous":
		return w.labels.add(key.Cities, subject, "")
	case "retired":
		if slices.Equal(w.retired[subject], values) {
			return fmt.Errorf("CLDR has the same alias %s", subject)
		}
		w.retired[subject] = values
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

// addNames refuses a name that folds to one there is.
func addNames(names *[]string, add []string) error {
	var errs []error
	for _, name := range add {
		if k := fold(name); slices.ContainsFunc(*names, func(have string) bool { return fold(have) == k }) {
			errs = append(errs, fmt.Errorf("%q is there already", name))
			continue
		}
		*names = append(*names, name)
	}
	return errors.Join(errs...)
}

func fold(name string) string {
	var buf [key.Max]byte
	return string(buf[:key.Fold(&buf, name)])
}

// placeStates gives the states of one line their zone.
func (w *world) placeStates(subject string, parts []string) error {
	code, zone, _ := strings.Cut(subject, " ")
	c := w.country(code)
	for _, part := range parts {
		if part == "*" {
			c.otherStates = zone
			continue
		}
		part, majority := strings.CutSuffix(part, "~")
		s := w.state(code + "-" + part)
		if s.zone != "" {
			return fmt.Errorf("%s-%s has %s", code, part, s.zone)
		}
		s.zone, s.majority = zone, majority
	}
	return nil
}
