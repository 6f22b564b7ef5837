package snapshot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/sf"
)

// TestTheProofFindsAFileThatStaysReadable: an erasure that takes a row away and leaves its file where it was, beside
// others that are needed, is none; neither is one that writes it into what takes the place of the object.
func TestTheProofFindsAFileThatStaysReadable(t *testing.T) {
	type mistake func(context.Context, *Store, *eraser) error
	stays := func(_ context.Context, _ *Store, e *eraser) error { clear(e.bodies.moved); return nil }
	well := func(context.Context, *Store, *eraser) error { return nil }
	for name, c := range map[string]struct {
		do   mistake
		want bool
	}{"the object stays": {stays, true}, "its file moves along": {movesAlong, true}, "as it should be": {well, false}} {
		memory := &blob.Memory{}
		initRepository(t, memory)
		s := openBucket(t, memory)
		secret := []byte("a letter of the person who wants to be forgotten")
		if _, err := putFiles(t.Context(), s, nil, map[int][]byte{1: []byte("one"), 7: secret, 8: []byte("eight")}); err != nil {
			t.Fatal(err)
		}
		e, err := newEraser([]sf.ID{accountID(7)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.repository.Erase(t.Context(), repo.EraseInput{
			Collect: pruned, Reach: s.reach,
			Rewrite: func(ctx context.Context, view *repo.Repository, roots []repo.Ref) (map[repo.Ref]repo.Ref, error) {
				within := Open(view)
				var infos []Info
				for _, root := range roots {
					info, err := within.readInfo(ctx, root)
					if err != nil {
						return nil, err
					}
					infos = append(infos, info)
				}
				if err := e.settle(ctx, within, infos); err != nil {
					return nil, err
				}
				if err := c.do(ctx, within, e); err != nil {
					return nil, err
				}
				return e.rewrite(ctx, within, roots)
			},
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if readable(t, memory, secret) != c.want {
			t.Fatalf("%s: whether the file can be read is not %v", name, c.want)
		}
		err = s.prove(t.Context(), e, e.bodies.unwanted(), &Erased{})
		found := problem.KindOf(err) == problem.Damaged && strings.Contains(err.Error(), string(classBody)+"/")
		if found != c.want || !found && err != nil {
			t.Errorf("%s: the proof says %v", name, err)
		}
	}
}

// TestCoverageTellsOfAnErasure also where it tells something else of the object: both can be read, and a second
// erasure does not say it again.
func TestCoverageTellsOfAnErasure(t *testing.T) {
	for _, before := range []string{"", "failed: the connection broke", "failed: " + strings.Repeat("é", maxReason)} {
		s := openBucket(t, bucketWith(t, before))
		for n := range 2 {
			ids := []sf.ID{accountID(n)}
			plan, err := s.PlanErase(t.Context(), ids)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Erase(t.Context(), ids, plan.Approval)
			if err != nil {
				t.Fatal(err)
			}
			sn, err := s.load(t.Context(), got.Snapshots[0].Now)
			if err != nil {
				t.Fatal(err)
			}
			gaps := sn.Coverage()
			if len(gaps) != 2 || gaps[0].Object != "Account" || gaps[0].Field != "" || gaps[1].Reason != "unsupported: base64" {
				t.Fatalf("%+v", gaps)
			}
			reason, kept := gaps[0].Reason, before[:min(len(before), 28)]
			if strings.Count(reason, erasedReason) != 1 || !strings.HasPrefix(reason, kept) || len(reason) > maxReason || !utf8.ValidString(reason) {
				t.Errorf("erasure %d of what had %q: %q", n+1, kept, reason)
			}
		}
	}
}

// bucketWith returns a repository with a snapshot of three records, whose coverage says that of their object.
func bucketWith(t *testing.T, reason string) blob.Bucket {
	t.Helper()
	memory := &blob.Memory{}
	initRepository(t, memory)
	_, err := openBucket(t, memory).Write(t.Context(), draft(nil, day), func(w *Writer) error {
		p, err := w.Part(PartInfo{Object: "Account", Fields: accountFields, From: day, To: day, Watermark: day, Full: true})
		if err != nil {
			return err
		}
		if reason != "" {
			w.Gap("Account", "", reason)
		}
		w.Gap("Account", "Photo", "unsupported: base64")
		err = errors.Join(p.Add(account(0, 1)), p.Add(account(1, 1)), p.Add(account(2, 1)))
		if err != nil {
			return err
		}
		_, err = p.Close(t.Context(), -1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return memory
}

// TestAnErasureThatWasCutShortIsProven lets one die before each of its operations. The same command with the same
// approval says afterwards what was erased, and that nothing can be read any more; with other records or another
// approval nothing is said to be erased.
func TestAnErasureThatWasCutShortIsProven(t *testing.T) {
	whole := &blob.Memory{}
	initRepository(t, whole)
	secret := []byte("a letter of the person who wants to be forgotten")
	first, err := putFiles(t.Context(), openBucket(t, whole), nil, map[int][]byte{1: []byte("one"), 7: secret, 8: []byte("eight")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := putFiles(t.Context(), openBucket(t, whole), first, map[int][]byte{9: []byte("nine")}); err != nil {
		t.Fatal(err)
	}
	ids := []sf.ID{accountID(7)}
	plan, err := openBucket(t, whole).PlanErase(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	resumed := 0
	for at, ended := 0, false; !ended; at++ {
		memory, opened := whole.Clone(), 0
		last := -1
		dying := openBucket(t, blob.NewFault(memory, nil, func(op blob.Op) blob.Outcome {
			if op.N == last {
				return blob.Halt
			}
			opened = max(opened, op.N+1)
			return blob.Pass
		}))
		last = opened + at
		_, err := dying.Erase(t.Context(), ids, plan.Approval)
		if ended = err == nil; ended {
			break
		}
		_, planErr := openBucket(t, memory).PlanErase(t.Context(), ids)
		if problem.KindOf(planErr) == problem.NotFound {
			resumed++
			for what, do := range map[string]func(*Store) error{
				"other records": func(s *Store) error {
					_, err := s.Erase(t.Context(), []sf.ID{accountID(70)}, plan.Approval)
					return err
				},
				"another approval": func(s *Store) error { _, err := s.Erase(t.Context(), ids, "0123456789abcdef"); return err },
			} {
				if err := do(openBucket(t, memory.Clone())); problem.KindOf(err) != problem.NotFound {
					t.Errorf("operation %d, again with %s: %v", at, what, err)
				}
			}
		}
		got, err := openBucket(t, memory).Erase(t.Context(), ids, plan.Approval)
		if err != nil {
			t.Fatalf("operation %d, again: %v", at, err)
		}
		if got.Read == 0 || got.Versions != plan.Versions || len(got.Snapshots) != len(plan.Snapshots) {
			t.Fatalf("operation %d, again: %+v", at, got)
		}
		s := openBucket(t, memory)
		for n, sn := range got.Snapshots {
			if sn.Info.ID != plan.Snapshots[n].Info.ID || sn.Records != plan.Snapshots[n].Records {
				t.Errorf("operation %d, again: %+v, want what was %+v", at, sn, plan.Snapshots[n])
			}
			if _, err := s.load(t.Context(), sn.Now); err != nil {
				t.Errorf("operation %d, again: %v", at, err)
			}
		}
		if readable(t, memory, secret) {
			t.Errorf("operation %d, again: the file can be read", at)
		}
	}
	if resumed == 0 {
		t.Error("none was cut short after it had replaced the snapshots")
	}
}

// TestTheProofOfAnErasureThatWasCutShortFindsAFile that was written into what takes the place of its object.
func TestTheProofOfAnErasureThatWasCutShortFindsAFile(t *testing.T) {
	memory := &blob.Memory{}
	initRepository(t, memory)
	s := openBucket(t, memory)
	secret := []byte("a letter of the person who wants to be forgotten")
	if _, err := putFiles(t.Context(), s, nil, map[int][]byte{1: []byte("one"), 7: secret, 8: []byte("eight")}); err != nil {
		t.Fatal(err)
	}
	ids := []sf.ID{accountID(7)}
	plan, err := s.PlanErase(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEraser(ids)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.repository.Erase(t.Context(), repo.EraseInput{
		Collect: pruned, Reach: s.reach,
		Rewrite: func(ctx context.Context, view *repo.Repository, roots []repo.Ref) (map[repo.Ref]repo.Ref, error) {
			within := Open(view)
			var infos []Info
			for _, root := range roots {
				info, err := within.readInfo(ctx, root)
				if err != nil {
					return nil, err
				}
				infos = append(infos, info)
			}
			if err := errors.Join(e.settle(ctx, within, infos), movesAlong(ctx, within, e)); err != nil {
				return nil, err
			}
			instead, err := e.rewrite(ctx, within, roots)
			return instead, errors.Join(err, within.keepErasure(ctx, e, plan))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = openBucket(t, memory).Erase(t.Context(), ids, plan.Approval)
	if problem.KindOf(err) != problem.Damaged || !strings.Contains(err.Error(), string(classBody)+"/") {
		t.Errorf("a file that stays: %v", err)
	}
}

// movesAlong has what takes the place of an object hold all that the object held.
func movesAlong(ctx context.Context, s *Store, e *eraser) error {
	for id := range e.bodies.moved {
		frames, err := s.repository.Verify(ctx, repo.Ref{Class: classBody, ID: id}, false)
		if err != nil {
			return err
		}
		stored, err := s.repository.Put(ctx, classBody, append(frames, blank))
		if err != nil {
			return err
		}
		e.bodies.moved[id] = stored.Ref.ID
	}
	return nil
}

// TestAnErasureTakesWhatWasLeftSince: a backup that read the record again and was cut short leaves it where the proof
// of the same erasure, done once more, would find it.
func TestAnErasureTakesWhatWasLeftSince(t *testing.T) {
	memory := &blob.Memory{}
	initRepository(t, memory)
	s := openBucket(t, memory)
	fill := func(p *PartWriter) error { return errors.Join(p.Add(account(1, 1)), p.Add(account(2, 1))) }
	if _, err := writePart(t.Context(), s, nil, day, true, fill); err != nil {
		t.Fatal(err)
	}
	ids := []sf.ID{accountID(1)}
	plan, err := s.PlanErase(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(t.Context(), ids, plan.Approval); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	_, err = openBucket(t, memory).Write(t.Context(), draft(nil, day), func(w *Writer) error {
		p, err := w.Part(PartInfo{Object: "Account", Fields: accountFields, From: day, To: day, Watermark: day, Full: true})
		if err != nil {
			return err
		}
		err = p.Add(account(1, 1))
		if _, closed := p.Close(t.Context(), -1); err != nil || closed != nil {
			return errors.Join(err, closed)
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	s = openBucket(t, memory)
	e, err := newEraser(ids)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.prove(t.Context(), e, nil, &Erased{}); problem.KindOf(err) != problem.Damaged {
		t.Fatalf("the backup left nothing of it: %v", err)
	}
	if got, err := s.Erase(t.Context(), ids, plan.Approval); err != nil || got.Read == 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	nothingReadable(t, memory, accountID(1))
}
