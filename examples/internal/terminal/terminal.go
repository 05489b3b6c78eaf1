// Package terminal has what the example programs share: how they begin and end, and
// how their output looks on a terminal and in a pipe.
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

// Outcomes that are not failures.
var (
	ErrUsage = errors.New("usage") // it was already printed
	ErrWaits = errors.New("something waits")
)

// ErrUnread is the error of a change that did not begin because the output was
// closed while the plan was printed.
var ErrUnread = errors.New("the output was closed before the plan was shown to its end; nothing was changed")

// ExitStatus describes the results of Status, for -help.
const ExitStatus = `Exit status: 0 nothing to do or all done, 1 failed, 2 wrong command line,
3 something waits to be done, approved or looked at.
`

// Status returns the exit status for an outcome.
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

// Message returns the text to print for an outcome: "" unless it is a failure.
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

// Wrong prints everything that is wrong with a command line, and returns nil if
// nothing is. Empty texts are ignored.
func Wrong(flags *flag.FlagSet, what ...string) error {
	what = slices.DeleteFunc(what, func(text string) bool { return text == "" })
	if len(what) == 0 {
		return nil
	}
	fmt.Fprintf(flags.Output(), "%s: %s; -help says more\n", flags.Name(), strings.Join(what, "; "))
	return ErrUsage
}

// Main runs a program with a context that ends at the first ctrl-C, and exits. A
// second ctrl-C ends the program at once. A closed pipe does not end it: the writer
// gets an error from its Screen.
func Main(program string, run func(ctx context.Context) error) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx)
	fmt.Fprint(NewScreen(os.Stderr, os.Getenv).Painted(), Message(program, err))
	os.Exit(Status(err))
}

// A Screen is a standard output or standard error. If its reader has closed it, as
// head or a pager does, writes succeed and are dropped.
type Screen struct {
	w       io.Writer
	columns func() int // nil if it is no terminal
	escapes bool       // lines can be written over
	colours bool
	drawn   bool // a line of progress is shown
	closed  atomic.Bool
}

// NewScreen returns the screen for w, which is a terminal if w is a file that is
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
