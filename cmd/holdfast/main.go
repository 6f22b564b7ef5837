// Command holdfast backs up a Salesforce org, shows what changed, and brings it back right.
package main

import (
	"os"

	"holdfast/internal/cli"
)

func main() {
	os.Exit(cli.Program(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
