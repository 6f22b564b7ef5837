package org

import (
	"embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// The standard objects are written in a small language of one line a field, so that a reviewer can
// hold it against the Object Reference. What a line does not say follows from rules: of the type of
// the field (fieldrules.go), of the object's flags (settleField below), of names (labels.go) and of the
// families of objects that come with another (families.go).
//
//	object Name prefix | Label | Plural | words
//	  Field type(length or precision,scale) words… | Label
//	  @macro argument
//	  @flags Prefix words…: Name Name (booleans PrefixName, labelled Name as bits of the platform are)
//	set Name = value~label|value*|value!|value@NN (since that version)
//	targets name = Object,Object
//
// Words of an object: ±flag · of=EntityType:Parent · with=History,Share@NN (its families, and since when) · since=NN the
// first version of the API · feature=Name of Features · filter=Field,Field (a query must filter on
// one of them) · nobulk.
//
// Words of a field: "!" required · ro read-only · nocreate noupdate · nonil not nillable · dflt
// defaulted on create · perm noperm with or without field permissions · agg sort, noagg nofilter nosort
// nogroup · name nameField · auto auto-number · idlookup · restricted · ascii one byte a character ·
// digits=N ·
// part=Compound · info=extraTypeInfo · =ValueSet · since=NN · feature=Name,Name · and for references
// rel=ToParent kids=ToChildren cascade tacit (cascade) restrict prefilter noprefilter. ref(@name) refers to the
// objects of that list of targets.
//
//go:embed standard/*.txt
var standardFiles embed.FS

// standardSchema is what the files describe; it is shared by all orgs and never changed.
type standardSchema struct {
	objects []*Object
	sets    map[string][]PicklistValue
	targets map[string][]string
}

// link says what a reference means to the parent's side.
type link struct {
	kids              string // name of the child relationship; empty when none
	cascade, restrict bool
	tacit             bool   // the cascade is one that describe does not tell
	targets           string // name of the list of targets; empty when the line names the objects
}

// loadStandard reads the files once in a process.
var loadStandard = sync.OnceValue(readStandard)

func readStandard() *standardSchema {
	s := &standardSchema{sets: map[string][]PicklistValue{}, targets: map[string][]string{}}
	files, err := standardFiles.ReadDir("standard")
	if err != nil {
		panic(err) // the files are part of the program
	}
	// What fields name comes first: value sets and lists of targets.
	for _, lists := range []bool{true, false} {
		for _, file := range files {
			raw, err := standardFiles.ReadFile("standard/" + file.Name())
			if err != nil {
				panic(err)
			}
			for n, line := range strings.Split(string(raw), "\n") {
				if lists != (strings.HasPrefix(line, "set ") || strings.HasPrefix(line, "targets ")) {
					continue
				}
				if err := s.line(line); err != nil {
					panic(fmt.Sprintf("standard/%s:%d: %v", file.Name(), n+1, err))
				}
			}
		}
	}
	for _, o := range s.objects {
		for _, f := range o.Fields {
			o.settleField(f)
		}
	}
	s.objects = append(s.objects, s.families(s.objects)...)
	derived := derivations()
	for _, o := range s.objects {
		for _, f := range o.Fields {
			if d := derived[o.Name+"."+f.Name]; d != nil {
				f.derive = d
			}
		}
	}
	return s
}

// macros are groups of fields that many objects share. $ stands for the argument.
var macros = map[string]string{
	"head": `Id id
		IsDeleted boolean ro`,
	"audit": `CreatedDate datetime ro nonil dflt
		CreatedById ref(User) rel=CreatedBy ro nonil dflt noprefilter
		LastModifiedDate datetime ro nonil dflt
		LastModifiedById ref(User) rel=LastModifiedBy ro nonil dflt noprefilter
		SystemModstamp datetime ro nonil dflt`,
	"created": `CreatedDate datetime ro nonil dflt
		CreatedById ref(User) rel=CreatedBy ro nonil dflt noprefilter`,
	"modified": `LastModifiedDate datetime ro nonil dflt
		LastModifiedById ref(User) rel=LastModifiedBy ro nonil dflt noprefilter`,
	"stamp":    `SystemModstamp datetime ro nonil dflt`,
	"activity": `LastActivityDate date ro`,
	"viewed": `LastViewedDate datetime ro
		LastReferencedDate datetime ro`,
	"currency":   `CurrencyIsoCode picklist(3) dflt noperm restricted feature=MultiCurrency =CurrencyIsoCode | Currency ISO Code`,
	"owner":      `OwnerId ref($) rel=Owner ! dflt noprefilter`,
	"recordtype": `RecordTypeId ref(RecordType) rel=RecordType noperm noprefilter`,
	"person": `LastName string(80) ! part=Name info=personname
		FirstName string(40) noperm part=Name info=personname
		Salutation picklist(40) noperm part=Name info=personname =Salutation
		Name string(121) ro nonil name info=personname | Full Name`,
	"address": `$Street textarea(255) part=$Address
		$City string(40) part=$Address
		$State string(80) part=$Address | $ State/Province
		$PostalCode string(20) part=$Address | $ Zip/Postal Code
		$Country string(80) part=$Address
		$Latitude double(18,15) part=$Address
		$Longitude double(18,15) part=$Address
		$GeocodeAccuracy picklist(40) restricted part=$Address =GeocodeAccuracy
		$Address address`,
	"personaddress": `Person$Street textarea(255) part=Person$Address feature=PersonAccounts | $ Street
		Person$City string(40) part=Person$Address feature=PersonAccounts | $ City
		Person$State string(80) part=Person$Address feature=PersonAccounts | $ State/Province
		Person$PostalCode string(20) part=Person$Address feature=PersonAccounts | $ Zip/Postal Code
		Person$Country string(80) part=Person$Address feature=PersonAccounts | $ Country
		Person$Latitude double(18,15) part=Person$Address feature=PersonAccounts | $ Latitude
		Person$Longitude double(18,15) part=Person$Address feature=PersonAccounts | $ Longitude
		Person$GeocodeAccuracy picklist(40) restricted part=Person$Address feature=PersonAccounts =GeocodeAccuracy | $ Geocode Accuracy
		Person$Address address feature=PersonAccounts | $ Address`,
	"status": `Id id
		MasterLabel string(255) ro
		ApiName string(255) ro nonil name
		SortOrder int ro
		IsDefault boolean ro`,
}

func (s *standardSchema) line(line string) error {
	line = strings.TrimSpace(line)
	switch {
	case line == "" || strings.HasPrefix(line, "#"):
		return nil
	case strings.HasPrefix(line, "set "):
		name, values, _ := strings.Cut(line[4:], "=")
		s.sets[strings.TrimSpace(name)] = parseValues(strings.TrimSpace(values))
		return nil
	case strings.HasPrefix(line, "targets "):
		name, list, _ := strings.Cut(line[8:], "=")
		s.targets[strings.TrimSpace(name)] = strings.Split(strings.TrimSpace(list), ",")
		return nil
	case strings.HasPrefix(line, "object "):
		return s.object(line[7:])
	case strings.HasPrefix(line, "@flags "):
		head, names, _ := strings.Cut(line[len("@flags "):], ":")
		prefix, words, _ := strings.Cut(head, " ")
		for _, name := range strings.Fields(names) {
			label := " | " + name
			if strings.HasSuffix(prefix, "Permissions") { // they have labels of their own
				label = ""
			}
			if err := s.field(prefix + name + " boolean " + words + label); err != nil {
				return err
			}
		}
		return nil
	case strings.HasPrefix(line, "@"):
		name, arg, _ := strings.Cut(line[1:], " ")
		body, ok := macros[name]
		if !ok {
			return fmt.Errorf("no macro %q", name)
		}
		for _, l := range strings.Split(strings.ReplaceAll(body, "$", strings.TrimSpace(arg)), "\n") {
			if err := s.field(strings.TrimSpace(l)); err != nil {
				return err
			}
		}
		return nil
	default:
		return s.field(line)
	}
}

func parseValues(text string) []PicklistValue {
	var values []PicklistValue
	if text == "" {
		return nil
	}
	for _, v := range strings.Split(text, "|") {
		value := PicklistValue{Active: true}
		if text, since, late := strings.Cut(v, "@"); late {
			if n, err := strconv.Atoi(since); err == nil {
				v, value.since = text, n
			}
		}
		if v, value.Default = strings.CutSuffix(v, "*"); strings.HasSuffix(v, "!") {
			v, value.Active = v[:len(v)-1], false
		}
		var labelled bool
		if value.Value, value.Label, labelled = strings.Cut(v, "~"); !labelled {
			value.Label = v
		}
		values = append(values, value)
	}
	return values
}

func (s *standardSchema) object(line string) error {
	parts := strings.Split(line, "|")
	if len(parts) != 4 {
		return fmt.Errorf("object line has %d parts, want 4", len(parts))
	}
	name, prefix, _ := strings.Cut(strings.TrimSpace(parts[0]), " ")
	o := &Object{
		Name: name, Label: strings.TrimSpace(parts[1]), LabelPlural: strings.TrimSpace(parts[2]),
		KeyPrefix: strings.Trim(prefix, "- "), BulkQueryable: true,
		// What most objects of the global describe have.
		CompactLayoutable: true, Createable: true, Deletable: true, Layoutable: true, MruEnabled: true,
		Queryable: true, Replicateable: true, Retrieveable: true, SearchLayoutable: true,
		Searchable: true, Triggerable: true, Undeletable: true, Updateable: true, QuickActions: true, Approvable: true,
	}
	var event bool
	flags := map[string]*bool{
		"compact": &o.CompactLayoutable, "create": &o.Createable, "delete": &o.Deletable,
		"layout": &o.Layoutable, "mru": &o.MruEnabled, "query": &o.Queryable,
		"replicate": &o.Replicateable, "retrieve": &o.Retrieveable, "searchlayout": &o.SearchLayoutable,
		"search": &o.Searchable, "trigger": &o.Triggerable, "undelete": &o.Undeletable,
		"update": &o.Updateable, "feed": &o.FeedEnabled, "merge": &o.Mergeable, "deepclone": &o.DeepCloneable,
		"listviews": &o.ListViews, "quick": &o.QuickActions, "approval": &o.Approvable, "event": &event,
	}
	for _, word := range strings.Fields(parts[3]) {
		if err := o.word(word, flags); err != nil {
			return err
		}
	}
	if event {
		o.Kind = PlatformEvent
	}
	s.objects = append(s.objects, o)
	return nil
}

// word applies one word of an object's line.
func (o *Object) word(word string, flags map[string]*bool) error {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "of":
		o.AssociateEntityType, o.AssociateParentEntity, _ = strings.Cut(value, ":")
	case "with":
		o.families = strings.Split(value, ",")
	case "since":
		n, err := strconv.Atoi(value)
		o.Since = n
		return err
	case "feature":
		o.feature = value
	case "filter":
		o.NeedsFilter = strings.Split(value, ",")
	case "nobulk":
		o.BulkQueryable = false
	default:
		flag, ok := flags[word[1:]]
		if !ok || word[0] != '+' && word[0] != '-' {
			return fmt.Errorf("object word %q", word)
		}
		*flag = word[0] == '+'
	}
	return nil
}

