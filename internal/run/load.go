package run

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"slices"
	"strings"

	"holdfast/internal/capture"
	"holdfast/internal/plan"
	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// LoadOp is what a load does with its rows.
type LoadOp string

// The operations of a load.
const (
	LoadInsert LoadOp = "insert"
	LoadUpdate LoadOp = "update"
	LoadUpsert LoadOp = "upsert"
	LoadDelete LoadOp = "delete"
	// LoadHardDelete leaves nothing in the Recycle Bin.
	LoadHardDelete LoadOp = "hard-delete"
)

func (op LoadOp) deletes() bool { return op == LoadDelete || op == LoadHardDelete }

// noValue in a cell makes the field null; an empty cell leaves it alone. Source: Bulk API 2.0 Developer Guide,
// "Prepare CSV Files".
const noValue = "#N/A"

// LoadInput says which rows go into an org.
type LoadInput struct {
	Restore RestoreInput // the source, the repository, and how the org is read; its selection is that of the load
	Object  string       // API name
	Op      LoadOp
	Key     string   // of an upsert: the field by which records are found; "" is Id
	Columns []string // API names
	Rows    [][]string
}

// LoadResult is the plan of a load: nothing was written to the org.
type LoadResult struct {
	RestoreResult
	Rows []sf.ID `json:"-"` // for each row the Id under which it is in the plan
}

// load is a load while it is prepared.
type load struct {
	in      LoadInput
	object  *sf.Object
	columns []*sf.Field
	key     int // column, or -1
	live    *snapshot.Snapshot
}

// Load plans a load: the org is observed, a state is written down in which it has the rows, and what leads from the
// one to the other is the plan. So it is reviewed, applied, verified and undone as any plan is. The snapshot with the
// rows is of the kind of a seed.
//
// Errors: Usage for columns and cells that the object cannot take, and for keys that are empty or come twice; NotFound for records
// that are not there; those of Restore.
func Load(ctx context.Context, in LoadInput) (LoadResult, error) {
	l, err := newLoad(ctx, in)
	if err != nil {
		return LoadResult{}, err
	}
	restore := in.Restore
	restore.HardDelete = in.Op == LoadHardDelete
	restore.Capture.Include = l.observed()
	restore.Capture.Kind = kindLive
	captured, err := capture.Run(ctx, restore.Source, restore.Store, restore.Capture)
	if err != nil {
		return LoadResult{}, fmt.Errorf("read the org: %w", err)
	}
	if l.live, err = restore.Store.Load(ctx, captured.Snapshot.ID); err != nil {
		return LoadResult{}, err
	}
	ids, err := l.ids(ctx)
	if err != nil {
		return LoadResult{}, err
	}
	wanted, err := l.write(ctx, ids)
	if err != nil {
		return LoadResult{}, err
	}
	restore.Before, restore.After, restore.Snapshot = wanted, l.live.Info().ID, ""
	restore.Selection = Selection{Objects: []string{l.object.Name}}
	planned, err := Restore(ctx, restore)
	return LoadResult{RestoreResult: planned, Rows: ids}, err
}

// LoadedRows returns for each row of a load the Id under which it is in the plan that Load made of it.
func LoadedRows(ctx context.Context, in LoadInput, p *plan.Plan) ([]sf.ID, error) {
	l, err := newLoad(ctx, in)
	if err != nil {
		return nil, err
	}
	if l.live, err = in.Restore.Store.Load(ctx, p.Source.Base); err != nil {
		return nil, err
	}
	return l.ids(ctx)
}

// newLoad checks what can be checked before the org is read.
func newLoad(ctx context.Context, in LoadInput) (*load, error) {
	schema, err := in.Restore.Source.Schema(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe the org: %w", err)
	}
	l := &load{in: in, object: schema.Object(in.Object), key: -1}
	if l.object == nil {
		return nil, capture.NoObject(schema, in.Object)
	}
	switch in.Op {
	case LoadInsert, LoadUpdate, LoadUpsert, LoadDelete:
	case LoadHardDelete:
		if err := mayHardDelete(ctx, in.Restore.Source, schema); err != nil {
			return nil, err
		}
	default:
		return nil, problem.Newf(problem.Usage, "load: %q is no operation", in.Op).Hint("give insert, update, upsert, delete or hard-delete")
	}
	if len(in.Rows) == 0 {
		return nil, problem.New(problem.Usage, "load: there are no rows")
	}
	for i, name := range in.Columns {
		if err := l.column(i, name); err != nil {
			return nil, err
		}
	}
	if l.key < 0 && in.Op != LoadInsert {
		return nil, problem.Newf(problem.Usage, "load: no column %s says which record a row is about", l.keyName()).
			Hint("add it, or name another with --key")
	}
	return l, nil
}

func (l *load) keyName() string {
	if l.in.Op == LoadUpsert && l.in.Key != "" {
		return l.in.Key
	}
	return "Id"
}

