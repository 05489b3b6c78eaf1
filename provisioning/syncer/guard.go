package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// errPanicked says that a function of the host, or the decision about one
// connection, panicked.
var errPanicked = errors.New("panic")

// guard calls do, and returns its panic as an error that matches errPanicked. It logs
// where the panic came from. So the trouble of one tenant does not stop the process,
// in which other tenants are decided.
func (s *Syncer) guard(ctx context.Context, target Target, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("syncer: %w: %v", errPanicked, p)
			s.cfg.Logger.LogAttrs(ctx, slog.LevelError, "syncer: panic", slog.String("tenant", target.Tenant),
				slog.String("connection", target.Connection), slog.String("stack", string(debug.Stack())))
		}
	}()
	return do()
}
