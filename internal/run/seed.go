package run

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"holdfast/internal/apply"
	"holdfast/internal/capture"
	"holdfast/internal/mask"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// SeedInput says what of a snapshot of one org is to come into another.
type SeedInput struct {
	Target  capture.Source // the other org
	Store   *snapshot.Store
	OrgName string // the operator's name of the other org

	// Origin holds the snapshot of the first org, where that is not Store, which takes the prepared one.
	Origin *snapshot.Store

	Snapshot string   // of the first org: the beginning of an ID, or "latest"
	From     string   // with "latest": the name or Id of the first org
	Objects  []string // API names; the objects that they refer to come along
	Match    []string // Object.Field: records of both orgs are the same where this key is; proved unique

	// OwnIDs are objects whose records keep, in the other org, the Id of the record that they are of, as Object or
	// Object.Field: by it they are recognised where nothing else remembers them.
	OwnIDs []string
	// MakeOwnIDs makes the fields for that where the other org lacks them; nil: they have to be there.
	MakeOwnIDs OwnIDMaker

	MaskRules string // rules of package mask; empty: nothing is masked
	MaskKey   []byte
}

// SeedResult says what was prepared: a snapshot of kind seed, of the other org, to which a restore brings
// that org. Nothing was written to it.
type SeedResult struct {
	From     SnapshotRow `json:"from"`             // the snapshot of the first org
	Snapshot SnapshotRow `json:"snapshot"`         // the prepared one, in the Ids of the other org
	Objects  []SeedRow   `json:"objects"`          // what it holds, by name
	Names    []NamesRow  `json:"names"`            // how users, record types and the like were found
	Images   int64       `json:"images,omitempty"` // images in rich text that come with the texts, as they are: no mask reaches into their bytes
	Masked   []string    `json:"masked"`           // fields whose values are pseudonyms, or null

	MadeOwnIDs []string `json:"made_own_ids,omitempty"` // fields for own Ids that were made in the other org: the only thing that is written there

	Blanked []string `json:"blanked,omitempty"` // of these, those that no pseudonym fits: they are null

	elsewhere map[sf.ID]sf.ID // records of the first org that stand under the Id of one of the other org, since an earlier seed made another
}

// SeedRow is one object of a seed.
type SeedRow struct {
	Object   string   `json:"object"`             // API name
	Records  int64    `json:"records"`            // that the seed holds
	Matched  int64    `json:"matched"`            // of these, those that the other org has already
	Key      string   `json:"key,omitempty"`      // the field by which that was found
	OwnID    string   `json:"own_id,omitempty"`   // the field in which its records keep the Id of the record that they are of
	Files    int64    `json:"files,omitempty"`    // files that come with them, as they are: no mask reaches into their bytes
	Homeless int64    `json:"homeless,omitempty"` // files and links that stay away, since the record that they are on does
	Without  []string `json:"without,omitempty"`  // fields that the other org does not have or cannot take
}

// NamesRow says how records that are never made anew were found in the other org.
type NamesRow struct {
	Object  string `json:"object"`  // API name
	Found   int64  `json:"found"`   // under their stable name
	Missing int64  `json:"missing"` // not there, or not only once; what refers to them gets none, or another owner
}

// stable are the objects whose records belong to an org and are found by a name that both orgs have.
var stable = []struct {
	object string
	name   []string
	only   string // field that must be true
}{
	{"BusinessHours", []string{"Name"}, ""},
	{"Group", []string{"Type", "DeveloperName"}, ""},
	{"Organization", nil, ""},
	{"Pricebook2", nil, "IsStandard"},
	{"Profile", []string{"Name"}, ""},
	{"RecordType", []string{"SobjectType", "DeveloperName"}, ""},
	{"User", []string{"Username"}, ""},
	{"UserRole", []string{"DeveloperName"}, ""},
}

// seed is one preparation.
type seed struct {
	in     SeedInput
	from   *snapshot.Snapshot
	target *sf.Schema
	org    sf.ID
	masker *mask.Masker

	own      map[string]string        // by object: the field for own Ids
	objects  map[string]bool          // what the seed holds
	names    map[sf.ID]sf.ID          // of stable records: old to the other org's
	objectOf map[string]string        // by key prefix in the first org
	known    *state.IdentityMap       // of the other org
	there    map[string]*foundRecords // by object: what the other org has already
	out      SeedResult
}

