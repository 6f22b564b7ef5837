package process_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"holdfast/bench/process"
)

// takeEnv makes the test program a process that takes so many MiB and says when it has them.
const takeEnv = "HOLDFAST_TEST_TAKE"

func TestMain(m *testing.M) {
	if mib, err := strconv.Atoi(os.Getenv(takeEnv)); err == nil {
		if err := process.Take(mib); err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString("taken\n")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// taker is a process that takes so much memory.
func taker(t *testing.T, mib int, within process.Group) process.Command {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return process.Command{Name: self, Env: append(os.Environ(), takeEnv+"="+strconv.Itoa(mib)), Within: within}
}

func TestThePeakOfAProcessIsMeasured(t *testing.T) {
	small, err := process.Run(t.Context(), taker(t, 1, process.Group{}))
	if err != nil {
		t.Fatal(err)
	}
	large, err := process.Run(t.Context(), taker(t, 101, process.Group{}))
	if err != nil {
		t.Fatal(err)
	}
	if more := large.RSS - small.RSS; more < 90<<20 || more > 150<<20 || large.Said != "taken" {
		t.Errorf("a process that takes 100 MiB more has %d MiB more at its peak, and says %q", more>>20, large.Said)
	}
}

// TestTheLimitEndsWhatGoesBeyondIt: else a measurement within a limit would show nothing.
func TestTheLimitEndsWhatGoesBeyondIt(t *testing.T) {
	group := process.NewGroup()
	defer func() {
		if err := group.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !group.Limited() {
		if err := group.Prove(t.Context(), taker(t, 1, group)); err == nil {
			t.Error("it is proven that there is a limit where there is none")
		}
		t.Skip("NOT TESTED: limits of memory: " + group.About())
	}
	for _, mib := range []int{96, 64, 160} { // lower and higher than before
		if err := group.Limit(mib); err != nil {
			t.Fatal(err)
		}
		if _, err := process.Run(t.Context(), taker(t, mib/2, group)); err != nil {
			t.Errorf("half of %d MiB: %v", mib, err)
		}
		if _, err := process.Run(t.Context(), taker(t, mib+32, group)); err == nil || !strings.Contains(err.Error(), "more than its limit") {
			t.Errorf("%d MiB of %d: %v", mib+32, mib, err)
		}
		if err := group.Prove(t.Context(), taker(t, mib+32, process.Group{})); err != nil {
			t.Errorf("limit of %d MiB: %v", mib, err)
		}
		if err := group.Prove(t.Context(), taker(t, mib/2, process.Group{})); err == nil {
			t.Errorf("a process that takes half of %d MiB proves the limit", mib)
		}
	}
}
