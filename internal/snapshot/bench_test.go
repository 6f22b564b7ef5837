package snapshot

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/blob/file"
	"holdfast/internal/sf"
)

// records are n records of 40 fields, some 430 bytes each, like those of a customer's Account: the
// same mix of names, picklists, numbers, dates, lookups and blanks. The values repeat after a while
// (frames are compressed one by one, and do not notice), so that the benchmark does not measure the
// collection of a large heap of its own.
type records struct {
	ids  []sf.ID
	some []sf.Record
	size int64 // bytes of all
}

func (r records) at(i int) sf.Record {
	rec := r.some[i%len(r.some)]
	rec.ID = r.ids[i]
	return rec
}

func (r records) fields() []string { return r.some[0].Shape.Fields() }

const distinct = 4999 // a prime, so that no stride of the benchmarks meets few of them

func corpus(n int) records {
	r := rand.New(rand.NewPCG(1, 2))
	fields := make([]string, 40)
	for i := range fields {
		fields[i] = fmt.Sprintf("Field%02d__c", i)
	}
	shape := sf.NewShape("Account", fields)
	words := make([]string, 2000)
	for i := range words {
		b := make([]byte, 3+r.IntN(8))
		for j := range b {
			b[j] = byte('a' + r.IntN(26))
		}
		words[i] = string(b)
	}
	word := func() string { return words[min(r.IntN(2000), r.IntN(2000))] }
	var size int64
	out := records{some: make([]sf.Record, distinct)}
	for i := range n {
		out.ids = append(out.ids, accountID(i*3))
	}
	for i := range out.some {
		rec := sf.Record{Shape: shape, Values: make([]sf.Value, 40)}
		for c := range rec.Values {
			v := sf.Null()
			switch c % 10 {
			case 0:
				v = sf.Text(word() + " " + word() + " " + word())
			case 1:
				v = sf.Text([]string{"Banking", "Education", "Energy", "Media", "Retail"}[r.IntN(5)])
			case 2:
				v = sf.Text(fmt.Sprint(r.IntN(1000000)))
			case 3:
				v = sf.Text(time.UnixMilli(1700000000000 + r.Int64N(1e11)).UTC().Format(sf.DatetimeLayout))
			case 4:
				v = sf.Text(string(accountID(r.IntN(n * 3))))
			case 5:
				v = sf.Bool(r.IntN(2) == 0)
			case 6:
				if r.IntN(4) == 0 {
					v = sf.Text(word() + "@" + word() + ".example")
				}
			case 7:
				if r.IntN(8) == 0 {
					v = sf.Text(word() + " " + word() + " " + word() + " " + word() + " " + word() + " " + word())
				}
			}
			size += int64(len(v.Text())) + 1
			rec.Values[c] = v
		}
		size += 19
		out.some[i] = rec
	}
	out.size = size * int64(n) / distinct
	return out
}

