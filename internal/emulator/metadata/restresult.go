package metadata

// restResult is a DeployResult in JSON.
type restResult struct {
	ID                       string       `json:"id"`
	Status                   string       `json:"status"`
	Success                  bool         `json:"success"`
	Done                     bool         `json:"done"`
	CheckOnly                bool         `json:"checkOnly"`
	IgnoreWarnings           bool         `json:"ignoreWarnings"`
	RollbackOnError          bool         `json:"rollbackOnError"`
	RunTestsEnabled          bool         `json:"runTestsEnabled"`
	CanceledBy               *string      `json:"canceledBy"`
	CanceledByName           *string      `json:"canceledByName"`
	CreatedBy                string       `json:"createdBy"`
	CreatedByName            string       `json:"createdByName"`
	CreatedDate              *string      `json:"createdDate"`
	StartDate                *string      `json:"startDate"`
	LastModifiedDate         *string      `json:"lastModifiedDate"`
	CompletedDate            *string      `json:"completedDate"`
	ErrorMessage             *string      `json:"errorMessage"`
	ErrorStatusCode          *string      `json:"errorStatusCode"`
	StateDetail              *string      `json:"stateDetail"`
	NumberComponentErrors    int          `json:"numberComponentErrors"`
	NumberComponentsDeployed int          `json:"numberComponentsDeployed"`
	NumberComponentsTotal    int          `json:"numberComponentsTotal"`
	NumberFiles              int          `json:"numberFiles"`
	NumberTestErrors         int          `json:"numberTestErrors"`
	NumberTestsCompleted     int          `json:"numberTestsCompleted"`
	NumberTestsTotal         int          `json:"numberTestsTotal"`
	ZipSize                  int          `json:"zipSize"`
	Details                  *restDetails `json:"details,omitempty"`
}

type restDetails struct {
	Failures  []restMessage `json:"componentFailures"`
	Successes []restMessage `json:"componentSuccesses"`
	Tests     restTests     `json:"runTestResult"`
}

type restMessage struct {
	Changed       bool    `json:"changed"`
	ColumnNumber  *int    `json:"columnNumber"`
	ComponentType string  `json:"componentType"`
	Created       bool    `json:"created"`
	CreatedDate   *string `json:"createdDate"`
	Deleted       bool    `json:"deleted"`
	FileName      string  `json:"fileName"`
	FullName      string  `json:"fullName"`
	ID            *string `json:"id"`
	LineNumber    *int    `json:"lineNumber"`
	Problem       *string `json:"problem"`
	ProblemType   *string `json:"problemType"`
	Success       bool    `json:"success"`
}

type restTests struct {
	Coverage     []restCoverage `json:"codeCoverage"`
	Warnings     []restWarning  `json:"codeCoverageWarnings"`
	Failures     []restTest     `json:"failures"`
	FlowCoverage []any          `json:"flowCoverage"`
	FlowWarnings []restWarning  `json:"flowCoverageWarnings"`
	NumFailures  int            `json:"numFailures"`
	NumTestsRun  int            `json:"numTestsRun"`
	Successes    []restTest     `json:"successes"`
	TotalTime    float64        `json:"totalTime"`
}

type restCoverage struct {
	ID           string         `json:"id"`
	NotCovered   []restLocation `json:"locationsNotCovered"`
	Name         string         `json:"name"`
	Namespace    *string        `json:"namespace"`
	Locations    int            `json:"numLocations"`
	NumUncovered int            `json:"numLocationsNotCovered"`
	Type         string         `json:"type"`
}

type restLocation struct {
	Column     int     `json:"column"`
	Line       int     `json:"line"`
	Executions int     `json:"numExecutions"`
	Time       float64 `json:"time"`
}

type restWarning struct {
	ID        string  `json:"id"`
	Message   string  `json:"message"`
	Name      *string `json:"name"`
	Namespace *string `json:"namespace"`
}

type restTest struct {
	ID         string  `json:"id"`
	Message    *string `json:"message,omitempty"`
	MethodName string  `json:"methodName"`
	Name       string  `json:"name"`
	Namespace  *string `json:"namespace"`
	Time       float64 `json:"time"`
}

