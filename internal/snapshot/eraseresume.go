package snapshot

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
)

// noteErasure is the kind of the notes that say what an erasure is about to replace: its end is not known from the
// snapshots any more once they are replaced. One is named by its approval, a space, and a random word.
const noteErasure = "erasure"

const erasureFormat = "holdfast-erasure/1"

// The note of an erasure; docs/format/snapshot.md, "Erasures".
type (
	erasureNote struct {
		Format    string         `json:"format"`
		Versions  int64          `json:"versions"`
		Bytes     int64          `json:"bytes"`
		Snapshots []replacedLine `json:"snapshots"` // that were to be erased from
		Bodies    []unwantedLine `json:"bodies"`
	}
	replacedLine struct {
		Was     string `json:"was"`
		Now     string `json:"now"` // "" when it was erased from before
		Records int64  `json:"records"`
	}
	unwantedLine struct {
		Object string `json:"object"`
		Frames []int  `json:"frames"` // that must not hold anything any more, if it opens
	}
)

// keepErasure stores what the end and the proof of the erasure need.
func (s *Store) keepErasure(ctx context.Context, e *eraser, plan Erasing) error {
	note := erasureNote{Format: erasureFormat, Versions: plan.Versions, Bytes: plan.Bytes, Snapshots: []replacedLine{}, Bodies: []unwantedLine{}}
	for _, sn := range plan.Snapshots {
		note.Snapshots = append(note.Snapshots, replacedLine{sn.Info.ID, e.done[sn.Info.ID], sn.Records})
	}
	unwanted := e.bodies.unwanted()
	for _, id := range slices.SortedFunc(maps.Keys(unwanted), func(a, b seal.ID) int { return bytes.Compare(a[:], b[:]) }) {
		frames := slices.Sorted(slices.Values(unwanted[id]))
		note.Bodies = append(note.Bodies, unwantedLine{id.String(), slices.Compact(frames)})
	}
	body, err := encodeLine(note)
	if err != nil {
		return err
	}
	var word [8]byte
	_, _ = rand.Read(word[:])
	return s.PutNote(ctx, noteErasure, plan.Approval+" "+hex.EncodeToString(word[:]), body)
}

// resumeErase ends what an erasure that was cut short has left to do. When a note says that it was one of just these
// records, with that approval, nothing that was left since is readable either when it returns, which it proves. Else only
// the keys are destroyed that any erasure has left, and the error is nothing.
func (s *Store) resumeErase(ctx context.Context, ids []sf.ID, approval string, nothing error) (Erased, error) {
	e, err := newEraser(ids)
	if err != nil {
		return Erased{}, err
	}
	if err := s.repository.EndErasure(ctx); err != nil { // it may be that of these records
		return Erased{}, fmt.Errorf("end an erasure: %w", err)
	}
	notes, err := s.erasures(ctx, e, approval)
	if err != nil {
		return Erased{}, fmt.Errorf("end an erasure: %w", err)
	}
	if len(notes) == 0 {
		return Erased{}, nothing
	}
	out := Erased{Erasing: Erasing{Approval: approval, Versions: notes[0].Versions, Bytes: notes[0].Bytes}}
	if out.Snapshots, err = s.replaced(ctx, notes); err != nil {
		return out, err
	}
	// Whoever was at work when it was cut short, or was cut short since, may have left what the proof would find.
	if err := s.erase(ctx, e, &out); err != nil {
		return out, err
	}
	unwanted := e.bodies.unwanted()
	for _, note := range notes {
		for _, b := range note.Bodies {
			id, _ := seal.ParseID(b.Object) // parseErasure has done so
			unwanted[id] = append(unwanted[id], b.Frames...)
		}
	}
	return out, s.prove(ctx, e, unwanted, &out)
}

// erasures returns the notes of attempts to erase just these records with that approval.
func (s *Store) erasures(ctx context.Context, e *eraser, approval string) ([]erasureNote, error) {
	var all []erasureNote
	for n, err := range s.Notes(ctx, noteErasure) {
		if err != nil {
			return nil, err
		}
		if word, _, _ := strings.Cut(n.Name, " "); word != approval {
			continue
		}
		note, err := parseErasure(n.Body)
		if err != nil {
			return nil, problem.Newf(problem.Damaged, "the note %s of an erasure: %w", n.Name, err)
		}
		var planned []ErasedSnapshot
		for _, sn := range note.Snapshots {
			planned = append(planned, ErasedSnapshot{Info: Info{ID: sn.Was}})
		}
		if e.approval(s.repository.ID(), planned) == approval { // else it is of other records
			all = append(all, note)
		}
	}
	return all, nil
}

// parseErasure reads the body of a note.
func parseErasure(body []byte) (erasureNote, error) {
	var note erasureNote
	if err := decodeLine(body, &note); err != nil {
		return note, err
	}
	if note.Format != erasureFormat {
		return note, fmt.Errorf("%w: format %.40q, this program knows %s", errWire, note.Format, erasureFormat)
	}
	for _, sn := range note.Snapshots {
		if _, err := seal.ParseID(sn.Was); err != nil {
			return note, err
		}
		if _, err := seal.ParseID(sn.Now); sn.Now != "" && err != nil {
			return note, err
		}
	}
	for _, b := range note.Bodies {
		if _, err := seal.ParseID(b.Object); err != nil {
			return note, err
		}
	}
	return note, nil
}

// replaced returns the snapshots that were erased from. Of what took their place that counts which is there: each
// attempt wrote its own.
func (s *Store) replaced(ctx context.Context, notes []erasureNote) ([]ErasedSnapshot, error) {
	roots, err := s.allRoots(ctx)
	if err != nil {
		return nil, err
	}
	var out []ErasedSnapshot
	for _, was := range notes[0].Snapshots {
		sn := ErasedSnapshot{Info: Info{ID: was.Was}, Records: was.Records}
		for _, note := range notes {
			for _, line := range note.Snapshots {
				now, err := seal.ParseID(line.Now)
				if err != nil || line.Was != was.Was || !slices.Contains(roots, repo.Ref{Class: classSnapshot, ID: now}) {
					continue
				}
				if sn.Info, err = s.readInfo(ctx, snapshotRef(line.Now)); err != nil {
					return nil, err
				}
				sn.Info.ID, sn.Now = was.Was, line.Now
			}
		}
		out = append(out, sn)
	}
	slices.SortFunc(out, newestErased)
	return out, nil
}
