package rest

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/usher-go/usher/sources"
)

// A Text is a string, number or boolean of a JSON answer, as text. Null is the
// empty text. Any other value is an error.
type Text struct {
	Value string
	// Given says that the answer has the key, also if its value is null. A value
	// that is not given is unknown, not empty.
	Given bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(data []byte) error {
	t.Given = true
	switch data[0] {
	case 'n':
		t.Value = ""
		return nil
	case '"':
		return json.Unmarshal(data, &t.Value)
	case '{', '[':
		return errors.New("want a text, a number or a boolean")
	}
	t.Value = string(data)
	return nil
}

// Texts is a list of IDs of a JSON answer: strings and numbers, as texts. Null is the
// empty list; null or an empty text as an element is an error, since it is no ID.
type Texts struct {
	Values []string
	// Given says that the answer has the key, also if its value is null.
	Given bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Texts) UnmarshalJSON(data []byte) error {
	var list sources.Values
	if data[0] != '[' && data[0] != 'n' {
		return errors.New("want a list")
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	if slices.Contains(list, "") {
		return errors.New("want a list without empty elements")
	}
	t.Values, t.Given = list, true
	return nil
}
