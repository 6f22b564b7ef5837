package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionResult is what `version --json` prints.
type versionResult struct {
	Version  string `json:"version" doc:"release, or (devel)"`
	Revision string `json:"revision,omitempty" doc:"commit that it was built from"`
	Go       string `json:"go" doc:"Go release that built it"`
	Platform string `json:"platform" doc:"operating system and processor"`
}

func (a *app) versionCommand() *cobra.Command {
	return a.command(spec{
		use:     "version",
		group:   groupOther,
		short:   "say which release this is",
		long:    "Says which release this is, and what built it.",
		example: "holdfast version\nholdfast version --json",
		result:  versionResult{},
	}, func(*cobra.Command, []string) error {
		r := release()
		return a.print(r, func(w io.Writer) { fmt.Fprintln(w, r) })
	})
}

// release says what was built into the program.
func release() versionResult {
	r := versionResult{
		Version: "(devel)", Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return r
	}
	if info.Main.Version != "" {
		r.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			r.Revision = s.Value
		}
	}
	return r
}

// String is the line that people quote in reports.
func (r versionResult) String() string {
	return fmt.Sprintf("holdfast %s (%s, %s)", r.Version, r.Go, r.Platform)
}
