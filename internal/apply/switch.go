package apply

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/automation"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Deployer is the door through which automation is switched. A deployment of the same archive may be
// repeated: it changes nothing that it has changed before.
type Deployer interface {
	// Retrieve returns the components of a manifest.
	Retrieve(ctx context.Context, m sf.Manifest) (sf.Retrieved, error)
	// StartDeploy sends an archive and returns the Id of the deployment.
	StartDeploy(ctx context.Context, archive []byte, opts sf.DeployOptions) (string, error)
	// AwaitDeploy waits for the end of a deployment. One that failed is no error.
	AwaitDeploy(ctx context.Context, id string) (sf.Deployment, error)
	// CancelDeploy asks the org to stop a deployment, which may end in any state all the same.
	CancelDeploy(ctx context.Context, id string) error
}

// Bounds of switching.
const (
	// priorBytes bounds the archive of what was there before, which is one entry of the journal.
	priorBytes = 10 << 20
	// putBackTime is how long putting back may take after a run has failed or was interrupted.
	putBackTime = 30 * time.Minute
	// stopPolls is how often a job that is to end is looked at: for half an hour, at pollMost.
	stopPolls = 190
)

// switchOff writes down what is there, and then switches off what the plan says. What is there is read
// anew: the plan may be hours old. A component that is gone, or off already, is left alone. A run that goes
// on switches off again what the journal has as off: the earlier one may have died after it had put that
// back, and before it wrote so. What the earlier one sent has ended before anything is looked at.
func (a *application) switchOff(ctx context.Context) error {
	wanted := a.ledger.plan.SwitchedOff()
	if len(wanted) == 0 || a.ledger.count(rowPending) == 0 {
		return nil
	}
	if a.opts.Deployer == nil {
		return problem.New(problem.Usage, "the plan switches automation off, and nothing was given to do that with")
	}
	if off, err := a.dropChanged(ctx); err != nil || off {
		return err
	}
	if a.ledger.prior == nil || a.ledger.back { // each time anew: somebody may have changed it meanwhile
		if err := a.writePrior(ctx, wanted); err != nil {
			return err
		}
	}
	files, keys, err := a.priorFiles()
	if err != nil || len(keys) == 0 {
		return err
	}
	off, err := automation.Off(files, keys)
	if err != nil {
		return fmt.Errorf("switch automation off: %w", err)
	}
	id, err := a.deploy(ctx, switchOff, off, keys)
	if err != nil {
		return err
	}
	return a.record(entry{T: entryOff, Job: id})
}

// dropChanged ends the switching of a run that died when somebody has changed a part of it since: to switch
// that off again would deploy what the journal has over it. It reports that all of it is off as it is.
func (a *application) dropChanged(ctx context.Context) (off bool, err error) {
	if a.ledger.prior == nil || a.ledger.back {
		return false, nil
	}
	if err := a.settleDeploy(ctx, false); err != nil {
		return false, err
	}
	files, keys, err := a.priorFiles()
	if err != nil {
		return false, err
	}
	s, err := a.standing(ctx, files, keys)
	if err != nil || len(s.left) == 0 {
		return err == nil && len(s.off) == len(keys), err
	}
	return false, a.putBack(ctx)
}

// writePrior puts what the org has of these components into the journal, before anything is changed.
func (a *application) writePrior(ctx context.Context, wanted []sf.ComponentKey) error {
	files, err := a.retrieve(ctx, wanted)
	if err != nil {
		return err
	}
	rules, err := automation.Read(files)
	if err != nil {
		return fmt.Errorf("read automation: %w", err)
	}
	var keys []sf.ComponentKey
	for _, r := range rules {
		if r.Active && slices.Contains(wanted, r.ComponentKey) {
			keys = append(keys, r.ComponentKey)
		}
	}
	prior, err := automation.Only(files, keys)
	if err != nil {
		return fmt.Errorf("read automation: %w", err)
	}
	body, err := component.Pack(prior)
	if err != nil {
		return err
	}
	if len(body) > priorBytes {
		return problem.Newf(problem.Limits, "the components to be switched off have %d bytes, and %d fit into the journal", len(body), priorBytes).
			Hint("restore fewer objects at once")
	}
	return a.record(entry{T: entryPrior, Prior: base64.StdEncoding.EncodeToString(body), Names: keyNames(keys)})
}

// keyNames writes components as "Type Name".
func keyNames(keys []sf.ComponentKey) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.Type + " " + k.Name
	}
	return out
}

func parseNames(names []string) []sf.ComponentKey {
	out := make([]sf.ComponentKey, len(names))
	for i, n := range names {
		out[i].Type, out[i].Name, _ = strings.Cut(n, " ")
	}
	return out
}

// priorFiles returns what the journal says was there.
func (a *application) priorFiles() ([]component.Entry, []sf.ComponentKey, error) {
	body, err := base64.StdEncoding.DecodeString(a.ledger.prior.Prior)
	if err != nil {
		return nil, nil, problem.Wrap(problem.Damaged, err, "journal: prior automation")
	}
	files, err := unpack(body)
	return files, parseNames(a.ledger.prior.Names), err
}

func unpack(body []byte) ([]component.Entry, error) {
	archive, err := component.OpenArchive(body, component.DefaultLimits)
	if err != nil {
		return nil, err
	}
	var files []component.Entry
	for e, err := range archive.Entries() {
		if err != nil {
			return nil, err
		}
		files = append(files, e)
	}
	return files, nil
}

func (a *application) retrieve(ctx context.Context, keys []sf.ComponentKey) ([]component.Entry, error) {
	got, err := a.opts.Deployer.Retrieve(ctx, automation.Retrieved(keys))
	if err != nil {
		return nil, fmt.Errorf("retrieve automation: %w", err)
	}
	return unpack(got.Zip)
}

func (a *application) testLevel(keys []sf.ComponentKey) sf.TestLevel {
	apex := slices.ContainsFunc(keys, func(k sf.ComponentKey) bool { return k.Type == automation.Trigger })
	if a.opts.Production && apex {
		return "RunLocalTests"
	}
	return ""
}

// priorSum is the check of what was there, and is there again.
func (a *application) priorSum() string {
	sum := sha256.Sum256([]byte(a.ledger.prior.Prior))
	return hex.EncodeToString(sum[:16])
}
