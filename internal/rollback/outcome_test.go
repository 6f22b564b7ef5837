package rollback_test

import (
	"strings"
	"testing"

	"holdfast/internal/rollback"
)

// outcomes decides, and returns what becomes of the components as lines: its name, what is in its files, and the parts.
func outcomes(t *testing.T, changes ...rollback.Change) string {
	t.Helper()
	plan, err := rollback.Decide(rollback.Input{Changes: changes, APIVersion: "66.0"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, o := range rollback.Outcomes(plan, changes) {
		b.WriteString(o.Key.Type + " " + o.Key.Name)
		if len(o.Files) == 0 {
			b.WriteString(" gone")
		}
		if o.Back {
			b.WriteString(" back")
		}
		for _, p := range o.Parts {
			b.WriteString(" " + string(p.How) + ":" + p.Key)
		}
		for _, f := range o.Files {
			b.WriteString("\n  " + strings.Join(strings.Fields(string(f.Body)), " "))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// What becomes of a component is what the org has of it then, also of what somebody has done since; of a permission that
// the change had given there is no trace; and the same once all of it is done.
func TestOutcomesAreWhatTheOrgHasThen(t *testing.T) {
	old := func(c *rollback.Component) *rollback.Component { c.Status = "Obsolete"; return c }
	for name, c := range map[string]struct {
		changes      []rollback.Change
		want, absent []string
	}{
		"fields": {
			[]rollback.Change{change(object("A=a", "Gone=gone"), object("A=bad", "New=new"), object("A=bad", "New=new", "Later=later"))},
			[]string{"CustomObject Thing__c changed:A__c removed:Gone__c added:New__c", "<label>a</label>", "Gone__c</fullName>", "Later__c</fullName>"},
			[]string{"bad", "New__c</fullName>"},
		},
		"done already": {
			[]rollback.Change{change(object("A=a"), object("A=bad", "New=new"), object("A=a"))},
			[]string{"CustomObject Thing__c changed:A__c added:New__c", "<label>a</label>"},
			[]string{"bad", "New__c</fullName>"},
		},
		"edited since": {
			[]rollback.Change{change(object("A=a"), object("A=bad"), object("A=mended"))},
			[]string{"changed:A__c", "<label>mended</label>"},
			[]string{"bad"},
		},
		"a permission": {
			[]rollback.Change{change(profile("T.A=true"), profile("T.A=true", "T.B=true"), profile("T.A=true", "T.B=true"))},
			[]string{"Profile Admin added:T.B", "T.A"},
			[]string{"<field>T.B"},
		},
		"a class that was deleted": {[]rollback.Change{change(class("one"), nil, nil)}, []string{"ApexClass Pay back", "one"}, nil},
		"a class that was made":    {[]rollback.Change{change(nil, class("one"), class("one"))}, []string{"ApexClass Pay gone"}, nil},
		"made, and edited since":   {[]rollback.Change{change(nil, class("one"), class("two"))}, nil, []string{"Pay"}},
		"deleted since":            {[]rollback.Change{change(class("one"), class("two"), nil)}, nil, []string{"Pay"}},
		"a flow": {
			[]rollback.Change{
				change(flow(2, "Active"), old(flow(2, "")), old(flow(2, ""))), change(nil, flow(3, "Active"), flow(3, "Active")),
			},
			[]string{"Flow Renew\n", "v2"},
			[]string{"v3", "gone", "back"},
		},
		"a flow that was made": {[]rollback.Change{change(nil, flow(1, "Active"), flow(1, "Active"))}, []string{"Flow Renew gone"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := outcomes(t, c.changes...)
			for _, text := range c.want {
				if !strings.Contains(got, text) {
					t.Errorf("no %q:\n%s", text, got)
				}
			}
			for _, text := range c.absent {
				if strings.Contains(got, text) {
					t.Errorf("%q:\n%s", text, got)
				}
			}
		})
	}
}
