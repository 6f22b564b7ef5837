package capture

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"sync"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// profiles puts profiles together: a retrieve gives of each only what is about the other components that
// it asks for, so in an org of more components than one retrieve takes they come in pieces.
type profiles struct {
	run *componentRun

	mu     sync.Mutex
	packer *flate.Writer // one for all: it has large tables
	pieces map[sf.ComponentKey][]piece
	lacks  map[sf.ComponentKey]string // components that profiles could not be retrieved with
}

// piece is one answer for one profile, packed: profiles repeat themselves, and all of them wait for the last
// retrieve.
type piece struct {
	path   string
	packed []byte
}

// maxProfile bounds what one piece unpacks to; it was in an archive with a lower limit.
const maxProfile = 64 << 20

func newProfiles(r *componentRun) *profiles {
	return &profiles{run: r, pieces: map[sf.ComponentKey][]piece{}, lacks: map[sf.ComponentKey]string{}}
}

// add takes a piece of a profile.
func (g *profiles) add(key sf.ComponentKey, files []component.Entry) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range files {
		var b bytes.Buffer
		if g.packer == nil {
			var err error
			if g.packer, err = flate.NewWriter(&b, flate.BestSpeed); err != nil {
				return err
			}
		}
		g.packer.Reset(&b)
		if _, err := g.packer.Write(f.Body); err != nil {
			return err
		}
		if err := g.packer.Close(); err != nil {
			return err
		}
		g.pieces[key] = append(g.pieces[key], piece{f.Path, b.Bytes()})
	}
	return nil
}

// incomplete notes a component that profiles could not be retrieved with.
func (g *profiles) incomplete(key sf.ComponentKey, words string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lacks[key] = words
}

// finish joins the pieces of each profile and stores it.
func (g *profiles) finish(ctx context.Context) error {
	for _, key := range sortedKeys(g.pieces) {
		files, err := join(key.Type, g.pieces[key])
		if err != nil {
			return fmt.Errorf("%s %s: %w", key.Type, key.Name, err)
		}
		if err := g.run.store(ctx, key, files); err != nil {
			return err
		}
		delete(g.pieces, key)
	}
	for _, key := range sortedKeys(g.lacks) {
		g.run.gap(gap(partName("Profile"), key.Type+" "+key.Name, RuleFailed, "profiles lack what they say of it: %s", g.lacks[key]))
	}
	return nil
}

// join makes one file of the pieces of a profile. A single one stays as it came.
func join(kind string, pieces []piece) ([]component.Entry, error) {
	var whole *component.Node
	var body []byte
	for i, p := range pieces {
		raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(p.packed)), maxProfile))
		if err != nil {
			return nil, err
		}
		if len(pieces) == 1 {
			body = raw
			break
		}
		node, err := component.Parse(raw)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			whole = node
			continue
		}
		whole = component.Merge(kind, whole, node)
	}
	if whole != nil {
		body = component.Print(component.Arrange(kind, whole))
	}
	return []component.Entry{{Path: pieces[0].path, Body: body}}, nil
}

// soundProfiles retrieves all profiles alone, so that one that breaks a retrieve is found before it is
// asked for beside others, and returns those that can be retrieved.
func (r *componentRun) soundProfiles(ctx context.Context, gather *profiles, keys []sf.ComponentKey) ([]sf.ComponentKey, error) {
	if err := r.fetch(ctx, gather, keys, nil); err != nil {
		return nil, err
	}
	var good []sf.ComponentKey
	for _, key := range keys {
		p := r.parts[key.Type]
		if p.broken[key.Name] == "" && p.absent[key.Name] == "" {
			good = append(good, key)
		}
	}
	return good, nil
}
