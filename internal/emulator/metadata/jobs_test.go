package metadata_test

import (
	"testing"
	"time"

	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/testkit"
)

// submit puts a deployment into the queue.
func (b *bench) submit(opts metadata.Options, files map[string]string) string {
	b.t.Helper()
	raw, err := testkit.Zip(files)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.s.StartDeploy(b.o.Admin(), raw, opts)
}

func (b *bench) status(id string) metadata.Deployment {
	b.t.Helper()
	d, ok := b.s.Deployment(id)
	if !ok {
		b.t.Fatalf("deployment %s is not known", id)
	}
	return d
}

// until waits for a state of a deployment.
func (b *bench) until(id, status string) metadata.Deployment {
	b.t.Helper()
	for {
		d := b.status(id)
		if d.Status == status {
			return d
		}
		if d.Done || b.t.Context().Err() != nil {
			b.t.Fatalf("deployment %s is %s, want %s", id, d.Status, status)
		}
		time.Sleep(time.Millisecond)
	}
}

func tab(name string) map[string]string {
	return map[string]string{"package.xml": packageXML("CustomTab", name), "tabs/" + name + ".tab": file("CustomTab", "<label>A</label>")}
}

func TestDeploymentsWaitForEachOther(t *testing.T) {
	b := newBench(t)
	defer b.s.Close()
	release := b.s.Hold(metadata.InProgress)
	first, second := b.submit(metadata.Options{}, tab("A")), b.submit(metadata.Options{}, tab("B"))
	b.until(first, metadata.InProgress)
	if d := b.status(second); d.Status != metadata.Pending || d.Done || d.Result != nil {
		t.Errorf("the second is %s while the first runs", d.Status)
	}
	release()
	b.until(second, metadata.Succeeded)
	if d := b.status(first); !d.Done || d.Status != metadata.Succeeded || !b.listed("CustomTab", "A") || !b.listed("CustomTab", "B") {
		t.Errorf("the first is %s", d.Status)
	}
}

func TestCancelledDeploymentsChangeNothing(t *testing.T) {
	b := newBench(t)
	defer b.s.Close()
	release := b.s.Hold(metadata.InProgress)
	running, waiting := b.submit(metadata.Options{}, tab("A")), b.submit(metadata.Options{}, tab("B"))
	b.until(running, metadata.InProgress)
	if done, err := b.s.Cancel(b.o.Admin(), waiting); !done || err != nil || b.status(waiting).Status != metadata.Canceled {
		t.Errorf("one that waits is cancelled at once: %v %v", done, err)
	}
	if done, err := b.s.Cancel(b.o.Admin(), running); done || err != nil {
		t.Errorf("one that runs is cancelled later: %v %v", done, err)
	}
	d := b.until(running, metadata.Canceled)
	release()
	if d.CanceledBy != b.o.Admin().User || d.Result.Success || b.listed("CustomTab", "A") || b.listed("CustomTab", "B") {
		t.Errorf("%+v", d)
	}
	if _, err := b.s.Cancel(b.o.Admin(), running); err == nil || err.Code != "INVALID_ID_FIELD" {
		t.Errorf("one that is done was cancelled: %v", err)
	}
	if _, err := b.s.Cancel(b.o.Admin(), "0Af000000000000AAA"); err == nil || err.Code != "INVALID_CROSS_REFERENCE_KEY" {
		t.Errorf("one that never was: %v", err)
	}
}

// validated returns the Id of a validation that ran the tests of the org.
func (b *bench) validated(name string) string {
	b.t.Helper()
	id := b.submit(metadata.Options{CheckOnly: true, RollbackOnError: true, TestLevel: "RunLocalTests"}, tab(name))
	b.until(id, metadata.Succeeded)
	return id
}

