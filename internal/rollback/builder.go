package rollback

import (
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// builder gathers one deployment.
type builder struct {
	files   map[string][]byte
	wanted  []sf.ComponentKey
	deleted []sf.ComponentKey
}

func newBuilder() *builder { return &builder{files: map[string][]byte{}} }

func (b *builder) file(e component.Entry)   { b.files[e.Path] = e.Body }
func (b *builder) want(key sf.ComponentKey) { b.wanted = append(b.wanted, key) }
func (b *builder) remove(key sf.ComponentKey) {
	b.deleted = append(b.deleted, component.InManifest(key))
}

func (b *builder) put(key sf.ComponentKey, files []component.Entry) {
	b.want(component.InManifest(key))
	for _, f := range files {
		b.file(f)
	}
}

// flowDefinition switches a flow to a version, or off.
func (b *builder) flowDefinition(flow string, active int) {
	doc := &component.Node{Name: "FlowDefinition", Nodes: []*component.Node{{Name: "activeVersionNumber", Text: strconv.Itoa(active)}}}
	b.put(sf.ComponentKey{Type: "FlowDefinition", Name: flow},
		[]component.Entry{{Path: "flowDefinitions/" + flow + ".flowDefinition", Body: component.Print(doc)}})
}

// deployment returns what was gathered, or false when it is nothing.
func (b *builder) deployment(apiVersion string) (Deployment, bool) {
	d := Deployment{Manifest: sf.ManifestOf(apiVersion, b.wanted)}
	for path, body := range b.files {
		d.Files = append(d.Files, component.Entry{Path: path, Body: body})
	}
	slices.SortFunc(d.Files, func(x, y component.Entry) int { return strings.Compare(x.Path, y.Path) })
	d.Deleted = slices.Compact(slices.SortedFunc(slices.Values(b.deleted), sf.ComponentKey.Compare))
	return d, len(d.Files)+len(d.Deleted) > 0
}
