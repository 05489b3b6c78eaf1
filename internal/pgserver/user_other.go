//go:build !unix

package pgserver

import "syscall"

// unprivileged returns how to run the server: as who we are.
func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, nil }
