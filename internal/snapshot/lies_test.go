package snapshot

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/repo"
	"holdfast/internal/seal"
)

// lied returns the snapshot's manifest with one thing changed, properly sealed and stored.
func lied(t *testing.T, sn *Snapshot, lie func(m *manifest)) *manifest {
	t.Helper()
	m := *sn.manifest
	m.parts = slices.Clone(m.parts)
	for i := range m.parts {
		m.parts[i].layers = slices.Clone(m.parts[i].layers)
	}
	lie(&m)
	if err := sn.store.publish(t.Context(), &m, nil); err != nil {
		t.Fatal(err)
	}
	return &m
}

// TestLiesAboutAnyLayerAreFound changes what a manifest says of each layer, so that its layers still join.
func TestLiesAboutAnyLayerAreFound(t *testing.T) {
	for layer := range 3 {
		for name, lie := range map[string]func(m *manifest){
			"digest": func(m *manifest) {
				layers := m.parts[0].layers
				layers[layer].after[5] ^= 1
				if layer+1 < len(layers) {
					layers[layer+1].before[5] ^= 1
				}
			},
			"records": func(m *manifest) {
				m.parts[0].layers[layer].records++
				m.info.Records = m.parts[0].records()
			},
		} {
			s, _ := newStore(t)
			snaps, _ := chain(t, s, 2)
			m := lied(t, snaps[2], lie)
			if _, err := s.Verify(t.Context(), VerifyOptions{Snapshot: m.info.ID}, nil); problem.KindOf(err) != problem.Damaged {
				t.Errorf("%s of layer %d: verify says %v", name, layer, err)
			}
		}
	}
}

// TestManifestsThatContradictThemselvesAreRefused stores manifests whose parts do not fit one another.
func TestManifestsThatContradictThemselvesAreRefused(t *testing.T) {
	s, _ := newStore(t)
	snaps, _ := chain(t, s, 2)
	for name, lie := range map[string]func(m *manifest){
		"layers do not join":  func(m *manifest) { m.parts[0].layers[1].before[5] ^= 1 },
		"base on something":   func(m *manifest) { m.parts[0].layers = m.parts[0].layers[1:]; m.info.Records = m.parts[0].records() },
		"records in the head": func(m *manifest) { m.info.Records++ },
		"parts in the head":   func(m *manifest) { m.info.Parts++ },
		"absent in the head":  func(m *manifest) { m.info.Absent++ },
		"a part twice":        func(m *manifest) { m.parts = append(m.parts, m.parts[0]); m.info.Parts++; m.info.Records *= 2 },
	} {
		m := lied(t, snaps[2], lie)
		if _, err := s.load(t.Context(), m.info.ID); problem.KindOf(err) != problem.Damaged {
			t.Errorf("%s: %v, want damage", name, err)
		}
	}
}

// TestOtherSpellingsAreRefused stores manifests with a space that the one spelling does not have.
func TestOtherSpellingsAreRefused(t *testing.T) {
	s, _ := newStore(t)
	snaps, _ := chain(t, s, 0)
	id, err := seal.ParseID(snaps[0].Info().ID)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := s.repository.Verify(t.Context(), repo.Ref{Class: classSnapshot, ID: id}, false)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := decompress(nil, whole[1])
	if err != nil {
		t.Fatal(err)
	}
	packed, _, err := compress(bytes.Replace(lines, []byte(`":`), []byte(`": `), 1), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, frames := range map[string][][]byte{
		"head": {bytes.Replace(whole[0], []byte(`":`), []byte(`": `), 1), whole[1]},
		"part": {whole[0], packed},
	} {
		stored, err := s.repository.Put(t.Context(), classSnapshot, frames)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.load(t.Context(), stored.Ref.ID.String()); problem.KindOf(err) != problem.Damaged {
			t.Errorf("%s: %v, want damage", name, err)
		}
	}
}

// TestCheckFindsWhatIsCut cuts each object that a snapshot relies on, and each note: check, which reads no
// records, finds it nevertheless.
func TestCheckFindsWhatIsCut(t *testing.T) {
	whole, _ := rich(t)
	used, err := openStore(t, whole).check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	relied := make(map[string]bool)
	for ref := range used.users {
		relied[ref.Key()] = true
	}
	for _, key := range keysOf(t, whole) {
		c := class(key)
		if !relied[key] && !strings.HasPrefix(c, notePrefix) {
			continue
		}
		b := whole.Clone()
		b.Corrupt(key, func(body []byte) []byte { return body[:len(body)/2] })
		if _, err := openStore(t, b).Check(t.Context()); problem.KindOf(err) != problem.Damaged || !strings.Contains(err.Error(), key[:len(key)/2]) {
			t.Errorf("%s: check says %v", key, err)
		}
	}
}

// TestEveryByteOfTheKeyFileCounts changes each byte of the key file: that is damage, and never taken for a
// wrong key.
func TestEveryByteOfTheKeyFileCounts(t *testing.T) {
	whole := &blob.Memory{}
	initRepository(t, whole)
	for _, key := range keysOf(t, whole) {
		if !strings.Contains(key, "/file/") { // the key table is there twice
			continue
		}
		size := 0
		whole.Corrupt(key, func(body []byte) []byte { size = len(body); return body })
		for n := range size {
			b := whole.Clone()
			b.Corrupt(key, func(body []byte) []byte { body[n] ^= 1; return body })
			if _, err := repo.Open(t.Context(), b, sharedIdentity); problem.KindOf(err) != problem.Damaged {
				t.Fatalf("byte %d of %d: %v", n, size, err)
			}
		}
	}
}

// TestTheKeyTableOutlivesEitherCopy takes away each object of the table, and each of its mirror: all that was
// promised can still be read.
func TestTheKeyTableOutlivesEitherCopy(t *testing.T) {
	whole, kept := rich(t)
	copies := 0
	for _, key := range keysOf(t, whole) {
		if !strings.Contains(key, "/table/") && !strings.Contains(key, "/mirror/") || strings.HasSuffix(key, "/closed") {
			continue
		}
		copies++
		b := whole.Clone()
		b.Corrupt(key, func([]byte) []byte { return nil })
		s := openStore(t, b)
		for _, p := range kept.snaps {
			if err := reads(t.Context(), s, p); err != nil {
				t.Errorf("without %s: %v", key, err)
			}
		}
	}
	if copies < 4 {
		t.Errorf("%d copies", copies)
	}
}

// TestNewerObjectsAreNotCalledDamaged changes the version of each sealed object: the hint is to upgrade.
func TestNewerObjectsAreNotCalledDamaged(t *testing.T) {
	whole, _ := rich(t)
	for _, key := range keysOf(t, whole) {
		if c := class(key); c == "config" || c == "keys" {
			continue
		}
		b := whole.Clone()
		b.Corrupt(key, func(body []byte) []byte { body[3]++; return body })
		ref, found := parseRef(key)
		if !found {
			t.Fatalf("%s is no object", key)
		}
		_, err := openStore(t, b).repository.Open(t.Context(), ref)
		if problem.KindOf(err) != problem.Damaged || !strings.Contains(problem.HintOf(err), "upgrade") {
			t.Errorf("%s: %v (%s)", key, err, problem.HintOf(err))
		}
	}
}

// parseRef reads the key of an object.
func parseRef(key string) (repo.Ref, bool) {
	c, rest, _ := strings.Cut(key, "/")
	_, digits, _ := strings.Cut(rest, "/")
	id, err := seal.ParseID(digits)
	return repo.Ref{Class: repo.Class(c), ID: id}, err == nil
}
