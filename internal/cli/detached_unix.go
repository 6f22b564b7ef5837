//go:build unix

package cli

import "syscall"

// detached are the attributes of a process that gets no signal of this one's terminal and outlives its session.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
