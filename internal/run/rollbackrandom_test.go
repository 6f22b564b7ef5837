package run_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/sf"
)

// world is what the generated components of an org are: classes by name, fields of objects, versions of flows.
type world struct {
	classes map[string]int
	objects map[string]map[string]int
}

func (w world) clone() world {
	out := world{maps.Clone(w.classes), map[string]map[string]int{}}
	for name, fields := range w.objects {
		out.objects[name] = maps.Clone(fields)
	}
	return out
}

// objectFiles is an object with these fields, whose labels say their number.
func objectFiles(name string, fields map[string]int) map[string]string {
	var list []string
	for _, f := range slices.Sorted(maps.Keys(fields)) {
		list = append(list, fmt.Sprintf("%s=%s %d", f, f, fields[f]))
	}
	body := thing(list...)["objects/Thing__c.object"]
	return map[string]string{"objects/" + name + "__c.object": strings.ReplaceAll(body, ">Thing", ">"+name)}
}

func generatedClass(name string, number int) map[string]string {
	return classFiles(name, fmt.Sprintf("public class %s { Integer n = %d; }", name, number))
}

// change changes some of the components at random, but for those that are spared, and returns what was touched.
func (w world) change(rnd *rand.Rand, number int, spare map[string]bool) (touched map[string]bool) {
	touched = map[string]bool{}
	at := func(name string) bool {
		if spare[name] || rnd.IntN(3) > 0 {
			return false
		}
		touched[name] = true
		return true
	}
	for i := range 6 {
		name := fmt.Sprintf("C%d", i)
		if !at(name) {
			continue
		}
		if w.classes[name] != 0 && rnd.IntN(2) == 0 {
			delete(w.classes, name)
			continue
		}
		w.classes[name] = number
	}
	for i := range 3 {
		object := fmt.Sprintf("O%d", i)
		fields := w.objects[object]
		if fields == nil || rnd.IntN(6) == 0 {
			if !at(object) {
				continue
			}
			for f := range 4 { // an object that comes or goes is touched as a whole
				touched[fmt.Sprintf("%s.F%d", object, f)] = true
			}
			if fields != nil {
				delete(w.objects, object)
			} else {
				w.objects[object] = map[string]int{"F0": number}
			}
			continue
		}
		for f := range 4 {
			field := fmt.Sprintf("F%d", f)
			if spare[object] || !at(object+"."+field) {
				continue
			}
			touched[object] = true
			if fields[field] != 0 && rnd.IntN(2) == 0 {
				delete(fields, field)
				continue
			}
			fields[field] = number
		}
	}
	return touched
}

// goTo deploys what makes one world another.
func (r *release) goTo(from, to world) {
	r.Helper()
	var sets []map[string]string
	var gone []sf.ComponentKey
	for name, n := range to.classes {
		if from.classes[name] != n {
			sets = append(sets, generatedClass(name, n))
		}
	}
	for name := range from.classes {
		if to.classes[name] == 0 {
			gone = append(gone, sf.ComponentKey{Type: "ApexClass", Name: name})
		}
	}
	for name, fields := range to.objects {
		if !maps.Equal(from.objects[name], fields) {
			sets = append(sets, objectFiles(name, fields))
		}
	}
	for name, fields := range from.objects {
		if to.objects[name] == nil {
			gone = append(gone, sf.ComponentKey{Type: "CustomObject", Name: name + "__c"})
			continue
		}
		for f := range fields {
			if to.objects[name][f] == 0 {
				gone = append(gone, sf.ComponentKey{Type: "CustomField", Name: name + "__c." + f + "__c"})
			}
		}
	}
	if len(sets)+len(gone) > 0 {
		r.deploy(gone, sets...)
	}
}

// wanted is a world as the org should tell of it: that before the change, with what was done to other
// components since.
func wantedWorld(before, later world, since map[string]bool) world {
	want := before.clone()
	for name := range since {
		object, field, isField := strings.Cut(name, ".")
		switch {
		case isField && later.objects[object] == nil:
		case isField:
			if want.objects[object] == nil {
				continue
			}
			if n := later.objects[object][field]; n != 0 {
				want.objects[object][field] = n
			} else {
				delete(want.objects[object], field)
			}
		case strings.HasPrefix(name, "C"):
			if n := later.classes[name]; n != 0 {
				want.classes[name] = n
			} else {
				delete(want.classes, name)
			}
		}
	}
	return want
}

// Law 11 for components: after the rollback of any deployment the org is as it was before it, but for what
// was deployed since to other components and parts, which stands; and then nothing remains to be done.
func TestLaw11RandomDeploymentsAreRolledBack(t *testing.T) {
	deployments := 6
	if os.Getenv("HOLDFAST_LONG") != "" {
		deployments = 500
	}
	r := newRelease(t, emulator.Options{})
	twin := newRelease(t, emulator.Options{Seed: 2}) // to which what is wanted is deployed
	is, twinIs := world{map[string]int{}, map[string]map[string]int{}}, world{}
	rnd := rand.New(rand.NewPCG(30, 11))
	rolled, kept := 0, 0
	for n := range deployments {
		before := is.clone()
		from := r.take()
		change := is.clone()
		touched := change.change(rnd, 10*n+1, nil)
		r.goTo(before, change)
		to := r.take()
		later := change.clone()
		// Others work on what the change did not touch; an object that it made or deleted is left alone.
		spare := maps.Clone(touched)
		for name := range touched {
			if object, _, ok := strings.Cut(name, "."); ok && (before.objects[object] == nil) == (change.objects[object] == nil) {
				delete(spare, object)
			}
		}
		for i := range 3 { // nor does anybody delete an object meanwhile, or make one
			object := fmt.Sprintf("O%d", i)
			if change.objects[object] == nil {
				spare[object] = true
			}
		}
		since := later.change(rnd, 10*n+2, spare)
		for object := range change.objects {
			if later.objects[object] == nil {
				later.objects[object] = maps.Clone(change.objects[object])
				for f := range 4 {
					delete(since, fmt.Sprintf("%s.F%d", object, f))
				}
			}
		}
		r.goTo(change, later)
		want := wantedWorld(before, later, since)
		out := r.roll(from, to)
		rolled, kept = rolled+len(out.Deployments), kept+len(since)
		if again := r.plan(from, to); len(again.Deployments) != 0 {
			t.Fatalf("deployment %d: left to be done:\n%s", n, shown(again))
		}
		twin.goTo(twinIs, want)
		twinIs = want
		r.same(fmt.Sprintf("deployment %d", n), twin.sums("ApexClass", "CustomObject"), r.sums("ApexClass", "CustomObject"))
		if t.Failed() {
			t.Fatalf("before %v\nchange %v\nlater %v\nwant %v\n%s", before, change, later, want, shown(out.RollbackResult))
		}
		if is = want; n%50 == 49 {
			t.Logf("%d deployments", n+1)
		}
	}
	if rolled < deployments*2/3 || kept < deployments {
		t.Errorf("only %d deployments and %d later edits of %d rounds", rolled, kept, deployments)
	}
}
