package apply

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"holdfast/internal/problem"
)

// memory is a journal's medium that keeps what was synced apart from what was only written.
type memory struct {
	synced, written []byte
	read            int
	fail            func(op string) error // asked before every operation
}

func (m *memory) step(op string) error {
	if m.fail != nil {
		return m.fail(op)
	}
	return nil
}

func (m *memory) Read(p []byte) (int, error) {
	if m.read >= len(m.written) {
		return 0, io.EOF
	}
	n := copy(p, m.written[m.read:])
	m.read += n
	return n, nil
}

func (m *memory) Append(p []byte) error {
	if err := m.step("append"); err != nil {
		return err
	}
	m.written = append(m.written, p...)
	return nil
}

func (m *memory) Sync() error {
	if err := m.step("sync"); err != nil {
		return err
	}
	m.synced = bytes.Clone(m.written)
	return nil
}

func (m *memory) Truncate(size int64) error {
	if err := m.step("truncate"); err != nil {
		return err
	}
	m.written = m.written[:size]
	return nil
}

func (m *memory) Close() error { return nil }

func openMemory(t *testing.T, content []byte) (*Journal, *memory, error) {
	t.Helper()
	m := &memory{synced: bytes.Clone(content), written: bytes.Clone(content)}
	j, err := newJournal("memory", m, journalBytes)
	return j, m, err
}

var someEntries = []entry{
	{T: entryBegin, Plan: "00ff", Org: "00D000000000001EAA", At: "2026-01-02T03:04:05.000Z"},
	{T: entryIntent, Batch: 1, Step: 0, Op: "insert", Rows: [][2]int{{0, 3}, {7, 7}}, Sum: "aa"},
	{T: entryJob, Batch: 1, Job: "750000000000001EAA"},
	{T: entryOutcome, Batch: 1, Out: []entryRow{{Row: 0, ID: "001000000000001AAA"}, {Row: 7, Code: "X", Message: "m<&>", Fields: []string{"A"}}}},
	{T: entryStep, Step: 0},
	{T: entryVerify, Snap: "abc", Diff: 2},
	{T: entryEnd, At: "2026-01-02T03:04:06.000Z", State: "done"},
}

func journalBytesOf(t *testing.T, entries []entry) []byte {
	t.Helper()
	j, m, err := openMemory(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := j.append(e); err != nil {
			t.Fatal(err)
		}
	}
	return m.synced
}

func TestJournalReturnsWhatWasWritten(t *testing.T) {
	raw := journalBytesOf(t, someEntries)
	j, _, err := openMemory(t, raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(someEntries, j.entries); d != "" {
		t.Error(d)
	}
}

// A journal cut anywhere opens, holds a prefix of its entries, and can be written on. So does one
// whose last frame has its length but not its content from a sector's start on.
func TestJournalToleratesATornTailAtEveryByte(t *testing.T) {
	long := append(append([]entry{}, someEntries...), entry{
		T: entryOutcome, Batch: 2, Out: []entryRow{{Row: 1, Code: "X", Message: strings.Repeat("é", 900)}},
	})
	raw := journalBytesOf(t, long)
	var ends []int // of the frames
	for n := range long {
		ends = append(ends, len(journalBytesOf(t, long[:n+1])))
	}
	for cut := range raw {
		variants := [][]byte{raw[:cut]}
		for i, end := range ends {
			start := len(journalMagic)
			if i > 0 {
				start = ends[i-1]
			}
			if start <= cut && cut < end && (cut == start || cut%sector == 0) {
				variants = append(variants, append(bytes.Clone(raw[:cut]), make([]byte, end-cut)...))
			}
		}
		for _, content := range variants {
			j, m, err := openMemory(t, content)
			if err != nil {
				t.Fatalf("cut at %d of %d: %v", cut, len(content), err)
			}
			n := len(j.entries)
			if d := cmp.Diff(long[:n], j.entries, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("cut at %d: %s", cut, d)
			}
			if err := j.append(someEntries[6]); err != nil {
				t.Fatal(err)
			}
			again, _, err := openMemory(t, m.synced)
			if err != nil || len(again.entries) != n+1 {
				t.Fatalf("cut at %d, written on: %d entries, %v", cut, len(again.entries), err)
			}
		}
	}
}

func TestJournalRefusesEveryChangedByte(t *testing.T) {
	raw := journalBytesOf(t, someEntries)
	for i := range raw {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(raw)
			bad[i] ^= bit
			if _, _, err := openMemory(t, bad); err == nil {
				t.Fatalf("byte %d changed by %#x went unnoticed", i, bit)
			} else if k := problem.KindOf(err); k != problem.Damaged && k != problem.Usage {
				t.Fatalf("byte %d: %v is of kind %v", i, err, k)
			}
		}
	}
}

