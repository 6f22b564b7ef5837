package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/apply"
	"holdfast/internal/sf"
	"holdfast/internal/state"
)

// maxDrillDifferences bounds what the result spells out; the counts are whole.
const maxDrillDifferences = 100

// witness compares every record and value of the snapshot with what the empty org shows, read by somebody else.
func (d *drill) witness(ctx context.Context) error {
	news := map[sf.ID]sf.ID{}
	for _, p := range d.applied.NewIDs {
		news[p.Old] = p.New
	}
	for _, row := range d.seed.out.Objects {
		if row.Records == 0 {
			continue
		}
		out, err := d.object(ctx, row, news)
		if err != nil {
			return fmt.Errorf("compare %s: %w", row.Object, err)
		}
		d.out.Objects = append(d.out.Objects, out)
		d.out.Records += out.Records
		d.out.Links += out.Links
		d.out.Different += out.Different
	}
	whole := int64(0)
	for _, o := range d.out.Objects {
		whole += o.Whole
	}
	d.out.Score = share(whole, d.out.Records)
	d.refusals()
	return nil
}

func share(part, all int64) float64 {
	if all == 0 {
		return 1
	}
	return float64(part) / float64(all)
}

// object compares the records of one object.
func (d *drill) object(ctx context.Context, row SeedRow, news map[sf.ID]sf.ID) (DrillRow, error) {
	out := DrillRow{Object: row.Object, Records: row.Records, Without: row.Without}
	there := d.schema.Object(row.Object)
	part, _ := d.from.Part(row.Object)
	var fields []string
	for _, name := range part.Fields {
		if f := there.Field(name); f != nil && d.compared(row.Object, name, f) {
			fields = append(fields, name)
		}
	}
	want, lacking, err := d.wanted(ctx, row, fields, news)
	if err != nil {
		return out, err
	}
	err = d.in.Look(ctx, row.Object, fields, func(id sf.ID, values map[string]any) error {
		r, ours := want[id]
		if !ours {
			return nil
		}
		delete(want, id)
		out.Restored++
		before := out.Different
		for i, name := range fields {
			f := there.Field(name)
			is, err := seenValue(f.Type, values[name])
			if err != nil {
				return err
			}
			d.out.Values++
			if f.Type == sf.TypeReference && r[i].IsText() {
				out.Links++
			}
			if is == r[i] || !is.IsText() && !r[i].IsText() || r[i].IsAbsent() {
				continue
			}
			out.Different++
			if len(d.out.Differences) < maxDrillDifferences {
				d.out.Differences = append(d.out.Differences, DifferenceRow{Object: row.Object, ID: id, Field: name, Kind: state.Update.String(), Wanted: Value{r[i]}, Live: Value{is}})
			}
		}
		if out.Different == before && !lacking[id] {
			out.Whole++
		}
		return nil
	})
	out.Score = share(out.Whole, out.Records)
	return out, err
}

// compared reports a field that the empty org can have as it was.
func (d *drill) compared(object, name string, f *sf.Field) bool {
	was := d.from.Schema().Object(object).Field(name)
	return was != nil && was.Type == f.Type && !carried(name) && !f.Type.IsCompound() && f.Type != sf.TypeBase64 &&
		!f.Calculated && !f.AutoNumber && f.Createable
}

// wanted returns the values that the records should have, by the Ids under which they came back. A reference to a
// record that was not brought along, or was refused, is wanted as it is in the snapshot, so that it differs; an
// owner who is not in the empty org is not compared. Lacking are those with a value for which there is no field.
func (d *drill) wanted(ctx context.Context, row SeedRow, fields []string, news map[sf.ID]sf.ID) (out map[sf.ID][]sf.Value, lacking map[sf.ID]bool, err error) {
	out, lacking = map[sf.ID][]sf.Value{}, map[sf.ID]bool{}
	there := d.schema.Object(row.Object)
	for r, err := range d.from.Records(ctx, row.Object) {
		if err != nil {
			return nil, nil, err
		}
		if _, named := d.seed.names[r.ID]; named {
			continue
		}
		id := news[d.seed.fresh(r.ID, there)]
		if id == "" {
			continue
		}
		values := make([]sf.Value, len(fields))
		for i, name := range fields {
			v := r.Get(name)
			if there.Field(name).Type == sf.TypeReference && v.IsText() {
				v = d.reference(name, v, news)
			}
			values[i] = v
		}
		out[id] = values
		lacking[id] = slices.ContainsFunc(row.Without, func(f string) bool { v := r.Get(f); return v.IsText() && v != sf.Bool(false) })
	}
	return out, lacking, nil
}

func (d *drill) reference(field string, v sf.Value, news map[sf.ID]sf.ID) sf.Value {
	to := d.seed.reference(sf.ID(v.Text()))
	switch {
	case to.IsNull() && field == "OwnerId":
		return sf.Value{}
	case to.IsNull():
		return v
	case news[sf.ID(to.Text())] != "":
		return sf.Text(string(news[sf.ID(to.Text())]))
	}
	return to
}

// seenValue is a value of a JSON reply in canonical form.
func seenValue(t sf.FieldType, v any) (sf.Value, error) {
	if v == nil {
		return sf.Null(), nil
	}
	return sf.Canonical(t, fmt.Sprint(v))
}

// refusals counts why records were refused. Of a record that is refused because another one is, the reason is
// that one's; a row of a second pass whose record is not there is no record more.
func (d *drill) refusals() {
	type reason struct{ object, code, message, fields string }
	counts := map[reason]int64{}
	for _, e := range d.applied.Errors {
		if e.Code == apply.CodeAbsent {
			continue
		}
		message := e.Message
		if e.Code == apply.CodeParent {
			message = "it refers to a record that was refused"
		}
		counts[reason{e.Object, e.Code, message, strings.Join(e.Fields, " ")}]++
	}
	of := map[string]int64{}
	for _, o := range d.out.Objects {
		of[o.Object] = o.Records
	}
	for why, n := range counts {
		d.out.Refusals = append(d.out.Refusals, DrillRefusal{
			Object: why.object, Records: n, Of: of[why.object], Rule: d.rules[why.object+"\x00"+strings.TrimSpace(why.message)],
			Code: why.code, Message: why.message, Fields: strings.Fields(why.fields),
		})
	}
	slices.SortFunc(d.out.Refusals, func(a, b DrillRefusal) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), strings.Compare(a.Object, b.Object), strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
}
