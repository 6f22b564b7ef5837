package soap

import (
	"fmt"
	"strings"

	"holdfast/internal/emulator/metadata"
)

// nillable spells an element that is nil when it is empty.
func nillable(name, text string) string {
	if text == "" {
		return "<" + name + ` xsi:nil="true"/>`
	}
	return element(name, text)
}

// testResult spells the RunTestsResult of a deploy. No time passes while tests are not run.
func testResult(t metadata.TestRun, details bool) string {
	var b strings.Builder
	name := func(namespace string) string { return nillable("namespace", namespace) }
	b.WriteString("<runTestResult>")
	if details {
		codeCoverage(&b, t)
		for _, f := range t.Failures {
			b.WriteString("<failures>" + element("id", f.ID) + element("message", f.Message) + nillable("methodName", f.Method) +
				element("name", f.Class) + name(f.Namespace) + element("packageName", f.Class) +
				element("stackTrace", fmt.Sprintf("Class.%s.%s: line 1, column 1", f.Class, f.Method)) +
				element("time", "0.0") + element("type", "Class") + "</failures>")
		}
	}
	if details {
		flowCoverage(&b, t)
	}
	b.WriteString(element("numFailures", len(t.Failures)) + element("numTestsRun", len(t.Failures)+len(t.Successes)))
	if details {
		for _, s := range t.Successes {
			b.WriteString("<successes>" + element("id", s.ID) + element("methodName", s.Method) + element("name", s.Class) +
				name(s.Namespace) + element("time", "0.0") + "</successes>")
		}
	}
	b.WriteString(element("totalTime", "0.0") + "</runTestResult>")
	return b.String()
}

// codeCoverage spells what tests covered, and the code that they covered too little of. Which lines are
// not covered is not known: they are counted from the first.
func codeCoverage(b *strings.Builder, t metadata.TestRun) {
	for _, c := range t.Coverage {
		b.WriteString("<codeCoverage>" + element("id", c.ID))
		for line := range c.Uncovered {
			b.WriteString("<locationsNotCovered>" + element("column", 0) + element("line", line+1) + element("numExecutions", 0) +
				element("time", "0.0") + "</locationsNotCovered>")
		}
		b.WriteString(element("name", c.Name) + nillable("namespace", "") + element("numLocations", c.Lines) +
			element("numLocationsNotCovered", c.Uncovered) + element("type", c.Kind) + "</codeCoverage>")
	}
	for _, w := range t.Warnings {
		if !w.Flow {
			b.WriteString("<codeCoverageWarnings>" + element("id", w.ID) + element("message", w.Message) + nillable("name", w.Name) +
				nillable("namespace", "") + "</codeCoverageWarnings>")
		}
	}
}

// flowCoverage spells that tests covered too few flows.
func flowCoverage(b *strings.Builder, t metadata.TestRun) {
	for _, w := range t.Warnings {
		if w.Flow {
			b.WriteString("<flowCoverageWarnings>" + nillable("flowId", "") + nillable("flowName", w.Name) + nillable("flowNamespace", "") +
				element("message", w.Message) + "</flowCoverageWarnings>")
		}
	}
}
