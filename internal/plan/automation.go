package plan

import (
	"cmp"
	"errors"
	"strings"

	"holdfast/internal/sf"
)

// Automation is a component of the org that acts when rows of the plan are written.
type Automation struct {
	sf.ComponentKey
	Object string // whose rows it acts on
	Rows   int64  // of the plan
	Off    bool   // it is switched off while the plan is applied, and put back
	Reason string // what a reader should know, such as why it cannot be switched off
}

// automationLine is its line in a plan file.
type automationLine Automation

func (l automationLine) append(b []byte) []byte {
	does := "acts"
	if l.Off {
		does = "off"
	}
	return open(b).text("automation", l.Type).text("name", l.Name).text("object", l.Object).number("rows", l.Rows).
		text("does", does).optional("reason", l.Reason).end()
}

func (d *decoder) automation() error {
	type wire struct {
		Automation, Name, Object, Does, Reason string
		Rows                                   int64
	}
	var last Automation
	return each(d, countAutomation, func(w wire) (line, error) {
		a := Automation{
			ComponentKey: sf.ComponentKey{Type: w.Automation, Name: w.Name}, Object: w.Object, Rows: w.Rows,
			Off: w.Does == "off", Reason: w.Reason,
		}
		switch {
		case w.Automation == "" || w.Name == "" || w.Object == "" || w.Rows < 1:
			return nil, errors.New("automation without a name, an object or rows")
		case compareAutomation(last, a) >= 0:
			return nil, errors.New("automation out of order")
		}
		last = a
		d.plan.Automation = append(d.plan.Automation, a)
		return automationLine(a), nil
	})
}

func compareAutomation(a, b Automation) int {
	return cmp.Or(a.Compare(b.ComponentKey), strings.Compare(a.Object, b.Object))
}

// SwitchedOff returns the components that are off while the plan is applied, in the order of the plan.
func (p *Plan) SwitchedOff() []sf.ComponentKey {
	var out []sf.ComponentKey
	for _, a := range p.Automation {
		if a.Off {
			out = append(out, a.ComponentKey)
		}
	}
	return out
}

// Rows returns how many rows of each object the plan writes.
func (p *Plan) Rows() map[string]int64 {
	rows := map[string]int64{}
	for _, s := range p.Steps {
		rows[s.Object] += int64(len(s.Rows))
	}
	return rows
}
