package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// reportRows is how many rows of one sort a report in HTML shows; the one in JSON has all of them.
const reportRows = 5_000

// openReport makes the file of a report before anything is done, so that a name that is taken, or a folder
// that is not there, is found out in time. The name says the form.
func openReport(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	if !strings.HasSuffix(path, ".html") && !strings.HasSuffix(path, ".json") {
		return nil, problem.Newf(problem.Usage, "report %s is neither .html nor .json", path).
			Hint("the name says in which form it is written")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, problem.Newf(problem.Usage, "report %s is already there", path).
			Hint("reports are never overwritten: give another name, or remove it")
	}
	if err != nil {
		return nil, onDisk(fmt.Errorf("report: %w", err))
	}
	return f, nil
}

// writeReport writes what an application did, and how it ended.
func writeReport(f *os.File, out applyResult, ended error) error {
	if f == nil {
		return nil
	}
	var err error
	if strings.HasSuffix(f.Name(), ".json") {
		e := json.NewEncoder(f)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		err = e.Encode(out)
	} else {
		err = reportHTML(f, out.ApplyResult, ended)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return onDisk(fmt.Errorf("report %s: %w", f.Name(), err))
	}
	return nil
}

// reported is what the page shows.
type reported struct {
	run.ApplyResult
	Verdict string
	Good    bool
	Reason  string
	Taken   []takenRow
	Left    map[string]int // rows that are not shown, by sort
}

func reportHTML(w io.Writer, r run.ApplyResult, ended error) error {
	page := reported{ApplyResult: r, Left: map[string]int{}}
	switch {
	case r.Verified && r.Unexplained == 0 && r.Failed == 0:
		page.Verdict, page.Good = "The org is as planned.", true
	case r.Verified && r.Unexplained == 0:
		page.Verdict = "The org refused rows; everything else is as planned."
	case r.Verified:
		page.Verdict = "The org is not as planned."
	case r.Observed != nil:
		page.Verdict = "Part of the org could not be observed again."
	default:
		page.Verdict = "The application did not come to its end."
	}
	if ended != nil {
		page.Reason = ended.Error()
	}
	page.Taken = takenRows(r)
	page.Errors = cutRows(page.Left, "errors", r.Errors)
	page.Differences = cutRows(page.Left, "differences", r.Differences)
	page.Dropped = cutRows(page.Left, "dropped", r.Dropped)
	page.NewIDs = cutRows(page.Left, "new", r.NewIDs)
	page.Mentions = slices.Clone(r.Mentions)
	left := reportRows
	for i := range page.Mentions { // the rows of all fields together
		rows := page.Mentions[i].Records
		page.Mentions[i].Records = rows[:min(left, len(rows))]
		left -= len(page.Mentions[i].Records)
	}
	page.Moved = cutRows(page.Left, "moved", r.Moved)
	return reportPage.Execute(w, page)
}

func cutRows[R any](left map[string]int, name string, rows []R) []R {
	if len(rows) > reportRows {
		left[name] = len(rows) - reportRows
		return rows[:reportRows]
	}
	return rows
}

