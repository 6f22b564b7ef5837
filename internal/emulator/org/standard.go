package org

import (
	"embed"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"holdfast/internal/sf"
)

// The standard objects are written in a small language of one line a field, so that a reviewer can
// hold it against the Object Reference. Facts are from real describes (API 5x), from the partner
// WSDL 66 and from the type declarations of jsforce 3.12; key prefixes from the same.
//
//	object Name prefix | Label | Plural | ±flags of=EntityType:Parent
//	  Field type(length or precision,scale) words…
//	  @macro argument
//
// Words: "!" required · ro read-only · nocreate noupdate · nonil not nillable · dflt defaulted on
// create · noperm without field permissions · nofilter nosort · name nameField · auto auto-number ·
// idlookup · restricted · part=Compound · info=extraTypeInfo · =ValueSet · and for references
// rel=ToParent kids=ToChildren cascade restrict prefilter noprefilter.
//
//go:embed standard/*.txt
var standardFiles embed.FS

// standardSchema is what the files describe; it is shared by all orgs and never changed.
type standardSchema struct {
	objects []*Object
	sets    map[string][]PicklistValue
}

// link says what a reference means to the parent's side.
type link struct {
	kids              string // name of the child relationship; empty when none
	cascade, restrict bool
	any               bool // ref(*): every object that can have activities, notes and attachments
}

var loadStandard = sync.OnceValue(func() *standardSchema {
	s := &standardSchema{sets: map[string][]PicklistValue{}}
	for _, name := range []string{"values", "sales", "service", "commerce", "setup"} {
		raw, err := standardFiles.ReadFile("standard/" + name + ".txt")
		if err != nil {
			panic(err) // the files are part of the program
		}
		for n, line := range strings.Split(string(raw), "\n") {
			if err := s.line(line); err != nil {
				panic(fmt.Sprintf("standard/%s.txt:%d: %v", name, n+1, err))
			}
		}
	}
	s.resolveAny()
	derived := derivations()
	for _, o := range s.objects {
		for _, f := range o.Fields {
			f.derive = derived[o.Name+"."+f.Name]
		}
	}
	return s
})

// macros are groups of fields that many objects share. $ stands for the argument.
var macros = map[string]string{
	"head": `Id id
		IsDeleted boolean ro`,
	"audit": `CreatedDate datetime ro nonil dflt
		CreatedById ref(User) rel=CreatedBy ro nonil dflt noprefilter
		LastModifiedDate datetime ro nonil dflt
		LastModifiedById ref(User) rel=LastModifiedBy ro nonil dflt noprefilter
		SystemModstamp datetime ro nonil dflt`,
	"activity": `LastActivityDate date ro`,
	"viewed": `LastViewedDate datetime ro
		LastReferencedDate datetime ro`,
	"owner":      `OwnerId ref($) rel=Owner ! dflt noprefilter`,
	"recordtype": `RecordTypeId ref(RecordType) rel=RecordType noperm noprefilter`,
	"person": `LastName string(80) ! part=Name info=personname
		FirstName string(40) noperm part=Name info=personname
		Salutation picklist(40) noperm part=Name info=personname =Salutation
		Name string(121) ro nonil name info=personname`,
	"address": `$Street textarea(255) part=$Address
		$City string(40) part=$Address
		$State string(80) part=$Address
		$PostalCode string(20) part=$Address
		$Country string(80) part=$Address
		$Latitude double(18,15) part=$Address
		$Longitude double(18,15) part=$Address
		$GeocodeAccuracy picklist(40) restricted part=$Address =GeocodeAccuracy
		$Address address`,
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
	case strings.HasPrefix(line, "object "):
		return s.object(line[7:])
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
		if v, value.Default = strings.CutSuffix(v, "*"); strings.HasSuffix(v, "!") {
			v, value.Active = v[:len(v)-1], false
		}
		value.Value, value.Label = v, v
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
		KeyPrefix: strings.Trim(prefix, "- "),
		// What most objects of the global describe have.
		CompactLayoutable: true, Createable: true, Deletable: true, Layoutable: true, MruEnabled: true,
		Queryable: true, Replicateable: true, Retrieveable: true, SearchLayoutable: true,
		Searchable: true, Triggerable: true, Undeletable: true, Updateable: true,
	}
	flags := map[string]*bool{
		"compact": &o.CompactLayoutable, "create": &o.Createable, "delete": &o.Deletable,
		"layout": &o.Layoutable, "mru": &o.MruEnabled, "query": &o.Queryable,
		"replicate": &o.Replicateable, "retrieve": &o.Retrieveable, "searchlayout": &o.SearchLayoutable,
		"search": &o.Searchable, "trigger": &o.Triggerable, "undelete": &o.Undeletable,
		"update": &o.Updateable, "feed": &o.FeedEnabled, "merge": &o.Mergeable, "deepclone": &o.DeepCloneable,
	}
	for _, word := range strings.Fields(parts[3]) {
		if of, ok := strings.CutPrefix(word, "of="); ok {
			o.AssociateEntityType, o.AssociateParentEntity, _ = strings.Cut(of, ":")
			continue
		}
		flag, ok := flags[word[1:]]
		if !ok {
			return fmt.Errorf("object flag %q", word)
		}
		*flag = word[0] == '+'
	}
	s.objects = append(s.objects, o)
	return nil
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
	words := strings.Fields(line)
	if len(words) < 2 {
		return fmt.Errorf("field line %q", line)
	}
	sh, err := parseShape(words[1])
	if err != nil {
		return err
	}
	f := newField(words[0], sh)
	f.link.any = len(sh.targets) == 1 && sh.targets[0] == "*"
	f.SearchPrefilterable = sh.kind == "ref"
	for _, word := range words[2:] {
		if err := s.word(f, word); err != nil {
			return err
		}
	}
	f.Label = labelOf(f.Name)
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
	case "nofilter":
		f.Filterable = false
	case "nosort":
		f.Sortable = false
	case "name":
		f.NameField = true
	case "auto":
		f.AutoNumber, f.Createable, f.Updateable, f.Nillable = true, false, false, false
		f.Permissionable, f.DefaultedOnCreate = false, true
		f.auto = &autoNumber{format: "{00000000}", start: firstNumber}
	case "idlookup":
		f.IDLookup = true
	case "restricted":
		f.RestrictedPicklist = true
	case "part":
		f.CompoundFieldName = value
	case "info":
		f.ExtraTypeInfo = value
	case "rel":
		f.RelationshipName = value
	case "kids":
		f.link.kids = value
	case "cascade":
		f.link.cascade = true
	case "restrict":
		f.link.restrict = true
	case "prefilter", "noprefilter":
		f.SearchPrefilterable = key == "prefilter"
	case "":
		set, ok := s.sets[value]
		if !ok {
			return fmt.Errorf("no value set %q", value)
		}
		f.Picklist, f.set = set, value
	default:
		return fmt.Errorf("word %q", word)
	}
	return nil
}

