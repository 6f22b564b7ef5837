package plan

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden reads stories of the form
//
//	# what the story is about
//	schema
//	Account Name! ParentId>Account
//	----
//	snapshot
//	Account 001A Name=Acme ParentId=001B
//	----
//	live
//	(empty)
//	----
//	plan
//	1 insert Account 001A   without ParentId
//
// and compares the plan that brings live to the snapshot. A section "before" makes it a rollback:
// the change from "before" to "after" is undone on live. A section "bin" holds the records in the
// Recycle Bin, "max" the most rows. Ids are an object's prefix and a name; <null> is null, and
// text*n is a text repeated.
//
// In a schema, ! is a required field, >A|B a reference, * one that deletes with its parent, ^ one
// that forbids the deletion of its parent, # an auto-number, = a formula, + a field that only an
// insert sets, ~ one that only an update sets, - one that nobody sets. An object with an exclamation
// mark cannot be created, and one with % cannot be undeleted.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, want, found := strings.Cut(string(raw), "----\nplan\n")
			if !found {
				t.Fatal("no section plan")
			}
			got := tell(t, head)
			if *update {
				if err := os.WriteFile(file, []byte(head+"----\nplan\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("plan\n%s\nwant\n%s", got, want)
			}
		})
	}
}

const defaultSchema = `Account Name! ParentId>Account OwnerId>User
Contact LastName! AccountId>Account* ReportsToId>Contact OwnerId>User
User! Username`

// tell makes the plan of a story and writes it down.
func tell(t *testing.T, story string) string {
	sections := map[string][]string{"schema": strings.Split(defaultSchema, "\n")}
	for part := range strings.SplitSeq(story, "----\n") {
		var lines []string
		for l := range strings.SplitSeq(strings.TrimSpace(part), "\n") {
			if !strings.HasPrefix(l, "#") && l != "(empty)" {
				lines = append(lines, l)
			}
		}
		sections[lines[0]] = lines[1:]
	}
	in := Input{
		Org: "00D000000000001EAA", Made: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Schema: parseSchema(sections["schema"]),
	}
	live := parseState(sections["live"])
	if before, rollback := sections["before"]; rollback {
		wanted := deltaOf(t, parseState(before), parseState(sections["after"])).Invert()
		e := &state.Equivalence{Schema: in.Schema}
		for _, object := range wanted.Objects() {
			changes, conflicts, err := e.Rebase(wanted.Object(object), state.FromSlice(live[object]))
			if err != nil {
				t.Fatal(err)
			}
			in.Delta = append(in.Delta, changes...)
			in.Conflicts = append(in.Conflicts, conflicts...)
		}
	} else {
		in.Delta = deltaOf(t, live, parseState(sections["snapshot"]))
	}
	for _, o := range in.Schema.Objects {
		links, err := Dependants(in.Delta, in.Schema, state.FromSlice(live[o.Name]))
		if err != nil {
			t.Fatal(err)
		}
		in.Dependants = append(in.Dependants, links...)
	}
	bin := make(map[sf.ID]sf.Record)
	for _, records := range parseState(sections["bin"]) {
		for _, r := range records {
			bin[r.ID] = r
		}
	}
	in.InBin = func(id sf.ID) bool { _, found := bin[id]; return found }
	in.BinRecord = func(id sf.ID) (sf.Record, bool) { r, found := bin[id]; return r, found }
	if m := sections["max"]; m != nil {
		if _, err := fmt.Sscan(m[0], &in.MaxRows); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Order(in)
	if err != nil {
		return "error: " + shorten(err.Error()) + "\n"
	}
	mustRoundTrip(t, p)
	return show(p)
}

// shorten writes Ids in a message as the stories do.
func shorten(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		if id, err := sf.ParseID(w); err == nil && len(w) == 18 {
			words[i] = shortID(id)
		}
	}
	return strings.Join(words, " ")
}

func parseSchema(lines []string) *sf.Schema {
	s := &sf.Schema{APIVersion: "66.0"}
	for _, l := range lines {
		words := strings.Fields(l)
		name := strings.TrimRight(words[0], "!%")
		creatable := !strings.Contains(words[0], "!")
		o := &sf.Object{Name: name, Createable: creatable, Updateable: true, Deletable: creatable, Undeletable: !strings.Contains(words[0], "%")}
		for _, w := range words[1:] {
			o.Fields = append(o.Fields, parseField(w))
		}
		for _, f := range []string{"CreatedDate", "SystemModstamp"} {
			o.Fields = append(o.Fields, &sf.Field{Name: f, Type: sf.TypeDatetime})
		}
		s.Objects = append(s.Objects, o)
	}
	return s
}

