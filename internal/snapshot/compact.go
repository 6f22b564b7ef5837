package snapshot

import (
	"context"
	"slices"

	"holdfast/internal/repo"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// maxLayers bounds how many layers a reader of a part merges.
const maxLayers = 16

// compact merges the newest layers into one when there are more than maxLayers. It takes at least
// two, and goes down as long as the next layer is not more than twice as large as what is taken, so
// that each row is rewritten a number of times that grows with the logarithm of their number.
// Snapshots that have the layers apart keep them.
func (p *PartWriter) compact(ctx context.Context, layers []layer) ([]layer, error) {
	if len(layers) <= maxLayers {
		return layers, nil
	}
	from := len(layers) - 2
	size := layers[from].rows() + layers[from+1].rows()
	for from > 0 && layers[from-1].rows() <= 2*size {
		from--
		size += layers[from].rows()
	}
	taken, below := layers[from:], layers[:from]
	r := p.w.store.repository
	shape, err := widest(ctx, r, p.shape, taken)
	if err != nil {
		return nil, err
	}
	w := newSegmentWriter(r, classSegment, shape)
	w.filtered = from > 0
	var hasher state.Hasher
	var digest state.Digest
	var records int64
	err = eachRow(ctx, newMerged(stack(r, p.info.Object, taken)...), shape, func(c *cursor, body []byte) error {
		if from == 0 && !c.gone() {
			digest = digest.Add(c.hash(&hasher))
			records++
		}
		return w.add(ctx, c.id(), c.gone(), body)
	})
	if err != nil {
		return nil, err
	}
	segments, err := w.finish(ctx)
	if err != nil {
		return nil, err
	}
	last := taken[len(taken)-1]
	if from == 0 && (digest != last.after || records != last.records) {
		return nil, wrongDigest(p.info.Object, digest, records, last)
	}
	p.out.segments.newBytes += w.newBytes
	one := layer{before: taken[0].before, after: last.after, records: last.records, segments: segments}
	return append(slices.Clone(below), one), nil
}

// widest returns the shape with all fields of the layers and of shape.
func widest(ctx context.Context, r *repo.Repository, shape *sf.Shape, layers []layer) (*sf.Shape, error) {
	fields := slices.Clone(shape.Fields())
	for _, l := range layers {
		// A layer is of one schema generation, unless it was merged: then its segments share one.
		s, err := openSegment(ctx, r, classSegment, shape.Object(), l.segments[0])
		if err != nil {
			return nil, err
		}
		fields = append(fields, s.shape.Fields()...)
	}
	return sf.NewShape(shape.Object(), fields), nil
}
