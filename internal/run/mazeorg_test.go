package run_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/testkit"
)

// mazeOrg is an org with a random schema and random records in it.
type mazeOrg struct {
	*ward
	*maze
	owners []string            // who may own a record: users and a queue
	types  map[string][]string // record types by object
	dumped []string            // the objects of which a dump is taken
	worked map[string]bool     // Ids of records that people wrote, if only the values they had
}

func newMazeOrg(t testing.TB, seed uint64, size int) *mazeOrg {
	t.Helper()
	o := observeOrg(t, emulator.Options{Seed: seed})
	rnd := rand.New(rand.NewPCG(seed, 21))
	w := &ward{observed: o, rnd: rnd, ids: map[string][]string{}, loader: &testkit.Loader{
		InstanceURL: o.server.URL, AccessToken: o.server.AccessToken, Version: "v66.0",
	}}
	m := &mazeOrg{ward: w, maze: newMaze(rnd), types: map[string][]string{}, worked: map[string]bool{}}
	w.must(w.loader.DeployFiles(t.Context(), m.files()))
	w.narrow(mazeSees...)
	m.people()
	m.populate(size)
	return m
}

var mazeSees = []string{"Account", "User", "RecordType", "Task", "Group", "QueueSobject"}

// narrow lets the org show these standard objects and no others, beside custom ones.
func (w *ward) narrow(objects ...string) {
	rewrite := testkit.Narrow(objects...)
	w.server.Intercept(func(q emulator.Request) emulator.Fault {
		if q.Op == "GET sobjects" {
			return emulator.Fault{Rewrite: rewrite}
		}
		return emulator.Fault{}
	})
}

// people makes another user and a queue that may own records.
func (m *mazeOrg) people() {
	profile, err := m.loader.Query(m.Context(), "SELECT Id FROM Profile WHERE Name = 'System Administrator'")
	m.must(err)
	m.insert("User", []testkit.Row{{
		"Username": "second@maze.example", "LastName": "Second", "Email": "s@maze.example", "Alias": "second", "ProfileId": profile[0]["Id"].(string),
		"TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US", "IsActive": "true",
	}})
	m.insert("Group", []testkit.Row{{"Name": "Maze", "DeveloperName": "Maze", "Type": "Queue"}})
	m.owners = []string{m.server.UserID, m.ids["User"][0], m.ids["Group"][0]}
	var served []testkit.Row
	for _, o := range m.objects {
		m.dumped = append(m.dumped, o.name)
		if !o.standard && o.masters == 0 {
			served = append(served, testkit.Row{"QueueId": m.ids["Group"][0], "SobjectType": o.name})
		}
	}
	m.dumped = append(m.dumped, "Task")
	if len(served) > 0 {
		m.insert("QueueSobject", served)
	}
	types, err := m.loader.Query(m.Context(), "SELECT Id, SobjectType FROM RecordType")
	m.must(err)
	for _, r := range types {
		object := r["SobjectType"].(string)
		m.types[object] = append(m.types[object], r["Id"].(string))
	}
}

// row is one write by the org's administrator; it reports whether the org took it.
func (m *mazeOrg) row(op org.Op, object, id string, values map[string]string) (string, bool) {
	row := org.Row{Object: object, ID: id}
	for _, f := range slices.Sorted(maps.Keys(values)) {
		row.Fields = append(row.Fields, org.Assignment{Field: f, Text: values[f]})
	}
	r := m.server.Org().Write(m.server.Org().Admin(), op, []org.Row{row}, org.Options{})[0]
	return string(r.ID), r.Success
}

// record draws the values of a new record whose references lead to live ones; ok is false where it needs one
// and there is none.
func (m *mazeOrg) record(o *mazeObject, live map[string][]string) (values map[string]string, ok bool) {
	values = map[string]string{}
	for _, f := range o.fields {
		switch {
		case !f.reference():
			values[f.name] = m.value(f)
		case !f.needed():
		case len(live[f.to]) == 0:
			return nil, false
		default:
			values[f.name] = live[f.to][m.dice.IntN(len(live[f.to]))]
		}
	}
	if types := m.types[o.name]; len(types) > 0 {
		values["RecordTypeId"] = types[m.dice.IntN(len(types))]
	}
	if o.masters == 0 && !o.standard {
		values["OwnerId"] = m.owners[m.dice.IntN(len(m.owners))]
	}
	return values, true
}

// populate fills each object with up to size records, links them, and adds tasks about any of them.
func (m *mazeOrg) populate(size int) {
	m.Helper()
	for _, o := range m.objects {
		for range 1 + m.dice.IntN(size) {
			values, ok := m.record(o, m.ids)
			if !ok {
				break
			}
			id, taken := m.row(org.Insert, o.name, "", values)
			if !taken {
				m.Fatalf("%s does not take %v", o.name, values)
			}
			m.ids[o.name] = append(m.ids[o.name], id)
		}
	}
	for _, o := range m.objects {
		for _, id := range m.ids[o.name] {
			for _, f := range o.fields {
				if f.reference() && !f.needed() && len(m.ids[f.to]) > 0 && m.chance(70) {
					if _, ok := m.row(org.Update, o.name, id, map[string]string{f.name: m.pick(f.to)}); !ok && f.to != o.name {
						m.Fatalf("%s.%s cannot be set", o.name, f.name)
					}
				}
			}
		}
	}
	for range 1 + m.dice.IntN(size) {
		if about := m.objects[m.dice.IntN(len(m.objects))].name; len(m.ids[about]) > 0 {
			m.task(m.pick(about))
		}
	}
	m.server.Clock().Advance(time.Hour)
}

