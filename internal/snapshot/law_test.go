package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/sf"
	"holdfast/internal/state"
)

var lawShape = sf.NewShape("Account", []string{"A", "B", "C"})

// texts are what values are made of: the spellings that have gone wrong somewhere.
var texts = rapid.OneOf(
	rapid.SampledFrom([]string{"", " ", "null", "Null", "#N/A", "\r\n", "\r", "\n", "\x00", "a,b\"c\"", "\u2028", "😀", "\xff\xfe"}),
	rapid.String(),
)

func values(t *rapid.T, n int) []sf.Value {
	out := make([]sf.Value, n)
	for i := range out {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
		case 1:
			out[i] = sf.Null()
		default:
			out[i] = sf.Text(texts.Draw(t, "text"))
		}
	}
	return out
}

// TestLaw07SegmentsDecodeToWhatWasEncoded: decode(encode(x)) = x, and what decodes encodes to the
// same bytes.
func TestLaw07SegmentsDecodeToWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := frameBuilder{columns: lawShape.Len()}
		type want struct {
			record sf.Record
			tomb   Tombstone
		}
		var wants []want
		id := 0
		for range rapid.IntRange(1, 60).Draw(t, "rows") {
			id += rapid.IntRange(1, 100000).Draw(t, "step")
			k, err := makeKey(accountID(id))
			if err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
				tomb := Tombstone{
					ID: k.id(), At: time.UnixMilli(rapid.Int64Range(-1e14, 1e14).Draw(t, "at")).UTC(),
					Evidence: rapid.StringN(0, 20, 60).Draw(t, "evidence"),
				}
				b.add(k, true, appendTombstone(nil, tomb.At, tomb.Evidence))
				wants = append(wants, want{tomb: tomb})
				continue
			}
			r := sf.Record{ID: k.id(), Shape: lawShape, Values: values(t, lawShape.Len())}
			b.add(k, false, appendRow(nil, r.Values))
			wants = append(wants, want{record: r})
		}
		raw := bytes.Clone(b.encode())
		var f frame
		if err := f.decode(lawShape, raw); err != nil {
			t.Fatal(err)
		}
		for i, w := range wants {
			if f.gone(i) {
				if f.tombstone(i) != w.tomb {
					t.Fatalf("tombstone %v, want %v", f.tombstone(i), w.tomb)
				}
				continue
			}
			if got := f.record(i); got.ID != w.record.ID || fmt.Sprint(got.Values) != fmt.Sprint(w.record.Values) {
				t.Fatalf("record %v, want %v", got, w.record)
			}
		}
		if again := encodeAgain(&f); !bytes.Equal(again, raw) {
			t.Fatalf("encoded again: %x, want %x", again, raw)
		}
	})
}

// encodeAgain returns the encoding of a decoded frame.
func encodeAgain(f *frame) []byte {
	b := frameBuilder{columns: f.shape.Len()}
	for i, id := range f.ids {
		if f.gone(i) {
			t := f.tombstone(i)
			b.add(id, true, appendTombstone(nil, t.At, t.Evidence))
		} else {
			b.add(id, false, appendRow(nil, f.record(i).Values))
		}
	}
	return b.encode()
}

