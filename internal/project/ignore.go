package project

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
)

// ignoreFile names what of a project is no part of it, in the form of .gitignore.
// Source: Salesforce DX Developer Guide, "How to Exclude Source When Syncing or Converting".
const ignoreFile = ".forceignore"

// settings is what is read of sfdx-project.json.
// Source: Salesforce DX Developer Guide, "Salesforce DX Project Configuration".
type settings struct {
	PackageDirectories []struct {
		Path string `json:"path"`
	} `json:"packageDirectories"`
	SourceAPIVersion string `json:"sourceApiVersion"`
}

// selected returns the files that lie in the packages of a project and are not to be left alone. Their paths are safe to be
// followed below a folder.
func selected(files []component.Entry, p *Project) ([]component.Entry, error) {
	var packages []string
	var rules []pattern
	for _, f := range files {
		switch f.Path {
		case "sfdx-project.json":
			var s settings
			if err := json.Unmarshal(f.Body, &s); err != nil {
				return nil, fmt.Errorf("sfdx-project.json: %w", err)
			}
			p.Version = s.SourceAPIVersion
			for _, d := range s.PackageDirectories {
				packages = append(packages, path.Clean(strings.TrimPrefix(d.Path, "./")))
			}
		case ignoreFile:
			rules = patterns(string(f.Body))
		}
	}
	var out []component.Entry
	for _, f := range files {
		inside := len(packages) == 0 || slices.ContainsFunc(packages, func(dir string) bool { return dir == "." || strings.HasPrefix(f.Path, dir+"/") })
		if !inside || strings.HasPrefix(path.Base(f.Path), ".") || passes(f.Path) || ignored(rules, f.Path) {
			continue
		}
		if err := component.CheckPath(f.Path); err != nil {
			return nil, problem.Newf(problem.Usage, "%q is no path of a component: no org takes it", f.Path).
				Hint("rename the file, or leave it out with a line in %s, such as **/PART*OF*ITS*NAME", ignoreFile)
		}
		out = append(out, f)
	}
	return out, nil
}

// passes reports a path through a folder that holds no components.
func passes(name string) bool {
	return slices.ContainsFunc(strings.Split(path.Dir(name), "/"), func(part string) bool { return slices.Contains(passed, part) })
}

// pattern is one line of an ignore file.
type pattern struct {
	parts  []string // "**" stands for any folders
	folder bool     // only folders
	back   bool     // takes back what an earlier one named
}

// patterns reads an ignore file. Source: git, gitignore(5).
func patterns(text string) []pattern {
	var out []pattern
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var p pattern
		line, p.back = strings.CutPrefix(line, "!")
		line, p.folder = strings.CutSuffix(line, "/")
		anchored := strings.Contains(line, "/")
		p.parts = strings.Split(strings.TrimPrefix(line, "/"), "/")
		if !anchored {
			p.parts = append([]string{"**"}, p.parts...)
		}
		out = append(out, p)
	}
	return out
}

// ignored reports that the last pattern that means a file, or a folder in which it lies, leaves it out.
func ignored(rules []pattern, name string) bool {
	parts := strings.Split(name, "/")
	out := false
	for _, p := range rules {
		for n := 1; n <= len(parts); n++ {
			if n == len(parts) && p.folder {
				continue
			}
			if meets(p.parts, parts[:n]) {
				out = !p.back
				break
			}
		}
	}
	return out
}

// meets reports that a pattern means the path.
func meets(pattern, parts []string) bool {
	if len(pattern) == 0 {
		return len(parts) == 0
	}
	if pattern[0] == "**" {
		for n := 0; n <= len(parts); n++ {
			if meets(pattern[1:], parts[n:]) {
				return true
			}
		}
		return false
	}
	if len(parts) == 0 {
		return false
	}
	ok, err := path.Match(pattern[0], parts[0])
	return err == nil && ok && meets(pattern[1:], parts[1:])
}