// text is null for nothing.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *Store) restResult(d Deployment, details bool) *restResult {
	r := d.Result
	if r == nil {
		r = &Result{}
	}
	by, _ := s.org.UserByID(d.Caller.User)
	tests := len(r.Tests.Successes) + len(r.Tests.Failures)
	out := &restResult{
		ID: d.ID, Status: d.Status, Success: r.Success, Done: d.Done, CheckOnly: d.Options.CheckOnly,
		IgnoreWarnings: d.Options.IgnoreWarnings, RollbackOnError: d.Options.RollbackOnError, RunTestsEnabled: d.Options.TestsEnabled() || r.Tests.Enabled,
		CreatedBy: string(by.ID), CreatedByName: by.Name, CreatedDate: stamp(d.Created), StartDate: stamp(d.Started),
		LastModifiedDate: stamp(d.Modified), CompletedDate: stamp(d.Completed), ErrorStatusCode: text(r.ErrorCode),
		NumberComponentErrors: r.Errors, NumberComponentsDeployed: r.Deployed, NumberComponentsTotal: r.Total, NumberFiles: r.Files,
		NumberTestErrors: len(r.Tests.Failures), NumberTestsCompleted: tests, NumberTestsTotal: tests, ZipSize: d.ZipSize,
	}
	if r.ErrorCode != "" {
		out.ErrorMessage = text(r.ErrorCode + ": " + r.ErrorMessage)
	}
	if d.CanceledBy != "" {
		canceller, _ := s.org.UserByID(d.CanceledBy)
		out.CanceledBy, out.CanceledByName = text(string(canceller.ID)), text(canceller.Name)
	}
	if details {
		out.Details = restDetailsOf(d, r)
	}
	return out
}

func restDetailsOf(d Deployment, r *Result) *restDetails {
	out := &restDetails{Failures: []restMessage{}, Successes: []restMessage{}, Tests: restTests{
		Coverage: []restCoverage{}, Warnings: []restWarning{}, Failures: []restTest{}, FlowCoverage: []any{}, FlowWarnings: []restWarning{}, Successes: []restTest{},
		NumFailures: len(r.Tests.Failures), NumTestsRun: len(r.Tests.Failures) + len(r.Tests.Successes),
	}}
	for _, m := range r.Components {
		rm := restMessage{
			Changed: m.Changed, ComponentType: m.ComponentType, Created: m.Created, CreatedDate: stamp(d.Completed), Deleted: m.Deleted,
			FileName: m.FileName, FullName: m.FullName, ID: text(m.ID), Problem: text(m.Problem), ProblemType: text(m.ProblemType),
			Success: m.Success,
		}
		if m.Line > 0 {
			rm.LineNumber, rm.ColumnNumber = &m.Line, &m.Column
		}
		if m.Success {
			out.Successes = append(out.Successes, rm)
		} else {
			out.Failures = append(out.Failures, rm)
		}
	}
	test := func(t TestResult) restTest {
		return restTest{ID: t.ID, Message: text(t.Message), MethodName: t.Method, Name: t.Class, Namespace: text(t.Namespace)}
	}
	for _, t := range r.Tests.Failures {
		out.Tests.Failures = append(out.Tests.Failures, test(t))
	}
	out.Tests.cover(r.Tests)
	for _, t := range r.Tests.Successes {
		out.Tests.Successes = append(out.Tests.Successes, test(t))
	}
	return out
}

// cover spells what tests covered and what that is too little for.
func (t *restTests) cover(run TestRun) {
	for _, c := range run.Coverage {
		out := restCoverage{ID: c.ID, Name: c.Name, Type: c.Kind, Locations: c.Lines, NumUncovered: c.Uncovered, NotCovered: []restLocation{}}
		for line := range c.Uncovered {
			out.NotCovered = append(out.NotCovered, restLocation{Line: line + 1})
		}
		t.Coverage = append(t.Coverage, out)
	}
	for _, w := range run.Warnings {
		out := restWarning{ID: w.ID, Message: w.Message, Name: text(w.Name)}
		if w.Flow {
			t.FlowWarnings = append(t.FlowWarnings, out)
		} else {
			t.Warnings = append(t.Warnings, out)
		}
	}
}
