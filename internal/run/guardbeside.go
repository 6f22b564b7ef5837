package run

import (
	"context"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/rollback"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// notTaken returns what changed beyond the package and is not taken back, as "Type Name", sorted: whatever was added, texts
// such as classes, and what says nothing of a component that the package makes or deletes. No deployment does that by the way, so that
// it is the work of somebody else. What it does by the way (permissions, places on layouts, what goes with a field) is taken back.
// Within a component of the package only what is a component itself can be told apart.
func (g *guard) notTaken(ctx context.Context) ([]string, error) {
	moved := g.moved()
	var out []string
	for _, d := range g.out.Beyond {
		key := sf.ComponentKey{Type: d.Type, Name: d.Name}
		whole := d.Type + " " + wholeName(key)
		kind := component.Known().Kind(d.Type)
		if d.How == string(component.Added) || kind != nil && (kind.Content || kind.Bundle) {
			out = append(out, whole)
			continue
		}
		said, err := g.documents(ctx, key)
		if err != nil {
			return nil, err
		}
		if d.How != string(component.Changed) {
			if !speaksOf(said, moved) && !moved[wordOf(key.Name)] {
				out = append(out, whole)
			}
			continue
		}
		parts, all := theirs(key, kind, d.Parts, said, moved)
		if all && !g.named(key) {
			parts = []string{whole}
		}
		out = append(out, parts...)
	}
	edited, err := g.editedSince(ctx)
	if err != nil {
		return nil, err
	}
	out = append(out, edited...)
	slices.Sort(out)
	return slices.Compact(out), nil
}

// editedSince returns the texts of the package, such as classes, that are not as it has them and that were saved after our
// deployment of it had ended, by the org's clock: a deployment of ours cannot have done that. Of one that something else made
// nobody tells when it ended. Of other components it is not known which of their parts were changed when.
func (g *guard) editedSince(ctx context.Context) ([]string, error) {
	if !g.journal.Done {
		return nil, nil
	}
	sent := g.journal.Sent[len(g.journal.Sent)-1]
	ended := sent.Outcome.Completed
	if ended.IsZero() && sent.ID != "" { // an earlier run was told
		d, err := g.in.Org.AwaitDeploy(ctx, sent.ID)
		switch {
		case err == nil:
			ended = d.Completed
		case ctx.Err() != nil || unheard(err):
			return nil, err
		}
	}
	if ended.IsZero() {
		return nil, nil
	}
	after, err := g.in.Store.Load(ctx, g.out.After)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range g.out.Otherwise {
		kind := component.Known().Kind(d.Type)
		if kind == nil || !kind.Content && !kind.Bundle {
			continue
		}
		rows, err := rowsOf(ctx, after, d.Type)
		if err != nil {
			return nil, err
		}
		if row, there := rows[d.Name]; there && row.Modified.After(ended) {
			out = append(out, d.Type+" "+d.Name)
		}
	}
	return out, nil
}

// theirs returns which parts of a component that changed somebody else has changed, where these are components, and whether all
// that changed is theirs.
func theirs(key sf.ComponentKey, kind *component.Kind, parts []PartDiff, said []*component.Node, moved map[string]bool) (out []string, all bool) {
	all = true
	for _, p := range parts {
		var child component.Child
		isChild := false
		if kind != nil {
			child, isChild = kind.Child(p.Element)
		}
		if p.How != string(component.Added) || !isChild {
			var of []*component.Node
			for _, doc := range said {
				of = append(of, &component.Node{Name: doc.Name, Nodes: component.Part(key.Type, doc, p.Element, p.Key)})
			}
			if speaksOf(of, moved) || moved[wordOf(p.Key)] {
				all = false
				continue
			}
		}
		if isChild {
			out = append(out, child.Name+" "+component.ChildName(key, p.Key))
		}
	}
	return out, all
}

// documents are a component before the deployment and after it, as far as either is a document.
func (g *guard) documents(ctx context.Context, key sf.ComponentKey) ([]*component.Node, error) {
	after, err := g.in.Store.Load(ctx, g.out.After)
	if err != nil {
		return nil, err
	}
	var out []*component.Node
	for _, sn := range []*snapshot.Snapshot{g.before, after} {
		rows, err := rowsOf(ctx, sn, key.Type)
		if err != nil {
			return nil, err
		}
		files, err := componentFiles(ctx, g.in.Store, rows[key.Name])
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if doc, err := component.Parse(f.Body); err == nil { // what is no document says nothing of others here
				out = append(out, doc)
			}
		}
	}
	return out, nil
}

// moved are the words by which others mention what the package makes and what it deletes.
func (g *guard) moved() map[string]bool {
	out := map[string]bool{}
	for _, key := range g.deletions() {
		out[wordOf(key.Name)] = true
	}
	for _, in := range g.intents {
		if in.Deleted || in.Before == nil {
			out[wordOf(in.Key.Name)] = true
		}
		kind := component.Known().Kind(in.Key.Type)
		if kind == nil || len(in.Files) != 1 {
			continue
		}
		had := map[string]bool{}
		for _, name := range childNames(in, kind, in.Before) {
			had[name] = true
		}
		for _, name := range childNames(in, kind, &rollback.Component{Files: in.Files}) {
			if !had[name] {
				out[wordOf(name)] = true
			}
		}
	}
	delete(out, "")
	return out
}

// childNames are the components in the file of another.
func childNames(in rollback.Intent, kind *component.Kind, c *rollback.Component) []string {
	if c == nil || len(c.Files) != 1 {
		return nil
	}
	root, err := component.Parse(c.Files[0].Body)
	if err != nil {
		return nil
	}
	var out []string
	for _, n := range root.Nodes {
		if child, ok := kind.Child(n.Name); ok {
			out = append(out, component.ChildName(in.Key, n.Value(child.Key)))
		}
	}
	return out
}

// named reports a component that the package names.
func (g *guard) named(key sf.ComponentKey) bool {
	return slices.ContainsFunc(g.intents, func(in rollback.Intent) bool {
		return in.Key.Type == key.Type && strings.EqualFold(in.Key.Name, wholeName(key))
	})
}

func speaksOf(docs []*component.Node, words map[string]bool) bool {
	for _, doc := range docs {
		for w := range component.Words([]component.Entry{{Body: component.Print(doc)}}) {
			if words[w] {
				return true
			}
		}
	}
	return false
}

// wordOf is the last part of a name: by it others mention a component.
func wordOf(name string) string { return name[strings.LastIndexAny(name, "./")+1:] }
