package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"holdfast/internal/testkit"
)

// object is what the figures are of: Id, Name and 38 custom fields of the kinds that orgs are made of.
const object = "Ledger__c"

// seed makes the same rows on every run.
const seed = 20_000

// loadRows is how many rows one load job carries, well below the platform's 100 MB.
const loadRows = 20_000

// column is one custom field of the object.
type column struct {
	name, kind, xml string
	value           func(*rand.Rand) string
}

// columns lists the 38 custom fields: with Id and Name an extraction has 40 columns.
func columns() []column {
	var all []column
	add := func(n int, prefix, kind, xml string, value func(*rand.Rand) string) {
		for i := range n {
			all = append(all, column{fmt.Sprintf("%s%02d__c", prefix, i), kind, xml, value})
		}
	}
	add(20, "T", "Text", "<length>80</length>", func(r *rand.Rand) string {
		return words[r.IntN(len(words))] + " " + words[r.IntN(len(words))]
	})
	add(8, "N", "Number", "<precision>16</precision><scale>2</scale>", func(r *rand.Rand) string {
		return fmt.Sprintf("%d.%02d", r.IntN(1_000_000), r.IntN(100))
	})
	add(4, "D", "Date", "", func(r *rand.Rand) string {
		return fmt.Sprintf("20%02d-%02d-%02d", 10+r.IntN(16), 1+r.IntN(12), 1+r.IntN(28))
	})
	add(3, "M", "DateTime", "", func(r *rand.Rand) string {
		return fmt.Sprintf("20%02d-%02d-%02dT%02d:%02d:%02d.000Z", 10+r.IntN(16), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
	})
	add(2, "C", "Checkbox", "<defaultValue>false</defaultValue>", func(r *rand.Rand) string {
		return fmt.Sprint(r.IntN(2) == 0)
	})
	add(1, "L", "LongTextArea", "<length>32768</length><visibleLines>3</visibleLines>", func(r *rand.Rand) string {
		var b strings.Builder
		for range 5 + r.IntN(15) {
			b.WriteString(words[r.IntN(len(words))])
			b.WriteByte(' ')
		}
		return strings.TrimSpace(b.String())
	})
	return all
}

var words = strings.Fields(`ledger harbour invoice copper meadow signal velvet quarter anchor timber
	granite ribbon thunder lantern orchard pioneer cascade summit voyage marble beacon willow ember falcon`)

func columnNames() []string {
	var names []string
	for _, c := range columns() {
		names = append(names, c.name)
	}
	return names
}

// fill deploys the object and loads its rows through Bulk API 2.0.
func (b *bench) fill(ctx context.Context) error {
	var fields strings.Builder
	for _, c := range columns() {
		fmt.Fprintf(&fields, "<fields><fullName>%s</fullName><label>%s</label><type>%s</type>%s</fields>\n",
			c.name, strings.TrimSuffix(c.name, "__c"), c.kind, c.xml)
	}
	err := b.loader.DeployFiles(ctx, map[string]string{
		"package.xml": testkit.PackageXML("CustomObject", object),
		"objects/" + object + ".object": `<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
<deploymentStatus>Deployed</deploymentStatus>
` + fields.String() + `<label>Ledger</label>
<nameField><label>Name</label><type>Text</type></nameField>
<pluralLabel>Ledgers</pluralLabel>
<sharingModel>ReadWrite</sharingModel>
</CustomObject>
`,
	})
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	all := columns()
	for start := 0; start < b.rows; start += loadRows {
		var csv strings.Builder
		csv.WriteString("Name," + strings.Join(columnNames(), ",") + "\n")
		for i := start; i < min(start+loadRows, b.rows); i++ {
			fmt.Fprintf(&csv, "Entry %d", i)
			for _, c := range all {
				csv.WriteString(`,"` + c.value(rng) + `"`)
			}
			csv.WriteByte('\n')
		}
		if err := b.loader.BulkInsert(ctx, object, strings.NewReader(csv.String())); err != nil {
			return err
		}
	}
	return nil
}