// settleField applies what the object says to a field. What cannot be created has no field that can;
// an object without a layout has no field permissions; only what is searched is prefiltered for it
// (the last is unverified).
func (o *Object) settleField(f *Field) {
	f.Createable = f.Createable && o.Createable
	f.Updateable = f.Updateable && o.Updateable
	f.Permissionable = f.Permissionable && o.Layoutable
	f.SearchPrefilterable = f.SearchPrefilterable && o.Searchable
	f.Label = orElse(f.Label, labelOf(o, f))
}

// firstNumber is where the auto-numbers of standard objects begin, as case 00001000 does in public
// replies.
const firstNumber = 1000

// shape is the type of a field with what stands in its parentheses.
type shape struct {
	kind             string
	length           int
	precision, scale int
	targets          []string
}

func parseShape(word string) (shape, error) {
	kind, args, found := strings.Cut(word, "(")
	sh := shape{kind: kind}
	if !found {
		return sh, nil
	}
	args = strings.TrimSuffix(args, ")")
	if kind == "ref" {
		sh.targets = strings.Split(args, ",")
		return sh, nil
	}
	a, b, two := strings.Cut(args, ",")
	n, err := strconv.Atoi(a)
	if err != nil {
		return sh, err
	}
	if !two {
		sh.length = n
		return sh, nil
	}
	sh.precision = n
	sh.scale, err = strconv.Atoi(b)
	return sh, err
}

