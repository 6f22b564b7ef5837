package run_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/problem"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// silent is an org that does not answer one deployment, which it carries out or which never reaches it.
type silent struct {
	run.DeployOrg
	lost     bool // the next deployment is not answered
	reaches  bool
	deployed int
}

func (s *silent) StartDeploy(ctx context.Context, archive []byte, opts sf.DeployOptions) (string, error) {
	if opts.CheckOnly {
		return s.DeployOrg.StartDeploy(ctx, archive, opts)
	}
	return s.once(ctx, func() (string, error) { return s.DeployOrg.StartDeploy(ctx, archive, opts) })
}

func (s *silent) QuickDeploy(ctx context.Context, id string) (string, error) {
	return s.once(ctx, func() (string, error) { return s.DeployOrg.QuickDeploy(ctx, id) })
}

func (s *silent) once(ctx context.Context, call func() (string, error)) (string, error) {
	if s.lost && !s.reaches {
		s.lost = false
		return "", errKilled
	}
	id, err := call()
	if err == nil {
		s.deployed++
		_, err = s.AwaitDeploy(ctx, id)
	}
	if s.lost {
		s.lost = false
		return "", errors.Join(err, errKilled)
	}
	return id, err
}

// A deployment that deletes things and whose answer is lost is told by the org: it is sent once, and where nobody can tell
// it is not sent again.
func TestGuardedDeletionsWhoseAnswerIsLostAreSentOnce(t *testing.T) {
	const (
		carried = "carried out"
		never   = "never arrived"
		worked  = "somebody worked on it since"
	)
	for _, what := range []string{carried, never, worked} {
		r := newRelease(t, emulator.Options{})
		r.deploy(nil, thing("A=a", "B=b"), classFiles("Old", "public class Old {}"), classFiles("Pay", "public class Pay {}"))
		in := r.guarding(packageOf([]sf.ComponentKey{{Type: "ApexClass", Name: "Old"}, {Type: "CustomField", Name: "Thing__c.B__c"}},
			classFiles("Pay", "public class Pay { Integer a; }")))
		org := &silent{DeployOrg: r.client, lost: true, reaches: what != never}
		in.Org = org
		if _, err := run.GuardDeploy(t.Context(), in); !errors.Is(err, errKilled) {
			t.Fatalf("%s: %v", what, err)
		}
		if what == worked {
			r.deploy(nil, classFiles("Pay", "public class Pay { Integer mine; }"))
		}
		out, err := run.GuardDeploy(t.Context(), in)
		if what == worked {
			if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "not known") || org.deployed != 1 {
				t.Errorf("%s: %v, %d deployed", what, err, org.deployed)
			}
			continue
		}
		if err != nil || !out.Deployed || org.deployed != 1 || len(out.Otherwise) > 0 {
			t.Errorf("%s: %v, %d deployed, %+v", what, err, org.deployed, out.Sent)
		}
	}
}

// What was validated with tests is deployed as a quick deployment: the tests run once.
func TestGuardDeploysAsAQuickDeployment(t *testing.T) {
	r := newRelease(t, emulator.Options{Kind: metadata.Production})
	r.deploy(nil, classFiles("Pay", "public class Pay { Integer a = 1; }"), payTest)
	in := r.guarding(packageOf(nil, classFiles("Pay", "public class Pay { Integer a = 2; }")))
	in.Tests = sf.RunLocalTests
	org := &silent{DeployOrg: r.client, lost: true, reaches: true}
	in.Org = org
	out, err := run.GuardDeploy(t.Context(), in)
	if err != nil || !out.Deployed || org.deployed != 1 {
		t.Fatalf("%v %+v", err, out.Sent)
	}
	if len(out.Sent) != 1 || out.Sent[0].How != "quick" {
		t.Errorf("%+v", out.Sent)
	}
}
