package cli_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/component"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/project"
	"holdfast/internal/sf"
	"holdfast/internal/testkit"
)

// sfdx-git-delta, by other authors, works out from two commits what is deployed and deleted. It runs on Node, and its folder is that
// of its package.
const (
	gitDeltaEnv = "HOLDFAST_GIT_DELTA"
	nodeEnv     = "HOLDFAST_NODE"
)

const otherDelta = `
import { pathToFileURL } from 'node:url'
import { readFileSync } from 'node:fs'
const [modules, work] = process.argv.slice(2)
const { repo, ranges } = JSON.parse(readFileSync(work))
const { default: delta } = await import(pathToFileURL(modules + '/lib/main.js').href)
const plain = (m) => Object.fromEntries([...m].map(([k, v]) => [k, [...v].sort()]))
const out = []
for (const [from, to] of ranges) {
  const w = await delta({ from, to, output: repo, source: ['force-app'], repo, apiVersion: 66, ignoreWhitespace: false, generateDelta: false })
  out.push({ deploy: plain(w.diffs.package), delete: plain(w.diffs.destructiveChanges), warnings: w.warnings.map(String) })
}
console.log(JSON.stringify(out))
`

// gitDelta is what the other says of one range of commits.
type gitDelta struct {
	Deploy   map[string][]string `json:"deploy"`
	Delete   map[string][]string `json:"delete"`
	Warnings []string            `json:"warnings"`
}

// gitDeltas asks sfdx-git-delta about ranges of commits. Without it nothing is tested, which is an error in CI.
func gitDeltas(t *testing.T, repo string, ranges [][2]string) []gitDelta {
	t.Helper()
	node, folder := os.Getenv(nodeEnv), os.Getenv(gitDeltaEnv)
	if _, err := os.Stat(filepath.Join(folder, "package.json")); node == "" || folder == "" || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("sfdx-git-delta is missing: set %s and %s", nodeEnv, gitDeltaEnv)
		}
		t.Skipf("NOT TESTED: changes as sfdx-git-delta has them: set %s and %s (.ci/tools clients installs them)", nodeEnv, gitDeltaEnv)
	}
	work, err := json.Marshal(map[string]any{"repo": repo, "ranges": ranges})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script, input := filepath.Join(dir, "delta.mjs"), filepath.Join(dir, "work.json")
	for name, body := range map[string][]byte{script: []byte(otherDelta), input: work} {
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, script, folder, input)
	cmd.Dir = repo
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sfdx-git-delta: %v\n%s", err, said.String())
	}
	var got []gitDelta
	if err := json.Unmarshal(out, &got); err != nil || len(got) != len(ranges) {
		t.Fatalf("sfdx-git-delta: %v in %.300s", err, out)
	}
	return got
}

// gitFolder is a Git repository with a project in source format.
type gitFolder struct {
	t     *testing.T
	dir   string
	files map[string][]byte
}