func (s *standardSchema) field(line string) error {
	o := s.objects[len(s.objects)-1]
	line, label, _ := strings.Cut(line, "|")
	words := strings.Fields(line)
	if len(words) < 2 {
		return fmt.Errorf("field line %q", line)
	}
	sh, err := parseShape(words[1])
	if err != nil {
		return err
	}
	f := newField(words[0], sh)
	if sh.kind == "ref" {
		f.link.targets = strings.TrimPrefix(sh.targets[0], "@")
		if f.link.targets == sh.targets[0] {
			f.link.targets = ""
		} else if f.ReferenceTo = s.targets[f.link.targets]; f.ReferenceTo == nil {
			return fmt.Errorf("no targets %q", f.link.targets)
		}
	}
	f.SearchPrefilterable = sh.kind == "ref"
	for _, word := range words[2:] {
		if err := s.word(f, word); err != nil {
			return err
		}
	}
	f.Label = strings.TrimSpace(label)
	o.Fields = append(o.Fields, f)
	return nil
}

// word applies one word of a field's line.
func (s *standardSchema) word(f *Field, word string) error {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "!":
		f.Nillable, f.Permissionable, f.SearchPrefilterable = false, false, false
	case "ro":
		f.Createable, f.Updateable, f.Permissionable, f.SearchPrefilterable = false, false, false, false
	case "nocreate":
		f.Createable = false
	case "noupdate":
		f.Updateable = false
	case "nonil":
		f.Nillable = false
	case "dflt":
		f.DefaultedOnCreate = true
	case "noperm":
		f.Permissionable = false
	case "perm":
		f.Permissionable = true
	case "agg", "noagg":
		f.Aggregatable = key == "agg"
	case "digits":
		n, err := strconv.Atoi(value)
		f.Digits = n
		return err
	case "nofilter":
		f.Filterable = false
	case "sort":
		f.Sortable = true
	case "nosort":
		f.Sortable = false
	case "nogroup":
		f.Groupable = false
	case "ascii":
		f.ByteLength = f.Length
	case "since":
		n, err := strconv.Atoi(value)
		f.Since = n
		return err
	case "feature":
		f.feature = value
	case "name":
		f.NameField = true
	case "auto":
		f.AutoNumber, f.Createable, f.Updateable, f.Nillable = true, false, false, false
		f.Permissionable, f.DefaultedOnCreate, f.Groupable = false, true, false
		f.auto = &autoNumber{format: "{00000000}", start: firstNumber}
	case "idlookup":
		f.IDLookup = true
	case "restricted":
		f.RestrictedPicklist = true
	case "part":
		f.CompoundFieldName = value
	case "info":
		f.ExtraTypeInfo = value
	case "prefilter", "noprefilter":
		f.SearchPrefilterable = key == "prefilter"
	case "":
		set, ok := s.sets[value]
		if !ok {
			return fmt.Errorf("no value set %q", value)
		}
		f.Picklist, f.set = set, value
	default:
		if !f.linkWord(key, value) {
			return fmt.Errorf("word %q", word)
		}
	}
	return nil
}

// linkWord applies a word of a reference.
func (f *Field) linkWord(key, value string) bool {
	switch key {
	case "rel":
		f.RelationshipName = value
	case "kids":
		f.link.kids = value
	case "cascade":
		f.link.cascade = true
	case "tacit":
		f.link.cascade, f.link.tacit = true, true
	case "restrict":
		f.link.restrict = true
	default:
		return false
	}
	return true
}

// read reads fields outside the files: of families and of custom objects.
func (s *standardSchema) read(lines string) []*Field {
	r := &standardSchema{sets: s.sets, targets: s.targets, objects: []*Object{{}}}
	for _, line := range strings.Split(lines, "\n") {
		if err := r.line(line); err != nil {
			panic(err) // the lines are part of the program
		}
	}
	return r.objects[0].Fields
}
