package run

import (
	"time"

	"holdfast/internal/capture"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// ProofRow says what of the org a snapshot holds, in numbers that add up: every object and every field
// that the org described is held, left out by a rule, impossible or missing.
type ProofRow struct {
	Objects HeldRow `json:"objects"` // that the org described, and those held before that it no longer describes
	Fields  HeldRow `json:"fields"`  // of the objects that are held, Id aside

	Expected  int64 `json:"expected"`  // records that the org counted, in the objects that it counts
	Records   int64 `json:"records"`   // records held in those objects
	Uncounted int64 `json:"uncounted"` // records held in objects that the org does not count
	Differing int   `json:"differing"` // objects of which another number is held than the org counted: archived activities, objects in motion

	WidestObject string    `json:"widest_object,omitempty"` // object whose reading took longest
	WidestFrom   time.Time `json:"widest_from,omitzero"`    // window of that observation: its beginning, server time
	WidestTo     time.Time `json:"widest_to,omitzero"`      // window of that observation: its end, server time

	Dangled  int64 `json:"dangled"`  // lookups to records that went since the last snapshot, as first read
	Dangling int64 `json:"dangling"` // of these, those that the org still showed when it was asked again
	Calls    int64 `json:"calls"`    // API calls that were spent
}

// HeldRow counts what is held and what is not.
type HeldRow struct {
	All        int `json:"all"`        // held and not held
	Held       int `json:"held"`       // in this snapshot
	Stale      int `json:"stale"`      // of those held: older than the snapshot, because reading failed or nothing shows changes
	Excluded   int `json:"excluded"`   // left out by a rule of the operator, or not asked for
	Impossible int `json:"impossible"` // the platform does not give it
	Missing    int `json:"missing"`    // reading failed, or it is not described any more
}

// proofOf adds up what the snapshot says of itself.
func proofOf(sn *snapshot.Snapshot) *ProofRow {
	info := sn.Info()
	p := &ProofRow{Dangled: info.Dangled, Dangling: info.Dangling, Calls: info.Calls}
	gaps := map[[2]string]capture.Rule{}
	for _, g := range sn.Coverage() {
		gaps[[2]string{g.Object, g.Field}] = capture.Of(g.Reason)
	}
	parts := map[string]snapshot.Part{}
	for _, part := range sn.Parts() {
		parts[part.Object] = part
		if part.State == snapshot.Whole {
			p.addPart(part)
		}
	}
	for _, o := range sn.Schema().Objects {
		part, known := parts[o.Name]
		p.Objects.add(known && part.State == snapshot.Whole, part.Stale, gaps[[2]string{o.Name, ""}])
		if known && part.State == snapshot.Whole {
			p.addFields(o, part, gaps)
		}
		delete(parts, o.Name)
	}
	for range parts { // held before, not described any more
		p.Objects.add(false, false, capture.RuleVanished)
	}
	return p
}

func (p *ProofRow) addPart(part snapshot.Part) {
	if part.Expected < 0 {
		p.Uncounted += part.Records
	} else {
		p.Expected, p.Records = p.Expected+part.Expected, p.Records+part.Records
		if part.Expected != part.Records {
			p.Differing++
		}
	}
	if !part.Stale && part.To.Sub(part.From) > p.WidestTo.Sub(p.WidestFrom) {
		p.WidestObject, p.WidestFrom, p.WidestTo = part.Object, part.From, part.To
	}
}

func (p *ProofRow) addFields(o *sf.Object, part snapshot.Part, gaps map[[2]string]capture.Rule) {
	held := map[string]bool{}
	for _, name := range part.Fields {
		held[name] = true
	}
	for _, f := range o.Fields {
		if f.Name == "Id" {
			continue
		}
		rule := gaps[[2]string{o.Name, f.Name}]
		p.Fields.add(held[f.Name], rule == capture.RuleFormula, rule)
	}
}

// add counts one thing that is held or not.
func (h *HeldRow) add(held, stale bool, rule capture.Rule) {
	h.All++
	switch rule {
	case capture.RuleExcluded, capture.RuleNotSelected:
		if !held {
			h.Excluded++
			return
		}
	case capture.RuleNotQueryable, capture.RuleNoID, capture.RuleKind, capture.RuleRefused, capture.RuleCompound, capture.RuleBase64:
		if !held {
			h.Impossible++
			return
		}
	}
	if !held {
		h.Missing++
		return
	}
	h.Held++
	if stale {
		h.Stale++
	}
}
