package soql

// LongID returns the 18-character form of a Salesforce ID. In the 15-character
// form, letters differ by case; the long form has three more characters that say
// which of them are capitals, so that it can be compared without regard to case. A
// text that is no 15-character ID is returned unchanged.
func LongID(id string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	if len(id) != 15 {
		return id
	}
	var suffix [3]byte
	for i := range suffix {
		bits := 0
		for j := range 5 {
			switch c := id[5*i+j]; {
			case c >= 'A' && c <= 'Z':
				bits |= 1 << j
			case (c < 'a' || c > 'z') && (c < '0' || c > '9'):
				return id
			}
		}
		suffix[i] = digits[bits]
	}
	return id + string(suffix[:])
}
