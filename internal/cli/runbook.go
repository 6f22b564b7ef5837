package cli

import (
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"strings"
	texttemplate "text/template"

	"holdfast/internal/run"
)

// runbook is what people need to know and do around a deployment.
type runbook struct {
	guardResult
	Org, Package string
	Steps        []runbookStep
	Lost         []string // what cannot be undone
	Back         []string // values that come back with the rollback
}

// runbookStep is one step of a runbook.
type runbookStep struct {
	Who   string
	Do    []phrase
	Check string
}

// phrase is some words of a step, and the command that they are about.
type phrase struct{ Words, Command string }

// runbookOf lays the runbook out.
func runbookOf(org, what string, r guardResult) runbook {
	b := runbook{guardResult: r, Org: org, Package: what}
	folder := operand(filepath.ToSlash(r.Folder))
	step := func(who string, check string, do ...phrase) { b.Steps = append(b.Steps, runbookStep{who, do, check}) }
	guard := func(verb string) string {
		return commandLine("holdfast", "guard", verb, org, operand(what), "--to", folder)
	}
	step("release manager", "the grade is accepted by whoever owns the data at risk", phrase{Words: "Read the grade and the reasons, and tell the stakeholders below."})
	step("release manager", "nothing is listed as beyond the package, or not as the package has it",
		phrase{"Deploy:", guard("deploy")}, phrase{"or by other means and then", guard("after")})
	step("testers", "the release does what it should, and what it should leave alone works as before", phrase{Words: "Try what was released."})
	step("whoever may decide", "the decision and its time are written down", phrase{Words: "If it does not: decide to go back."})
	step("release manager", "it ends with: nothing remains to be deployed",
		phrase{"Look at the plan, approve and apply it:", commandLine("holdfast", "apply", folder+"/"+guardRollback)})
	for _, v := range dataRows(r) {
		b.Back = append(b.Back, valuesOf(v))
	}
	step("testers", "it works as before the release", phrase{Words: "Try what was there before."})
	for _, c := range r.Components {
		if c.Grade != "A" {
			for _, why := range c.Reasons {
				b.Lost = append(b.Lost, fmt.Sprintf("%s %s (%s): %s", c.Type, c.Name, c.Grade, why))
			}
		}
	}
	b.Lost = append(b.Lost, r.Cannot...)
	return b
}

// dataRows are the values that the rollback brings back.
func dataRows(r guardResult) []run.ValuesRow {
	if r.Rollback != nil {
		return r.Rollback.Values
	}
	var out []run.ValuesRow
	for _, d := range r.Data {
		if d.Held && d.Values > 0 {
			out = append(out, run.ValuesRow{Object: d.Object, Field: d.Field, Records: d.Records})
		}
	}
	return out
}

// cell makes a text one cell of a table in Markdown.
func cell(text string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "\n", " ", "<", "&lt;").Replace(plain(text))
}

// codeSpan makes a command a span of code within a cell: there nothing means anything but the bar, and as many backquotes in a row
// as the span has around it. Source: GitHub Flavored Markdown, "Code spans" and "Tables (extension)".
func codeSpan(command string) string {
	fence := "`"
	for strings.Contains(command, fence) {
		fence += "`"
	}
	pad := ""
	if strings.HasPrefix(command, "`") || strings.HasSuffix(command, "`") {
		pad = " "
	}
	return fence + pad + strings.ReplaceAll(command, "|", "\\|") + pad + fence
}