// cpu returns the CPU seconds, user and system, that the process has used.
func cpu(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func report(b *testing.B, started float64, rows, bytes int64) {
	used := cpu(b) - started
	b.ReportMetric(used*1e9/float64(bytes), "cpu-s/GB")
	b.ReportMetric(float64(rows)/used, "rows/cpu-s")
	b.ReportMetric(0, "ns/op")
}

const benchRows = 100_000

func benchBucket(b *testing.B) blob.Bucket {
	bucket, err := file.Create(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return bucket
}

func benchWrite(b *testing.B, verify bool) {
	all := corpus(benchRows)
	var stored int64
	var used float64
	var rows, bytes int64
	for b.Loop() {
		b.StopTimer()
		bucket := benchBucket(b)
		initRepository(b, bucket)
		s := openStore(b, bucket)
		b.StartTimer()
		from := cpu(b)
		sn, err := writePart(b.Context(), s, nil, day, true, func(p *PartWriter) error {
			p.out.segments.verify = verify
			for i := range all.ids {
				if err := p.Add(all.at(i)); err != nil {
					return err
				}
			}
			return nil
		}, all.fields()...)
		if err != nil {
			b.Fatal(err)
		}
		used += cpu(b) - from
		rows += benchRows
		bytes += all.size
		stored = sn.Info().NewBytes
	}
	b.ReportMetric(float64(all.size)/float64(stored), "ratio")
	report(b, cpu(b)-used, rows, bytes)
}

func BenchmarkWriteVerified(b *testing.B)   { benchWrite(b, true) }
func BenchmarkWriteUnverified(b *testing.B) { benchWrite(b, false) }

// BenchmarkRead reads a part to its end, digest included.
func BenchmarkRead(b *testing.B) {
	all := corpus(benchRows)
	bucket := benchBucket(b)
	initRepository(b, bucket)
	sn := benchBase(b, openStore(b, bucket), all)
	from, n := cpu(b), int64(0)
	for b.Loop() {
		for _, err := range sn.Records(b.Context(), "Account") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	report(b, from, n, n/benchRows*all.size)
}

func benchBase(b *testing.B, s *Store, all records) *Snapshot {
	sn, err := writePart(b.Context(), s, nil, day, true, func(p *PartWriter) error {
		for i := range all.ids {
			if err := p.Add(all.at(i)); err != nil {
				return err
			}
		}
		return nil
	}, all.fields()...)
	if err != nil {
		b.Fatal(err)
	}
	return sn
}

// BenchmarkPointRead reads single records from a cold snapshot.
func BenchmarkPointRead(b *testing.B) {
	all := corpus(benchRows)
	bucket := benchBucket(b)
	initRepository(b, bucket)
	sn := benchBase(b, openStore(b, bucket), all)
	r := rand.New(rand.NewPCG(3, 4))
	for b.Loop() {
		want := all.at(r.IntN(benchRows))
		if _, found, err := sn.Record(b.Context(), "Account", want.ID); err != nil || !found {
			b.Fatal(found, err)
		}
	}
}

// BenchmarkPointReadOfLayers reads single records of a part with as many layers as there may be, each of
// 500 or of 5,000 random records.
func BenchmarkPointReadOfLayers(b *testing.B) {
	for _, rows := range []int{500, 5000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			all := corpus(benchRows)
			bucket := benchBucket(b)
			initRepository(b, bucket)
			s := openStore(b, bucket)
			sn := benchBase(b, s, all)
			r := rand.New(rand.NewPCG(3, 4))
			for layer := range maxLayers - 1 {
				var err error
				sn, err = writePart(b.Context(), s, sn, day.Add(time.Duration(layer+1)*time.Hour), false, func(p *PartWriter) error {
					for range rows {
						rec := all.at(r.IntN(benchRows))
						rec.Values = append([]sf.Value(nil), rec.Values...)
						rec.Values[2] = sf.Text(fmt.Sprint(layer))
						if err := p.Add(rec); err != nil {
							return err
						}
					}
					return nil
				}, all.fields()...)
				if err != nil {
					b.Fatal(err)
				}
			}
			if p, _ := sn.Part("Account"); p.Layers != maxLayers {
				b.Fatal(p.Layers)
			}
			b.ResetTimer()
			for b.Loop() {
				want := all.at(r.IntN(benchRows))
				if _, found, err := sn.Record(b.Context(), "Account", want.ID); err != nil || !found {
					b.Fatal(found, err)
				}
			}
		})
	}
}

// BenchmarkDelta changes one record in a thousand and reports what that stores.
func BenchmarkDelta(b *testing.B) {
	all := corpus(benchRows)
	bucket := benchBucket(b)
	initRepository(b, bucket)
	s := openStore(b, bucket)
	base := benchBase(b, s, all)
	var stored int64
	n := 0
	for b.Loop() {
		n++
		sn, err := writePart(b.Context(), s, base, day.Add(time.Duration(n)*time.Hour), false, func(p *PartWriter) error {
			for i := n % 1000; i < benchRows; i += 1000 {
				r := all.at(i)
				r.Values = append([]sf.Value(nil), r.Values...)
				r.Values[2] = sf.Text(fmt.Sprint(n, i))
				if err := p.Add(r); err != nil {
					return err
				}
			}
			return nil
		}, all.fields()...)
		if err != nil {
			b.Fatal(err)
		}
		stored = sn.Info().NewBytes
	}
	b.ReportMetric(float64(stored), "stored-B")
	b.ReportMetric(float64(base.Info().NewBytes)/float64(stored), "base/delta")
}