// reportPage is one page that needs nothing else: no script, no style and no picture from elsewhere.
var reportPage = template.Must(template.New("report").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Restore of org {{.OrgID}}</title>
<style>body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}table{border-collapse:collapse;margin:.5em 0 1.5em}
td,th{border:1px solid #bbb;padding:.2em .6em;text-align:left;vertical-align:top}td.n{text-align:right}.good{color:#060}.bad{color:#a00}code{word-break:break-all}</style></head><body>
<h1>Restore of org {{.OrgID}}</h1>
<p class="{{if .Good}}good{{else}}bad{{end}}"><strong>{{.Verdict}}</strong>{{with .Reason}} {{.}}{{end}}</p>
<p>Plan <code>{{.Digest}}</code>{{with .Observed}}, observed again as {{.Short}} at {{.To.UTC.Format "2006-01-02 15:04:05Z"}}{{end}}.
{{.Done}} rows are as the plan wants them, {{.Failed}} were refused, {{.Conflicts}} conflicts were left alone, {{.Unexplained}} differences have no explanation.</p>
<h2>Steps</h2><table><tr><th>Step</th><th>Do</th><th>Object</th><th>Done</th><th>Refused</th><th>Pending</th></tr>
{{range .Steps}}<tr><td class="n">{{.Number}}</td><td>{{.Op}}</td><td>{{.Object}}</td><td class="n">{{.Done}}</td><td class="n">{{.Failed}}</td><td class="n">{{.Pending}}</td></tr>{{end}}</table>
{{if .Spent}}<h2>Forecast and what it took</h2><table><tr><th></th><th>At least</th><th>Likely</th><th>At most</th><th>Was</th></tr>
{{range .Taken}}<tr><td>{{.Name}}</td><td class="n">{{.Low}}</td><td class="n">{{.Likely}}</td><td class="n">{{.High}}</td><td class="n">{{.Was}}</td></tr>{{end}}</table>{{end}}
<h2>Fidelity</h2><table><tr><th>Exact</th><th>Remapped to new Ids</th><th>Recomputed by the org</th><th>Lost</th></tr>
<tr><td class="n">{{index .Classes "exact"}}</td><td class="n">{{index .Classes "remapped"}}</td><td class="n">{{index .Classes "recomputed"}}</td><td class="n">{{index .Classes "lost"}}</td></tr></table>
<table><tr><th>Object</th><th>Field</th><th>Lost values</th><th>Why</th></tr>
{{range .Fidelity}}{{if eq .Class "lost"}}<tr><td>{{.Object}}</td><td>{{.Field}}</td><td class="n">{{.Count}}</td><td>{{.Reason}}</td></tr>{{end}}{{end}}</table>
{{with .Switched}}<h2>Automation</h2><p class="{{if .Back}}good{{else}}bad{{end}}">{{if .Back}}Switched and put back, which was proved by reading them:{{else if .Left}}Put back, but for what was changed or deleted meanwhile, which was left as it is:{{else}}Still switched:{{end}}</p><ul>{{if .Left}}{{range .Left}}<li>{{.}}</li>{{end}}{{else}}{{range .Off}}<li>{{.}}</li>{{end}}{{range .Bypass}}<li>bypass: {{.}}</li>{{end}}{{end}}</ul>{{end}}
{{if .Moved}}<h2>Records that moved since the plan was made</h2><table><tr><th>Object</th><th>Id</th><th>Field</th><th>How</th></tr>
{{range .Moved}}<tr><td>{{.Object}}</td><td>{{.ID}}</td><td>{{.Field}}</td><td>{{.Reason}}</td></tr>{{end}}</table>{{with index .Left "moved"}}<p>and {{.}} more</p>{{end}}{{end}}
{{if .Errors}}<h2>Refused rows</h2><table><tr><th>Step</th><th>Do</th><th>Object</th><th>Id</th><th>Code</th><th>Message</th></tr>
{{range .Errors}}<tr><td class="n">{{.Step}}</td><td>{{.Op}}</td><td>{{.Object}}</td><td>{{.ID}}</td><td>{{.Code}}</td><td>{{.Message}}</td></tr>{{end}}</table>{{with index .Left "errors"}}<p>and {{.}} more</p>{{end}}{{end}}
{{if .Differences}}<h2>Differences without an explanation</h2><table><tr><th>Object</th><th>Id</th><th>Field</th><th>Kind</th><th>Wanted</th><th>Live</th></tr>
{{range .Differences}}<tr><td>{{.Object}}</td><td>{{.ID}}</td><td>{{.Field}}</td><td>{{.Kind}}</td><td>{{.Wanted}}</td><td>{{.Live}}</td></tr>{{end}}</table>{{with index .Left "differences"}}<p>and {{.}} more</p>{{end}}{{end}}
{{if .Dropped}}<h2>Links left empty</h2><table><tr><th>Object</th><th>Id</th><th>Field</th></tr>
{{range .Dropped}}<tr><td>{{.Object}}</td><td>{{.ID}}</td><td>{{.Field}}</td></tr>{{end}}</table>{{with index .Left "dropped"}}<p>and {{.}} more</p>{{end}}{{end}}
{{if .NewIDs}}<h2>Records under new Ids</h2><table><tr><th>Object</th><th>Old</th><th>New</th></tr>
{{range .NewIDs}}<tr><td>{{.Object}}</td><td>{{.Old}}</td><td>{{.New}}</td></tr>{{end}}</table>{{with index .Left "new"}}<p>and {{.}} more</p>{{end}}{{end}}
{{if .Mentions}}<h2>Texts that name records by their old Ids</h2><p>They are left as they are.</p>
{{range .Mentions}}<h3>{{.Object}}.{{.Field}}: {{.Count}} records</h3><table><tr><th>Record</th><th>Old Id in its text</th><th>Id now</th></tr>
{{range .Records}}<tr><td>{{.ID}}</td><td>{{.Old}}</td><td>{{.New}}</td></tr>{{end}}</table>{{end}}{{end}}
{{if .Notes}}<h2>Notes</h2><ul>{{range .Notes}}<li>{{.}}</li>{{end}}</ul>{{end}}
</body></html>
`))
