//go:build !unix

package pgtest

import "syscall"

// unprivileged returns how to run the server: as who we are.
func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, nil }
