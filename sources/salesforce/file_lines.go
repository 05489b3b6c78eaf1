package salesforce

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A lineReader is the reader of a json.Decoder. It counts lines, so that an error
// can name the line. It keeps the ends of those lines only that the decoder has not
// passed.
type lineReader struct {
	r    io.Reader
	dec  *json.Decoder
	read int64   // bytes that were read
	past int     // lines that end before those in ends
	ends []int64 // offsets after the ends of lines, ascending
}

// newLineDecoder returns a decoder of r and its lineReader. before is the number of
// lines of the file that were read before.
func newLineDecoder(r io.Reader, before int) (*json.Decoder, *lineReader) {
	l := &lineReader{r: r, past: before}
	l.dec = json.NewDecoder(l)
	return l.dec, l
}

// Read implements io.Reader.
func (l *lineReader) Read(p []byte) (int, error) {
	done := l.behind()
	l.past += done
	l.ends = append(l.ends[:0], l.ends[done:]...)
	n, err := l.r.Read(p)
	for at := 0; ; {
		end := bytes.IndexByte(p[at:n], '\n')
		if end < 0 {
			break
		}
		at += end + 1
		l.ends = append(l.ends, l.read+int64(at))
	}
	l.read += int64(n)
	return n, err
}

// behind returns how many of ends the decoder has passed.
func (l *lineReader) behind() int {
	at, n := l.dec.InputOffset(), 0
	for n < len(l.ends) && l.ends[n] <= at {
		n++
	}
	return n
}

// in adds the line of the decoder to an error of decoding. The decoder is then at
// the end of the last token or record, and what is wrong follows it.
func (l *lineReader) in(err error) error {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	if !syntax && !mistyped {
		return err
	}
	return fmt.Errorf("line %d or soon after: %w", l.past+l.behind()+1, err)
}
