package run_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// dying is an org whose caller dies at one of its calls: before the call, or after it, without the answer.
type dying struct {
	run.DeployOrg
	at, calls int
	deployed  int // deployments, but for validations
}

var errKilled = fmt.Errorf("killed")

func (d *dying) step(call func() error) error {
	d.calls++
	if d.calls == d.at {
		return errKilled
	}
	err := call()
	if d.calls++; d.calls == d.at {
		return errKilled
	}
	return err
}

func (d *dying) StartDeploy(ctx context.Context, archive []byte, opts sf.DeployOptions) (id string, err error) {
	err = d.step(func() (err error) {
		if !opts.CheckOnly {
			d.deployed++
		}
		id, err = d.DeployOrg.StartDeploy(ctx, archive, opts)
		return err
	})
	return id, err
}

func (d *dying) QuickDeploy(ctx context.Context, validation string) (id string, err error) {
	err = d.step(func() (err error) {
		d.deployed++
		id, err = d.DeployOrg.QuickDeploy(ctx, validation)
		return err
	})
	return id, err
}

func (d *dying) AwaitDeploy(ctx context.Context, id string) (out sf.Deployment, err error) {
	err = d.step(func() (err error) {
		out, err = d.DeployOrg.AwaitDeploy(ctx, id)
		return err
	})
	return out, err
}

// Law 12 for rollbacks: whoever carries one out may die at any call, before it or without its answer; the
// next run goes on, and every deployment is carried out once.
func TestLaw12RollbackDiesAnywhereAndGoesOn(t *testing.T) {
	points := map[metadata.OrgKind][]int{ // of four calls for each deployment; each call has two sides
		metadata.Developer: {2, 5, 6, 13}, metadata.Production: {6},
	}
	if os.Getenv("HOLDFAST_LONG") != "" {
		var all []int
		for at := range 17 {
			all = append(all, at+1)
		}
		points = map[metadata.OrgKind][]int{metadata.Developer: all, metadata.Production: all}
	}
	for kind, at := range points {
		for _, at := range at {
			dieAndGoOn(t, kind, at)
		}
	}
}

// dieAndGoOn dies at one call of a rollback, and goes on.
func dieAndGoOn(t *testing.T, kind metadata.OrgKind, at int) {
	t.Helper()
	r := newRelease(t, emulator.Options{Seed: uint64(at), Kind: kind})
	r.deploy(nil, classFiles("Pay", "public class Pay {}"), payTest)
	before := r.take()
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 2; }"), flowFiles("Extra", "new", "Active"))
	r.deploy(nil, activated("Extra", 1)) // in production it comes as a draft
	p := r.plan(before, r.take())
	if len(p.Deployments) != 2 {
		t.Fatalf("%s", shown(p))
	}
	in := r.applying(p, filepath.Join(t.TempDir(), "j"))
	org := &dying{DeployOrg: r.client, at: at}
	in.Org = org
	out, err := run.ApplyRollback(t.Context(), in)
	if org.calls < at { // it did not die any more
		if err != nil || !out.Verified || at < 17 {
			t.Errorf("call %d: %v %+v", at, err, out)
		}
		return
	}
	if err == nil && kind != metadata.Production { // there tests run: whether a quick deployment was refused is found out at once
		t.Fatalf("call %d: it did not die", at)
	}
	if err != nil {
		out, err = run.ApplyRollback(t.Context(), in)
	}
	if err != nil || !out.Verified || org.deployed != 2 || out.Done != 2 {
		t.Fatalf("call %d: %v, %d deployed, %+v", at, err, org.deployed, out.Sent)
	}
	r.same(fmt.Sprintf("died at call %d", at), r.held(before, "ApexClass", "Flow"), r.sums("ApexClass", "Flow"))
	again, err := run.ApplyRollback(t.Context(), in)
	if err != nil || !again.DoneBefore || org.deployed != 2 {
		t.Errorf("a run after the end: %v %+v", err, again)
	}
}
