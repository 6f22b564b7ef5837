package capture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// Rule names why something is not held. A reason in the coverage of a snapshot is the rule, a colon
// and a sentence.
type Rule string

// The rules of coverage.
const (
	RuleExcluded     Rule = "excluded"      // a rule of the operator leaves the object or the field out
	RuleNotSelected  Rule = "not-selected"  // the operator asked for other objects only
	RuleNotQueryable Rule = "not-queryable" // describe says that it cannot be queried or retrieved
	RuleNoID         Rule = "no-id"         // its rows have no Id
	RuleKind         Rule = "kind"          // an event, a big object or an object of another system
	RuleRefused      Rule = "refused"       // the org does not answer an unfiltered query on it
	RuleFailed       Rule = "failed"        // reading failed; the snapshot is partial
	RuleVanished     Rule = "vanished"      // held before, not described any more
	RuleCompound     Rule = "compound"      // held as the fields that it is made of
	RuleBase64       Rule = "base64"        // bytes of files are not held
	RuleFilesEarlier Rule = "files-earlier" // files are held as an earlier snapshot read them
	RuleFileMissing  Rule = "file-missing"  // some files could not be read; the snapshot is partial
	RuleFieldGone    Rule = "field-gone"    // held before, not described any more
	RuleFieldType    Rule = "field-type"    // of another type than before; read again
	RuleFieldNew     Rule = "field-new"     // new since the last snapshot; earlier ones lack it
	RuleFormula      Rule = "formula"       // changes without a stamp: may be older than its part
	RuleUncounted    Rule = "uncounted"     // the org does not count the object
	RuleMoving       Rule = "moving"        // changed faster than it could be counted
	RuleDangling     Rule = "dangling"      // refers to records that the org no longer has
	RuleNotGiven     Rule = "not-given"     // the org lists the component and does not give it
	RuleStrange      Rule = "strange"       // files that belong to no component that is known
	RuleUnfiltered   Rule = "unfiltered"    // the org does not say who refers to records that came back
)

// Of returns the rule at the head of a reason of the coverage.
func Of(reason string) Rule {
	rule, _, _ := strings.Cut(reason, ":")
	return Rule(rule)
}

func gap(object, field string, rule Rule, format string, args ...any) snapshot.Gap {
	return snapshot.Gap{Object: object, Field: field, Reason: string(rule) + ": " + fmt.Sprintf(format, args...)}
}

// Suffixes of objects that are no tables of the org's own records.
// Source: Object Reference, "Naming Conventions for Custom Objects"; Change Data Capture guide.
var foreignKinds = []struct{ suffix, words string }{
	{"__e", "a platform event, which is not stored"},
	{"__ChangeEvent", "a change event, which is not stored"},
	{"ChangeEvent", "a change event, which is not stored"},
	{"__x", "an external object, whose records live in another system"},
}

// isBig reports a big object: any number of rows, found by their index alone, neither counted nor logged when
// they go. Source: Big Objects Implementation Guide.
func isBig(o *sf.Object) bool { return strings.HasSuffix(o.Name, "__b") }

// uncoverable says why no record of the object can be held, if so.
func uncoverable(o *sf.Object) (snapshot.Gap, bool) {
	for _, kind := range foreignKinds {
		if strings.HasSuffix(o.Name, kind.suffix) {
			return gap(o.Name, "", RuleKind, "%s", kind.words), true
		}
	}
	switch {
	case !o.Queryable:
		return gap(o.Name, "", RuleNotQueryable, "the org does not answer queries on it"), true
	case !o.Retrieveable:
		return gap(o.Name, "", RuleNotQueryable, "its records cannot be retrieved by Id"), true
	case o.Field("Id") == nil:
		return gap(o.Name, "", RuleNoID, "its rows have no Id to know them by"), true
	}
	return snapshot.Gap{}, false
}

// coveredFields returns the fields of the object that are held, sorted, without Id, and a gap for
// every other.
func (r Rules) coveredFields(o *sf.Object) ([]string, []snapshot.Gap) {
	var fields []string
	var gaps []snapshot.Gap
	for _, f := range o.Fields {
		switch {
		case f.Name == "Id":
		case f.Type.IsCompound():
			gaps = append(gaps, gap(o.Name, f.Name, RuleCompound, "held as the fields that it is made of"))
		case f.Type == sf.TypeBase64 && r.field(o.Name, f.Name) == "":
			gaps = append(gaps, gap(o.Name, f.Name, RuleBase64, "the bytes of files are not held"))
		default:
			if rule := r.field(o.Name, f.Name); rule != "" {
				gaps = append(gaps, gap(o.Name, f.Name, RuleExcluded, "left out by the rule %q", rule))
				continue
			}
			fields = append(fields, f.Name)
		}
	}
	slices.Sort(fields)
	return fields, gaps
}

