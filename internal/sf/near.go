package sf

import (
	"slices"
	"strings"
)

// mostNear bounds how many names are told.
const mostNear = 3

// Near asks which of the names is meant by a word that looks like some of them, such as "is it Contact?",
// nearest first. It is empty when none does.
func Near(word string, names []string) string {
	word = strings.ToLower(word)
	steps := map[string]int{}
	for _, name := range names {
		if n := distance(word, strings.ToLower(name)); n > 0 && n <= max(1, len(word)/3) {
			steps[name] = n
		}
	}
	var out []string
	for name := range steps {
		out = append(out, name)
	}
	if len(out) == 0 {
		return ""
	}
	slices.SortFunc(out, func(a, b string) int {
		if d := steps[a] - steps[b]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return "is it " + strings.Join(out[:min(len(out), mostNear)], ", ") + "?"
}

// distance is how many bytes have to be put in, taken out, replaced or swapped with their neighbour to make
// one word of the other.
func distance(a, b string) int {
	var before []int // the row before the last one
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
