//go:build !unix

package cli

import "syscall"

// detached is nothing: where there are no file locks there are no applications, either.
func detached() *syscall.SysProcAttr { return nil }
