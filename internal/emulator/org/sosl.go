package org

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseSearch reads a SOSL text: FIND {…} [IN … FIELDS] [RETURNING …] [LIMIT n].
func ParseSearch(text string) (Search, error) {
	s := Search{}
	if utf8.RuneCountInString(text) > maxSearch {
		return s, fault("MALFORMED_SEARCH", "SOSL statements cannot be longer than "+itoa(maxSearch)+" characters.")
	}
	rest := strings.TrimSpace(text)
	if len(rest) < 4 || !strings.EqualFold(rest[:4], "FIND") {
		return s, fault("MALFORMED_SEARCH", "No search term found. The search term must be enclosed in braces.")
	}
	rest = strings.TrimSpace(rest[4:])
	var ok bool
	if s.Term, rest, ok = enclosed(rest); !ok {
		return s, fault("MALFORMED_SEARCH", "No search term found. The search term must be enclosed in braces.")
	}
	if word, after := nextWord(rest); strings.EqualFold(word, "IN") {
		group, after := nextWord(after)
		fields, after := nextWord(after)
		if !slices.Contains([]string{"ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR"}, strings.ToUpper(group)) || !strings.EqualFold(fields, "FIELDS") {
			return s, fault("MALFORMED_SEARCH", "unexpected token: "+group)
		}
		s.In, rest = strings.ToUpper(group), after
	}
	if word, after := nextWord(rest); strings.EqualFold(word, "RETURNING") {
		var err error
		if s.Objects, rest, err = returning(after); err != nil {
			return s, err
		}
	}
	if word, after := nextWord(rest); strings.EqualFold(word, "LIMIT") {
		number, after := nextWord(after)
		n := 0
		for _, r := range number {
			if r < '0' || r > '9' || n > maxFound {
				return s, fault("MALFORMED_SEARCH", "unexpected token: "+number)
			}
			n = n*10 + int(r-'0')
		}
		s.Limit, rest = n, after
	}
	if word, _ := nextWord(rest); word != "" {
		return s, fault("MALFORMED_SEARCH", "unexpected token: "+word)
	}
	return s, nil
}

// enclosed reads a term in braces, or in single quotes as Apex writes it.
func enclosed(text string) (term, rest string, ok bool) {
	if text == "" || text[0] != '{' && text[0] != '\'' {
		return "", text, false
	}
	end := byte('}')
	if text[0] == '\'' {
		end = '\''
	}
	for i := 1; i < len(text); i++ {
		if text[i] == '\\' {
			i++
			continue
		}
		if text[i] == end {
			return text[1:i], strings.TrimSpace(text[i+1:]), true
		}
	}
	return "", text, false
}

func nextWord(text string) (word, rest string) {
	text = strings.TrimSpace(text)
	i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '(' || r == ',' })
	if i < 0 {
		return text, ""
	}
	return text[:i], text[i:]
}

// returning reads the list of objects of a search.
func returning(text string) (list []SearchObject, rest string, err error) {
	for {
		name, after := nextWord(text)
		if name == "" {
			return nil, "", fault("MALFORMED_SEARCH", "unexpected end of the RETURNING clause")
		}
		in := SearchObject{Name: name}
		after = strings.TrimSpace(after)
		if strings.HasPrefix(after, "(") {
			end := closing(after)
			if end < 0 {
				return nil, "", fault("MALFORMED_SEARCH", "a parenthesis of the RETURNING clause is not closed")
			}
			in.Fields, in.Tail = fieldsAndTail(after[1:end])
			after = strings.TrimSpace(after[end+1:])
		}
		list = append(list, in)
		if !strings.HasPrefix(after, ",") {
			return list, after, nil
		}
		text = after[1:]
	}
}

// closing finds the parenthesis that closes the first one, outside quotes.
func closing(text string) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '\'':
			quoted = !quoted
		case !quoted && c == '(':
			depth++
		case !quoted && c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// fieldsAndTail splits what a parenthesis of RETURNING holds at its first keyword.
func fieldsAndTail(text string) (fields []string, tail string) {
	list := text
	for _, keyword := range []string{"WHERE", "ORDER", "LIMIT", "OFFSET"} {
		for at, word := range wordStarts(list) {
			if strings.EqualFold(word, keyword) {
				list, tail = list[:at], list[at:]+tail
				break
			}
		}
	}
	for f := range strings.SplitSeq(list, ",") {
		if f = strings.TrimSpace(f); f != "" {
			fields = append(fields, f)
		}
	}
	return fields, tail
}

// wordStarts yields the words of a text with the places where they begin.
func wordStarts(text string) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		at := 0
		for at < len(text) {
			for at < len(text) && (text[at] == ' ' || text[at] == ',' || text[at] == '\n' || text[at] == '\t') {
				at++
			}
			end := at
			for end < len(text) && text[end] != ' ' && text[end] != ',' && text[end] != '\n' && text[end] != '\t' {
				end++
			}
			if end > at && !yield(at, text[at:end]) {
				return
			}
			at = end
		}
	}
}