// TestLaw08DigestOfAPartAdvances: whatever is written in whatever order, the digest that the manifest
// states is that of the records, and it advances by the diff: digest(b) = advance(digest(a), diff(a, b)).
func TestLaw08DigestOfAPartAdvances(t *testing.T) {
	s, _ := newStore(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel()
		var parent *Snapshot
		var digest state.Digest
		for v := range rapid.IntRange(1, 5).Draw(rt, "snapshots") {
			full := v == 0 || rapid.IntRange(0, 4).Draw(rt, "full") == 0
			if full {
				m = newModel()
			}
			sn, err := writePart(t.Context(), s, parent, day.Add(time.Duration(v)*time.Hour), full, func(p *PartWriter) error {
				for range rapid.IntRange(0, 30).Draw(rt, "writes") {
					n := rapid.IntRange(0, 20).Draw(rt, "id")
					if rapid.IntRange(0, 3).Draw(rt, "gone") == 0 {
						m.remove(accountID(n))
						if err := p.Remove(accountID(n), day, "census"); err != nil {
							return err
						}
						continue
					}
					r := account(n, rapid.IntRange(0, 2).Draw(rt, "version"))
					m.add(r)
					if err := p.Add(r); err != nil {
						return err
					}
					// Runs of any length, in order or not, give the same.
					if rapid.IntRange(0, 5).Draw(rt, "flush") == 0 {
						if err := p.flush(); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			m.expect(t, sn)
			if parent != nil {
				for change, err := range Diff(t.Context(), parent, sn, "Account") {
					if err != nil {
						rt.Fatal(err)
					}
					digest = digest.Advance(change)
				}
			} else {
				part, _ := sn.Part("Account")
				digest = part.Digest
			}
			if part, _ := sn.Part("Account"); part.Digest != digest {
				rt.Fatalf("digest %s, advanced %s", part.Digest, digest)
			}
			parent = sn
		}
	})
	if _, err := s.Verify(t.Context(), VerifyOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	contents, err := s.repository.Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for ref := range contents.Objects {
		if ref.Class == classSpill {
			t.Fatalf("%s was left behind", ref)
		}
	}
}

func FuzzFrame(f *testing.F) {
	b := frameBuilder{columns: lawShape.Len()}
	k, _ := makeKey(accountID(7))
	b.add(k, false, appendRow(nil, []sf.Value{sf.Null(), {}, sf.Text("x")}))
	f.Add(bytes.Clone(b.encode()))
	k, _ = makeKey(accountID(8))
	b.add(k, true, appendTombstone(nil, day, "census"))
	f.Add(bytes.Clone(b.encode()))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var fr frame
		err := fr.decode(lawShape, raw)
		if err != nil {
			if !errors.Is(err, errWire) {
				t.Fatal(err)
			}
			return
		}
		if again := encodeAgain(&fr); !bytes.Equal(again, raw) {
			t.Fatalf("%x encodes to %x", raw, again)
		}
	})
}

func FuzzIndex(f *testing.F) {
	k, _ := makeKey(accountID(7))
	f.Add(encodeIndex(lawShape, []frameInfo{{first: k, last: k, rows: 1, size: 40}}, nil))
	f.Add(encodeIndex(lawShape, []frameInfo{{first: k, last: k, rows: 1, size: 40}}, newFilter([]uint64{filterHash(k)})))
	f.Fuzz(func(t *testing.T, raw []byte) {
		shape, index, filter, err := decodeIndex(raw)
		if err != nil {
			if !errors.Is(err, errWire) {
				t.Fatal(err)
			}
			return
		}
		if again := encodeIndex(shape, index, filter); !bytes.Equal(again, raw) {
			t.Fatalf("%x encodes to %x", raw, again)
		}
	})
}

func FuzzManifestLine(f *testing.F) {
	k, _ := makeKey(accountID(7))
	part := manifestPart{
		object: "Account", state: Whole, fields: []string{"A"}, from: day, to: day, watermark: day, expected: 1,
		layers: []layer{{after: state.Digest{1}, records: 1, segments: []segmentRef{{size: 9, rows: 1, first: k, last: k}}}},
	}
	for _, v := range []any{part.line(), bodyLine{Gap: &gapLine{Object: "Case", Reason: "why"}}} {
		line, err := encodeLine(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var m manifest
		if err := m.addLine(line); err != nil || len(m.parts) == 0 {
			return
		}
		again, err := encodeLine(m.parts[0].line())
		if err != nil || !bytes.Equal(again, line) {
			t.Fatalf("%q encodes to %q (%v)", line, again, err)
		}
	})
}

func FuzzManifestHead(f *testing.F) {
	m := manifest{info: Info{Kind: "backup", OrgID: orgID, Started: day, From: day, To: day}}
	line, err := encodeLine(m.head())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Fuzz(func(t *testing.T, line []byte) {
		var head headLine
		if decodeLine(line, &head) != nil {
			return
		}
		info, schema, err := parseHead("", head)
		if err != nil {
			return
		}
		m := manifest{info: info, schema: schema, gaps: make([]Gap, min(max(head.Gaps, 0), 1000))}
		again, err := encodeLine(m.head())
		if err != nil || head.Gaps == len(m.gaps) && !bytes.Equal(again, line) {
			t.Fatalf("%q encodes to %q (%v)", line, again, err)
		}
	})
}

func FuzzSchemaLine(f *testing.F) {
	for _, o := range testSchema().Objects {
		line, err := encodeLine(writeObject(o))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var l objectLine
		if decodeLine(line, &l) != nil {
			return
		}
		again, err := encodeLine(writeObject(readObject(l)))
		if err != nil || !bytes.Equal(again, line) {
			t.Fatalf("%q encodes to %q (%v)", line, again, err)
		}
	})
}

func FuzzDecompress(f *testing.F) {
	packed, _, err := compress([]byte("some text, some text"), nil, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Fuzz(func(t *testing.T, packed []byte) {
		if out, err := decompress(nil, packed); err == nil && len(out) > maxFrame {
			t.Fatalf("%d bytes, at most %d", len(out), maxFrame)
		}
	})
}