// column takes in a column.
func (l *load) column(i int, name string) error {
	f := l.object.Field(name)
	if f == nil {
		at := slices.IndexFunc(l.object.Fields, func(f *sf.Field) bool { return strings.EqualFold(f.Name, name) })
		if at < 0 {
			return problem.Newf(problem.Usage, "load: %s has no field %q", l.object.Name, name).
				Hint("columns are API names of fields; the user may not see the field")
		}
		f = l.object.Fields[at]
	}
	if slices.Contains(l.columns, f) {
		return problem.Newf(problem.Usage, "load: the column %s comes twice", f.Name)
	}
	l.columns = append(l.columns, f)
	if strings.EqualFold(f.Name, l.keyName()) && l.in.Op != LoadInsert {
		l.key = i
		return nil
	}
	writable := f.Createable && l.in.Op == LoadInsert || f.Updateable && l.in.Op == LoadUpdate || (f.Createable || f.Updateable) && l.in.Op == LoadUpsert
	switch {
	case l.in.Op.deletes(): // only the key counts
		return nil
	case !writable:
		return problem.Newf(problem.Usage, "load: %s.%s cannot be written by this %s", l.object.Name, f.Name, l.in.Op).Hint("leave the column out")
	case f.Type == sf.TypeBase64:
		return problem.Newf(problem.Usage, "load: %s.%s holds files, which are not loaded from CSV", l.object.Name, f.Name)
	}
	return nil
}