// newField returns a field with the flags that its type gives it, as a writable and optional field.
// The rules were read off the describes of Account, Contact and Opportunity.
func newField(name string, sh shape) *Field {
	f := &Field{
		Name: name, Type: sf.FieldType(sh.kind), Length: sh.length, Precision: sh.precision, Scale: sh.scale,
		SoapType: "xsd:string", RelationshipOrder: -1, column: -1,
		Aggregatable: true, Filterable: true, Groupable: true, Sortable: true,
		Createable: true, Updateable: true, Nillable: true, Permissionable: true,
	}
	switch sh.kind {
	case "id":
		f.Length, f.SoapType = 18, "tns:ID"
		f.Createable, f.Updateable, f.Nillable, f.Permissionable = false, false, false, false
		f.DefaultedOnCreate, f.IDLookup = true, true
	case "ref":
		f.Type, f.Length, f.SoapType, f.ReferenceTo = sf.TypeReference, 18, "tns:ID", sh.targets
		f.PolymorphicForeignKey = len(sh.targets) > 1 || sh.targets[0] == "*"
		f.NamePointing = f.PolymorphicForeignKey
	case "boolean":
		f.SoapType, f.Aggregatable = "xsd:boolean", false
		f.Nillable, f.DefaultedOnCreate, f.DefaultValue = false, true, "false"
	case "currency", "double", "percent":
		f.SoapType, f.Groupable = "xsd:double", false
	case "int":
		f.SoapType, f.Digits = "xsd:int", 8
	case "date":
		f.SoapType = "xsd:date"
	case "datetime":
		f.SoapType, f.Groupable = "xsd:dateTime", false
	case "time":
		f.SoapType, f.Groupable = "xsd:time", false
	case "base64":
		f.SoapType = "xsd:base64Binary"
		f.Aggregatable, f.Filterable, f.Groupable, f.Sortable = false, false, false, false
	case "address", "location":
		f.SoapType = "urn:" + sh.kind
		f.Aggregatable, f.Groupable, f.Sortable, f.Createable, f.Updateable = false, false, false, false, false
		f.QueryByDistance = true
	case "textarea":
		if f.ExtraTypeInfo = "plaintextarea"; sh.length > 255 {
			f.Aggregatable, f.Filterable, f.Groupable, f.Sortable = false, false, false, false
		}
	case "multipicklist":
		f.Groupable, f.Sortable = false, false
	}
	f.ByteLength = byteLength(f)
	return f
}

// byteLength is 3 bytes for each character, except for Ids, which are ASCII.
func byteLength(f *Field) int {
	if f.Type == sf.TypeID || f.Type == sf.TypeReference {
		return f.Length
	}
	return 3 * f.Length
}

// resolveAny replaces ref(*) by the objects that can have activities, notes and attachments. The
// platform's list depends on the org; this is the part of it that the org has. Custom objects that
// enable activities join when they are deployed.
func (s *standardSchema) resolveAny() {
	things := []string{"Account", "Asset", "Campaign", "Case", "Contract", "Opportunity", "Order", "Product2"}
	all := []string{
		"Account", "Asset", "Campaign", "Case", "Contact", "Contract", "Lead", "Opportunity", "Order", "Product2",
	}
	for _, o := range s.objects {
		for _, f := range o.Fields {
			switch {
			case f.link.any && f.Name == "ParentId": // notes and attachments also go on people
				f.ReferenceTo = all
			case f.link.any:
				f.ReferenceTo = things
			}
		}
	}
}

// labelOf derives the label of a standard field from its name: "AccountId" is "Account ID".
func labelOf(name string) string {
	var b strings.Builder
	for i, r := range name {
		upper := r >= 'A' && r <= 'Z'
		if i > 0 && upper && !(name[i-1] >= 'A' && name[i-1] <= 'Z') {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	label := b.String()
	if base, ok := strings.CutSuffix(label, " Id"); ok {
		return base + " ID"
	}
	return label
}
