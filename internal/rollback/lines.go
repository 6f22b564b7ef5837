package rollback

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Format names the version of the file that this package writes, and the only one it reads.
const Format = "holdfast-rollback/2"

// The lines of a plan file, in their order. docs/format/rollback-plan.md.
type (
	headerLine struct {
		Format      string   `json:"format"`
		Org         string   `json:"org"`
		Made        string   `json:"made"`
		Before      string   `json:"before"`
		After       string   `json:"after"`
		Live        string   `json:"live"`
		Only        []string `json:"only,omitempty"`
		Except      []string `json:"except,omitempty"`
		Tests       string   `json:"tests,omitempty"`
		Notes       int      `json:"notes"`
		Actions     int      `json:"actions"`
		Values      int      `json:"values"`
		Deployments int      `json:"deployments"`
		Records     int      `json:"records"`
	}
	noteLine struct {
		Note string `json:"note"`
	}
	actionLine struct {
		Action    string `json:"action"`
		Type      string `json:"type"`
		Name      string `json:"name"`
		Why       string `json:"why,omitempty"`
		Parts     int    `json:"parts"`
		Conflicts int    `json:"conflicts"`
	}
	partLine struct {
		Part    string `json:"part"`
		Element string `json:"element"`
		Key     string `json:"key,omitempty"`
	}
	conflictLine struct {
		Conflict string `json:"conflict"`
		Element  string `json:"element"`
		Key      string `json:"key,omitempty"`
	}
	valuesLine struct {
		Values  string `json:"values"`
		Field   string `json:"field,omitempty"`
		Records int64  `json:"records"`
	}
	deploymentLine struct {
		Deployment int    `json:"deployment"`
		Version    string `json:"version"`
		Deploy     int    `json:"deploy"`
		Delete     int    `json:"delete"`
		Files      int    `json:"files"`
	}
	deployLine struct {
		Deploy string `json:"deploy"`
		Name   string `json:"name"`
	}
	deleteLine struct {
		Delete string `json:"delete"`
		Name   string `json:"name"`
	}
	fileLine struct {
		File   string  `json:"file"`
		Text   *string `json:"text,omitempty"`
		Base64 *string `json:"base64,omitempty"`
	}
	recordsLine struct {
		Records int `json:"records"`
		Lines   int `json:"lines"`
	}
	endLine struct {
		End    int    `json:"end"`
		SHA256 string `json:"sha256"`
	}
)

// headerOf returns the first line of the plan.
func headerOf(p Plan) headerLine {
	return headerLine{
		Format: Format, Org: string(p.Org), Made: p.Made.UTC().Format(sf.DatetimeLayout),
		Before: p.Source.Before, After: p.Source.After, Live: p.Source.Live, Only: p.Source.Only, Except: p.Source.Except, Tests: string(p.Tests),
		Notes: len(p.Notes), Actions: len(p.Actions), Values: len(p.Values), Deployments: len(p.Deployments), Records: len(p.Records),
	}
}

// linesOf returns every line but the last.
func linesOf(p Plan) []any {
	lines := []any{headerOf(p)}
	for _, n := range p.Notes {
		lines = append(lines, noteLine{n})
	}
	for _, a := range p.Actions {
		lines = append(lines, actionLine{string(a.Verb), a.Key.Type, a.Key.Name, a.Why, len(a.Parts), len(a.Conflicts)})
		for _, c := range a.Parts {
			lines = append(lines, partLine{string(c.How), c.Element, c.Key})
		}
		for _, c := range a.Conflicts {
			lines = append(lines, conflictLine{string(c.How), c.Element, c.Key})
		}
	}
	for _, v := range p.Values {
		lines = append(lines, valuesLine{v.Object, v.Field, v.Records})
	}
	for i, d := range p.Deployments {
		members := d.Members()
		lines = append(lines, deploymentLine{i + 1, d.Manifest.Version, len(members), len(d.Deleted), len(d.Files)})
		for _, k := range members {
			lines = append(lines, deployLine{k.Type, k.Name})
		}
		for _, k := range d.Deleted {
			lines = append(lines, deleteLine{k.Type, k.Name})
		}
		for _, f := range d.Files {
			lines = append(lines, fileLineOf(f))
		}
	}
	return lines
}

// fileLineOf writes a file as text where it is text.
func fileLineOf(f component.Entry) fileLine {
	text := string(f.Body)
	if utf8.Valid(f.Body) {
		return fileLine{File: f.Path, Text: &text}
	}
	text = base64.StdEncoding.EncodeToString(f.Body)
	return fileLine{File: f.Path, Base64: &text}
}

// entry reads the line of a file.
func (l fileLine) entry() (component.Entry, error) {
	if err := component.CheckPath(l.File); err != nil {
		return component.Entry{}, err
	}
	switch {
	case l.Text != nil && l.Base64 == nil:
		return component.Entry{Path: l.File, Body: []byte(*l.Text)}, nil
	case l.Base64 != nil && l.Text == nil:
		body, err := base64.StdEncoding.DecodeString(*l.Base64)
		return component.Entry{Path: l.File, Body: body}, err
	}
	return component.Entry{}, fmt.Errorf("file %.80q has no content, or two", l.File)
}

// spell writes a line in its only spelling.
func spell(line any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(line); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
