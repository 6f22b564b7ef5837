package run

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/apply"
	"holdfast/internal/component"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// OwnIDField is the field in which records of a seed keep the Id of the record that they are of, where no other is named.
const OwnIDField = "Holdfast_Id__c"

// ownIDLength is what such a field has to hold: an Id of 18 characters, so that letter case tells nothing.
const ownIDLength = 18

// OwnIDMaker is an org in which the fields can be made: they are deployed, and the user gets to see them.
type OwnIDMaker interface {
	apply.Deployer
	apply.AssignmentMaker
}

// ownIDs finds the fields in which objects keep own Ids, and makes those that are not there if that was asked for.
func (s *seed) ownIDs(ctx context.Context) error {
	s.own = map[string]string{}
	for _, text := range s.in.OwnIDs {
		name, field, ofField := strings.Cut(text, ".")
		object := s.from.Schema().Object(name)
		if object == nil || s.target.Object(name) == nil {
			return problem.Newf(problem.NotFound, "own Ids of %s: both orgs do not have that object", name).
				Hint("write it as Object or Object.Field")
		}
		if !ofField {
			field = OwnIDField
		}
		s.own[object.Name] = field
	}
	missing := s.ownMissing()
	if len(missing) > 0 && s.in.MakeOwnIDs != nil {
		if err := s.makeOwn(ctx, missing); err != nil {
			return fmt.Errorf("make the fields for own Ids: %w", err)
		}
		var err error
		if s.target, err = s.in.Target.Schema(ctx); err != nil {
			return fmt.Errorf("describe the org: %w", err)
		}
		if unseen := s.ownMissing(); len(unseen) > 0 {
			return problem.Newf(problem.NotVerified, "the fields for own Ids were made and %s is not seen", unseen[0]).
				Hint("see that the user may read and edit it, and run the same command again")
		}
		s.out.MadeOwnIDs = missing
	} else if len(missing) > 0 {
		return problem.Newf(problem.NotFound, "own Ids: the other org has no %s, or the user may not see it", strings.Join(missing, ", ")).
			Hint("--make-own-ids makes fields named %s, with a deployment; or name one that is there, as Object.Field", OwnIDField)
	}
	for object, field := range s.own {
		f := s.target.Object(object).Field(field)
		if f.Type != sf.TypeString || f.Length < ownIDLength || !f.ExternalID || !f.Unique || !f.Createable || !f.Updateable {
			return problem.Newf(problem.Usage, "own Ids: %s.%s is not a text of %d characters or more that is a unique external Id and may be set", object, f.Name, ownIDLength).
				Hint("change it in the org, or name another field")
		}
		s.own[object] = f.Name
	}
	return nil
}

// ownMissing are the fields for own Ids that the other org does not have.
func (s *seed) ownMissing() []string {
	var out []string
	for object, field := range s.own {
		if s.target.Object(object).Field(field) == nil {
			out = append(out, object+"."+field)
		}
	}
	slices.Sort(out)
	return out
}

// ownID is the own Id of a record: that of the org from which it came there, or its own.
func (s *seed) ownID(r sf.Record, field string) string {
	if v := r.Get(field); v.IsText() && v.Text() != "" {
		return v.Text()
	}
	return string(r.ID)
}

// matchedByOwn finds the records of the other org that have the own Id of one of the first one.
func (s *seed) matchedByOwn(ctx context.Context, object, there *sf.Object) (map[sf.ID]sf.ID, error) {
	field := s.own[object.Name]
	if field == "" {
		return nil, nil
	}
	if s.masker != nil && s.masker.Masks(object.Name, field) {
		return nil, problem.Newf(problem.Usage, "%s.%s is masked and cannot hold own Ids", object.Name, field).
			Hint("give it the method keep, before the rule that means it")
	}
	// A record of the other org without an own Id may be the one that came from there: it is known by its Id.
	of, err := s.keyed(ctx, there, []string{field}, func(r sf.Record) string { return strings.ToLower(s.ownID(r, field)) })
	if err != nil {
		return nil, err
	}
	seen, out := map[string]sf.ID{}, map[sf.ID]sf.ID{}
	for r, err := range s.from.Records(ctx, object.Name) {
		if err != nil {
			return nil, err
		}
		own := s.ownID(r, field)
		if other, twice := seen[strings.ToLower(own)]; twice { // as when a record has come back to the org that it is of
			return nil, problem.Newf(problem.Conflict, "%s and %s of %s have one own Id, %s: they cannot both be the same record of the other org", other, r.ID, object.Name, own).
				Hint("delete one of them in the first org, or empty its %s, and back it up again", field)
		}
		seen[strings.ToLower(own)] = r.ID
		if id := of[strings.ToLower(own)]; id != "" {
			out[r.ID] = id
		}
	}
	return out, nil
}

