package metadata

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Apex is not run here. A class is a test class when its text has @isTest or testMethod; each of its
// test methods passes, unless it was declared to fail with FailTest. Source of what runs at which
// level: Metadata API Developer Guide, DeployOptions, testLevel.

// TestRun is the runTestResult of a deploy.
type TestRun struct {
	Enabled   bool
	Successes []TestResult
	Failures  []TestResult
	Coverage  []Coverage // of all classes and triggers that are no tests, by kind and name
	Warnings  []CoverageWarning
}

// problems counts what keeps a deploy from succeeding.
func (r *TestRun) problems() int { return len(r.Failures) + len(r.Warnings) }

// TestResult is one test method. Message is empty when it passed.
type TestResult struct {
	Class, Method, ID, Namespace, Message string
}

// FailTest declares that a test method ("Class.method"), or every test of a class ("Class"), fails
// with that message; an empty message lets it pass again.
func (s *Store) FailTest(name, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if message == "" {
		delete(s.tests, name)
		return
	}
	s.tests[name] = message
}

var (
	testClass  = regexp.MustCompile(`(?i)@istest|\btestmethod\b`)
	testMethod = regexp.MustCompile(`(?i)(?:@istest(?:\s*\([^)]*\))?|\btestmethod)\s+(?:(?:public|private|global|static|testmethod)\s+)*void\s+(\w+)\s*\(|\bstatic\s+testmethod\s+void\s+(\w+)\s*\(`)
)

// runTests runs the tests of the deploy's level, unless components have failed already, in which case
// the platform does not begin with them.
func (d *deploy) runTests() {
	level := d.testLevel()
	if level == "" || level == "NoTestRun" {
		return
	}
	d.tests.Enabled = true
	if d.failures() > 0 {
		return
	}
	view := d.view(true)
	d.ran = map[string]bool{}
	var classes []Component
	for k, c := range view {
		if k.kind == "ApexClass" && testClass.MatchString(c.text()) {
			classes = append(classes, c)
		}
	}
	slices.SortFunc(classes, compareComponents)
	asked := map[string]bool{}
	for _, name := range d.opts.RunTests {
		asked[name] = true
	}
	for _, c := range classes {
		wanted := level == "RunAllTestsInOrg" || level == "RunLocalTests" && c.Namespace == "" || asked[c.FullName] ||
			level == "RunRelevantTests" && d.relevant(c)
		if wanted {
			d.runClass(c)
		}
		delete(asked, c.FullName)
	}
	for _, name := range slices.Sorted(maps.Keys(asked)) { // wording unverified
		d.tests.Failures = append(d.tests.Failures, TestResult{Class: name, Message: "No such test class: " + name})
	}
	d.cover(view)
}

// testLevel is the level at which tests run. Where none is named, a production org runs its local
// tests when the deploy brings or deletes Apex, or brings a flow that comes in active, and any other
// org runs none. Source: Metadata API Developer Guide, DeployOptions, testLevel; Salesforce Help, "Deploy
// Processes and Flows as Active"; that a deletion counts is unverified.
func (d *deploy) testLevel() string {
	if d.opts.TestLevel != "" || d.kind != Production {
		return d.opts.TestLevel
	}
	code := func(kind string) bool { return kind == "ApexClass" || kind == "ApexTrigger" }
	for _, p := range d.pieces {
		if code(p.kind) || p.kind == "Flow" && d.active[p.name] > 0 {
			return "RunLocalTests"
		}
	}
	for k := range d.dropped {
		if code(k.kind) {
			return "RunLocalTests"
		}
	}
	return ""
}

// relevant reports a test that this deploy brings, or that mentions a class that it brings. How the
// platform chooses is not published.
func (d *deploy) relevant(c Component) bool {
	text := c.text()
	return slices.ContainsFunc(d.pieces, func(p *piece) bool {
		return p.kind == "ApexClass" && strings.Contains(text, p.name)
	})
}

func (d *deploy) runClass(c Component) {
	d.ran[c.FullName] = true
	for _, m := range testMethod.FindAllStringSubmatch(c.text(), -1) {
		r := TestResult{Class: c.FullName, Method: m[1] + m[2], ID: c.ID, Namespace: c.Namespace}
		if r.ID == "" {
			r.ID = d.store.id(idPrefixes["ApexClass"], 0)
		}
		if r.Message = d.store.tests[r.Class+"."+r.Method]; r.Message == "" {
			r.Message = d.store.tests[r.Class]
		}
		if r.Message != "" {
			d.tests.Failures = append(d.tests.Failures, r)
		} else {
			d.tests.Successes = append(d.tests.Successes, r)
		}
	}
}