// Seed prepares a snapshot for another org: its records get Ids of their own, references follow them,
// users, record types and the like are found under their names, and values are masked. The records that
// the other org has already, by external Id or by a proved key, are recognised by every later restore.
//
// Errors: Usage for the org that the snapshot is of or for objects that cannot be made; Conflict for a key
// that is not unique; NotFound for what is not held; those of the org.
func Seed(ctx context.Context, in SeedInput) (SeedResult, error) {
	s, err := prepare(ctx, in)
	if err != nil {
		return SeedResult{}, err
	}
	return s.out, nil
}

func prepare(ctx context.Context, in SeedInput) (*seed, error) {
	if in.Origin == nil {
		in.Origin = in.Store
	}
	s := &seed{in: in, names: map[sf.ID]sf.ID{}, objects: map[string]bool{}, objectOf: map[string]string{}}
	for _, step := range []func(context.Context) error{s.load, s.ownIDs, s.choose, s.masks, s.findNames, s.find, s.write} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *seed) load(ctx context.Context) error {
	var filters []snapshot.Filter
	if s.in.Snapshot == snapshot.Latest {
		org, err := Moment{Store: s.in.Origin, Org: s.in.From}.org(ctx)
		if err != nil {
			return err
		}
		filters = []snapshot.Filter{snapshot.OfOrg(org)}
	}
	var err error
	if s.from, err = held(ctx, s.in.Origin, s.in.Snapshot, filters...); err != nil {
		return err
	}
	who, err := s.in.Target.Identity(ctx)
	if err != nil {
		return err
	}
	if s.org = who.OrgID; s.org == s.from.Info().OrgID {
		return problem.Newf(problem.Usage, "snapshot %s is of this org", s.from.Info().Short()).
			Hint("bring it back with `holdfast restore`")
	}
	s.out.From = snapshotRow(s.from.Info())
	s.target, err = s.in.Target.Schema(ctx)
	if err != nil {
		return fmt.Errorf("describe the org: %w", err)
	}
	for _, o := range s.from.Schema().Objects {
		if _, taken := s.objectOf[o.KeyPrefix]; o.KeyPrefix != "" && !taken {
			s.objectOf[o.KeyPrefix] = o.Name
		}
	}
	return nil
}

func isStable(object string) bool {
	for _, n := range stable {
		if n.object == object && n.only == "" {
			return true
		}
	}
	return false
}

// choose takes in the chosen objects and those that they refer to.
func (s *seed) choose(context.Context) error {
	if len(s.in.Objects) == 0 {
		return problem.New(problem.Usage, "what is to come into the org is not said").
			Hint("name objects with --object; those that they refer to come along")
	}
	queue := slices.Clone(s.in.Objects)
	for i := 0; len(queue) > 0; i++ {
		name := queue[0]
		queue = queue[1:]
		object, there := s.from.Schema().Object(name), s.target.Object(name)
		if object != nil {
			if part, held := s.from.Part(object.Name); !held || part.State != snapshot.Whole {
				object = nil
			}
		}
		asked := i < len(s.in.Objects)
		switch {
		case asked && object == nil:
			return problem.Newf(problem.NotFound, "snapshot %s does not hold %s", s.from.Info().Short(), name)
		case asked && (there == nil || !there.Createable || isStable(object.Name)):
			return problem.Newf(problem.Usage, "records of %s cannot be made in the other org", name).
				Hint("deploy what it lacks, or leave the object out")
		case object == nil || there == nil || !there.Createable && object.Name != fileObject || isStable(object.Name) || s.objects[object.Name]:
			continue
		}
		s.objects[object.Name] = true
		queue = append(queue, besides(object.Name)...)
		for _, f := range object.References() {
			if isPlace(f.Name, object) {
				continue // a file can be on a record of any object: it comes to those that come anyway
			}
			if g := there.Field(f.Name); g != nil && g.Createable {
				queue = append(queue, f.ReferenceTo...)
			}
		}
	}
	return nil
}

func (s *seed) masks(context.Context) error {
	if s.in.MaskRules == "" {
		return nil
	}
	rules, err := mask.Parse(s.in.MaskRules)
	if err == nil {
		held := &sf.Schema{}
		for _, o := range s.from.Schema().Objects {
			if s.objects[o.Name] {
				held.Objects = append(held.Objects, o)
			}
		}
		s.masker, err = mask.New(s.in.MaskKey, rules, held)
	}
	if err != nil {
		return problem.Wrap(problem.Usage, err, "mask")
	}
	for _, o := range s.from.Schema().Objects {
		for _, f := range o.Fields {
			if s.masker.Masks(o.Name, f.Name) {
				s.out.Masked = append(s.out.Masked, o.Name+"."+f.Name)
			}
		}
	}
	slices.Sort(s.out.Masked)
	s.out.Blanked = s.masker.Blanked()
	return nil
}

