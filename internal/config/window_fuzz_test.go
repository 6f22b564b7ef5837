package config

import (
	"testing"
	"time"
)

// FuzzWindow: a window that is read lies within a day.
func FuzzWindow(f *testing.F) {
	f.Add("22:00-06:00")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := ParseWindow(text)
		if err == nil && (w.From < 0 || w.From >= 24*time.Hour || w.To < 0 || w.To >= 24*time.Hour || w.From == w.To) {
			t.Fatalf("%q is read as %+v", text, w)
		}
	})
}
