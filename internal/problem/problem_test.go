package problem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestKindsHaveOneRowAndOneCodeEach(t *testing.T) {
	codes, names := map[int]bool{}, map[string]bool{}
	for k := Failed; k <= Interrupted; k++ {
		code, name := k.ExitCode(), k.String()
		if codes[code] || names[name] || code == 0 {
			t.Errorf("%s: exit code %d or its name stands twice, or means success", name, code)
		}
		codes[code], names[name] = true, true
	}
	if len(Table()) != len(codes) {
		t.Errorf("the table has %d rows for %d kinds", len(Table()), len(codes))
	}
	for i, line := range Table()[1:] {
		if line.Code <= Table()[i].Code || line.Text == "" {
			t.Errorf("row %q is out of order or without text", line.Name)
		}
	}
	if Kind(99).ExitCode() != 1 || Kind(99).String() != "kind(99)" {
		t.Error("an unknown kind is a failure")
	}
}

func TestKindAndHintAreFoundThroughWrapping(t *testing.T) {
	inner := New(NoSpace, "no room").Hint("free some in %s", "/data")
	err := fmt.Errorf("write segment: %w", inner)
	if KindOf(err) != NoSpace || HintOf(err) != "free some in /data" || err.Error() != "write segment: no room" {
		t.Errorf("%v, %v, %q", err, KindOf(err), HintOf(err))
	}
	outer := Wrap(Partial, err, "backup of prod")
	if KindOf(outer) != Partial || HintOf(outer) != "free some in /data" || !errors.Is(outer, inner) {
		t.Errorf("%v, %v, %q", outer, KindOf(outer), HintOf(outer))
	}
	if e := Newf(Damaged, "read %s: %w", "x", io.EOF); !errors.Is(e, io.EOF) || KindOf(e) != Damaged || HintOf(e) != "" {
		t.Errorf("%v", e)
	}
	if KindOf(fmt.Errorf("query: %w", context.Canceled)) != Interrupted || KindOf(io.EOF) != Failed || HintOf(io.EOF) != "" {
		t.Error("a cancelled context is an interruption, anything else unknown a failure")
	}
	defer func() {
		if recover() == nil {
			t.Error("Wrap of nil must not pass")
		}
	}()
	_ = Wrap(Failed, nil, "x")
}
