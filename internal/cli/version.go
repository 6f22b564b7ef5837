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
		r := versionResult{
			Version: "(devel)", Go: runtime.Version(),
			Platform: runtime.GOOS + "/" + runtime.GOARCH,
		}
		if info, ok := debug.ReadBuildInfo(); ok {
			if info.Main.Version != "" {
				r.Version = info.Main.Version
			}
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" {
					r.Revision = s.Value
				}
			}
		}
		return a.print(r, func(w io.Writer) {
			fmt.Fprintf(w, "holdfast %s (%s, %s)\n", r.Version, r.Go, r.Platform)
		})
	})
}
