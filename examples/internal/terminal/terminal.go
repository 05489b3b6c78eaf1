// Package terminal is what the example programs share around their work: how
// they begin and end, and how what they print looks on a terminal and in a pipe.
package terminal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/term"
)

// The outcomes that are no failures.
var (
	ErrUsage = errors.New("usage") // it has been told already
	ErrWaits = errors.New("something waits")
)

// ErrUnread is the error of a change that was not begun, since somebody stopped
// reading the plan.
var ErrUnread = errors.New("the output was closed before the plan was shown to its end; nothing was changed")

// ExitStatus says, for -help, what Status returns.
const ExitStatus = `Exit status: 0 nothing to do or all done, 1 failed, 2 wrong command line,
3 something waits to be done, approved or looked at.
`

// Status is the exit status of an outcome.
func Status(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, ErrUsage):
		return 2
	case errors.Is(err, ErrWaits):
		return 3
	}
	return 1
}

// Message is what remains to be told of an outcome: nothing, unless it is a
// failure.
func Message(program string, err error) string {
	switch {
	case Status(err) != 1:
		return ""
	case errors.Is(err, context.Canceled):
		return program + ": interrupted; nothing was changed\n"
	}
	return fmt.Sprintf("%s: %s\n", program, err)
}

// Parse parses a command line. It prints what is wrong with it in one line; -help
// prints the usage, the flags and what more prints, if that is not nil.
func Parse(flags *flag.FlagSet, args []string, stderr io.Writer, usage string, more func(io.Writer)) error {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	err := flags.Parse(args)
	flags.SetOutput(stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
		if more != nil {
			more(stderr)
		}
		return err
	case err != nil:
		return Wrong(flags, err.Error())
	case flags.NArg() > 0:
		return Wrong(flags, fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	}
	return nil
}

// Wrong tells everything that is wrong with a command line, and returns nil if
// nothing is. Empty texts are nothing.
func Wrong(flags *flag.FlagSet, what ...string) error {
	what = slices.DeleteFunc(what, func(text string) bool { return text == "" })
	if len(what) == 0 {
		return nil
	}
	fmt.Fprintf(flags.Output(), "%s: %s; -help says more\n", flags.Name(), strings.Join(what, "; "))
	return ErrUsage
}

// Main runs a program with a context that ends with the first ctrl-C, and exits.
// A second ctrl-C ends the program at once. A pipe that somebody stopped reading
// is told to the writer, by the error of a Screen, and does not end it.
func Main(program string, run func(ctx context.Context) error) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx)
	fmt.Fprint(NewScreen(os.Stderr, os.Getenv).Painted(), Message(program, err))
	os.Exit(Status(err))
}

// A Screen is a standard output or error. Once nobody reads it, as behind head
// or a pager that was left, it takes what is written and drops it.
type Screen struct {
	w       io.Writer
	columns func() int // nil: it is no terminal
	escapes bool       // lines can be written over
	colours bool
	drawn   bool // a line of progress stands there
	closed  atomic.Bool
}

// NewScreen returns the screen that w is: a terminal, if it is a file that is
// one. It has colours unless the environment says otherwise: NO_COLOR is set to
// anything (no-color.org), or TERM is dumb.
func NewScreen(w io.Writer, env func(string) string) *Screen {
	if s, ok := w.(*Screen); ok {
		return s
	}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return &Screen{w: w}
	}
	s := NewTerminal(w, func() int {
		columns, _, err := term.GetSize(int(file.Fd()))
		if err != nil || columns <= 0 {
			return 80
		}
		return columns
	})
	s.escapes = env("TERM") != "dumb" && (runtime.GOOS != "windows" || env("WT_SESSION") != "" || env("TERM") != "")
	s.colours = s.escapes && env("NO_COLOR") == ""
	return s
}

// NewTerminal returns the screen of a terminal with colours.
func NewTerminal(w io.Writer, columns func() int) *Screen {
	return &Screen{w: w, columns: columns, escapes: true, colours: true}
}

// IsTerminal reports whether somebody looks at it.
func (s *Screen) IsTerminal() bool { return s.columns != nil }

// Redraws reports whether a line of progress can be written over.
func (s *Screen) Redraws() bool { return s.escapes }

// Columns returns how wide the terminal is, or 0 where it is none.
func (s *Screen) Columns() int {
	if s.columns == nil {
		return 0
	}
	return s.columns()
}

// Closed reports whether nobody reads any more what is written.
func (s *Screen) Closed() bool { return s.closed.Load() }

// Write implements io.Writer.
func (s *Screen) Write(data []byte) (int, error) {
	if s.Closed() {
		return len(data), nil
	}
	n, err := s.w.Write(data)
	if errors.Is(err, syscall.EPIPE) {
		s.closed.Store(true)
		return len(data), nil
	}
	return n, err
}