// makeOwn deploys the fields, each with a permission set that lets one see it, and assigns those to the user: a field
// that is deployed is seen by nobody. Sources: Metadata API Developer Guide, "CustomField", "PermissionSet"; Salesforce Help,
// "Field-Level Security".
func (s *seed) makeOwn(ctx context.Context, missing []string) error {
	var files []component.Entry
	var sets []string
	for _, full := range missing {
		object, field, _ := strings.Cut(full, ".")
		if field != OwnIDField {
			return problem.Newf(problem.NotFound, "the other org has no %s, and only fields named %s are made", full, OwnIDField).
				Hint("make it in the org, or leave the name of the field out")
		}
		set := ownSet(object)
		sets = append(sets, set)
		files = append(files, component.Entry{Path: "objects/" + object + ".object", Body: ownObject(field)})
		grant := permissionSet{
			Label: "Holdfast Id of " + clipLabel(object), Description: "Lets one see the field in which Holdfast keeps which record of another org this one is of.",
			Fields: []fieldPermission{{Editable: true, Field: full, Readable: true}},
		}
		body, err := xml.MarshalIndent(grant, "", "    ")
		if err != nil {
			return err
		}
		files = append(files, component.Entry{Path: "permissionsets/" + set + ".permissionset", Body: append([]byte(xml.Header), body...)})
	}
	manifest := component.PrintManifest(sf.ManifestOf(s.target.APIVersion, ownKeys(missing, sets)))
	files = append(files, component.Entry{Path: "package.xml", Body: manifest})
	archive, err := component.Pack(files)
	if err != nil {
		return err
	}
	id, err := s.in.MakeOwnIDs.StartDeploy(ctx, archive, sf.DeployOptions{RollbackOnError: true})
	if err != nil {
		return err
	}
	d, err := s.in.MakeOwnIDs.AwaitDeploy(ctx, id)
	if err != nil {
		return err
	}
	if !d.Success {
		why := ""
		for _, c := range d.Results {
			if !c.Success {
				why = fmt.Sprintf(": %s %s: %s", c.Type, c.Name, c.Problem)
				break
			}
		}
		return problem.Newf(problem.Conflict, "deployment %s failed%s", d.ID, why).
			Hint("leave an object out that takes no such field, or mend what the org says")
	}
	return s.assign(ctx, sets)
}

// assign gives the user these permission sets, unless it has them.
func (s *seed) assign(ctx context.Context, sets []string) error {
	schema, err := s.in.Target.Schema(ctx)
	if err != nil {
		return err
	}
	kind := schema.Object("PermissionSet")
	if kind == nil {
		return problem.New(problem.Unauthorized, "the user may not read permission sets, which the fields need to be seen").
			Hint("assign the user the permission sets %s, and run the same command again", strings.Join(sets, ", "))
	}
	who, err := s.in.Target.Identity(ctx)
	if err != nil {
		return err
	}
	all, err := apply.Assignments(ctx, s.in.Target, schema, who.UserID)
	if err != nil {
		return err
	}
	for r, err := range s.in.Target.Records(ctx, sf.Extract{Object: kind, Fields: []string{"Name"}}) {
		if err != nil {
			return err
		}
		has := slices.ContainsFunc(all, func(x apply.Assignment) bool { return x.Set == r.ID && x.Lapsed == "" })
		if !slices.Contains(sets, r.Get("Name").Text()) || has {
			continue
		}
		o, err := apply.Assign(ctx, s.in.MakeOwnIDs, who.UserID, r.ID)
		if err != nil {
			return err
		}
		if !o.Success {
			return problem.Newf(problem.Conflict, "permission set %s cannot be assigned: %s %s", r.Get("Name").Text(), o.Code, o.Message).
				Hint("assign it to the user, and run the same command again")
		}
	}
	return nil
}

// ownSet is the name of the permission set of an object's field: such names have no two underscores in a row.
func ownSet(object string) string { return "Holdfast_Id_" + strings.ReplaceAll(object, "__", "_") }

// clipLabel bounds a label, of which a permission set takes 80 characters.
func clipLabel(text string) string { return text[:min(len(text), 60)] }

func ownKeys(fields, sets []string) []sf.ComponentKey {
	var out []sf.ComponentKey
	for _, f := range fields {
		out = append(out, sf.ComponentKey{Type: "CustomField", Name: f})
	}
	for _, p := range sets {
		out = append(out, sf.ComponentKey{Type: "PermissionSet", Name: p})
	}
	return out
}

// ownObject is the file of an object with that field alone.
func ownObject(field string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">` + "\n")
	fmt.Fprintf(&b, "    <fields>\n        <fullName>%s</fullName>\n        <caseSensitive>false</caseSensitive>\n", field)
	b.WriteString("        <description>Which record of another org this one is of, by its Id there. Kept by Holdfast.</description>\n        <externalId>true</externalId>\n")
	fmt.Fprintf(&b, "        <label>Holdfast Id</label>\n        <length>%d</length>\n        <required>false</required>\n        <type>Text</type>\n        <unique>true</unique>\n    </fields>\n</CustomObject>\n", ownIDLength)
	return b.Bytes()
}

// joinMatches takes what is matched by own Ids, and of the others what does not claim the same record.
func joinMatches(own, others map[sf.ID]sf.ID) map[sf.ID]sf.ID {
	if len(own) == 0 {
		return others
	}
	taken := map[sf.ID]bool{}
	for _, id := range own {
		taken[id] = true
	}
	out := maps.Clone(own)
	for from, id := range others {
		if _, known := out[from]; !known && !taken[id] {
			out[from] = id
		}
	}
	return out
}
