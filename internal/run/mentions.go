package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/apply"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// MentionRow counts the records of which one text field names records by Ids that they do not have any more. Nothing changes texts:
// what they mean by an Id only people know.
type MentionRow struct {
	Object  string      `json:"object"`  // API name
	Field   string      `json:"field"`   // API name
	Count   int64       `json:"count"`   // records whose field names an old Id
	Records []Mentioned `json:"records"` // the first of them
}

// Mentioned is a record that names another by an old Id.
type Mentioned struct {
	ID  sf.ID `json:"id"`  // Id of the record
	Old sf.ID `json:"old"` // the first old Id that its field names
	New sf.ID `json:"new"` // Id of that record now
}

// shownMentions bounds the records that are listed of one field; the count is always whole.
const shownMentions = 1_000

// Lengths of Ids in texts: with the three characters that tell the case of the others, and without.
const (
	idChars     = 15
	fullIDChars = 18
)

// mentions looks through the texts of a state for the old Ids of records that got new ones.
func mentions(ctx context.Context, sn liveState, pairs []apply.Pair) ([]MentionRow, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	news := make(map[sf.ID]sf.ID, len(pairs))
	for _, p := range pairs {
		news[p.Old] = p.New
	}
	var out []MentionRow
	for _, p := range sn.Parts() {
		object := sn.Schema().Object(p.Object)
		if p.State != snapshot.Whole || object == nil {
			continue
		}
		rows, err := mentionsIn(ctx, sn, object, news)
		if err != nil {
			return nil, fmt.Errorf("look for old Ids in texts of %s: %w", p.Object, err)
		}
		out = append(out, rows...)
	}
	slices.SortFunc(out, func(a, b MentionRow) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Field, b.Field))
	})
	return out, nil
}

// mayMention reports a field in which people, or programs, write what they like.
func mayMention(f *sf.Field) bool {
	switch f.Type {
	case sf.TypeString, sf.TypeTextarea, sf.TypeURL, sf.TypeCombobox, sf.TypeAnyType, sf.TypeJSON, sf.TypeEncryptedString:
		return !f.Calculated
	}
	return false
}

func mentionsIn(ctx context.Context, sn liveState, object *sf.Object, news map[sf.ID]sf.ID) ([]MentionRow, error) {
	var shape *sf.Shape
	var at []int
	rows := map[string]*MentionRow{}
	for r, err := range sn.Records(ctx, object.Name) {
		if err != nil {
			return nil, err
		}
		if r.Shape != shape {
			shape, at = r.Shape, nil
			for i, name := range shape.Fields() {
				if f := object.Field(name); f != nil && mayMention(f) {
					at = append(at, i)
				}
			}
		}
		for _, i := range at {
			old := oldIDIn(r.Values[i].Text(), news)
			if old == "" {
				continue
			}
			name := shape.Fields()[i]
			if rows[name] == nil {
				rows[name] = &MentionRow{Object: object.Name, Field: name}
			}
			if row := rows[name]; row.Count < shownMentions {
				row.Records = append(row.Records, Mentioned{ID: r.ID, Old: old, New: news[old]})
			}
			rows[name].Count++
		}
	}
	var out []MentionRow
	for _, row := range rows {
		out = append(out, *row)
	}
	return out, nil
}

// oldIDIn returns the first of the old Ids that the text names, or "". An Id is a word of 15 or 18 letters and digits; in an
// address it may follow an escape, such as %2F.
func oldIDIn(text string, news map[sf.ID]sf.ID) sf.ID {
	for from := 0; len(text)-from >= idChars; {
		if !isWord(text[from]) {
			from++
			continue
		}
		to := from
		for to < len(text) && isWord(text[to]) {
			to++
		}
		word := text[from:to]
		if escaped := from > 0 && text[from-1] == '%' && len(word) > 2; escaped && len(word) != idChars && len(word) != fullIDChars {
			word = word[2:]
		}
		if len(word) == idChars || len(word) == fullIDChars {
			if id, err := sf.ParseID(word); err == nil && news[id] != "" {
				return id
			}
		}
		from = to
	}
	return ""
}

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