// write writes the snapshot and keeps which of its records the other org has already.
func (s *seed) write(ctx context.Context) error {
	from := s.from.Info()
	var pairs []apply.Pair
	sn, err := s.in.Store.Write(ctx, snapshot.Draft{
		Kind: snapshot.KindSeed, OrgID: s.org, OrgName: s.in.OrgName, Username: from.Username, Schema: s.target, Started: from.Started,
	}, func(w *snapshot.Writer) error {
		for _, name := range slices.Sorted(maps.Keys(s.objects)) {
			own, err := s.part(ctx, w, name)
			if err != nil {
				return fmt.Errorf("seed %s: %w", name, err)
			}
			pairs = append(pairs, own...)
		}
		if err := s.images(ctx, w); err != nil {
			return fmt.Errorf("seed images in rich text: %w", err)
		}
		return s.keep(ctx, pairs) // before the manifest: from a seed whose records nobody knows, all would be made twice
	})
	if err != nil {
		return err
	}
	s.out.Snapshot = snapshotRow(sn.Info())
	return nil
}

// keep keeps which records of the seed the other org has already.
func (s *seed) keep(ctx context.Context, pairs []apply.Pair) error {
	var news []apply.Pair
	for _, p := range pairs { // another seed, or an earlier record of the other org, may have a part in the same line
		from, to, err := s.known.Link(p.Old, p.New)
		if err != nil {
			return problem.Wrap(problem.Conflict, err, fmt.Sprintf("%s %s is %s of the other org", p.Object, p.Old, p.New)).
				Hint("the identity map says otherwise: see `holdfast successors` of that org, and report this")
		}
		if from != "" {
			news = append(news, apply.Pair{Object: p.Object, Old: from, New: to})
		}
	}
	slices.SortFunc(news, func(a, b apply.Pair) int { return strings.Compare(string(a.Old), string(b.Old)) })
	return storeIdentity(ctx, s.in.Store, s.org, news)
}

// part writes one object and returns which of its records are there.
func (s *seed) part(ctx context.Context, w *snapshot.Writer, name string) ([]apply.Pair, error) {
	object, there := s.from.Schema().Object(name), s.target.Object(name)
	part, _ := s.from.Part(name)
	fields, without := s.fields(part, object, there)
	out, err := w.Part(snapshot.PartInfo{
		Object: there.Name, Fields: fields, From: part.From, To: part.To, Watermark: part.Watermark, Full: true,
	})
	if err != nil {
		return nil, err
	}
	found := s.there[name]
	row := SeedRow{Object: name, Key: found.key, OwnID: s.own[object.Name], Without: without}
	shape := sf.NewShape(there.Name, fields)
	var pairs []apply.Pair
	away := map[sf.ID]bool{}
	for r, err := range s.from.Records(ctx, name) {
		if err != nil {
			return nil, err
		}
		if _, named := s.names[r.ID]; named {
			continue // the other org has its own
		}
		id := s.idOf(r.ID, there)
		record := s.record(r, id, shape, object)
		if homeless(object, record) {
			row.Homeless++
			away[r.ID] = true
			continue
		}
		if now := found.of[r.ID]; now != "" {
			row.Matched++
			if id != now {
				pairs = append(pairs, apply.Pair{Object: there.Name, Old: id, New: now})
			}
		}
		if err := out.Add(record); err != nil {
			return nil, err
		}
		row.Records++
	}
	if _, err = out.Close(ctx, row.Records); err == nil {
		row.Files, err = s.files(ctx, w, object, there, away)
	}
	s.out.Objects = append(s.out.Objects, row)
	return pairs, err
}

// carried are fields that the other org sets itself and that a restore reads all the same.
func carried(name string) bool {
	switch name {
	case "IsPersonAccount", "PersonContactId", "VersionNumber", "CreatedById", "CreatedDate", "LastModifiedById", "LastModifiedDate":
		return true
	}
	return false
}

