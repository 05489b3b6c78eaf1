// Package timezone decides the time zone of a person from what a directory
// says about them (R69, R74-R79), and the free days of their week.
package timezone
