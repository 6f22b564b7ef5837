package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"holdfast/internal/blob/file"
	"holdfast/internal/repo"
	"holdfast/internal/salesforce/csv"
	"holdfast/internal/seal"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// step is what one measured process does. The measured processes that are no step are those of the
// program, and of the peers.
type step struct {
	do         string
	rows       int
	day, share int
	file       string
	full       bool
	unverified bool
	reads      int
}

func (s step) run(ctx context.Context) error {
	switch s.do {
	case "csv":
		return s.writeCSV()
	case "ingest":
		return s.ingest(ctx)
	case "fill":
		return s.fill(ctx)
	case "year":
		return s.year(ctx)
	case "points":
		return s.points(ctx)
	}
	return fmt.Errorf("step %q", s.do)
}

func openStore(ctx context.Context) (*snapshot.Store, error) {
	key, err := os.ReadFile(os.Getenv("HOLDFAST_KEY_FILE"))
	if err != nil {
		return nil, err
	}
	identity, err := seal.ReadIdentity(bytes.NewReader(key))
	if err != nil {
		return nil, err
	}
	bucket, err := file.Open(os.Getenv("HOLDFAST_REPO"))
	if err != nil {
		return nil, err
	}
	r, err := repo.Open(ctx, bucket, identity)
	if err != nil {
		return nil, err
	}
	return snapshot.Open(r), nil
}

// writeCSV writes the state of a day as people dump it: every value in quotes, nothing for null.
func (s step) writeCSV() error {
	f, err := os.Create(s.file)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	c := newCorpus()
	names := append([]string{"Id"}, c.shape.Fields()...)
	line := csv.AppendRow(nil, names)
	row := make([]string, len(names))
	for i := range s.rows {
		if _, err := w.Write(line); err != nil {
			return err
		}
		rec := c.record(i, s.lastChange(i))
		row[0] = string(rec.ID)
		for f, v := range rec.Values {
			row[f+1] = v.Text()
		}
		line = csv.AppendRow(line[:0], row)
	}
	if _, err := w.Write(line); err != nil {
		return err
	}
	return errors.Join(w.Flush(), f.Close())
}

// lastChange returns the day on which the record changed last, up to the day of the step.
func (s step) lastChange(i int) int {
	for day := s.day; day > 0; day-- {
		if changes(i, day, s.share) {
			return day
		}
	}
	return 0
}

// part writes a snapshot of one part on the latest one.
func (s step) part(ctx context.Context, store *snapshot.Store, c *corpus, day int, fill func(*snapshot.PartWriter) error) error {
	d := snapshot.Draft{
		OrgID: "00D000000000001EAA", OrgName: "bench", Username: "bench@example.com", Schema: c.schema(),
		Started: day0.AddDate(0, 0, day), Unverified: s.unverified,
	}
	full := s.full || day == 0
	if day > 0 {
		parent, err := store.Load(ctx, snapshot.Latest)
		if err != nil {
			return err
		}
		d.Parent = parent
	}
	_, err := store.Write(ctx, d, func(w *snapshot.Writer) error {
		p, err := w.Part(snapshot.PartInfo{
			Object: object, Fields: c.shape.Fields(), From: d.Started, To: d.Started.Add(time.Hour), Watermark: d.Started, Full: full,
		})
		if err != nil {
			return err
		}
		if err := fill(p); err != nil {
			return err
		}
		_, err = p.Close(ctx, -1)
		return err
	})
	return err
}

// ingest makes a snapshot from a dump: every row of it is read and added, as a full backup does; what the
// snapshot before has is not stored again.
func (s step) ingest(ctx context.Context) error {
	store, err := openStore(ctx)
	if err != nil {
		return err
	}
	f, err := os.Open(s.file)
	if err != nil {
		return err
	}
	defer f.Close()
	c := newCorpus()
	return s.part(ctx, store, c, s.day, func(p *snapshot.PartWriter) error {
		r := csv.NewReader(bufio.NewReaderSize(f, 1<<20), 1<<20)
		if _, err := r.Next(); err != nil {
			return err
		}
		rec := sf.Record{Shape: c.shape, Values: make([]sf.Value, fields)}
		var text []byte
		for {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if rec.ID, err = sf.ParseID(string(row[0])); err != nil {
				return err
			}
			text = text[:0]
			for _, cell := range row[1:] {
				text = append(text, cell...)
			}
			all := string(text) // of all cells, which are parts of it
			for i, cell := range row[1:] {
				rec.Values[i] = sf.Null()
				if len(cell) > 0 {
					rec.Values[i] = sf.Text(all[:len(cell)])
					all = all[len(cell):]
				}
			}
			if err := p.Add(rec); err != nil {
				return err
			}
		}
	})
}

// fill makes the snapshot of a day without a dump: all records on day 0 or with -full, else those that
// changed.
func (s step) fill(ctx context.Context) error {
	store, err := openStore(ctx)
	if err != nil {
		return err
	}
	c := newCorpus()
	return s.part(ctx, store, c, s.day, func(p *snapshot.PartWriter) error {
		for i := range s.rows {
			if s.day > 0 && !s.full && !changes(i, s.day, s.share) {
				continue
			}
			if err := p.Add(c.record(i, s.lastChange(i))); err != nil {
				return err
			}
		}
		return nil
	})
}

// year makes a snapshot of what changed for each of the days after the first.
func (s step) year(ctx context.Context) error {
	store, err := openStore(ctx)
	if err != nil {
		return err
	}
	c := newCorpus()
	for day := 1; day <= s.day; day++ {
		err := s.part(ctx, store, c, day, func(p *snapshot.PartWriter) error {
			for i := range s.rows {
				if !changes(i, day, s.share) {
					continue
				}
				if err := p.Add(c.record(i, day)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// points reads single records as of random snapshots and prints how long that took. Snapshots are opened
// before: an operator who looks at records has one open.
func (s step) points(ctx context.Context) error {
	store, err := openStore(ctx)
	if err != nil {
		return err
	}
	infos, err := store.List(ctx)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(seed, 9))
	var open []*snapshot.Snapshot
	for range min(len(infos), 32) {
		sn, err := store.Load(ctx, infos[r.IntN(len(infos))].ID)
		if err != nil {
			return err
		}
		open = append(open, sn)
	}
	layers := 0
	for _, sn := range open {
		p, _ := sn.Part(object)
		layers = max(layers, p.Layers)
	}
	took := make([]time.Duration, s.reads)
	for n := range took {
		sn, want := open[r.IntN(len(open))], id(r.IntN(s.rows))
		start := time.Now()
		v, err := sn.Version(ctx, object, want)
		took[n] = time.Since(start)
		if err != nil {
			return err
		}
		if !v.Live() {
			return fmt.Errorf("%s is not in snapshot %s", want, sn.Info().Short())
		}
	}
	slices.Sort(took)
	at := func(share float64) float64 { return took[int(share*float64(len(took)-1))].Seconds() * 1e3 }
	fmt.Printf("%d reads in %d snapshots of up to %d layers: p50 %.2f ms, p99 %.2f ms, max %.2f ms\n",
		len(took), len(infos), layers, at(0.5), at(0.99), at(1))
	start := time.Now()
	seen, reads := 0, min(s.reads, 20)
	for range reads {
		for _, err := range store.History(ctx, object, id(r.IntN(s.rows))) {
			if err != nil {
				return err
			}
			seen++
		}
	}
	fmt.Printf("history of one record over %d snapshots: %.1f ms\n", seen/reads, time.Since(start).Seconds()*1e3/float64(reads))
	return nil
}
