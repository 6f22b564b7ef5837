package bulk

import (
	"errors"
	"strings"
)

// delimiters are the column delimiters by their names in a job.
var delimiters = map[string]byte{
	"BACKQUOTE": '`', "CARET": '^', "COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "TAB": '\t',
}

// lineEndings are the line endings by their names in a job.
var lineEndings = map[string]string{"LF": "\n", "CRLF": "\r\n"}

// appendCell appends a cell in quotes, as every cell of a result is.
func appendCell(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return append(append(b, s...), '"')
		}
		b = append(append(b, s[:i+1]...), '"')
		s = s[i+1:]
	}
}

// errCSV is the error for a file that is not CSV.
var errCSV = errors.New("the file is not CSV")

// scanner reads the rows of an uploaded file in place: cells without an escaped quote share the
// memory of the file. Quoted cells may hold delimiters and any line break, kept as they are.
type scanner struct {
	text      string
	delimiter byte
	ending    string
	cells     []string
}

func newScanner(text string, delimiter byte, ending string) *scanner {
	return &scanner{text: text, delimiter: delimiter, ending: ending}
}

// next returns the next row that is not blank; nil at the end. The slice is valid until the next
// call.
func (s *scanner) next() ([]string, error) {
	for s.text != "" {
		s.cells = s.cells[:0]
		for {
			last, err := s.cell()
			if err != nil {
				return nil, err
			}
			if last {
				break
			}
		}
		if len(s.cells) > 1 || s.cells[0] != "" {
			return s.cells, nil
		}
	}
	return nil, nil
}

// cell reads one cell and reports whether it was the last one of its row.
func (s *scanner) cell() (last bool, err error) {
	if s.text != "" && s.text[0] == '"' {
		value, err := s.quoted()
		if err != nil {
			return false, err
		}
		s.cells = append(s.cells, value)
		return s.separator()
	}
	end := strings.IndexAny(s.text, string(rune(s.delimiter))+"\n")
	if end < 0 {
		s.cells = append(s.cells, strings.TrimSuffix(s.text, "\r"))
		s.text = ""
		return true, nil
	}
	value := s.text[:end]
	last = s.text[end] == '\n'
	if last && s.ending == "\r\n" {
		value = strings.TrimSuffix(value, "\r")
	}
	s.cells = append(s.cells, value)
	s.text = s.text[end+1:]
	return last, nil
}

// quoted reads a quoted cell up to and including its closing quote.
func (s *scanner) quoted() (string, error) {
	rest := s.text[1:]
	var unescaped strings.Builder
	for {
		i := strings.IndexByte(rest, '"')
		if i < 0 {
			return "", errCSV
		}
		if i+1 < len(rest) && rest[i+1] == '"' {
			unescaped.WriteString(rest[:i+1])
			rest = rest[i+2:]
			continue
		}
		s.text = rest[i+1:]
		if unescaped.Len() == 0 {
			return rest[:i], nil
		}
		unescaped.WriteString(rest[:i])
		return unescaped.String(), nil
	}
}

// separator reads what follows a quoted cell.
func (s *scanner) separator() (last bool, err error) {
	switch {
	case s.text == "":
		return true, nil
	case s.text[0] == s.delimiter:
		s.text = s.text[1:]
		return false, nil
	case s.text[0] == '\n':
		s.text = s.text[1:]
		return true, nil
	case strings.HasPrefix(s.text, "\r\n"):
		s.text = s.text[2:]
		return true, nil
	default:
		return false, errCSV
	}
}

// endingOf returns the line ending of the first row of a file, or "" when it has only one row.
func endingOf(text string) string {
	quoted := false
	for i := range len(text) {
		switch text[i] {
		case '"':
			quoted = !quoted
		case '\n':
			if quoted {
				continue
			}
			if i > 0 && text[i-1] == '\r' {
				return "\r\n"
			}
			return "\n"
		}
	}
	return ""
}
