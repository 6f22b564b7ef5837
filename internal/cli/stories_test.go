package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/testkit"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"holdfast": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestStories runs the scripts of testdata: the real program, in a process of its own, on an
// emulated org. Besides the commands of testscript they have
//
//	serve PERMISSION…            start an org; $URL and practice.json tell where it is. It shows few objects
//	see all, see few             it shows all of them from now on, or few again
//	unserve                      stop it
//	expire                       end its sessions; what is in practice.json is refused from now on
//	insert VAR OBJECT F=V…       create a record, as people do; its Id goes into $VAR
//	update OBJECT ID F=V…        change a record
//	serve-other NAME             start another org; NAME.json tells where it is
//	turn NAME                    the commands below speak to that org; practice is the first
//	count OBJECT N               compare how many records there are
//	deploy FOLDER                deploy the files of a folder in Metadata API format
//	delete ID…                   move records to the Recycle Bin
//	value OBJECT ID FIELD WANT   compare what the org holds now
//	code N COMMAND…              the program ends with exit code N and says one line of error, or none
//	get VAR PATTERN              take what follows PATTERN in stdout, up to the next quote, comma or blank
//	truncate DIR                 cut the largest file below DIR in half
//	spoil FILE                   change one bit in the middle of it
//	flip DIR                     change one bit in the largest file below DIR
//	cp-tree FROM TO              copy a folder
//	smalldisk DIR                mount a small disk there
//	fill FILE                    write to a file until the disk has no room
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOLDFAST_HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("HOLDFAST_REPO", filepath.Join(e.WorkDir, "repository"))
			e.Setenv("HOLDFAST_KEY_FILE", filepath.Join(e.WorkDir, "daily.key"))
			e.Values[stage{}] = &scene{}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "smalldisk" {
				return canMount(t)
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serve, "see": see, "unserve": unserve, "expire": expire, "insert": insert, "update": updateRecord,
			"delete": deleteRecords, "deploy": deployFolder, "serve-other": serveOther, "turn": turn, "count": countRecords, "value": value, "code": code, "get": get, "truncate": truncate, "flip": flip, "spoil": spoil,
			"smalldisk": smallDisk, "fill": fill, "cp-tree": copyTree,
		},
	})
}

// scene is what a running script has set up, kept under the key stage.
type (
	scene struct {
		server *emulator.Server
		others map[string]*emulator.Server
	}
	stage struct{}
)

func serve(ts *testscript.TestScript, _ bool, permissions []string) {
	server, err := emulator.Start(context.Background(), emulator.Options{Seed: 1, Clock: org.NewClock(time.Now), Permissions: permissions})
	ts.Check(err)
	ts.Defer(server.Close)
	server.Intercept(storySees)
	ts.Value(stage{}).(*scene).server = server
	body, err := json.Marshal(signIn{
		InstanceURL: server.URL, AccessToken: server.AccessToken, Username: server.Username, OrgID: server.OrgID,
	})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("practice.json"), body, 0o600))
	ts.Setenv("URL", server.URL)
}

// storyObjects are the standard objects of the stories, and those which a check asks for. Describing
// hundreds more for each command is what most of the time would go to.
var storyObjects = testkit.Narrow("Account", "AccountHistory", "Attachment", "Case", "Contact", "ContentDocument", "ContentDocumentLink",
	"ContentVersion", "FieldPermissions", "Group", "ObjectPermissions", "Opportunity", "Organization", "PermissionSet",
	"PermissionSetAssignment", "Profile", "RecordType", "StaticResource", "User", "UserRole")

func storySees(r emulator.Request) emulator.Fault {
	if r.Op == "GET sobjects" {
		return emulator.Fault{Rewrite: storyObjects}
	}
	return emulator.Fault{}
}

func see(ts *testscript.TestScript, _ bool, args []string) {
	switch args[0] {
	case "all":
		practice(ts).Intercept(nil)
	case "few":
		practice(ts).Intercept(storySees)
	default:
		ts.Fatalf("see all, or see few")
	}
}

// serveOther starts another org beside the one of serve, which NAME.json leads to; turn makes it the org
// that insert, update, value and the like speak to, and turn practice the first one again.
func serveOther(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(stage{}).(*scene)
	first, url := s.server, ts.Getenv("URL")
	if s.others == nil {
		s.others = map[string]*emulator.Server{"practice": first}
	}
	server, err := emulator.Start(context.Background(), emulator.Options{Seed: 2, Clock: org.NewClock(time.Now)})
	ts.Check(err)
	ts.Defer(server.Close)
	server.Intercept(storySees)
	s.others[args[0]] = server
	body, err := json.Marshal(signIn{InstanceURL: server.URL, AccessToken: server.AccessToken, Username: server.Username, OrgID: server.OrgID})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".json"), body, 0o600))
	ts.Setenv("URL", url)
}

func turn(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(stage{}).(*scene)
	if s.server = s.others[args[0]]; s.server == nil {
		ts.Fatalf("no org %s is served", args[0])
	}
}

// count compares how many records of an object there are.
func countRecords(ts *testscript.TestScript, _ bool, args []string) {
	records, err := loader(ts).Query(context.Background(), "SELECT Id FROM "+args[0])
	ts.Check(err)
	if got := strconv.Itoa(len(records)); got != args[1] {
		ts.Fatalf("%s records of %s, not %s", got, args[0], args[1])
	}
}

