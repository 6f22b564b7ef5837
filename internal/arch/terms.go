package arch

import "strings"

// RefusedWords reads the last column of docs/reference/terms.md: words that stand for something
// which has another name here, each with the term to use.
func RefusedWords(terms string) map[string]string {
	refused := map[string]string{}
	for line := range strings.Lines(terms) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.HasPrefix(cells[1], "-") || strings.TrimSpace(cells[4]) == "Refused" {
			continue
		}
		for word := range strings.SplitSeq(cells[4], ",") {
			if word = strings.TrimSpace(word); word != "" {
				refused[word] = strings.TrimSpace(cells[1])
			}
		}
	}
	return refused
}