func TestJournalRefusesMissingRepeatedAndForeignFrames(t *testing.T) {
	raw := journalBytesOf(t, someEntries)
	two := journalBytesOf(t, someEntries[:2])
	three := journalBytesOf(t, someEntries[:3])
	frame := three[len(two):]
	for name, bad := range map[string][]byte{
		"missing":  append(bytes.Clone(two), raw[len(three):]...),
		"repeated": append(bytes.Clone(three), frame...),
		"foreign":  []byte("holdfast-plan/1\nand so on and so on"),
		"later":    []byte("holdfast-journal/2\nand so on"),
	} {
		if _, _, err := openMemory(t, bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestJournalStopsAfterAFailedWrite(t *testing.T) {
	j, m, err := openMemory(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk is gone")
	m.fail = func(string) error { return broken }
	if err := j.append(someEntries[0]); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	m.fail = nil
	if err := j.append(someEntries[0]); !errors.Is(err, broken) {
		t.Fatalf("wrote after a failure: %v", err)
	}
}

// A journal does not outgrow what can be read back, and nothing of a longer one is cut off.
func TestJournalHasALimit(t *testing.T) {
	raw := journalBytesOf(t, someEntries)
	whole := int64(len(raw))
	j, err := newJournal("memory", &memory{written: bytes.Clone(raw)}, whole)
	if err != nil || len(j.entries) != len(someEntries) {
		t.Fatalf("%v", err)
	}
	if err := j.append(someEntries[1]); problem.KindOf(err) != problem.Limits {
		t.Errorf("append beyond the limit: %v", err)
	}
	for limit := range whole {
		m := &memory{written: bytes.Clone(raw)}
		if _, err := newJournal("memory", m, limit); problem.KindOf(err) != problem.Damaged || int64(len(m.written)) != whole {
			t.Fatalf("limit %d of %d: %v, %d bytes are left", limit, whole, err, len(m.written))
		}
	}
}

func TestMessagesAreClippedBetweenCharacters(t *testing.T) {
	text := strings.Repeat("a", messageClip-1) + "é"
	if got := clipMessage(text); got != text[:messageClip-1] {
		t.Errorf("%q", got)
	}
	if got := clipMessage("a\xffb"); got != "ab" {
		t.Errorf("%q", got)
	}
}

func TestJournalFileIsLockedPrivateAndLasting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.plan.journal")
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(path); problem.KindOf(err) != problem.Locked {
		t.Fatalf("second open: %v", err)
	}
	if err := j.append(someEntries[0]); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	j, err = OpenJournal(path)
	if err != nil || len(j.entries) != 1 {
		t.Fatalf("%d entries, %v", len(j.entries), err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAJournalThatCannotBeKeptSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	for what, path := range map[string]string{
		"no folder": filepath.Join(dir, "none", "j"), "device": os.DevNull, "folder": dir,
	} {
		if _, err := OpenJournal(path); problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("%s: %v, %v (%s)", what, err, problem.KindOf(err), problem.HintOf(err))
		}
	}
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		j, m, err := openMemory(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.fail = func(string) error { return full }
		if err := j.append(someEntries[0]); problem.KindOf(err) != problem.NoSpace || problem.HintOf(err) == "" {
			t.Errorf("%v: %v (%s)", full, err, problem.HintOf(err))
		}
	}
}

func TestRowRangesRoundTrip(t *testing.T) {
	rows := []int{0, 1, 2, 5, 9, 10}
	got, err := expandRanges(rowRanges(rows), 11)
	if err != nil || !cmp.Equal(rows, got) {
		t.Fatal(got, err)
	}
	for _, bad := range [][][2]int{{{0, 11}}, {{3, 2}}, {{0, 1}, {1, 2}}, {{-1, 2}}} {
		if _, err := expandRanges(bad, 11); err == nil {
			t.Errorf("%v accepted", bad)
		}
	}
}

func FuzzJournal(f *testing.F) {
	j, m, err := openFuzz(nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range someEntries {
		if err := j.append(e); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(m.synced)
	f.Add([]byte(journalMagic))
	f.Fuzz(func(t *testing.T, raw []byte) {
		j, _, err := openFuzz(raw)
		if err == nil && len(j.entries) > len(raw) {
			t.Fatal("more entries than bytes")
		}
	})
}

func openFuzz(raw []byte) (*Journal, *memory, error) {
	m := &memory{synced: bytes.Clone(raw), written: bytes.Clone(raw)}
	j, err := newJournal("memory", m, journalBytes)
	return j, m, err
}

func TestAForeignJournalSaysWhatToDo(t *testing.T) {
	for _, content := range []string{"text\n", "holdfast-journal/2\n"} {
		if _, _, err := openMemory(t, []byte(content)); err == nil || problem.HintOf(err) == "" {
			t.Errorf("%q: %v (%s)", content, err, problem.HintOf(err))
		}
	}
}

// A journal that somebody else has open can be looked at all the same, up to what is being written, and stays as it is.
func TestWhatIsOffIsSeenWhileTheJournalIsOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for i, e := range []entry{
		{T: entryBegin, Plan: "00ff", Org: "00D000000000001EAA", At: "2026-01-02T03:04:05.000Z"},
		{T: entryPrior, Prior: "eA==", Names: []string{"ApexTrigger Guard"}},
		{T: entryBack, Names: nil},
	} {
		if err := j.append(e); err != nil {
			t.Fatal(err)
		}
		names, _, err := OffMeanwhile(path)
		if err != nil || (len(names) == 1) != (i == 1) {
			t.Errorf("after %s: %v %v", e.T, names, err)
		}
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range body {
		if err := os.WriteFile(path, body[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := OffMeanwhile(path); err != nil {
			t.Fatalf("%d of %d bytes: %v", cut, len(body), err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != int64(cut) {
			t.Fatalf("%d bytes are %d now: %v", cut, info.Size(), err)
		}
	}
	if _, err := StillOff(path); problem.KindOf(err) != problem.Locked {
		t.Errorf("it is open, and not told as locked: %v", err)
	}
}
