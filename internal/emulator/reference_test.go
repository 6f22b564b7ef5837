package emulator_test

import (
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"holdfast/internal/emulator"
)

const reference = "../../docs/reference/emulator.md"

// Every command of the reference works, and every resource of the control endpoint is in it.
func TestReferenceOfTheControlEndpointWorks(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("NOT TESTED: the commands of docs/reference/emulator.md (there is no curl)")
	}
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, emulator.Options{ControlToken: "steer", Folder: t.TempDir()})
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Fatal("the reference has no commands")
	}
	for _, block := range blocks {
		cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", block[1])
		cmd.Env = append(os.Environ(), "URL="+c.s.URL, "CONTROL=steer", "no_proxy=*")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s\n%s", err, block[1], out)
		}
	}
	for _, path := range []string{"hardness", "faults", "clock", "calls", "sessions", "generate", "files", "images", "tests/", "coverage/", "retrieves", "jobs", "save", "snapshots/", "reset/", "sandboxes/"} {
		if !strings.Contains(string(text), "/_holdfast/"+path) {
			t.Errorf("the reference does not name %s", path)
		}
	}
}

func TestReferenceNamesEveryHardness(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	var demand func(of reflect.Type)
	demand = func(of reflect.Type) {
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("the reference does not name %s", name)
			}
			if f.Type.Kind() == reflect.Struct {
				demand(f.Type)
			}
		}
	}
	demand(reflect.TypeFor[emulator.Hardness]())
}