func (g *gitFolder) git(args ...string) string {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), "git", append([]string{"-C", g.dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes the files down and returns the name of the commit.
func (g *gitFolder) commit() string {
	g.t.Helper()
	if err := os.RemoveAll(filepath.Join(g.dir, "force-app")); err != nil {
		g.t.Fatal(err)
	}
	for name, body := range g.files {
		p := filepath.Join(g.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			g.t.Fatal(err)
		}
		if err := os.WriteFile(p, body, 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
	g.git("add", "-A")
	g.git("commit", "-q", "--allow-empty", "-m", "step")
	return g.git("rev-parse", "HEAD")
}

// pick returns one of the files whose path has this in it, or "".
func (g *gitFolder) pick(rnd *rand.Rand, fits func(p string) bool) string {
	var all []string
	for p := range g.files {
		if fits(p) {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	return all[rnd.IntN(len(all))]
}

func ending(suffix string) func(string) bool {
	return func(p string) bool { return strings.HasSuffix(p, suffix) }
}

// edit replaces the text of an element, so that the document says something else.
func (g *gitFolder) edit(p, element, text string) bool {
	body := string(g.files[p])
	start := strings.Index(body, "<"+element+">")
	end := strings.Index(body, "</"+element+">")
	if p == "" || start < 0 || end < start {
		return false
	}
	g.files[p] = []byte(body[:start+len(element)+2] + text + body[end:])
	return true
}

// step is one thing that a developer does; n is new.
func (g *gitFolder) step(rnd *rand.Rand, n int) {
	main := "force-app/main/default/"
	switch rnd.IntN(19) {
	case 0:
		g.files[fmt.Sprint(main, "classes/Made", n, ".cls")] = fmt.Appendf(nil, "public class Made%d {}\n", n)
		g.files[fmt.Sprint(main, "classes/Made", n, ".cls-meta.xml")] = []byte(metaFile("ApexClass", "<apiVersion>66.0</apiVersion><status>Active</status>"))
	case 1:
		if p := g.pick(rnd, ending(".cls")); p != "" {
			g.files[p] = fmt.Append(slices.Clone(g.files[p]), "// ", n, "\n")
		}
	case 2:
		if p := g.pick(rnd, ending(".cls")); p != "" {
			delete(g.files, p)
			delete(g.files, p+"-meta.xml")
		}
	case 3:
		g.edit(g.pick(rnd, ending(".cls-meta.xml")), "apiVersion", strconv.Itoa(30+n%30)+".0")
	case 4:
		if object := g.pick(rnd, ending("__c.object-meta.xml")); object != "" {
			g.files[path.Dir(object)+fmt.Sprint("/fields/F", n, "__c.field-meta.xml")] = []byte(metaFile("CustomField", fmt.Sprint("<fullName>F", n, "__c</fullName><label>F</label><length>40</length><type>Text</type>")))
		}
	case 5:
		g.edit(g.pick(rnd, ending(".field-meta.xml")), "label", fmt.Sprint("Label ", n))
	case 6:
		delete(g.files, g.pick(rnd, func(p string) bool {
			return strings.HasSuffix(p, ".field-meta.xml") && !strings.Contains(string(g.files[p]), "MasterDetail")
		}))
	case 7:
		g.edit(g.pick(rnd, ending(".object-meta.xml")), "label", fmt.Sprint("Label ", n))
	case 8:
		if p := g.pick(rnd, func(p string) bool {
			return strings.Contains(p, "/lwc/") && strings.HasSuffix(p, ".js") && !strings.Contains(p, "__tests__")
		}); p != "" {
			g.files[p] = fmt.Append(slices.Clone(g.files[p]), "// ", n, "\n")
		}
	case 9:
		delete(g.files, g.pick(rnd, func(p string) bool { return strings.Contains(p, "/lwc/") && strings.HasSuffix(p, ".css") }))
	case 10:
		if p := g.pick(rnd, ending(".js-meta.xml")); p != "" {
			g.dropBelow(path.Dir(p) + "/")
		}
	case 11:
		g.edit(g.pick(rnd, ending(".layout-meta.xml")), "label", fmt.Sprint("Section ", n))
	case 12:
		delete(g.files, g.pick(rnd, ending(".layout-meta.xml")))
	case 13:
		g.edit(g.pick(rnd, ending(".permissionset-meta.xml")), "label", fmt.Sprint("Set ", n))
	case 14:
		if p := g.pick(rnd, ending(".flow-meta.xml")); p != "" && rnd.IntN(2) == 0 {
			delete(g.files, p)
		} else {
			g.edit(p, "label", fmt.Sprint("Flow ", n))
		}
	case 15:
		g.files[fmt.Sprint(main, "flows/Made", n, ".flow-meta.xml")] = []byte(killedFlow("made"))
	case 16:
		if p := g.pick(rnd, ending("__c.object-meta.xml")); p != "" && rnd.IntN(4) == 0 {
			g.dropBelow(path.Dir(p) + "/")
		}
	case 17:
		g.label(rnd, n)
	case 18:
		g.edit(g.pick(rnd, func(p string) bool {
			return strings.HasSuffix(p, ".listView-meta.xml") || strings.HasSuffix(p, ".recordType-meta.xml") || strings.HasSuffix(p, ".tab-meta.xml") || strings.HasSuffix(p, ".md-meta.xml")
		}), "label", fmt.Sprint("Label ", n))
	}
}

func (g *gitFolder) dropBelow(folder string) {
	for p := range g.files {
		if strings.HasPrefix(p, folder) {
			delete(g.files, p)
		}
	}
}

// label adds a custom label, or changes or deletes one.
func (g *gitFolder) label(rnd *rand.Rand, n int) {
	const p = "force-app/main/default/labels/CustomLabels.labels-meta.xml"
	text := string(g.files[p])
	if text == "" {
		text = metaFile("CustomLabels", "")
	}
	all := strings.SplitAfter(text, "</labels>")
	last := len(all) - 1
	switch at := rnd.IntN(len(all)); {
	case at < last && rnd.IntN(2) == 0 && last > 1:
		all = slices.Delete(all, at, at+1)
		if at == 0 { // the beginning of the document stood before it
			head, _, _ := strings.Cut(text, "<labels>")
			all[0] = head + all[0]
		}
	case at < last:
		all[at] = strings.Replace(all[at], "</shortDescription>", fmt.Sprint(n, "</shortDescription>"), 1)
	default:
		all[last] = strings.Replace(all[last], "</CustomLabels>", fmt.Sprintf("<labels><fullName>Made%d</fullName><language>en_US</language><protected>false</protected>"+
			"<shortDescription>s</shortDescription><value>v</value></labels></CustomLabels>", n), 1)
	}
	g.files[p] = []byte(strings.Join(all, ""))
}

// members are components as sfdx-git-delta writes them, sorted.
func members(keys []sf.ComponentKey) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.Type+" "+k.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func memberTexts(m map[string][]string) []string {
	var out []string
	for kind, names := range m {
		for _, n := range names {
			out = append(out, kind+" "+n)
		}
	}
	slices.Sort(out)
	return out
}

// TestChangesOfGitAreThoseOfSfdxGitDelta holds what is deployed and deleted between two commits against what sfdx-git-delta
// says.
func TestChangesOfGitAreThoseOfSfdxGitDelta(t *testing.T) {
	t.Parallel()
	steps := 8
	if os.Getenv("HOLDFAST_LONG") != "" {
		steps = 60
	}
	for name, folders := range map[string][]string{"dreamhouse": {"force-app"}, "easy-spaces": {"es-base-objects", "es-base-code", "es-space-mgmt"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &gitFolder{t: t, dir: t.TempDir(), files: map[string][]byte{}}
			for p, body := range testkit.ProjectFiles(t, name, folders...) {
				if i := strings.Index(p, "main/default/"); i >= 0 && !strings.Contains(p, "__tests__") {
					g.files["force-app/"+p[i:]] = body
				}
			}
			if err := os.WriteFile(filepath.Join(g.dir, "sfdx-project.json"), []byte(`{"packageDirectories":[{"path":"force-app","default":true}],"sourceApiVersion":"66.0"}`), 0o600); err != nil {
				t.Fatal(err)
			}
			g.git("init", "-q", "-b", "main", ".")
			rnd := rand.New(rand.NewPCG(uint64(steps), 4))
			commits := []string{g.commit()}
			var ranges [][2]string
			for i := range steps {
				for k := range 2 + rnd.IntN(5) {
					g.step(rnd, i*10+k)
				}
				commits = append(commits, g.commit())
				ranges = append(ranges, [2]string{commits[i], commits[i+1]})
			}
			ranges = append(ranges, [2]string{commits[0], commits[steps]}, [2]string{commits[steps], commits[0]})
			for i, other := range gitDeltas(t, g.dir, ranges) {
				ours, err := project.Range(t.Context(), filepath.Join(g.dir, "force-app"), ranges[i][0], ranges[i][1])
				if err != nil {
					t.Fatal(err)
				}
				for _, w := range other.Warnings {
					// A flow is not deleted by its name: what is made of it is decided where the org is known, by its versions.
					if !strings.Contains(w, "Attempt to delete the flow") {
						t.Errorf("range %d: %s", i, w)
					}
				}
				a, b := members(ours.Package.Members), memberTexts(other.Deploy)
				b = withoutImplied(b, a)
				if !slices.Equal(a, b) {
					t.Errorf("range %d deploys %q, and by sfdx-git-delta %q", i, less(a, b), less(b, a))
				}
				a, b = members(ours.Package.Deleted), memberTexts(other.Delete)
				b = withoutImplied(b, a)
				if !slices.Equal(a, b) {
					t.Errorf("range %d deletes %q, and by sfdx-git-delta %q", i, less(a, b), less(b, a))
				}
			}
		})
	}
}

// TestExportsOfNoChangeAreEmptyForSfdxGitDelta exports two backups between which nothing happened, and then one after a change, of which
// sfdx-git-delta sees that and nothing else.
func TestExportsOfNoChangeAreEmptyForSfdxGitDelta(t *testing.T) {
	server, err := emulator.Start(t.Context(), emulator.Options{Seed: 7, Clock: org.NewClock(time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	server.Intercept(killSees)
	l, h := loaderOf(server), newHouse(t, server)
	var source []component.Entry
	for p, body := range testkit.ProjectFiles(t, "dreamhouse", "force-app") {
		source = append(source, component.Entry{Path: p, Body: body})
	}
	archive, _, err := component.Known().FromSource(source)
	if err != nil {
		t.Fatal(err)
	}
	files, named := map[string]string{}, map[string]bool{}
	for _, f := range archive {
		key, _ := component.Known().Resolve(f.Path)
		files[f.Path], named[component.InManifest(key).Type+":"+key.Name] = string(f.Body), true
	}
	files["package.xml"] = killedManifest(slices.Sorted(maps.Keys(named))...)
	if err := l.DeployFiles(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	h.must("init", "--recovery-key-file", h.path("recovery.key"))
	g := &gitFolder{t: t, dir: t.TempDir()}
	g.git("init", "-q", "-b", "main", ".")
	export := func(name string) string {
		h.must("backup", "wrecked", "--quiet")
		h.must("export", h.path(name), "--quiet")
		g.files = map[string][]byte{}
		err := fs.WalkDir(os.DirFS(h.path(name)), "force-app", func(p string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				g.files[p], err = os.ReadFile(filepath.Join(h.path(name), filepath.FromSlash(p)))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return g.commit()
	}
	first, second := export("first"), export("second")
	err = l.DeployFiles(t.Context(), map[string]string{
		"package.xml":                killedManifest("ApexClass:Made"),
		"classes/Made.cls":           "public class Made { }",
		"classes/Made.cls-meta.xml":  metaFile("ApexClass", "<apiVersion>66.0</apiVersion><status>Active</status>"),
		"destructiveChangesPost.xml": killedManifest("ListView:Broker__c.All"),
	})
	if err != nil {
		t.Fatal(err)
	}
	deltas := gitDeltas(t, g.dir, [][2]string{{first, second}, {second, export("third")}})
	if d := deltas[0]; len(d.Deploy)+len(d.Delete)+len(d.Warnings) != 0 {
		t.Errorf("nothing changed: %+v", d)
	}
	if got := memberTexts(deltas[1].Deploy); !slices.Equal(got, []string{"ApexClass Made"}) {
		t.Errorf("deployed: %q", got)
	}
	if got := memberTexts(deltas[1].Delete); !slices.Equal(got, []string{"ListView Broker__c.All"}) {
		t.Errorf("deleted: %q", got)
	}
}

// withoutImplied leaves out what sfdx-git-delta names besides its object and we do not: the parts of an object that comes or goes as a
// whole, which come and go with it.
func withoutImplied(theirs, ours []string) []string {
	return slices.DeleteFunc(slices.Clone(theirs), func(m string) bool {
		_, name, _ := strings.Cut(m, " ")
		object, _, inside := strings.Cut(name, ".")
		whole := "CustomObject " + object
		return inside && !slices.Contains(ours, m) && slices.Contains(ours, whole) && slices.Contains(theirs, whole)
	})
}

// less returns what of a is not in b.
func less(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
