package run_test

import (
	"maps"
	"slices"
	"strings"

	"holdfast/internal/testkit"
)

// witness says what an org has to look like once an incident is undone, from what was seen before it, after it
// and now. It knows the schema of the maze and nothing of the code that restores.
//
// What was there before is there, but for what people deleted since, and for what cannot be without such a
// record. Each field has the value of before, or that which people gave it since. What the incident made is gone
// unless people worked on it, or it holds what stays.
func (m *mazeOrg) witness(before, after, now testkit.Dump) testkit.Dump {
	want := testkit.Dump{}
	for _, object := range m.dumped {
		want[object] = map[string]map[string]string{}
		for id, was := range before[object] {
			hit, there := after[object][id], now[object][id]
			switch {
			case hit != nil && there == nil: // people deleted it
			case there == nil:
				want[object][id] = maps.Clone(was)
			default:
				row := maps.Clone(was)
				for f := range row {
					if hit == nil || hit[f] != there[f] {
						row[f] = there[f]
					}
				}
				want[object][id] = row
			}
		}
		for id, there := range now[object] {
			if before[object][id] != nil {
				continue
			}
			if hit := after[object][id]; hit == nil || !same(hit, there) || m.worked[id] {
				want[object][id] = maps.Clone(there)
			}
		}
	}
	for m.settle(want, now) {
	}
	m.uncircle(want, now)
	m.untaken(want, now)
	return want
}

// untaken leaves out unique values of records that others have now which keep them.
func (m *mazeOrg) untaken(want, now testkit.Dump) {
	for _, o := range m.objects {
		for _, f := range o.fields {
			if !f.unique {
				continue
			}
			keeps := map[string]string{} // by value, the record that has it and keeps it
			for id, row := range want[o.name] {
				if live := now[o.name][id]; live != nil && live[f.name] == row[f.name] {
					keeps[row[f.name]] = id
				}
			}
			for id, row := range want[o.name] {
				by := keeps[row[f.name]]
				if row[f.name] == "null" || by == "" || by == id {
					continue
				}
				row[f.name] = "null"
				if live := now[o.name][id]; live != nil {
					row[f.name] = live[f.name]
				}
			}
		}
	}
}

// uncircle leaves links of accounts as they are that would close a circle with later ones.
func (m *mazeOrg) uncircle(want, now testkit.Dump) {
	rows := want["Account"]
	up := func(id string) string { return strings.Trim(rows[id]["ParentId"], `"`) }
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		at := up(id)
		for n := 0; rows[at] != nil && at != id && n < len(rows); n++ {
			at = up(at)
		}
		switch live := now["Account"][id]; {
		case at != id || live != nil && live["ParentId"] == rows[id]["ParentId"]: // no circle, or others close it
		case live != nil:
			rows[id]["ParentId"] = live["ParentId"]
		default:
			rows[id]["ParentId"] = "null"
		}
	}
}

// settle takes out of want what cannot be, adds what has to stay, and reports whether it did anything.
func (m *mazeOrg) settle(want, now testkit.Dump) bool {
	there := map[string]bool{}
	for _, rows := range want {
		for id := range rows {
			there[id] = true
		}
	}
	moved := false
	for _, object := range m.dumped {
		for id, row := range want[object] {
			for name, needed := range m.references(object) {
				to := strings.Trim(row[name], `"`)
				if to == "null" || to == "" || there[to] || !m.inMaze(to) {
					continue
				}
				live := now[object][id]
				switch at, isThere := m.find(now, to); {
				case live != nil && live[name] == row[name] && isThere && m.holds(object, name):
					want[at][to] = maps.Clone(now[at][to]) // it holds what stays
				case live != nil && live[name] != row[name]:
					row[name] = live[name] // the old one is gone, so the link stays as it is
				case live != nil:
					row[name] = "null"
				case needed:
					delete(want[object], id)
				default:
					row[name] = "null"
				}
				moved = true
			}
		}
	}
	return moved
}

// references are the fields of an object that refer to records of the maze, and whether it cannot be without.
func (m *mazeOrg) references(object string) map[string]bool {
	if object == "Task" {
		return map[string]bool{"WhatId": false}
	}
	refs := map[string]bool{}
	for _, f := range m.object(object).fields {
		if f.reference() {
			refs[f.name] = f.needed()
		}
	}
	return refs
}

// holds reports a reference whose target cannot be deleted without harm to the record.
func (m *mazeOrg) holds(object, name string) bool {
	if object == "Task" {
		return true // the platform deletes tasks with what they are about
	}
	f := m.object(object).field(name)
	return f.master() || f.restrict
}

func (m *mazeOrg) find(d testkit.Dump, id string) (object string, found bool) {
	for object, rows := range d {
		if rows[id] != nil {
			return object, true
		}
	}
	return "", false
}

// inMaze reports the Id of a record of an object that dumps hold.
func (m *mazeOrg) inMaze(id string) bool {
	for _, ids := range m.ids {
		if len(ids) > 0 && id[:3] == ids[0][:3] && ids[0][:3] != "005" && ids[0][:3] != "00G" {
			return true
		}
	}
	return false
}

func same(a, b map[string]string) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}
