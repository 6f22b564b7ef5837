package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/config"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// bypassFlag gives a command that makes a plan the flag that sets the org's own bypass.
func bypassFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("bypass", false, "set the org's own bypass, as 'holdfast org set --bypass' names it, for the user while the plan is applied, and put it back")
}

// bypassOf returns the bypass of the org, if the command was asked for it.
func bypassOf(cmd *cobra.Command, org string, m config.Manners) ([]run.Bypass, error) {
	asked, err := cmd.Flags().GetBool("bypass")
	if err != nil || !asked {
		return nil, err
	}
	if len(m.Bypass) == 0 {
		return nil, problem.Newf(problem.Usage, "%s: org %s has no bypass that is known here", below(cmd), org).
			Hint("name it with `holdfast org set %s --bypass setting:OBJECT.FIELD` or permission:NAME; --automation-off needs none", org)
	}
	var out []run.Bypass
	for _, text := range m.Bypass {
		kind, name, set, err := config.ParseBypass(text)
		if err != nil {
			return nil, err
		}
		out = append(out, run.Bypass{Kind: kind, Name: name, Set: set})
	}
	return out, nil
}

// writeBypass writes what is set for the time of the plan.
func writeBypass(w io.Writer, p *plan.Plan) {
	for _, b := range p.Bypass {
		fmt.Fprintf(w, "the org's bypass %s is set for the user, and put back\n", plain(b.Name))
	}
}

// switched says what of the org's automation was switched, to be put back.
func switched(s run.SwitchedRow) string {
	switch {
	case len(s.Bypass) == 0:
		return plural(len(s.Off), "component")
	case len(s.Off) == 0:
		return plural(len(s.Bypass), "bypass")
	}
	return plural(len(s.Off), "component") + " and " + plural(len(s.Bypass), "bypass")
}
