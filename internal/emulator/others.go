package emulator

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// defaultLate is how long nobody sees a late commit. Source: extractors look back for five to ten
// minutes because of rows that appear behind their mark (airbytehq/airbyte#27146).
const defaultLate = 4 * time.Minute

// others lets one of the org's other users do something, for the nth time.
func (s *storm) others(h Hardness, n int64) {
	if len(h.Others.Objects) == 0 {
		return
	}
	object := h.Others.Objects[int(n)%len(h.Others.Objects)]
	late := cmp.Or(time.Duration(h.Others.LateFor), defaultLate)
	for _, act := range []struct {
		name string
		do   func(object string, x uint64, n int64) string
	}{
		{hard.LateCommit, func(object string, x uint64, n int64) string { return s.commitLate(object, late, x, n) }},
		{hard.HardDelete, s.hardDelete},
		{hard.FormulaDrift, s.drift},
		{hard.EmptyBin, s.emptyBin},
	} {
		if yes, x := s.weather.Draw(act.name, object); yes {
			s.weather.Note(act.name, object, cmp.Or(act.do(object, x, n), "nothing to do it to"))
		}
	}
}

// ids returns the Ids of the records that a query selects.
func (s *storm) ids(query string, all bool) []sf.ID {
	q, err := soql.Parse(query)
	if err != nil {
		return nil
	}
	a, err := s.org.Query(s.org.Admin(), q, all)
	if err != nil {
		return nil
	}
	ids := make([]sf.ID, a.Len())
	for i := range ids {
		ids[i] = sf.ID(a.Text(i, 0))
	}
	return ids
}

func (s *storm) one(object string, x uint64) sf.ID {
	ids := s.ids("SELECT Id FROM "+object, false)
	if len(ids) == 0 {
		return ""
	}
	return ids[x%uint64(len(ids))]
}

// commitLate changes a text field of a record in a transaction that takes long.
func (s *storm) commitLate(object string, late time.Duration, x uint64, n int64) string {
	o, ok := s.org.Describe(object)
	id := s.one(object, x)
	if !ok || id == "" {
		return ""
	}
	field := textField(o)
	if field == nil {
		return ""
	}
	row := org.Row{Object: object, ID: string(id), Fields: []org.Assignment{{Field: field.Name, Text: otherText(n)}}}
	s.org.WriteLate(s.org.Admin(), late, org.Update, []org.Row{row}, org.Options{}, nil)
	return string(id)
}

func otherText(n int64) string { return fmt.Sprintf("changed by another user, %d", n) }

// textField returns a field in which another user may write a text: not one that names or finds the
// record.
func textField(o *org.Object) *org.Field {
	var name *org.Field
	for _, f := range o.Fields {
		if !f.Updateable || f.Unique || f.ExternalID || f.Length < len(otherText(0))+10 {
			continue
		}
		switch f.Type {
		case sf.TypeString, sf.TypeTextarea:
			if !f.NameField {
				return f
			}
			name = f
		}
	}
	return name
}

func (s *storm) hardDelete(object string, x uint64, _ int64) string {
	id := s.one(object, x)
	if id == "" || !s.org.Write(s.org.Admin(), org.HardDelete, []org.Row{{ID: string(id)}}, org.Options{})[0].Success {
		return ""
	}
	return string(id)
}

// emptyBin purges one deletion of the object from the Recycle Bin.
func (s *storm) emptyBin(object string, _ uint64, _ int64) string {
	for _, id := range s.ids("SELECT Id FROM "+object+" WHERE IsDeleted = true ORDER BY SystemModstamp", true) {
		if s.org.Write(s.org.Admin(), org.EmptyBin, []org.Row{{ID: string(id)}}, org.Options{})[0].Success {
			return string(id)
		}
	}
	return ""
}

// ofParent matches a field of a parent in the text of a formula.
var ofParent = regexp.MustCompile(`\b([A-Za-z]\w*)\.([A-Za-z]\w*)\b`)

// drift changes a field of a parent that a formula of the object reads.
func (s *storm) drift(object string, x uint64, n int64) string {
	o, ok := s.org.Describe(object)
	if !ok {
		return ""
	}
	for _, f := range o.Fields {
		if !f.Calculated {
			continue
		}
		for _, m := range ofParent.FindAllStringSubmatch(f.CalculatedFormula, -1) {
			lookup := o.Relationship(m[1])
			if lookup == nil || len(lookup.ReferenceTo) != 1 {
				continue
			}
			if id := s.driftParent(object, lookup, m[2], x, n); id != "" {
				return id + " " + lookup.ReferenceTo[0] + "." + m[2]
			}
		}
	}
	return ""
}

// driftParent changes a field of a record that some record of the object points to.
func (s *storm) driftParent(object string, lookup *org.Field, field string, x uint64, n int64) string {
	parent, ok := s.org.Describe(lookup.ReferenceTo[0])
	if !ok {
		return ""
	}
	f := parent.Field(field)
	if f == nil || !f.Updateable {
		return ""
	}
	var text string
	switch f.Type {
	case sf.TypeString, sf.TypeTextarea:
		text = fmt.Sprintf("drift %d", n)
	case sf.TypeDouble, sf.TypeCurrency, sf.TypePercent, sf.TypeInt:
		text = fmt.Sprint(n % 10)
	case sf.TypeBoolean:
		text = fmt.Sprint(n%2 == 0)
	default:
		return ""
	}
	ids := s.ids("SELECT "+lookup.Name+" FROM "+object+" WHERE "+lookup.Name+" != null", false)
	if len(ids) == 0 {
		return ""
	}
	id := string(ids[x%uint64(len(ids))])
	row := org.Row{Object: parent.Name, ID: id, Fields: []org.Assignment{{Field: f.Name, Text: text}}}
	if !s.org.Write(s.org.Admin(), org.Update, []org.Row{row}, org.Options{})[0].Success {
		return ""
	}
	return strings.TrimSpace(id)
}