func (m *mazeOrg) task(about string) {
	m.Helper()
	id, ok := m.row(org.Insert, "Task", "", map[string]string{"Subject": m.text(), "WhatId": about, "OwnerId": m.owners[m.dice.IntN(2)]})
	if !ok {
		m.Fatalf("no task about %s", about)
	}
	m.ids["Task"] = append(m.ids["Task"], id)
}

func (m *mazeOrg) see() testkit.Dump {
	m.Helper()
	d, err := testkit.TakeDump(m.Context(), m.loader, m.dumped)
	m.must(err)
	return d
}

// alive lists the Ids of a dump by object, sorted.
func alive(d testkit.Dump) map[string][]string {
	ids := map[string][]string{}
	for object, rows := range d {
		ids[object] = slices.Sorted(maps.Keys(rows))
	}
	return ids
}

// change draws new values for some of the fields of a record, references among them.
func (m *mazeOrg) change(o *mazeObject, live map[string][]string) map[string]string {
	values := map[string]string{}
	for _, f := range o.fields {
		switch {
		case f.fixed || !m.chance(40):
		case !f.reference():
			values[f.name] = m.value(f)
		case len(live[f.to]) > 0 && (f.needed() || m.chance(60)):
			values[f.name] = live[f.to][m.dice.IntN(len(live[f.to]))]
		case !f.needed():
			values[f.name] = ""
		}
	}
	if types := m.types[o.name]; len(types) > 0 && m.chance(20) {
		values["RecordTypeId"] = types[m.dice.IntN(len(types))]
	}
	if o.masters == 0 && !o.standard && m.chance(20) {
		values["OwnerId"] = m.owners[m.dice.IntN(len(m.owners))]
	}
	return values
}

// wreck is an incident: records are deleted, half of them for good, overwritten, blanked and pointed elsewhere;
// others appear, some with the unique values of those that are gone, and links lead to them.
func (m *mazeOrg) wreck() {
	m.Helper()
	before := m.see()
	live := alive(before)
	gone := map[string]string{} // unique values of what was deleted: object and field to value
	for _, object := range m.dumped {
		for _, id := range live[object] {
			if !m.chance(12) {
				continue
			}
			if _, ok := m.row(org.Delete, object, id, nil); ok {
				if o := m.object(object); o != nil {
					for _, f := range o.fields {
						if f.unique {
							gone[object+"."+f.name] = strings.Trim(before[object][id][f.name], `"`)
						}
					}
				}
				if m.chance(50) {
					m.must(m.loader.EmptyRecycleBin(m.Context(), []string{id}))
				}
			}
		}
	}
	live = alive(m.see())
	for range m.dice.IntN(4) { // what nobody wanted
		o := m.objects[m.dice.IntN(len(m.objects))]
		values, ok := m.record(o, live)
		if !ok {
			continue
		}
		for _, f := range o.fields {
			if v := gone[o.name+"."+f.name]; f.unique && v != "" && v != "null" {
				values[f.name] = v
			}
		}
		if id, ok := m.row(org.Insert, o.name, "", values); ok {
			live[o.name] = append(live[o.name], id)
		}
	}
	for _, o := range m.objects {
		for _, id := range live[o.name] {
			if m.chance(25) {
				m.row(org.Update, o.name, id, m.change(o, live))
			}
		}
	}
	m.server.Clock().Advance(time.Hour)
}

// honest is what people do after the incident: they edit what was there before it, delete a little of it and
// add to it. It touches nothing that the incident made, but for one record now and then.
func (m *mazeOrg) honest(before testkit.Dump) {
	m.Helper()
	live := alive(m.see())
	known := map[string][]string{}
	for object, ids := range live {
		for _, id := range ids {
			if before[object][id] != nil {
				known[object] = append(known[object], id)
			}
		}
	}
	for _, o := range m.objects {
		for _, id := range live[o.name] {
			old := before[o.name][id] != nil
			switch {
			case old && m.chance(4):
				m.row(org.Delete, o.name, id, nil)
				known = alive(m.only(known))
			case m.chance(15) && (old || m.chance(30)):
				_, m.worked[id] = m.row(org.Update, o.name, id, m.change(o, known))
			}
		}
		if values, ok := m.record(o, known); ok && m.chance(50) {
			m.row(org.Insert, o.name, "", values)
		}
	}
	m.server.Clock().Advance(time.Hour)
}

// only returns which of these records are still there.
func (m *mazeOrg) only(ids map[string][]string) testkit.Dump {
	now := m.see()
	out := testkit.Dump{}
	for object, list := range ids {
		out[object] = map[string]map[string]string{}
		for _, id := range list {
			if row := now[object][id]; row != nil {
				out[object][id] = row
			}
		}
	}
	return out
}
