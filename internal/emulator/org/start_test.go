package org_test

import (
	"testing"

	"holdfast/internal/emulator/org"
)

// BenchmarkNew measures what a further org costs: the schema is shared, its records are not.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		org.New(org.Config{})
	}
}

// BenchmarkCatalogue measures what reading the catalogue costs, which happens once in a process.
func BenchmarkCatalogue(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		org.ReadCatalogue()
	}
}
