package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// commandLine spells a command so that a shell reads exactly these words, and so that it can be shown: no character of it
// drives a terminal or reorders the line.
func commandLine(words ...string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = shellWord(w)
	}
	return strings.Join(out, " ")
}

// operand is a path that no command takes for a flag.
func operand(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// shellWord quotes a word where a shell would not take it as it stands. What cannot be shown is spelt as in $'…'.
// Source: POSIX.1-2024, Shell Command Language, 2.2 Quoting, "Dollar-Single-Quotes".
func shellWord(word string) string {
	switch {
	case word != "" && strings.IndexFunc(word, notPlainWord) < 0 && word[0] != '=':
		return word
	case utf8.ValidString(word) && strings.IndexFunc(word, notShown) < 0:
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(word); {
		r, size := utf8.DecodeRuneInString(word[i:])
		switch {
		case r == '\'' || r == '\\':
			b.WriteString("\\" + string(r))
		case r == utf8.RuneError && size == 1 || notShown(r):
			for _, c := range []byte(word[i : i+size]) {
				fmt.Fprintf(&b, "\\%03o", c) // three digits end by themselves, whatever follows
			}
		default:
			b.WriteString(word[i : i+size])
		}
		i += size
	}
	b.WriteString("'")
	return b.String()
}

// notPlainWord reports what may mean something to a shell, or is not plain ASCII.
func notPlainWord(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_@%+=:,./-", r))
}

// notShown reports what drives a terminal or reorders what stands beside it.
func notShown(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