var runbookText = texttemplate.Must(texttemplate.New("runbook").Funcs(texttemplate.FuncMap{
	"cell": cell, "code": codeSpan, "stamp": stamp, "join": strings.Join, "inc": inc,
	"step": stepText, "took": tookText, "forecast": forecastText,
}).Parse(
	`# Deployment of {{cell .Package}} to {{cell .Org}}: grade {{.Grade}}

Org {{.OrgID}}, snapshot before {{printf "%.10s" .Before}} of {{stamp .Made}}, package {{printf "%.10s" .Digest}}.

## Scope

| Grade | Do | Type | Name | Why |
|---|---|---|---|---|
{{range .Components}}| {{.Grade}} | {{.Do}} | {{cell .Type}} | {{cell .Name}} | {{cell (join .Reasons "; ")}} |
{{end}}
{{if .Data}}## Data at risk

| Object | Field | Records | Values | Held by the snapshot |
|---|---|---:|---:|---|
{{range .Data}}| {{cell .Object}} | {{cell .Field}} | {{.Records}} | {{.Values}} | {{if .Held}}yes{{else}}no{{end}} |
{{end}}
{{end}}## Steps

| | Who | Do | Check |
|---:|---|---|---|
{{range $i, $s := .Steps}}| {{inc $i}} | {{.Who}} | {{range $j, $p := .Do}}{{if $j}} {{end}}{{cell .Words}}{{with .Command}} {{code .}}{{end}}{{end}} | {{cell .Check}} |
{{end}}
## Checks made

{{range .Validated}}- validation of the {{.What}}: {{if .Success}}the org would take it{{else}}the org refuses it{{end}}{{with .Note}}; {{.}}{{end}}
{{end}}{{range .Beyond}}- beyond the package: {{.How}} {{.Type}} {{cell .Name}}
{{end}}{{range .Otherwise}}- not as the package has it: {{.Type}} {{cell .Name}}
{{end}}
## The way back

{{range .Foreseen}}Deployment {{.Number}}:
{{range .Deploy}}- deploys {{cell .}}
{{end}}{{range .Delete}}- deletes {{cell .}}
{{end}}{{else}}Nothing would have to be deployed.
{{end}}{{range .Back}}- then brings back {{cell .}}, from the snapshot before
{{end}}
## How long the way back takes

{{with .Rehearsal}}{{if .Steps}}{{if .Walked}}Rehearsed{{else}}Begun to rehearse, and not ended ({{cell .Why}}),{{end}} on an emulated copy of the org with {{.Components}} components and {{.Records}} records. The times
of the copy are an emulator's, on the machine that made this document: a real org is slower. Beside them is what the org will probably take.

| Step | Emulated copy | Forecast for the org |
|---|---:|---|
{{range .Steps}}| {{step .}} | {{took .Seconds}} | {{cell (forecast .)}} |
{{end}}{{else if .Walked}}Rehearsed on an emulated copy of the org: there was nothing to take back.
{{else}}Not rehearsed: {{cell .Why}}.
{{end}}{{range .Lacks}}- not in the copy: {{.Type}} {{cell .Name}}: {{cell .Problem}}
{{end}}{{range .Notes}}- not in the rehearsal: {{cell .}}
{{end}}{{end}}
## What does not come back as it was

{{range .Lost}}- {{cell .}}
{{else}}- nothing
{{end}}
## Messages

- Before: "{{cell .Package}} is deployed to {{cell .Org}}; {{len .Components}} components are touched. It can be taken back with grade {{.Grade}}."
- After: "The deployment to {{cell .Org}} is done and was compared with what was asked for."
- Going back: "The deployment to {{cell .Org}} is taken back. Work that was done since stays; what does not come back as it was is listed in the runbook."
`))

func inc(i int) int { return i + 1 }

func writeRunbook(w io.Writer, b runbook) error { return runbookText.Execute(w, b) }

func writeRunbookPage(w io.Writer, b runbook) error { return runbookPage.Execute(w, b) }

