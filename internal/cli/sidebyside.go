package cli

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"os"
	"strings"

	"znkr.io/diff"

	"holdfast/internal/problem"
	"holdfast/internal/run"
)

// sideBySide is a page that shows components before and after, beside one another.
type sideBySide struct {
	file   *os.File
	body   bytes.Buffer
	hidden int // components that no longer fitted
}

// maxPage bounds the page: browsers take tens of megabytes, and people read less.
const maxPage = 32 << 20

// openSideBySide makes the file of the page before anything is compared; nil for no path.
func openSideBySide(path string) (*sideBySide, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, problem.Newf(problem.Usage, "page %s is already there", path).Hint("nothing is overwritten: give another name, or remove it")
	}
	if err != nil {
		return nil, onDisk(fmt.Errorf("page: %w", err))
	}
	return &sideBySide{file: f}, nil
}

// pageLine is one line of a file in both states, with its numbers; 0 is none.
type pageLine struct {
	Left, Right         string
	LeftAt, RightAt     int
	LeftClass, RightCls string // gone, new
	Jump                bool   // lines that are the same are left out here
}

type pageFile struct {
	run.FileTexts
	Lines []pageLine
}

type pageComponent struct {
	run.ComponentDiff
	Files []pageFile
}

// add shows one component.
func (p *sideBySide) add(c run.ComponentTexts) error {
	if p.body.Len() > maxPage {
		p.hidden++
		return nil
	}
	shown := pageComponent{ComponentDiff: c.ComponentDiff}
	for _, f := range c.Files {
		shown.Files = append(shown.Files, pageFile{f, beside(f.Before, f.After)})
	}
	return componentPage.Execute(&p.body, shown)
}

// beside lays the lines of two texts side by side, with three lines around each difference.
func beside(before, after string) []pageLine {
	var out []pageLine
	for i, h := range diff.Hunks(lines(before), lines(after), diff.Context(3)) {
		if i > 0 {
			out = append(out, pageLine{Jump: true})
		}
		left, right := h.PosX, h.PosY
		gone := 0 // lines of the left side that wait for a partner
		for _, e := range h.Edits {
			switch e.Op {
			case diff.Match:
				gone = 0
				left, right = left+1, right+1
				out = append(out, pageLine{Left: e.X, Right: e.Y, LeftAt: left, RightAt: right})
			case diff.Delete:
				left++
				gone++
				out = append(out, pageLine{Left: e.X, LeftAt: left, LeftClass: "gone"})
			case diff.Insert:
				right++
				if gone > 0 {
					at := &out[len(out)-gone]
					at.Right, at.RightAt, at.RightCls = e.Y, right, "new"
					gone--
					continue
				}
				out = append(out, pageLine{Right: e.Y, RightAt: right, RightCls: "new"})
			}
		}
	}
	return out
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// close writes the page.
func (p *sideBySide) close(r run.DiffResult, ended error) error {
	if p == nil {
		return nil
	}
	if ended != nil {
		return errors.Join(p.file.Close(), os.Remove(p.file.Name()))
	}
	head := struct {
		run.DiffResult
		Left, Right string
		Hidden      int
	}{r, sideName(r, 0), sideName(r, 1), p.hidden}
	err := comparePage.Execute(p.file, head)
	if err == nil {
		_, err = p.body.WriteTo(p.file)
	}
	if err == nil {
		_, err = io.WriteString(p.file, "</body></html>\n")
	}
	if err := errors.Join(err, p.file.Sync(), p.file.Close()); err != nil {
		return onDisk(fmt.Errorf("page %s: %w", p.file.Name(), err))
	}
	return nil
}

// sideName is what a side is called.
func sideName(r run.DiffResult, i int) string {
	if len(r.Sides) <= i {
		return ""
	}
	s := r.Sides[i]
	if s.Commit != "" {
		return fmt.Sprintf("%s (%.10s)", s.Name, s.Commit)
	}
	return s.Kind + " " + s.Name
}

// comparePage is the head of a page that needs nothing else: no script, no style and no picture from elsewhere.
var comparePage = template.Must(template.New("compare").Funcs(template.FuncMap{"stamp": stamp}).Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{.Left}} and {{.Right}}</title>
<style>body{font:15px/1.5 sans-serif;margin:2em;color:#222}table{border-collapse:collapse}td,th{padding:.1em .5em;text-align:left;vertical-align:top}
.list td,.list th{border:1px solid #bbb}table.text{width:100%;table-layout:fixed;font:12px/1.4 monospace}table.text td{white-space:pre-wrap;overflow-wrap:anywhere}
td.n{width:4em;text-align:right;color:#888;user-select:none}.gone{background:#fdd}.new{background:#dfd}.jump td{background:#eef;color:#888}
summary{cursor:pointer;font-weight:bold;margin:.6em 0}.added{color:#060}.removed{color:#a00}</style></head><body>
<h1>{{.Left}} <small>and</small> {{.Right}}</h1>
<p>{{len .Components}} components differ; {{.Same}} types have no difference.{{if .Hidden}} {{.Hidden}} components are listed and not shown: the page would be too large.{{end}}</p>
{{if .Objects}}<h2>Not compared</h2><ul>{{range .Objects}}<li>{{.Object}}: {{.Note}}</li>{{end}}</ul>{{end}}
{{if .Data}}<h2>Data that the schema changes touch</h2><table class="list"><tr><th>Object</th><th>Field</th><th>Is</th><th>Records</th><th>Values</th></tr>
{{range .Data}}<tr><td>{{.Object}}</td><td>{{.Field}}</td><td>{{.How}}</td>{{if .Held}}<td>{{.Records}}</td><td>{{.Values}}</td>{{else}}<td colspan="2">not held</td>{{end}}</tr>{{end}}</table>{{end}}
<h2>Components</h2><table class="list"><tr><th>Is</th><th>Type</th><th>Name</th><th>By</th><th>When</th></tr>
{{range .Components}}<tr><td class="{{.How}}">{{.How}}</td><td>{{.Type}}</td><td>{{.Name}}</td><td>{{.ModifiedBy}}</td><td>{{stamp .Modified}}</td></tr>
{{end}}</table>
`))

var componentPage = template.Must(template.New("component").Parse(`<details{{if eq .How "changed"}} open{{end}}><summary class="{{.How}}">{{.How}} {{.Type}} {{.Name}}</summary>
{{if .Parts}}<ul>{{range .Parts}}<li>{{.How}} {{.File}} {{.Element}} {{.Key}}{{range .Values}}<br><code>{{.Path}}: {{.Before}} → {{.After}}</code>{{end}}</li>{{end}}</ul>{{end}}
{{range .Files}}<p><code>{{.Path}}</code>{{if .Binary}}: not text{{end}}</p>{{if .Lines}}<table class="text">{{range .Lines}}
{{if .Jump}}<tr class="jump"><td class="n"></td><td>⋯</td><td class="n"></td><td>⋯</td></tr>{{else}}<tr><td class="n">{{if .LeftAt}}{{.LeftAt}}{{end}}</td><td class="{{.LeftClass}}">{{.Left}}</td><td class="n">{{if .RightAt}}{{.RightAt}}{{end}}</td><td class="{{.RightCls}}">{{.Right}}</td></tr>{{end}}{{end}}</table>{{end}}
{{end}}</details>
`))
