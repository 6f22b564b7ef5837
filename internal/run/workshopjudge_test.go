package run_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/run"
	"holdfast/internal/sf"
)

// judge holds what the org has now against what it had before the change, after it, and right before the rollback,
// unit by unit: what the change touched and nobody since is as before, and everything else as it was found.
func (w *workshop) judge(before, after, later, now sight, p run.RollbackResult) {
	w.Helper()
	keys := map[sf.ComponentKey]bool{}
	for _, s := range []sight{before, after, later, now} {
		for key := range s.files {
			keys[key] = key.Type != "Flow"
		}
	}
	for key := range keys {
		if keys[key] {
			w.judgeComponent(key, before, after, later, now, p)
		}
	}
	w.judgeFlows(before, after, later, now)
	w.judgeRecords(before, after, later, now)
}

// expected is the three-way answer for one unit: what it was, if the change touched it and nobody has since.
func expected(was, is, later string) (want string, touched, kept bool) {
	switch {
	case was == is:
		return later, false, later != is
	case is == later:
		return was, true, false
	}
	return later, false, true
}

// units are the parts of a component by what they are known by; of a component that is no document, its files.
func units(key sf.ComponentKey, s sight) map[string]string {
	out := map[string]string{}
	if len(s.files[key]) == 0 {
		return out
	}
	root := s.root(key)
	if root == nil {
		for path, body := range s.files[key] {
			if text, ok := component.Canonical(key.Type, body); ok {
				body = text
			}
			out[path] = string(body)
		}
		return out
	}
	for _, part := range component.Parts(key.Type, nil, root) {
		doc := &component.Node{Name: root.Name, Nodes: component.Part(key.Type, root, part.Element, part.Key)}
		if text, ok := component.Canonical(key.Type, component.Print(doc)); ok {
			out[strings.TrimSpace(part.Element+" "+part.Key)] = string(text)
		}
	}
	return out
}

// crossed reports that a file was changed, and again since: then all files of the component stay.
func crossed(b, a, l map[string]string) bool {
	for path := range a {
		if b[path] != a[path] && a[path] != l[path] && b[path] != l[path] {
			return true
		}
	}
	for path := range b {
		if a[path] == "" && l[path] != "" && l[path] != b[path] {
			return true
		}
	}
	return false
}

func whole(u map[string]string) string {
	var b bytes.Buffer
	for _, k := range slices.Sorted(maps.Keys(u)) {
		b.WriteString(k + "\x00" + u[k] + "\x00")
	}
	return b.String()
}

func (w *workshop) judgeComponent(key sf.ComponentKey, before, after, later, now sight, p run.RollbackResult) {
	w.Helper()
	b, a, l, n := units(key, before), units(key, after), units(key, later), units(key, now)
	several := len(b) > 0 && before.root(key) == nil
	if len(b) == 0 || len(a) == 0 || len(l) == 0 || several && crossed(b, a, l) { // it came or went, or is of one piece
		want, touched, kept := expected(whole(b), whole(a), whole(l))
		if several && len(b) > 0 && len(a) > 0 && len(l) > 0 {
			want = whole(l)
		}
		w.count(touched, kept)
		if got := whole(n); got != want && !w.mayStay(key, "", p) && !w.mayGo(key, "", got, p) {
			w.Errorf("%s %s: before %q, after %q, later %q: is %q", key.Type, key.Name, short(whole(b)), short(whole(a)), short(whole(l)), short(got))
		}
		return
	}
	all := map[string]bool{}
	for _, u := range []map[string]string{b, a, l, n} {
		for k := range u {
			all[k] = true
		}
	}
	for k := range all {
		want, touched, kept := expected(b[k], a[k], l[k])
		w.count(touched, kept)
		if n[k] != want && !(n[k] == l[k] && w.mayStay(key, k, p)) && !w.mayGo(key, k, n[k], p) {
			w.Errorf("%s %s, %s: before %q, after %q, later %q: is %q", key.Type, key.Name, k, short(b[k]), short(a[k]), short(l[k]), short(n[k]))
		}
	}
}

