package run

import (
	"context"
	"slices"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// besides returns the objects without which records of this one are not what they were: the links of files.
func besides(object string) []string {
	if object == fileVersion {
		return []string{fileLink}
	}
	return nil
}

// isPlace reports the reference of a file, or of its link, to the record that it is on.
func isPlace(field string, object *sf.Object) bool {
	switch object.Name {
	case fileVersion:
		return field == "FirstPublishLocationId"
	case fileLink:
		return field == "LinkedEntityId"
	}
	return field == "ParentId" && apply.BodyField(object) != nil
}

// homeless reports a file or link whose record does not come along.
func homeless(object *sf.Object, r sf.Record) bool {
	if object.Name == fileVersion || object.Name != fileLink && apply.BodyField(object) == nil {
		return false
	}
	return slices.ContainsFunc(object.References(), func(f *sf.Field) bool {
		return isPlace(f.Name, object) && r.Shape.Index(f.Name) >= 0 && r.Get(f.Name).IsNull()
	})
}

// files writes which bytes the records of an object have, and returns how many files there are. The bytes are where they were, in
// the one repository; where that is another, records come without them, and the plan says so.
func (s *seed) files(ctx context.Context, w *snapshot.Writer, object, there *sf.Object, away map[sf.ID]bool) (int64, error) {
	name, field := snapshot.Files.Name(object.Name), apply.BodyField(there)
	part, held := s.from.Part(name)
	if field == nil || s.in.Origin != s.in.Store || !held || part.State != snapshot.Whole || !slices.Contains(part.Fields, field.Name) {
		return 0, nil
	}
	fields := []string{field.Name}
	out, err := w.Part(snapshot.PartInfo{
		Object: snapshot.Files.Name(there.Name), Fields: fields, Bodies: fields, From: part.From, To: part.To, Watermark: part.Watermark, Full: true,
	})
	if err != nil {
		return 0, err
	}
	shape := sf.NewShape(snapshot.Files.Name(there.Name), fields)
	rows, files := int64(0), int64(0)
	for r, err := range s.from.Records(ctx, name) {
		if err != nil {
			return 0, err
		}
		if _, named := s.names[r.ID]; named || away[r.ID] {
			continue
		}
		v := r.Get(field.Name)
		if v.IsText() {
			files++
		}
		if err := out.Add(sf.Record{ID: s.idOf(r.ID, there), Shape: shape, Values: []sf.Value{v}}); err != nil {
			return 0, err
		}
		rows++
	}
	_, err = out.Close(ctx, rows)
	return files, err
}

// images writes which images the texts of the seed show. They keep the Ids by which the texts refer to them; the other org gives
// them others. What shows in a masked field stays away.
func (s *seed) images(ctx context.Context, w *snapshot.Writer) error {
	name := snapshot.Files.Name(capture.Images)
	part, held := s.from.Part(name)
	if s.in.Origin != s.in.Store || !held || part.State != snapshot.Whole {
		return nil
	}
	out, err := w.Part(snapshot.PartInfo{
		Object: name, Fields: part.Fields, Bodies: []string{capture.ImageBody}, From: part.From, To: part.To, Watermark: part.Watermark, Full: true,
	})
	if err != nil {
		return err
	}
	rows := int64(0)
	for r, err := range s.from.Records(ctx, name) {
		if err != nil {
			return err
		}
		object := r.Get(capture.ImageObject).Text()
		there := s.target.Object(object)
		if !s.objects[object] || there == nil || s.masker != nil && s.masker.Masks(object, r.Get(capture.ImageField).Text()) {
			continue
		}
		if r.Get(capture.ImageBody).IsText() {
			s.out.Images++
		}
		r.Values = slices.Clone(r.Values)
		r.Values[r.Shape.Index(capture.ImageRecord)] = sf.Text(string(s.idOf(sf.ID(r.Get(capture.ImageRecord).Text()), there)))
		if err := out.Add(r); err != nil {
			return err
		}
		rows++
	}
	_, err = out.Close(ctx, rows)
	return err
}
