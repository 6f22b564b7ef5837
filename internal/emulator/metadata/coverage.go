package metadata

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Apex is not run, so what its tests cover is worked out from what they mention: a class that a test
// reaches, from name to name, is covered whole, as is a trigger whose object it reaches, and a flow that it names or
// whose object it reaches; nothing else is. SetCoverage says otherwise for a class, a trigger or a flow. Lines that
// count are those with a semicolon outside comments.

// requiredCoverage is the share of lines, in percent, that tests must cover.
// Source: Apex Developer Guide, Code Coverage; Metadata API Developer Guide, DeployOptions, testLevel.
const requiredCoverage = 75

// Coverage is what the tests of a deploy covered of one class or trigger.
type Coverage struct {
	Kind, Name, ID   string
	Lines, Uncovered int
}

// CoverageWarning is what a deploy says about too little coverage. Name is empty where all code is
// meant; Flow is set where flows are.
type CoverageWarning struct {
	Name, ID, Message string
	Flow              bool
}

// SetCoverage declares how much of a class, a trigger or a flow tests cover, in percent; below zero, it is
// worked out again.
func (s *Store) SetCoverage(name string, percent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if percent < 0 {
		delete(s.coverage, name)
		return
	}
	s.coverage[name] = min(percent, 100)
}

var identifier = regexp.MustCompile(`[A-Za-z_]\w*`)

// reach is what the tests that ran reach, by name in lower case: from class to class.
func (d *deploy) reach(view map[key]Component) map[string]bool {
	texts := map[string]string{}
	for k, c := range view {
		if k.kind == "ApexClass" {
			texts[strings.ToLower(k.name)] = c.text()
		}
	}
	seen := map[string]bool{}
	var next []string
	for name := range d.ran {
		next = append(next, strings.ToLower(name))
	}
	for len(next) > 0 {
		text, isClass := texts[next[0]]
		next = next[1:]
		if !isClass {
			continue
		}
		for _, word := range identifier.FindAllString(text, -1) {
			if word = strings.ToLower(word); !seen[word] {
				seen[word] = true
				next = append(next, word)
			}
		}
	}
	return seen
}

// cover works out what the tests that ran have covered, and what that is too little for: all code
// together, or each class and trigger of the deploy where tests were named. Sources: Metadata API Developer
// Guide, DeployOptions, testLevel; public deploy results (salesforcecli/plugin-deploy-retrieve pull
// request 656, declarative-lookup-rollup-summaries issue 738), of orgs of any kind.
func (d *deploy) cover(view map[key]Component) {
	reached := d.reach(view)
	lines, missed := 0, 0
	for k, c := range view {
		if k.kind != "ApexClass" && k.kind != "ApexTrigger" || c.Namespace != "" || testClass.MatchString(c.text()) {
			continue
		}
		v := Coverage{Kind: strings.TrimPrefix(k.kind, "Apex"), Name: k.name, ID: c.ID, Lines: countLines(c.text())}
		if v.ID == "" {
			v.ID = d.store.id(idPrefixes[k.kind], 0)
		}
		v.Uncovered = v.Lines
		if reached[strings.ToLower(k.name)] || k.kind == "ApexTrigger" && reached[triggerObject(c)] {
			v.Uncovered = 0
		}
		if percent, declared := d.store.coverage[k.name]; declared {
			v.Uncovered = v.Lines - v.Lines*percent/100
		}
		lines, missed = lines+v.Lines, missed+v.Uncovered
		d.tests.Coverage = append(d.tests.Coverage, v)
	}
	slices.SortFunc(d.tests.Coverage, func(a, b Coverage) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	if d.opts.TestLevel == "RunSpecifiedTests" {
		d.coverEach()
	} else if got := share(lines, missed); got < requiredCoverage {
		d.short(CoverageWarning{Message: fmt.Sprintf(
			"Average test coverage across all Apex Classes and Triggers is %d%%, at least %d%% test coverage is required.", got, requiredCoverage)})
	}
	d.coverFlows(view, reached)
}

// coverEach looks at each class and trigger of the deploy.
func (d *deploy) coverEach() {
	for _, v := range d.tests.Coverage {
		brought := slices.ContainsFunc(d.pieces, func(p *piece) bool { return p.kind == "Apex"+v.Kind && p.name == v.Name })
		if got := share(v.Lines, v.Uncovered); brought && got < requiredCoverage {
			d.short(CoverageWarning{Name: v.Name, ID: v.ID, Message: fmt.Sprintf(
				"Test coverage of selected Apex %s is %d%%, at least %d%% test coverage is required.", v.Kind, got, requiredCoverage)})
		}
	}
}

// coverFlows looks at the active flows without screens, of a production org that lets flows come in
// active: tests must launch enough of them. Source: Salesforce Help, "Deploy Processes and Flows as
// Active"; the wording is unverified.
func (d *deploy) coverFlows(view map[key]Component, reached map[string]bool) {
	if d.kind != Production || len(d.versions) == 0 || !d.flowsDeployActive() {
		return
	}
	active, covered := 0, 0
	for k, c := range view {
		root := flowRoot(c)
		if k.kind != "Flow" || root.value("status") != flowIsActive || root.value("processType") == "Flow" {
			continue
		}
		name, _ := flowVersion(k.name)
		hit := reached[strings.ToLower(name)]
		if start := root.kid("start"); start != nil {
			hit = hit || reached[strings.ToLower(start.value("object"))]
		}
		if percent, declared := d.store.coverage[name]; declared {
			hit = percent > 0
		}
		if active++; hit {
			covered++
		}
	}
	if got := share(active, active-covered); got < requiredCoverage {
		d.short(CoverageWarning{Flow: true, Message: fmt.Sprintf(
			"Test coverage of active processes and autolaunched flows is %d%%, at least %d%% test coverage is required.", got, requiredCoverage)})
	}
}

// short notes too little coverage, which fails the deploy.
func (d *deploy) short(w CoverageWarning) {
	if w.ID == "" {
		w.ID = d.store.id(idPrefixes["ApexClass"], 0)
	}
	d.tests.Warnings = append(d.tests.Warnings, w)
}

// share is the covered part in percent; of nothing, all is covered.
func share(lines, missed int) int {
	if lines == 0 {
		return 100
	}
	return (lines - missed) * 100 / lines
}

func countLines(code string) int {
	n := 0
	for line := range strings.SplitSeq(code, "\n") {
		if strings.Contains(line, ";") {
			n++
		}
	}
	return n
}

// triggerObject is the object of a trigger in lower case.
func triggerObject(c Component) string {
	if head := triggerHead.FindStringSubmatch(c.text()); head != nil {
		return strings.ToLower(head[1])
	}
	return ""
}