func parseField(w string) *sf.Field {
	i := strings.IndexAny(w, "!>*^#=+~-")
	if i < 0 {
		i = len(w)
	}
	f := &sf.Field{Name: w[:i], Type: sf.TypeString, Nillable: true, Createable: true, Updateable: true}
	marks, targets, reference := strings.Cut(w[i:], ">")
	if reference {
		f.Type = sf.TypeReference
		f.ReferenceTo = strings.Split(strings.TrimRight(targets, "!*^#=+~-"), "|")
		marks += strings.TrimLeft(targets, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_|")
	}
	for _, m := range marks {
		switch m {
		case '!':
			f.Nillable = false
		case '*':
			f.CascadeDelete = true
		case '^':
			f.RestrictedDelete = true
		case '#':
			f.AutoNumber, f.Createable, f.Updateable = true, false, false
		case '=':
			f.Calculated, f.Createable, f.Updateable = true, false, false
		case '+':
			f.Updateable = false
		case '~':
			f.Createable = false
		case '-':
			f.Createable, f.Updateable = false, false
		}
	}
	return f
}

// longID makes an Id of the prefix and the name that a story uses.
func longID(short string) sf.ID {
	id, err := sf.ParseID(short[:3] + strings.Repeat("0", 15-len(short)) + short[3:])
	if err != nil {
		panic(err)
	}
	return id
}

func shortID(id sf.ID) string {
	return id.KeyPrefix() + strings.TrimLeft(string(id[3:15]), "0")
}

var short = regexp.MustCompile(`^[0-9a-z]0[0-9A-Za-z][A-Z]{1,3}$`)

func parseState(lines []string) map[string][]sf.Record {
	out := make(map[string][]sf.Record)
	for _, l := range lines {
		words := strings.Fields(l)
		values := map[string]sf.Value{}
		for _, w := range words[2:] {
			field, text, _ := strings.Cut(w, "=")
			values[field] = parseValue(text)
		}
		r := sf.NewRecord(words[0], longID(words[1]), values)
		out[r.Object()] = append(out[r.Object()], r)
	}
	for _, records := range out {
		slices.SortFunc(records, sf.Compare)
	}
	return out
}

func parseValue(text string) sf.Value {
	switch {
	case text == "<null>":
		return sf.Null()
	case short.MatchString(text): // a key prefix and a name
		return sf.Text(string(longID(text)))
	}
	if word, times, found := strings.Cut(text, "*"); found {
		n, err := strconv.Atoi(times)
		if err != nil {
			panic(err) // a golden file that is wrong
		}
		return sf.Text(strings.Repeat(word, n))
	}
	return sf.Text(text)
}

func deltaOf(t *testing.T, from, to map[string][]sf.Record) state.Delta {
	var all state.Delta
	for _, states := range []map[string][]sf.Record{from, to} {
		for object := range states {
			if len(all.Object(object)) > 0 {
				continue
			}
			d, err := state.Collect(state.Diff(state.FromSlice(from[object]), state.FromSlice(to[object])), 0)
			if err != nil {
				t.Fatal(err)
			}
			if all, err = state.NewDelta(append(all, d...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// show writes a plan in the language of the stories.
func show(p *Plan) string {
	var b strings.Builder
	if p.Empty() {
		b.WriteString("(empty)\n")
	}
	for _, s := range p.Steps {
		op := s.Op
		if op == Second {
			op = Update
		}
		fmt.Fprintf(&b, "%d %s %s", s.Number, op, s.Object)
		for _, r := range s.Rows {
			b.WriteString(" " + shortID(r.ID))
			if r.With != "" {
				fmt.Fprintf(&b, "(with %s)", shortID(r.With))
			}
		}
		if s.Op == Update || s.Op == Second {
			b.WriteString("   " + strings.Join(s.Fields, " "))
		}
		if len(s.Without) > 0 {
			b.WriteString("   without " + strings.Join(s.Without, " "))
		}
		b.WriteString("\n")
	}
	for _, d := range p.Deferred {
		fmt.Fprintf(&b, "deferred: %s.%s of %d (%s)\n", d.Object, d.Field, d.Rows, d.Reason)
	}
	for _, c := range p.Conflicts {
		fmt.Fprintf(&b, "conflict: %s %s.%s keeps %s (%s)\n", c.Object, shortID(c.ID), c.Field, c.Live, c.Reason)
	}
	for _, l := range p.Fidelity.Lost() {
		fmt.Fprintf(&b, "lost: %s (%s)\n", strings.TrimSuffix(l.Object+"."+l.Field, "."), l.Reason)
	}
	return b.String()
}

func TestErrorsAreTyped(t *testing.T) {
	a, b := longID("a01A"), longID("a01B")
	ring := state.Delta{}
	for _, pair := range [][2]sf.ID{{a, b}, {b, a}} {
		c, _ := state.Between(sf.Record{}, sf.NewRecord("Ring__c", pair[0], map[string]sf.Value{"Next__c": sf.Text(string(pair[1]))}))
		ring = append(ring, c)
	}
	schema := parseSchema([]string{"Ring__c Next__c>Ring__c!"})
	_, err := Order(Input{Schema: schema, Delta: ring})
	if cycle, ok := errors.AsType[*CycleError](err); !ok || len(cycle.Links) != 2 || cycle.Op != Insert {
		t.Errorf("error %v, want a cycle of two", err)
	}
	_, err = Order(Input{Schema: parseSchema([]string{"Ring__c Next__c>Ring__c"}), Delta: ring, MaxRows: 1})
	if limit, ok := errors.AsType[*CapError](err); !ok || limit.Rows != 2 || limit.Max != 1 {
		t.Errorf("error %v, want a cap of 1", err)
	}
	bad := []state.Delta{
		{ring[0], ring[0]},
		{{Object: "Ring__c", ID: a}},
		{{Object: "Ring__c", ID: "a01", Kind: state.Create}},
		{{Object: "Ring__c", ID: a, Kind: state.Create}},
		{{Object: "Ring__c", ID: a, Kind: state.Update, After: state.Hash{1}}},
		{{Object: "Ring__c", ID: a, Kind: state.Create, After: state.Hash{1}, Fields: []state.FieldChange{{Field: "Id"}}}},
		{{Object: "Ring__c", ID: a, Kind: state.Create, After: state.Hash{1}, Fields: []state.FieldChange{{Field: "A"}, {Field: "A"}}}},
	}
	for i, d := range bad {
		if _, err := Order(Input{Schema: schema, Delta: d}); err == nil {
			t.Errorf("delta %d is accepted", i)
		} else if _, ok := errors.AsType[*InputError](err); !ok {
			t.Errorf("delta %d: %v, want an *InputError", i, err)
		}
	}
}
