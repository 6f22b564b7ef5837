package testkit

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Dataset is a set of linked records in the form that CumulusCI extracts: an SQL dump of one table
// an object, with lookups as row numbers of another table, and a mapping that names them.
type Dataset struct {
	Steps []DatasetStep // in load order: a lookup never points at a later step
}

// DatasetStep is the records of one object.
type DatasetStep struct {
	Object  string
	Table   string
	Rows    []DatasetRow
	Lookups map[string]string // field → table that its row numbers are of
}

// DatasetRow is one record: its row number in the dump, its values and its lookups as row numbers.
type DatasetRow struct {
	Number string
	Values Row
	Refs   Row // field → row number
}

// ReadDataset reads mapping.yml and the dump. Record type Ids become "RecordType:DeveloperName",
// because the Ids of the dump are those of the org that it was taken from.
func ReadDataset(mapping, dump string) (*Dataset, error) {
	raw, err := os.ReadFile(mapping)
	if err != nil {
		return nil, err
	}
	var steps yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(raw, &steps, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("%s: %w", mapping, err)
	}
	tables, err := readDump(dump)
	if err != nil {
		return nil, err
	}
	set := &Dataset{}
	for _, item := range steps {
		step, err := readStep(item.Value, tables)
		if err != nil {
			return nil, fmt.Errorf("%s: step %v: %w", mapping, item.Key, err)
		}
		set.Steps = append(set.Steps, step)
	}
	return set, nil
}

// Load writes the data set through the org's public data APIs. recordTypes maps a DeveloperName to
// its Id in the org. The result maps table and row number to the Id of the record.
func (d *Dataset) Load(ctx context.Context, l *Loader, recordTypes map[string]string) (map[string]map[string]string, error) {
	ids := map[string]map[string]string{}
	for _, step := range d.Steps {
		rows := make([]Row, len(step.Rows))
		for i, r := range step.Rows {
			row := Row{}
			for field, text := range r.Values {
				if name, ok := strings.CutPrefix(text, recordTypeMark); ok {
					id, known := recordTypes[name]
					if !known {
						return nil, fmt.Errorf("%s row %s: no record type %s", step.Object, r.Number, name)
					}
					text = id
				}
				if text != "" {
					row[field] = text
				}
			}
			for field, number := range r.Refs {
				id, ok := ids[step.Lookups[field]][number]
				if !ok {
					return nil, fmt.Errorf("%s row %s: %s points at row %s of %s, which is not loaded", step.Object, r.Number, field, number, step.Lookups[field])
				}
				row[field] = id
			}
			rows[i] = row
		}
		made, err := l.Insert(ctx, step.Object, rows)
		if err != nil {
			return nil, err
		}
		ids[step.Table] = map[string]string{}
		for i, r := range step.Rows {
			ids[step.Table][r.Number] = made[i]
		}
	}
	return ids, nil
}

// Rows returns the number of records of the data set.
func (d *Dataset) Rows() int {
	n := 0
	for _, s := range d.Steps {
		n += len(s.Rows)
	}
	return n
}

const recordTypeMark = "RecordType:"

type dumpTable struct {
	columns []string
	rows    [][]string
}

func readStep(value any, tables map[string]*dumpTable) (DatasetStep, error) {
	m := toMap(value)
	step := DatasetStep{Object: fmt.Sprint(m["sf_object"]), Table: fmt.Sprint(m["table"]), Lookups: map[string]string{}}
	table, ok := tables[step.Table]
	if !ok {
		return step, fmt.Errorf("no table %s in the dump", step.Table)
	}
	position := map[string]int{}
	for i, c := range table.columns {
		position[c] = i
	}
	fieldAt, used := map[string]int{}, map[int]bool{position["id"]: true}
	for field, column := range toMap(m["fields"]) {
		i, ok := position[fmt.Sprint(column)]
		if !ok {
			return step, fmt.Errorf("no column %v", column)
		}
		fieldAt[field], used[i] = i, true
	}
	refAt := map[string]int{}
	for field, spec := range toMap(m["lookups"]) {
		i := slices.IndexFunc(table.columns, func(c string) bool { return !used[position[c]] && plainName(c) == plainName(field) })
		if i < 0 {
			return step, fmt.Errorf("no column for the lookup %s", field)
		}
		refAt[field] = i
		step.Lookups[field] = fmt.Sprint(toMap(spec)["table"])
	}
	types := map[string]string{}
	if rt, ok := tables[step.Table+"_rt_mapping"]; ok {
		for _, r := range rt.rows {
			types[r[0]] = r[1]
		}
	}
	for _, cells := range table.rows {
		row := DatasetRow{Number: cells[position["id"]], Values: Row{}, Refs: Row{}}
		for field, i := range fieldAt {
			row.Values[field] = cells[i]
			if field == "RecordTypeId" && cells[i] != "" {
				row.Values[field] = recordTypeMark + types[cells[i]]
			}
		}
		for field, i := range refAt {
			if cells[i] != "" {
				row.Refs[field] = cells[i]
			}
		}
		step.Rows = append(step.Rows, row)
	}
	return step, nil
}

// plainName reduces a column and a field name to what they have in common: dumps spell the column
// of AccountId "account_id" and that of Parent__c "parent__c".
func plainName(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "_", "")
}

func toMap(value any) map[string]any {
	out := map[string]any{}
	if items, ok := value.(yaml.MapSlice); ok {
		for _, item := range items {
			out[fmt.Sprint(item.Key)] = item.Value
		}
	}
	return out
}

// readDump reads the CREATE TABLE and INSERT statements of an SQLite text dump.
func readDump(path string) (map[string]*dumpTable, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tables := map[string]*dumpTable{}
	var current *dumpTable
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		switch {
		case strings.HasPrefix(line, "CREATE TABLE "):
			current = &dumpTable{}
			tables[strings.Trim(strings.TrimSuffix(strings.TrimPrefix(line, "CREATE TABLE "), " ("), `"`)] = current
		case strings.HasPrefix(line, "INSERT INTO "):
			name, values, ok := strings.Cut(strings.TrimPrefix(line, "INSERT INTO "), " VALUES(")
			table := tables[strings.Trim(name, `"`)]
			if !ok || table == nil || !strings.HasSuffix(values, ");") {
				return nil, fmt.Errorf("%s line %d: not an INSERT of one line", filepath.Base(path), n)
			}
			row := sqlValues(strings.TrimSuffix(values, ");"))
			if len(row) != len(table.columns) {
				return nil, fmt.Errorf("%s line %d: %d values for %d columns", filepath.Base(path), n, len(row), len(table.columns))
			}
			table.rows = append(table.rows, row)
		case strings.HasPrefix(line, "\t") && current != nil:
			column := strings.Trim(strings.Fields(line)[0], `"`)
			if column != "PRIMARY" {
				current.columns = append(current.columns, column)
			}
		}
	}
	return tables, in.Err()
}

// sqlValues splits a list of SQL literals; a quote inside a text is doubled, NULL is empty.
func sqlValues(s string) []string {
	var out []string
	for s != "" {
		var cell string
		if s[0] == '\'' {
			var b strings.Builder
			i := 1
			for ; i < len(s); i++ {
				if s[i] == '\'' {
					if i+1 < len(s) && s[i+1] == '\'' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(s[i])
			}
			cell, s = b.String(), s[min(i+1, len(s)):]
		} else {
			cell, s, _ = strings.Cut(s, ",")
			if cell == "NULL" {
				cell = ""
			}
			out = append(out, cell)
			continue
		}
		out = append(out, cell)
		s = strings.TrimPrefix(s, ",")
	}
	return out
}
