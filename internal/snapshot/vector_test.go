package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/sf"
)

// TestVectorsOfTheSpecification encodes the example of docs/format/snapshot.md, "Vectors", and demands
// the bytes that stand there.
func TestVectorsOfTheSpecification(t *testing.T) {
	shape := sf.NewShape("Account", []string{"Name", "Industry"})
	b := frameBuilder{columns: shape.Len()}
	var ids []key
	for _, id := range []sf.ID{"001000000000001AAA", "001000000000002AAA", "001000000000010AAA"} {
		k, err := makeKey(id)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, k)
	}
	b.add(ids[0], false, appendRow(nil, []sf.Value{sf.Null(), sf.Text("Acme")}))
	b.add(ids[1], true, appendTombstone(nil, day, "census"))
	b.add(ids[2], false, appendRow(nil, []sf.Value{{}, sf.Text("")}))
	raw := b.encode()
	hashes := []uint64{filterHash(ids[0]), filterHash(ids[1]), filterHash(ids[2])}
	index := encodeIndex(shape, []frameInfo{{first: ids[0], last: ids[2], rows: 3, tombstones: 1, size: len(raw)}}, newFilter(hashes))

	piecePacked, err := packPiece([]byte("Hello, world"))
	if err != nil {
		t.Fatal(err)
	}
	hello := Body{Sum: sha256.Sum256([]byte("Hello, world")), pieces: []piece{{frame: 2, size: 12}}}
	for i := range hello.pieces[0].id {
		hello.pieces[0].id[i] = byte(i)
	}

	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "format", "snapshot.md"))
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(doc)), "")
	for name, bytes := range map[string][]byte{
		"frame": raw, "index": index, "frame of a body": piecePacked,
		"reference": []byte(hello.Text()), "reference to nothing": []byte(Body{Sum: sha256.Sum256(nil)}.Text()),
	} {
		if !strings.Contains(flat, hex.EncodeToString(bytes)) {
			t.Errorf("the document does not hold the %s %x", name, bytes)
		}
	}
}
