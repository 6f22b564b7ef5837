package run

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/snapshot"
)

// componentKinds returns the types of components that the snapshot holds, sorted.
func componentKinds(sn *snapshot.Snapshot) []string {
	var kinds []string
	for _, p := range sn.PartsOf(snapshot.Components) {
		if p.State == snapshot.Whole {
			kind, _ := snapshot.Components.Of(p.Object)
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// componentRows yields what the snapshot holds of the components of a type.
func componentRows(ctx context.Context, sn *snapshot.Snapshot, kind string) iter.Seq2[component.Row, error] {
	return func(yield func(component.Row, error) bool) {
		for r, err := range sn.Records(ctx, snapshot.Components.Name(kind)) {
			if err != nil {
				yield(component.Row{}, fmt.Errorf("read the components of %s: %w", kind, err))
				return
			}
			if !yield(component.RowOf(kind, r), nil) {
				return
			}
		}
	}
}

// componentFiles reads the files of a component in the format of the Metadata API; none when they are not held.
func componentFiles(ctx context.Context, store *snapshot.Store, row component.Row) ([]component.Entry, error) {
	if row.Content == "" {
		return nil, nil
	}
	wrong := func(err error) error {
		return problem.Wrap(problem.Damaged, err, fmt.Sprintf("read %s %s", row.Type, row.Name)).
			Hint("run `holdfast verify` to find the damage")
	}
	body, err := snapshot.ParseBody(row.Content)
	if err != nil {
		return nil, wrong(err)
	}
	raw, err := io.ReadAll(store.OpenBody(ctx, body))
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", row.Type, row.Name, err)
	}
	files, err := component.Unbundle(raw)
	if err != nil {
		return nil, wrong(err)
	}
	return files, nil
}

// showComponents lists the metadata types of a snapshot, and the components of one that was asked for as
// components/TYPE.
func showComponents(ctx context.Context, sn *snapshot.Snapshot, object string, out *ShowResult) error {
	for _, p := range sn.PartsOf(snapshot.Components) {
		if object != "" && !strings.EqualFold(p.Object, object) {
			continue
		}
		kind, _ := snapshot.Components.Of(p.Object)
		out.Types = append(out.Types, TypePartRow{
			Type: kind, State: string(p.State), Stale: p.Stale, Reason: p.Reason, Components: p.Records, Listed: p.Expected,
			NotHeld: p.Bodies.Missing, Bytes: p.Bodies.Bytes, From: p.From, To: p.To, FullAt: p.Watermark,
		})
		if object == "" || p.State != snapshot.Whole {
			continue
		}
		for row, err := range componentRows(ctx, sn, kind) {
			if err != nil {
				return err
			}
			out.Components = append(out.Components, componentRow(row))
		}
		slices.SortFunc(out.Components, func(a, b ComponentRow) int { return strings.Compare(a.Name, b.Name) })
	}
	return nil
}

func componentRow(c component.Row) ComponentRow {
	return ComponentRow{
		Type: c.Type, Name: c.Name, Held: c.Content != "", Namespace: c.Namespace, Installed: c.Installed(), Version: c.Version,
		Status: c.Status, ModifiedBy: c.ModifiedBy, Modified: c.Modified, Sum: c.Sum,
	}
}
