package plan

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"holdfast/internal/sf"
)

// The kinds of a Bypass.
const (
	// BypassPermission is a custom permission, which a permission set gives.
	BypassPermission = "permission"
	// BypassSetting is a checkbox of a hierarchy custom setting.
	BypassSetting = "setting"
)

// Bypass is what the org's own automation looks at to let the records of a user pass. It is on, for the user as whom the
// plan is applied, while the plan is applied.
type Bypass struct {
	Kind string // BypassPermission or BypassSetting
	Name string // of the custom permission; of the checkbox as OBJECT.FIELD
	Set  string // of a permission: name of the permission set that gives it
	ID   sf.ID  // and its Id
}

// bypassLine is its line in a plan file.
type bypassLine Bypass

func (l bypassLine) append(b []byte) []byte {
	return open(b).text("bypass", l.Kind).text("name", l.Name).optional("set", l.Set).optional("id", string(l.ID)).end()
}

func (d *decoder) bypass() error {
	type wire struct{ Bypass, Name, Set, ID string }
	return each(d, countBypass, func(w wire) (line, error) {
		x := Bypass{Kind: w.Bypass, Name: w.Name, Set: w.Set, ID: sf.ID(w.ID)}
		object, field, ofField := strings.Cut(x.Name, ".")
		switch {
		case x.Kind == BypassPermission && x.Name != "" && x.Set != "" && checkID(x.ID) == nil:
		case x.Kind == BypassSetting && ofField && object != "" && field != "" && x.Set == "" && x.ID == "":
		default:
			return nil, errors.New("a bypass that is neither a permission of a permission set nor a field of a setting")
		}
		if n := len(d.plan.Bypass); n > 0 && compareBypass(d.plan.Bypass[n-1], x) >= 0 {
			return nil, errors.New("bypasses out of order")
		}
		d.plan.Bypass = append(d.plan.Bypass, x)
		return bypassLine(x), nil
	})
}

func compareBypass(a, b Bypass) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}

// SetBypass gives the plan these bypasses, each once.
func (p *Plan) SetBypass(list []Bypass) {
	p.Bypass = slices.Clone(list)
	slices.SortFunc(p.Bypass, compareBypass)
	p.Bypass = slices.CompactFunc(p.Bypass, func(a, b Bypass) bool { return compareBypass(a, b) == 0 })
}

// Switches reports a plan for whose time something in the org is switched that has to be put back.
func (p *Plan) Switches() bool { return len(p.Bypass) > 0 || len(p.SwitchedOff()) > 0 }