// runbookPage is one page that needs nothing else: no script, no style and no picture from elsewhere.
var runbookPage = template.Must(template.New("runbook").Funcs(template.FuncMap{"stamp": stamp, "inc": inc, "step": stepText, "took": tookText, "forecast": forecastText}).Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Deployment of {{.Package}} to {{.Org}}</title>
<style>body{font:15px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em}table{border-collapse:collapse;margin:.5em 0 1.5em}
td,th{border:1px solid #bbb;padding:.2em .6em;text-align:left;vertical-align:top}.g{font-weight:bold}@media print{body{margin:0}}</style></head><body>
<h1>Deployment of {{.Package}} to {{.Org}}: grade {{.Grade}}</h1>
<p>Org {{.OrgID}}, snapshot before {{printf "%.10s" .Before}} of {{stamp .Made}}, package {{printf "%.10s" .Digest}}.</p>
<h2>Scope</h2><table><tr><th>Grade</th><th>Do</th><th>Type</th><th>Name</th><th>Why</th></tr>
{{range .Components}}<tr><td class="g">{{.Grade}}</td><td>{{.Do}}</td><td>{{.Type}}</td><td>{{.Name}}</td><td>{{range .Reasons}}{{.}}<br>{{end}}</td></tr>
{{end}}</table>
{{if .Data}}<h2>Data at risk</h2><table><tr><th>Object</th><th>Field</th><th>Records</th><th>Values</th><th>Held by the snapshot</th></tr>
{{range .Data}}<tr><td>{{.Object}}</td><td>{{.Field}}</td><td>{{.Records}}</td><td>{{.Values}}</td><td>{{if .Held}}yes{{else}}no{{end}}</td></tr>{{end}}</table>{{end}}
<h2>Steps</h2><table><tr><th></th><th>Who</th><th>Do</th><th>Check</th></tr>
{{range $i, $s := .Steps}}<tr><td>{{inc $i}}</td><td>{{.Who}}</td><td>{{range .Do}}{{.Words}} {{with .Command}}<code>{{.}}</code> {{end}}{{end}}</td><td>{{.Check}}</td></tr>
{{end}}</table>
<h2>Checks made</h2><ul>{{range .Validated}}<li>validation of the {{.What}}: {{if .Success}}the org would take it{{else}}the org refuses it{{end}}{{with .Note}}; {{.}}{{end}}</li>{{end}}
{{range .Beyond}}<li>beyond the package: {{.How}} {{.Type}} {{.Name}}</li>{{end}}{{range .Otherwise}}<li>not as the package has it: {{.Type}} {{.Name}}</li>{{end}}</ul>
<h2>The way back</h2>{{range .Foreseen}}<p>Deployment {{.Number}}:</p><ul>{{range .Deploy}}<li>deploys {{.}}</li>{{end}}{{range .Delete}}<li>deletes {{.}}</li>{{end}}</ul>{{else}}<p>Nothing would have to be deployed.</p>{{end}}<ul>{{range .Back}}<li>then brings back {{.}}, from the snapshot before</li>{{end}}</ul>
<h2>How long the way back takes</h2>{{with .Rehearsal}}{{if .Steps}}<p>{{if .Walked}}Rehearsed{{else}}Begun to rehearse, and not ended ({{.Why}}),{{end}} on an emulated copy of the org with {{.Components}} components and {{.Records}} records. The times of the copy are an emulator’s, on the machine that made this document: a real org is slower. Beside them is what the org will probably take.</p>
<table><tr><th>Step</th><th>Emulated copy</th><th>Forecast for the org</th></tr>{{range .Steps}}<tr><td>{{step .}}</td><td>{{took .Seconds}}</td><td>{{forecast .}}</td></tr>
{{end}}</table>{{else if .Walked}}<p>Rehearsed on an emulated copy of the org: there was nothing to take back.</p>{{else}}<p>Not rehearsed: {{.Why}}.</p>{{end}}<ul>{{range .Lacks}}<li>not in the copy: {{.Type}} {{.Name}}: {{.Problem}}</li>{{end}}{{range .Notes}}<li>not in the rehearsal: {{.}}</li>{{end}}</ul>{{end}}
<h2>What does not come back as it was</h2><ul>{{range .Lost}}<li>{{.}}</li>{{else}}<li>nothing</li>{{end}}</ul>
<h2>Messages</h2><ul>
<li>Before: “{{.Package}} is deployed to {{.Org}}; {{len .Components}} components are touched. It can be taken back with grade {{.Grade}}.”</li>
<li>After: “The deployment to {{.Org}} is done and was compared with what was asked for.”</li>
<li>Going back: “The deployment to {{.Org}} is taken back. Work that was done since stays; what does not come back as it was is listed in the runbook.”</li></ul>
</body></html>
`))
