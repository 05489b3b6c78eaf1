// Package set handles sets of names that are kept as sorted slices.
package set

import "slices"

// Of returns names sorted, each once. If names is already so, it returns names
// itself.
func Of(names []string) []string {
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			names = slices.Clone(names)
			slices.Sort(names)
			return slices.Compact(names)
		}
	}
	return names
}

// Has reports whether name is in a set.
func Has(set []string, name string) bool {
	_, found := slices.BinarySearch(set, name)
	return found
}

// Without returns the names of a set that are not in another.
func Without(set, other []string) []string {
	var rest []string
	for _, name := range set {
		if !Has(other, name) {
			rest = append(rest, name)
		}
	}
	return rest
}
