package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
)

// errMoved says that the file of a SQLite database is no longer at its path. The
// open connections still write to it, but the next start of the program would not
// find what they write.
var errMoved = errors.New("the file of the database was removed or replaced; put it back, or restart the program")

// A place is the path of a SQLite database and the file that was there when the
// database was opened; it stays the same if the pool opens new connections. It is
// zero if the database is in memory.
type place struct {
	path string
	file fs.FileInfo
}

// placeOf returns the place of the database of a connection. It is called after
// the first write, which in layers of file systems may make the file another one.
func placeOf(ctx context.Context, conn *sql.Conn) (at place, err error) {
	if err := conn.QueryRowContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&at.path); err != nil || at.path == "" {
		return place{}, err
	}
	if at.file, err = os.Stat(at.path); err != nil {
		return place{}, nil // a virtual file system has its own names
	}
	return at, nil
}

// check returns errMoved if another file or none is at the place.
func (at place) check() error {
	if at.path == "" {
		return nil
	}
	now, err := os.Stat(at.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(at.file, now) {
		return errMoved
	}
	return nil
}
