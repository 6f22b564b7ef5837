package run

import "testing"

// What is said of one thing agrees with it, whatever the text names.
func TestNumberedAgrees(t *testing.T) {
	const text = "%d {record|records} of A%dB{} {goes|go} for good, under {its Id|their Ids}"
	for n, want := range map[int]string{
		0: "0 records of A%dB{} go for good, under their Ids",
		1: "1 record of A%dB{} goes for good, under its Id",
		2: "2 records of A%dB{} go for good, under their Ids",
	} {
		if got := numbered(n, text); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