func TestValidationsQualifyForTenDaysAndUntilTheNextDeployment(t *testing.T) {
	clock := org.FixedClock(time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC))
	o := org.New(org.Config{Clock: clock})
	b := &bench{t: t, o: o, s: metadata.New(o, nil)}
	defer b.s.Close()
	untested := b.submit(metadata.Options{CheckOnly: true}, tab("A"))
	b.until(untested, metadata.Succeeded)
	if _, err := b.s.DeployValidated(o.Admin(), untested); err == nil || err.Code != "INVALID_ID_FIELD" {
		t.Errorf("a validation without tests was deployed: %v", err)
	}
	good, other := b.validated("A"), b.validated("B")
	id, err := b.s.DeployValidated(o.Admin(), good)
	if err != nil || id == good {
		t.Fatalf("%s %v", id, err)
	}
	if d := b.until(id, metadata.Succeeded); d.Options.CheckOnly || d.Result.Tests.Enabled || !b.listed("CustomTab", "A") {
		t.Errorf("%+v", d)
	}
	if _, err = b.s.DeployValidated(o.Admin(), other); err == nil {
		t.Error("a validation was deployed after another deployment")
	}
	late := b.validated("C")
	clock.Advance(10*24*time.Hour + time.Second)
	if _, err = b.s.DeployValidated(o.Admin(), late); err == nil {
		t.Error("a validation was deployed after more than ten days")
	}
	clock.Advance(21 * 24 * time.Hour)
	if _, ok := b.s.Deployment(id); ok {
		t.Error("a deployment is known after 31 days")
	}
}

func TestAZipIsGivenOutOnce(t *testing.T) {
	clock := org.FixedClock(time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC))
	o := org.New(org.Config{Clock: clock})
	b := &bench{t: t, o: o, s: metadata.New(o, nil)}
	defer b.s.Close()
	b.must(tab("A"))
	req := metadata.RetrieveRequest{Version: 66, Unpackaged: true, Types: []metadata.Wanted{{Type: "CustomTab", Members: []string{"A"}}}}
	release := b.s.Hold(metadata.Pending)
	id := b.s.StartRetrieve(o.Admin(), req)
	if r, err := b.s.Retrieval(id, true); err != nil || r.Done || r.Status != metadata.Pending {
		t.Errorf("%+v %v", r, err)
	}
	release()
	for {
		r, err := b.s.Retrieval(id, false)
		if err != nil || t.Context().Err() != nil {
			t.Fatal(err)
		}
		if r.Done {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if r, err := b.s.Retrieval(id, true); err != nil || len(unpack(t, r.Result.Zip)) != 2 {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := b.s.Retrieval(id, true); err == nil || err.Code != "INVALID_LOCATOR" {
		t.Errorf("the zip came twice: %v", err)
	}
	if r, err := b.s.Retrieval(id, false); err != nil || r.Status != metadata.Succeeded {
		t.Errorf("the state is gone with the zip: %v", err)
	}
	id = b.s.StartRetrieve(o.Admin(), req)
	b.s.Close()
	clock.Advance(25 * time.Hour)
	if _, err := b.s.Retrieval(id, true); err == nil {
		t.Error("a zip was kept for more than a day")
	}
}

func TestDeclaredTestsDecideADeployment(t *testing.T) {
	b := newBench(t)
	class := file("ApexClass", "<apiVersion>66.0</apiVersion>")
	files := map[string]string{
		"package.xml": packageXML("ApexClass", "*"), "classes/OneTest.cls-meta.xml": class, "classes/Plain.cls-meta.xml": class,
		"classes/OneTest.cls": "@IsTest\nprivate class OneTest {\n @isTest(SeeAllData=true) static void a() {}\n static testMethod void b() {}\n void helper() {}\n}",
		"classes/Plain.cls":   "public class Plain {}",
	}
	if r := b.must(files); r.Tests.Enabled || len(r.Tests.Successes) != 0 {
		t.Errorf("tests ran without a level: %+v", r.Tests)
	}
	r := b.deploy(metadata.Options{RollbackOnError: true, TestLevel: "RunLocalTests"}, files)
	if !r.Success || len(r.Tests.Successes) != 2 {
		t.Errorf("%+v", r.Tests)
	}
	b.s.FailTest("OneTest.b", "System.AssertException: no")
	files["classes/Plain.cls"] = "public class Plain { /* changed */ }"
	r = b.deploy(metadata.Options{RollbackOnError: true, TestLevel: "RunAllTestsInOrg"}, files)
	got, _ := b.ask("ApexClass", "Plain")
	if r.Success || r.Status != "Failed" || len(r.Tests.Failures) != 1 || got["unpackaged/classes/Plain.cls"] != "public class Plain {}" {
		t.Errorf("a failed test must take the deploy back: %+v", r)
	}
	r = b.deploy(metadata.Options{RollbackOnError: true, TestLevel: "RunSpecifiedTests", RunTests: []string{"Nowhere"}}, files)
	if r.Success || len(r.Tests.Failures) != 1 {
		t.Errorf("a test that is not there passed: %+v", r.Tests)
	}
	if err := b.s.Check(metadata.Options{TestLevel: "Sometimes"}); err == nil {
		t.Error("a level that is none was taken")
	}
}