// observed are the objects that the load must know: its own, what its columns refer to, and who owns records.
func (l *load) observed() []string {
	names := map[string]bool{l.object.Name: true, "User": true}
	for _, f := range l.columns {
		for _, to := range f.ReferenceTo {
			names[to] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// ids returns for each row the Id of its record; of one that is not there yet, an Id made of the row.
func (l *load) ids(ctx context.Context) ([]sf.ID, error) {
	found, err := l.find(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]sf.ID, len(l.in.Rows))
	seen := make(map[sf.ID]int, len(ids))
	for i, row := range l.in.Rows {
		if len(row) != len(l.columns) {
			return nil, problem.Newf(problem.Usage, "load: row %d has %d cells, the header %d", i+1, len(row), len(l.columns))
		}
		if l.key >= 0 {
			key, err := l.keyOf(i)
			if err != nil {
				return nil, err
			}
			ids[i] = found[key]
			if ids[i] == "" && (l.in.Op != LoadUpsert || l.keyName() == "Id") {
				return nil, problem.Newf(problem.NotFound, "load: row %d: the org has no %s with %s %q", i+1, l.object.Name, l.keyName(), key)
			}
		}
		if ids[i] == "" {
			if ids[i], err = l.fresh(i); err != nil {
				return nil, err
			}
		}
		if before, twice := seen[ids[i]]; twice {
			return nil, problem.Newf(problem.Usage, "load: rows %d and %d are about the same record", before+1, i+1)
		}
		seen[ids[i]] = i
	}
	return ids, nil
}

// keyOf returns the key of a row.
func (l *load) keyOf(i int) (string, error) {
	f := l.columns[l.key]
	v, err := sf.Canonical(f.Type, l.in.Rows[i][l.key])
	if err != nil || !v.IsText() {
		return "", problem.Newf(problem.Usage, "load: row %d: %q is no key", i+1, l.in.Rows[i][l.key])
	}
	if f.IDLookup && !f.CaseSensitive && f.Type != sf.TypeID {
		return strings.ToLower(v.Text()), nil
	}
	return v.Text(), nil
}

// find returns the live records that the keys name.
func (l *load) find(ctx context.Context) (map[string]sf.ID, error) {
	found := map[string]sf.ID{}
	if l.key < 0 {
		return found, nil
	}
	wanted := make(map[string]bool, len(l.in.Rows))
	for i := range l.in.Rows {
		if len(l.in.Rows[i]) != len(l.columns) {
			continue // the caller says so
		}
		key, err := l.keyOf(i)
		if err != nil {
			return nil, err
		}
		if wanted[key] {
			return nil, problem.Newf(problem.Usage, "load: row %d: the key %q comes twice", i+1, key)
		}
		wanted[key] = true
	}
	f := l.columns[l.key]
	if f.Type == sf.TypeID {
		for r, err := range l.live.Lookup(ctx, l.object.Name, sortedIDs(wanted)) {
			if err != nil {
				return nil, err
			}
			found[string(r.ID)] = r.ID
		}
		return found, nil
	}
	for r, err := range l.live.Records(ctx, l.object.Name) {
		if err != nil {
			return nil, err
		}
		key := r.Get(f.Name).Text()
		if f.IDLookup && !f.CaseSensitive {
			key = strings.ToLower(key)
		}
		if !wanted[key] {
			continue
		}
		if found[key] != "" {
			return nil, problem.Newf(problem.Conflict, "load: %s and %s both have %s %q", found[key], r.ID, f.Name, key).Hint("give another key")
		}
		found[key] = r.ID
	}
	return found, nil
}

func sortedIDs(texts map[string]bool) iter.Seq[sf.ID] {
	return func(yield func(sf.ID) bool) {
		for _, text := range slices.Sorted(maps.Keys(texts)) {
			if !yield(sf.ID(text)) {
				return
			}
		}
	}
}

// fresh returns an Id for a row whose record is not there yet. It follows from the row and what the org was when it
// was planned, so that the rows of a plan are known again, and two loads never share one.
func (l *load) fresh(i int) (sf.ID, error) {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%q", l.live.Info().ID, i, l.in.Rows[i]))
	n, base, digit := new(big.Int).SetBytes(sum[:]), big.NewInt(62), new(big.Int)
	text := []byte(l.object.KeyPrefix)
	for len(text) < 15 {
		n.DivMod(n, base, digit)
		text = append(text, digits[digit.Int64()])
	}
	id, err := sf.ParseID(string(text))
	if err != nil {
		return "", problem.Newf(problem.Usage, "load: records of %s have no Ids that can be known beforehand", l.object.Name)
	}
	return id, nil
}

// write writes the state in which the org has the rows, and returns its ID.
func (l *load) write(ctx context.Context, ids []sf.ID) (string, error) {
	part, held := l.live.Part(l.object.Name)
	if !held || part.State != snapshot.Whole {
		return "", problem.Newf(problem.Partial, "load: %s could not be read", l.object.Name).Hint("`holdfast check` says why")
	}
	rowOf := make(map[sf.ID]int, len(ids))
	for i, id := range ids {
		rowOf[id] = i
	}
	live := l.live.Info()
	sn, err := l.in.Restore.Store.Write(ctx, snapshot.Draft{
		Kind: snapshot.KindSeed, OrgID: live.OrgID, OrgName: live.OrgName, Username: live.Username, Schema: l.live.Schema(),
		Parent: l.live, Started: live.Started,
	}, func(w *snapshot.Writer) error {
		out, err := w.Part(snapshot.PartInfo{
			Object: part.Object, Fields: part.Fields, From: part.From, To: part.To, Watermark: part.Watermark,
		})
		if err != nil {
			return err
		}
		shape := sf.NewShape(part.Object, part.Fields)
		for r, err := range l.live.Lookup(ctx, part.Object, slices.Values(slices.Sorted(slices.Values(ids)))) {
			if err != nil {
				return err
			}
			if l.in.Op.deletes() {
				err = out.Remove(r.ID, live.To, "load")
			} else {
				err = l.put(out.Add, sf.Record{ID: r.ID, Shape: shape, Values: valuesIn(shape, r)}, rowOf[r.ID], true)
			}
			if err != nil {
				return err
			}
			delete(rowOf, r.ID)
		}
		for _, i := range slices.Sorted(maps.Values(rowOf)) {
			if err := l.put(out.Add, sf.Record{ID: ids[i], Shape: shape, Values: make([]sf.Value, shape.Len())}, i, false); err != nil {
				return err
			}
		}
		_, err = out.Close(ctx, -1)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("write down what is to be loaded: %w", err)
	}
	return sn.Info().ID, nil
}

// valuesIn returns the values of a record in the order of a shape.
func valuesIn(shape *sf.Shape, r sf.Record) []sf.Value {
	values := make([]sf.Value, shape.Len())
	for i, name := range shape.Fields() {
		values[i] = r.Get(name)
	}
	return values
}

// put writes the cells of a row over a record, which is there or comes anew, and adds it.
func (l *load) put(add func(sf.Record) error, r sf.Record, row int, there bool) error {
	for i, f := range l.columns {
		cell := l.in.Rows[row][i]
		at := r.Shape.Index(f.Name)
		if i == l.key && f.Name == "Id" || cell == "" {
			continue
		}
		if at < 0 {
			return problem.Newf(problem.Usage, "load: %s.%s is not read from the org, so that what a load does to it could not be verified",
				l.object.Name, f.Name).Hint("leave the column out, or take the rule back that leaves the field out")
		}
		if cell == noValue {
			// What an update may not blank it would leave alone, and the row would count as done. An insert gets a default, or is refused by the org.
			if there && !f.Nillable {
				return problem.Newf(problem.Usage, "load: row %d blanks %s.%s, which cannot be blank", row+1, l.object.Name, f.Name).
					Hint("give a value, or an empty cell to leave the field as it is")
			}
			r.Values[at] = sf.Null()
			continue
		}
		v, err := sf.Canonical(f.Type, cell)
		if err != nil {
			return problem.Wrap(problem.Usage, err, fmt.Sprintf("load: row %d, column %s", row+1, f.Name))
		}
		r.Values[at] = v
	}
	return add(r)
}
