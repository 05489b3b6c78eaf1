package salesforce

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/usher-go/usher/sources/internal/rest"
)

const textBuffer = 64 << 10 // bytes

// newTextReader returns the text of a saved file as UTF-8, without a byte order
// mark and without the colours of a terminal. It converts UTF-16, as Windows
// PowerShell writes it. For an unknown encoding, the error says what to do.
func newTextReader(r io.Reader) (*bufio.Reader, error) {
	raw := bufio.NewReaderSize(r, textBuffer)
	head, err := raw.Peek(4)
	if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var order binary.ByteOrder
	mark := 0
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(head, []byte("\x00\x00\xfe\xff")):
		return nil, rest.Malformed("the file is in UTF-32: save it as UTF-8")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return nil, rest.Malformed("the file is compressed, or a workbook: unpack it, or save it as JSON or CSV")
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		mark = 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		mark, order = 2, binary.LittleEndian
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		mark, order = 2, binary.BigEndian
	case len(head) > 1 && head[0] != 0 && head[1] == 0: // ASCII in UTF-16 without a mark
		order = binary.LittleEndian
	case len(head) > 1 && head[0] == 0 && head[1] != 0:
		order = binary.BigEndian
	}
	if _, err := raw.Discard(mark); err != nil {
		return nil, err
	}
	text := io.Reader(raw)
	if order != nil {
		text = &utf16Reader{raw: raw, order: order}
	}
	return bufio.NewReaderSize(&textReader{raw: text}, textBuffer), nil
}

// utf16Reader converts UTF-16 to UTF-8. Half of a surrogate pair becomes U+FFFD.
type utf16Reader struct {
	raw   *bufio.Reader
	order binary.ByteOrder
}

func (u *utf16Reader) Read(p []byte) (n int, err error) {
	for len(p)-n >= utf8.UTFMax {
		unit, err := u.unit(0)
		if err != nil {
			if n > 0 {
				return n, nil // the next read returns the error
			}
			return 0, err
		}
		r := rune(unit)
		size := 2
		if utf16.IsSurrogate(r) {
			if low, err := u.unit(2); err == nil && utf16.DecodeRune(r, rune(low)) != utf8.RuneError {
				r, size = utf16.DecodeRune(r, rune(low)), 4
			}
		}
		if _, err := u.raw.Discard(size); err != nil {
			return n, err
		}
		n += utf8.EncodeRune(p[n:], r)
	}
	return n, nil
}

// unit returns the UTF-16 unit at an offset in bytes.
func (u *utf16Reader) unit(at int) (uint16, error) {
	two, err := u.raw.Peek(at + 2)
	switch {
	case len(two) == at+2:
		return u.order.Uint16(two[at:]), nil
	case len(two) > at && errors.Is(err, io.EOF):
		return 0, rest.Malformed("the file is in UTF-16 and ends in the middle of a character")
	}
	return 0, err
}

// textReader reads UTF-8 and removes the control sequences for the colours of a
// terminal. It refuses other encodings: a letter that is decoded wrongly would
// change somebody's name.
type textReader struct {
	raw     io.Reader
	cut     []byte // the incomplete character at the end of the last piece
	read    int64  // bytes of text so far
	control int    // 1 behind ESC, 2 inside a control sequence
}

const escape = 0x1b

func (t *textReader) Read(p []byte) (int, error) {
	if len(p) <= utf8.UTFMax {
		return 0, io.ErrShortBuffer
	}
	for {
		n := copy(p, t.cut)
		more, err := t.raw.Read(p[n:])
		n += more
		whole := wholeRunes(p[:n])
		t.cut = append(t.cut[:0], p[whole:n]...)
		if !utf8.Valid(p[:whole]) || errors.Is(err, io.EOF) && len(t.cut) > 0 {
			return 0, rest.Malformed("the file is not UTF-8, from byte %d on: save it as UTF-8, in PowerShell with -Encoding utf8", t.read+int64(validPrefix(p[:n])))
		}
		t.read += int64(whole)
		kept, bad := t.plain(p[:whole])
		if bad != nil {
			return 0, bad
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}

// wholeRunes returns the number of bytes up to the end of the last complete
// character.
func wholeRunes(text []byte) int {
	for i := len(text) - 1; i >= 0 && i >= len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if utf8.FullRune(text[i:]) {
				break
			}
			return i
		}
	}
	return len(text)
}

func validPrefix(text []byte) int {
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	return at
}

// plain removes control sequences (ECMA-48, 5.4: ESC, [, parameters and a final
// byte from @ to ~) from text in place, and returns the remaining length.
func (t *textReader) plain(text []byte) (int, error) {
	if t.control == 0 && bytes.IndexByte(text, escape) < 0 {
		return len(text), nil
	}
	kept := 0
	for _, c := range text {
		switch {
		case t.control == 2:
			if '@' <= c && c <= '~' {
				t.control = 0
			}
		case t.control == 1:
			if c != '[' {
				return 0, rest.Malformed("the file holds control characters of a terminal: save what sf prints with > or --output-file")
			}
			t.control = 2
		case c == escape:
			t.control = 1
		default:
			text[kept] = c
			kept++
		}
	}
	return kept, nil
}