// fields returns what the other org can take, sorted, and what it cannot.
func (s *seed) fields(part snapshot.Part, object, there *sf.Object) (fields, without []string) {
	for _, name := range part.Fields {
		f, g := object.Field(name), there.Field(name)
		switch {
		case f == nil || f.Calculated || f.AutoNumber || f.Type.IsCompound() || f.Type == sf.TypeBase64:
		case g != nil && (g.Createable || g.Updateable || carried(name)) && g.Type == f.Type:
			fields = append(fields, g.Name)
		case f.Createable || f.Updateable:
			without = append(without, name)
		}
	}
	if own := s.own[object.Name]; own != "" {
		fields = append(fields, own)
	}
	slices.Sort(fields)
	return slices.Compact(fields), without
}

// record returns the record as the other org is to have it.
func (s *seed) record(r sf.Record, id sf.ID, shape *sf.Shape, object *sf.Object) sf.Record {
	own := s.own[object.Name]
	ownID := ""
	if own != "" {
		ownID = s.ownID(r, own)
	}
	if s.masker != nil {
		r = s.masker.Record(r)
	}
	out := sf.Record{ID: id, Shape: shape, Values: make([]sf.Value, shape.Len())}
	for i, name := range shape.Fields() {
		v := r.Get(name)
		if name == own {
			v = sf.Text(ownID)
		}
		if f := object.Field(name); f != nil && f.Type == sf.TypeReference && v.IsText() {
			if v = s.reference(sf.ID(v.Text())); v.IsNull() && name == "OwnerId" {
				v = sf.Value{} // whoever restores owns it
			}
		}
		out.Values[i] = v
	}
	return out
}

// reference returns what a reference becomes: the record of that name, or the one that the seed makes.
func (s *seed) reference(id sf.ID) sf.Value {
	if now, found := s.names[id]; found {
		return sf.Text(string(now))
	}
	object := s.objectOf[id.KeyPrefix()]
	there := s.target.Object(object)
	if !s.objects[object] || there.KeyPrefix == "" {
		return sf.Null() // it does not come along
	}
	return sf.Text(string(s.idOf(id, there)))
}

// idOf returns the Id under which a record of the first org stands in this seed.
func (s *seed) idOf(id sf.ID, there *sf.Object) sf.ID {
	if now := s.out.elsewhere[id]; now != "" {
		return now
	}
	return s.fresh(id, there)
}

// fresh returns the Id under which a record of the first org stands in seeds of the other one. It follows
// from the record, so that the same record is recognised in every seed, and has the prefix of its object
// in the other org. Twelve characters of 62 are 71 bits: that two of a million records of one object meet
// has a chance of one in thousands of millions.
func (s *seed) fresh(id sf.ID, there *sf.Object) sf.ID {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte("holdfast seed\x00" + string(s.from.Info().OrgID) + "\x00" + string(id)))
	n, digit, base := new(big.Int).SetBytes(sum[:]), new(big.Int), big.NewInt(int64(len(alphabet)))
	text := []byte(there.KeyPrefix)
	for len(text) < 15 {
		n.QuoRem(n, base, digit)
		text = append(text, alphabet[digit.Int64()])
	}
	out, err := sf.ParseID(string(text))
	if err != nil {
		panic(err) // a key prefix and twelve letters or digits are an Id
	}
	return out
}

// SeededIDs returns the Ids under which a seed holds these records of the first org, for a selection.
func SeededIDs(ctx context.Context, store *snapshot.Store, prepared SeedResult, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	from, err := store.Load(ctx, prepared.From.ID)
	if err != nil {
		return nil, err
	}
	sn, err := store.Load(ctx, prepared.Snapshot.ID)
	if err != nil {
		return nil, err
	}
	s := &seed{from: from, target: sn.Schema(), out: prepared}
	var out []string
	for _, text := range ids {
		id, err := sf.ParseID(strings.TrimSpace(text))
		if err != nil {
			return nil, problem.Wrap(problem.Usage, err, "record")
		}
		for _, part := range sn.Parts() {
			if o := from.Schema().Object(part.Object); o != nil && o.KeyPrefix == id.KeyPrefix() {
				out = append(out, string(s.idOf(id, sn.Schema().Object(part.Object))))
			}
		}
	}
	if len(out) == 0 {
		return nil, problem.New(problem.NotFound, "none of the records is of an object that comes along").
			Hint("name their objects with --object")
	}
	return out, nil
}