// staleFields returns a gap for every field whose value may have changed without a stamp, when only
// stamped changes were read.
// Source: Salesforce documents that formula results do not move SystemModstamp; for roll-ups it is
// unverified, and they are reported too.
func (r Rules) staleFields(o *sf.Object, since time.Time) []snapshot.Gap {
	var gaps []snapshot.Gap
	for _, f := range o.Fields {
		if f.Calculated && !f.Type.IsCompound() && r.field(o.Name, f.Name) == "" {
			gaps = append(gaps, gap(o.Name, f.Name, RuleFormula,
				"changes without a stamp: its value is as old as the last reading of the record; every record was last read%s",
				sinceWord+since.UTC().Format(sf.DatetimeLayout)))
		}
	}
	return gaps
}

// sinceWord stands before the time at the end of the reason of a stale field, by which the next run
// knows how old the field is.
const sinceWord = " at "

// formulasRead returns when every record of the object was last read, by what the snapshot that holds it
// says of its formulas: where it says nothing, they were read with the part.
func formulasRead(coverage []snapshot.Gap, p snapshot.Part) time.Time {
	for _, g := range coverage {
		if g.Object != p.Object || Of(g.Reason) != RuleFormula {
			continue
		}
		if i := strings.LastIndex(g.Reason, sinceWord); i >= 0 {
			if t, err := sf.ParseDatetime(g.Reason[i+len(sinceWord):]); err == nil {
				return t
			}
		}
		return time.Time{} // not known: older than any age
	}
	return p.From
}

func hasFormulas(o *sf.Object) bool {
	return slices.ContainsFunc(o.Fields, func(f *sf.Field) bool { return f.Calculated && !f.Type.IsCompound() })
}

// schemaGaps compares the fields that the part held, with the types they had, to what it will hold
// now, and returns a gap for every difference.
func (r Rules) schemaGaps(now *sf.Object, fields []string, then *sf.Object, held []string) []snapshot.Gap {
	var gaps []snapshot.Gap
	for _, name := range held {
		if rule := r.field(now.Name, name); rule != "" && now.Field(name) != nil {
			gaps = append(gaps, gap(now.Name, name, RuleExcluded, "left out by the rule %q; earlier snapshots hold it", rule))
			continue
		}
		if !slices.Contains(fields, name) {
			gaps = append(gaps, gap(now.Name, name, RuleFieldGone, "deleted, or hidden from the user; earlier snapshots hold it"))
			continue
		}
		if then == nil {
			continue
		}
		a, b := then.Field(name), now.Field(name)
		if a != nil && b != nil && a.Type != b.Type {
			gaps = append(gaps, gap(now.Name, name, RuleFieldType, "was %s, is %s; every record was read again", a.Type, b.Type))
		}
	}
	for _, name := range fields {
		if !slices.Contains(held, name) {
			gaps = append(gaps, gap(now.Name, name, RuleFieldNew, "new, or newly visible; every record was read again, earlier snapshots lack it"))
		}
	}
	return gaps
}

// stampField returns the field by which changes of the object are found, or "". SystemModstamp moves
// with every write, also those of the platform; LastModifiedDate is what getUpdated falls back to.
// Source: REST API Developer Guide, "Get Updated".
func stampField(o *sf.Object) string {
	if isBig(o) {
		return "" // a query filters on the fields of its index alone
	}
	for _, name := range []string{"SystemModstamp", "LastModifiedDate"} {
		if f := o.Field(name); f != nil && f.Type == sf.TypeDatetime {
			return f.Name
		}
	}
	return ""
}

// Covered returns the fields of the object that a capture holds, sorted, without Id, and whether it
// holds the object at all. What an org refuses only when it is asked is not known here.
func Covered(o *sf.Object) ([]string, bool) {
	if _, out := uncoverable(o); out || isBig(o) {
		return nil, false
	}
	fields, _ := Rules{}.coveredFields(o)
	return fields, true
}