func practice(ts *testscript.TestScript) *emulator.Server {
	server := ts.Value(stage{}).(*scene).server
	if server == nil {
		ts.Fatalf("no org is served")
	}
	return server
}

func unserve(ts *testscript.TestScript, _ bool, _ []string) { practice(ts).Close() }

func expire(ts *testscript.TestScript, _ bool, _ []string) { practice(ts).ExpireSessions() }

func loader(ts *testscript.TestScript) *testkit.Loader {
	return &testkit.Loader{InstanceURL: practice(ts).URL, AccessToken: practice(ts).AccessToken, Version: "v66.0"}
}

// fields reads F=V arguments.
func fields(ts *testscript.TestScript, args []string) testkit.Row {
	row := testkit.Row{}
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok {
			ts.Fatalf("%q is not FIELD=VALUE", arg)
		}
		row[name] = text
	}
	return row
}

func insert(ts *testscript.TestScript, _ bool, args []string) {
	ids, err := loader(ts).Insert(context.Background(), args[1], []testkit.Row{fields(ts, args[2:])})
	ts.Check(err)
	ts.Setenv(args[0], ids[0])
}

func updateRecord(ts *testscript.TestScript, _ bool, args []string) {
	row := fields(ts, args[2:])
	row["Id"] = args[1]
	ts.Check(loader(ts).Update(context.Background(), args[0], []testkit.Row{row}))
}

func deleteRecords(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(loader(ts).Delete(context.Background(), args))
}

func deployFolder(ts *testscript.TestScript, _ bool, args []string) {
	files := map[string]string{}
	root := ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(body)
		return err
	}))
	ts.Check(loader(ts).DeployFiles(context.Background(), files))
}

func value(ts *testscript.TestScript, neg bool, args []string) {
	records, err := loader(ts).Query(context.Background(),
		fmt.Sprintf("SELECT %s FROM %s WHERE Id = '%s'", args[2], args[0], args[1]))
	ts.Check(err)
	if len(records) != 1 {
		ts.Fatalf("%s %s is not there", args[0], args[1])
	}
	got := ""
	if v := records[0][args[2]]; v != nil {
		got = fmt.Sprint(v)
	}
	if (got == args[3]) == neg {
		ts.Fatalf("%s %s %s is %q", args[0], args[1], args[2], got)
	}
}

// code runs the program, compares its exit code, and holds it to its manners: one line for an error,
// which begins with its name.
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("run: %v", err)
	}
	said := ts.ReadFile("stderr")
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s", got, want, said)
	}
	last := strings.TrimSuffix(said, "\n")
	last = last[strings.LastIndexByte(last, '\n')+1:]
	if want != 0 && !strings.HasPrefix(last, "holdfast: ") && !strings.HasPrefix(last, "{") {
		ts.Fatalf("the last line of standard error is no error of ours: %q", last)
	}
}

func get(ts *testscript.TestScript, _ bool, args []string) {
	_, rest, ok := strings.Cut(ts.ReadFile("stdout"), args[1])
	if !ok {
		ts.Fatalf("stdout has no %q", args[1])
	}
	if end := strings.IndexAny(rest, "\", \t\n"); end >= 0 {
		rest = rest[:end]
	}
	ts.Setenv(args[0], rest)
}

// largest returns the path of the largest file below dir.
func largest(ts *testscript.TestScript, dir string) string {
	var path string
	var size int64
	ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err == nil && fi.Size() > size {
			path, size = p, fi.Size()
		}
		return err
	}))
	if path == "" {
		ts.Fatalf("%s holds no file", dir)
	}
	ts.Check(os.Chmod(path, 0o600))
	return path
}

func truncate(ts *testscript.TestScript, _ bool, args []string) {
	path := largest(ts, args[0])
	fi, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, fi.Size()/2))
}

func flip(ts *testscript.TestScript, _ bool, args []string) {
	flipIn(ts, largest(ts, args[0]))
}

func spoil(ts *testscript.TestScript, _ bool, args []string) { flipIn(ts, ts.MkAbs(args[0])) }

func flipIn(ts *testscript.TestScript, path string) {
	body, err := os.ReadFile(path)
	ts.Check(err)
	body[len(body)/2] ^= 0x10
	ts.Check(os.WriteFile(path, body, 0o600))
}

// canMount reports whether a small disk can be had here. In CI it must be.
func canMount(t *testing.T) (bool, error) {
	dir := t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).CombinedOutput()
	if err == nil {
		return true, exec.Command("umount", dir).Run()
	}
	if os.Getenv("CI") == "true" {
		return false, fmt.Errorf("no small disk can be mounted: %w: %s", err, out)
	}
	t.Logf("NOT TESTED: a full disk under the real program (mounting one needs root): %s", out)
	return false, nil
}

func smallDisk(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", dir).CombinedOutput()
	if err != nil {
		ts.Fatalf("mount: %v: %s", err, out)
	}
	ts.Defer(func() { _ = exec.Command("umount", dir).Run() })
}

func fill(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		ts.Fatalf("fill: %v", err)
	}
	ts.Check(f.Close())
}

func copyTree(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
}
