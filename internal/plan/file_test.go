package plan

import (
	"bytes"
	"testing"
)

func encoded(t testing.TB, p *Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, p); err != nil {
		t.Fatalf("encode: %v", err)
	}
	return b.Bytes()
}

// mustRoundTrip is law 7 on a plan.
func mustRoundTrip(t testing.TB, p *Plan) {
	t.Helper()
	raw := encoded(t, p)
	got, err := Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("decode: %v\n%s", err, raw)
	}
	if again := encoded(t, got); !bytes.Equal(again, raw) {
		t.Fatalf("decoded and encoded again\n%s\nwas\n%s", again, raw)
	}
}