func (w *workshop) count(touched, kept bool) {
	if touched {
		w.units++
	}
	if kept {
		w.kept++
	}
}

func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.TrimPrefix(s, `<?xml version="1.0" encoding="UTF-8"?> `)
	return s[:min(len(s), 300)]
}

// mayStay reports what no deployment takes away, which the plan must have said.
func (w *workshop) mayStay(key sf.ComponentKey, unit string, p run.RollbackResult) bool {
	return strings.HasPrefix(unit, "recordTypes ") && slices.ContainsFunc(p.Actions, func(a run.ActionRow) bool {
		return a.Type == key.Type && a.Name == key.Name && strings.Contains(a.Why, "no deployment deletes a record type")
	})
}

// mayGo reports later work that the platform takes away with what the change had made, which the plan must have said.
func (w *workshop) mayGo(key sf.ComponentKey, unit, now string, p run.RollbackResult) bool {
	of := fmt.Sprintf("%s %s ", key.Type, key.Name)
	if unit != "" {
		of = unit + " of " + of
	}
	gone := slices.ContainsFunc(p.Notes, func(n string) bool {
		return now == "" && strings.HasPrefix(n, of+"goes with ") || strings.HasPrefix(n, of+"no longer shows ")
	})
	if gone {
		w.gone++
	}
	return gone
}

func (w *workshop) judgeFlows(before, after, later, now sight) {
	w.Helper()
	all := map[string]bool{}
	for _, s := range []sight{before, after, later, now} {
		for flow := range s.active {
			all[flow] = true
		}
	}
	state := func(s sight, flow string) string {
		text, there := s.active[flow]
		if !there {
			return "gone"
		}
		return "there " + text
	}
	for flow := range all {
		b, a, l, n := state(before, flow), state(after, flow), state(later, flow), state(now, flow)
		want, touched, kept := expected(b, a, l)
		// Whoever only switched a flow off that the change made has changed nothing of it: off is how it was before.
		if b == "gone" && l == "there " && l != a && maps.Equal(versionsOf(after, flow), versionsOf(later, flow)) {
			want, kept = b, false
		}
		w.count(touched, kept)
		if n != want {
			w.Errorf("flow %s: before %q, after %q, later %q: is %q", flow, short(b), short(a), short(l), short(n))
		}
	}
}

// versionsOf returns the numbers of the versions that a flow has.
func versionsOf(s sight, flow string) map[int]bool {
	out := map[int]bool{}
	for k := range s.names {
		if name, number := component.SplitFlow(k.Name); k.Type == "Flow" && name == flow && number != 0 {
			out[number] = true
		}
	}
	return out
}

// judgeRecords demands of every record of before its values: those of fields that the change deleted are back, and the
// others as they were found.
func (w *workshop) judgeRecords(before, after, later, now sight) {
	w.Helper()
	for object, rows := range now.rows {
		for name, was := range before.rows[object] {
			is, there := rows[name]
			found, survived := later.rows[object][name]
			_, hadObject := after.rows[object]
			if !there {
				if survived || !hadObject {
					w.Errorf("%s %s is gone", object, name)
				}
				continue
			}
			for field, value := range was {
				key := sf.ComponentKey{Type: "CustomField", Name: object + "." + field}
				want := value
				if field == "Id" || !now.names[key] || now.hidden[object+"."+field] { // who sees it is judged with the profiles
					continue
				}
				unseen := later.hidden[object+"."+field] // nobody wrote into it, as nobody saw it
				if survived && after.names[key] && !unseen {
					want = found[field]
				}
				if survived && !after.names[key] && later.names[key] { // somebody has made it anew
					want = found[field]
				}
				if found[field] == "" && want != "" {
					w.values++
				}
				if is[field] != want {
					w.Errorf("%s %s.%s: before %q, later %q, is %q", object, name, field, value, found[field], is[field])
				}
			}
		}
		for name := range later.rows[object] {
			if rows[name] == nil {
				w.Errorf("%s %s, which was there, is gone", object, name)
			}
		}
	}
}
