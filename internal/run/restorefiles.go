package run

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"holdfast/internal/apply"
	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// A restore brings files back with their records. What comes out of the Recycle Bin has its bytes; what is made anew gets
// them from the repository. A file is made by its first version and numbered by the order of the others; Ids of files, versions
// and links are new, and dates as the org lets one set them.

// Largest files that the org takes. Source: REST API Developer Guide, "Insert or Update Blob Data".
const (
	maxVersionBytes = 2 << 30
	maxBodyBytes    = 500 << 20
)

// RestoreFilesRow counts the files that come back with records of one object that are made anew.
type RestoreFilesRow struct {
	Object string `json:"object"` // API name; RichTextImage: images in rich text
	Files  int64  `json:"files"`  // files
	Bytes  int64  `json:"bytes"`  // of these
	Lost   int64  `json:"lost"`   // files that do not come back: their bytes are not held, or the org does not take so many

	Replaced int64 `json:"replaced,omitempty"` // files of records that are there and get their bytes back; Bytes are of these, too
}

const (
	fileObject  = "ContentDocument"
	fileVersion = "ContentVersion"
	fileLink    = "ContentDocumentLink"
)

// withTheirVersions adds the versions of the files that come along because a link does.
func (w *wanted) withTheirVersions(ctx context.Context) error {
	if !w.closure || !w.narrowed() {
		return nil
	}
	coming := w.coming()
	files := map[sf.ID]bool{}
	for _, c := range w.delta {
		if c.Object == fileObject && c.Kind == state.Create {
			files[c.ID] = true
		}
	}
	if len(files) == 0 || !w.comparable(fileVersion) {
		return nil
	}
	ids := map[sf.ID]bool{}
	for r, err := range w.eq.Records(w.want.Records(ctx, fileVersion)) {
		if err != nil {
			return err
		}
		if files[sf.ID(r.Get("ContentDocumentId").Text())] && !coming[r.ID] {
			ids[r.ID] = true
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return w.object(ctx, fileVersion, func(id sf.ID) bool { return ids[id] }, true)
}

// withFiles puts the references to the bytes of files into the records that are made anew, and puts the versions of
// files in order. What is in the Recycle Bin keeps its bytes there.
func (w *wanted) withFiles(ctx context.Context, bin map[sf.ID]sf.Record) error {
	for _, object := range w.delta.Objects() {
		field := apply.BodyField(w.eq.Schema.Object(object))
		if field == nil {
			continue
		}
		if err := w.bodies(ctx, object, field, bin); err != nil {
			return fmt.Errorf("files of %s: %w", object, err)
		}
	}
	w.orderVersions(bin)
	return nil
}

// comesFromBin reports a record that comes back with what is in the Recycle Bin.
func comesFromBin(c state.Change, bin map[sf.ID]sf.Record) bool {
	if bin[c.ID].Shape != nil {
		return true
	}
	document, _ := c.Field("ContentDocumentId")
	return c.Object == fileVersion && bin[sf.ID(document.After.Text())].Shape != nil
}

// bodies does so for one object.
func (w *wanted) bodies(ctx context.Context, object string, field *sf.Field, bin map[sf.ID]sf.Record) error {
	at := map[sf.ID]int{}
	for i, c := range w.delta {
		if c.Object == object && c.Kind == state.Create && bin[c.ID].Shape == nil {
			at[c.ID] = i
		}
	}
	if len(at) == 0 {
		return nil
	}
	row := RestoreFilesRow{Object: object}
	limit := int64(maxBodyBytes)
	if object == fileVersion {
		limit = maxVersionBytes
	}
	held, large := map[sf.ID]bool{}, 0
	name := snapshot.Files.Name(object)
	if part, found := w.want.Part(name); found && part.State == snapshot.Whole {
		for r, err := range w.want.Records(ctx, name) {
			if err != nil {
				return err
			}
			i, wanted := at[w.eq.Identity.Map(r.ID)]
			v := r.Get(field.Name)
			if !wanted || !v.IsText() {
				continue
			}
			b, err := snapshot.ParseBody(v.Text())
			if err != nil {
				return err
			}
			if b.Size > limit {
				large++
				continue
			}
			c := &w.delta[i]
			held[c.ID] = true
			c.Fields = withField(slices.Clone(c.Fields), state.FieldChange{Field: field.Name, After: v})
			if !comesFromBin(*c, bin) {
				row.Files++
				row.Bytes += b.Size
			}
		}
	}
	lost := map[sf.ID]bool{}
	for id, i := range at {
		c := w.delta[i]
		// A record may be without a file: a link to somewhere, or one that never had bytes.
		if held[id] || comesFromBin(c, bin) || !hadBytes(c) {
			continue
		}
		lost[id] = true
		row.Lost++
	}
	w.delta = slices.DeleteFunc(w.delta, func(c state.Change) bool { return c.Object == object && lost[c.ID] })
	if large > 0 {
		w.notes = append(w.notes, numbered(large, fmt.Sprintf("%%d {file|files} of %s {does|do} not come back: {it is|they are} larger than the %d bytes that the org takes", object, limit)))
	}
	if n := row.Lost - int64(large); n > 0 {
		w.notes = append(w.notes, numbered(n, "%d {file|files} of "+object+" {does|do} not come back: the snapshot does not hold {its|their} bytes"))
	}
	if row.Files > 0 {
		w.notes = append(w.notes, numbered(row.Files, fmt.Sprintf("%%d {file|files} of %s {is sent with its record|are sent with their records}, %d bytes", object, row.Bytes)))
	}
	w.countFiles(row)
	return nil
}

// countFiles adds to what the plan says of the files of an object.
func (w *wanted) countFiles(row RestoreFilesRow) {
	if row.Files+row.Lost+row.Replaced == 0 {
		return
	}
	if i := slices.IndexFunc(w.files, func(f RestoreFilesRow) bool { return f.Object == row.Object }); i >= 0 {
		f := &w.files[i]
		f.Files, f.Bytes, f.Lost, f.Replaced = f.Files+row.Files, f.Bytes+row.Bytes, f.Lost+row.Lost, f.Replaced+row.Replaced
		return
	}
	w.files = append(w.files, row)
}

// hadBytes reports a record of which the org said that it had a file.
func hadBytes(c state.Change) bool {
	if link, _ := c.Field("ContentUrl"); link.After.IsText() {
		return false
	}
	for _, name := range []string{"ContentSize", "BodyLength"} {
		if f, found := c.Field(name); found && f.After.IsText() {
			n, err := strconv.ParseFloat(f.After.Text(), 64)
			return err != nil || n > 0
		}
	}
	return c.Object == fileVersion
}

// orderVersions has each file that is made anew made by the first of its versions, and the others follow in their order.
func (w *wanted) orderVersions(bin map[sf.ID]sf.Record) {
	documents, links := map[sf.ID]bool{}, map[string]bool{}
	versions := map[sf.ID][]int{}
	for i, c := range w.delta {
		document, _ := c.Field("ContentDocumentId")
		switch {
		case c.Kind != state.Create:
		case c.Object == fileObject:
			documents[c.ID] = bin[c.ID].Shape == nil
		case c.Object == fileLink:
			entity, _ := c.Field("LinkedEntityId")
			links[document.After.Text()+entity.After.Text()] = true
		case c.Object == fileVersion:
			versions[sf.ID(document.After.Text())] = append(versions[sf.ID(document.After.Text())], i)
		}
	}
	for document, at := range versions {
		number := func(i int) int {
			f, _ := w.delta[i].Field("VersionNumber")
			n, _ := strconv.Atoi(f.After.Text())
			return n
		}
		slices.SortFunc(at, func(a, b int) int { return number(a) - number(b) })
		for n, i := range at {
			c := &w.delta[i]
			place, _ := c.Field("FirstPublishLocationId")
			first := n == 0 && documents[document]
			c.Fields = slices.DeleteFunc(slices.Clone(c.Fields), func(f state.FieldChange) bool {
				return first && f.Field == "ContentDocumentId" ||
					f.Field == "FirstPublishLocationId" && !(first && links[string(document)+place.After.Text()])
			})
			switch {
			case first:
				if w.companions == nil {
					w.companions = map[sf.ID]sf.ID{}
				}
				w.companions[document] = c.ID
			case n > 0:
				w.needs = append(w.needs, plan.Link{Object: fileVersion, ID: c.ID, Field: "VersionNumber", Target: w.delta[at[n-1]].ID})
			}
		}
	}
	slices.SortStableFunc(w.needs, func(a, b plan.Link) int { // whatever the order of a map
		return slices.Compare([]string{a.Object, string(a.ID)}, []string{b.Object, string(b.ID)})
	})
}
