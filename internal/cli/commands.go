package cli

import "github.com/spf13/cobra"

// commands returns every command, in the order in which the help lists them within their groups.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.initCommand(),
		a.backupCommand(),
		a.snapshotsCommand(),
		a.showCommand(),
		a.diffCommand(),
		a.driftCommand(),
		a.historyCommand(),
		a.findCommand(),
		a.restoreCommand(),
		a.guardCommand(),
		a.rollbackCommand(),
		a.applyCommand(),
		a.seedCommand(),
		a.loadCommand(),
		a.drillCommand(),
		a.successorsCommand(),
		a.checkCommand(),
		a.verifyCommand(),
		a.fileCommand(),
		a.exportCommand(),
		a.rescueCommand(),
		a.copyCommand(),
		a.repairCommand(),
		a.pruneCommand(),
		a.unexpireCommand(),
		a.eraseCommand(),
		a.keyCommand(),
		a.demoCommand(),
		a.emulateCommand(),
		a.orgCommand(),
		a.versionCommand(),
		a.watchdogCommand(),
	}
}
