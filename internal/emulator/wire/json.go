package wire

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// AppendValue appends a value in JSON: canonical text, empty for null.
func AppendValue(b []byte, t sf.FieldType, text string) []byte {
	switch {
	case text == "":
		return append(b, "null"...)
	case t == sf.TypeBoolean, t == sf.TypeInt, t == sf.TypeLong:
		return append(b, text...)
	case t == sf.TypeDouble, t == sf.TypeCurrency, t == sf.TypePercent:
		return append(b, Double(text)...)
	case t == sf.TypeDatetime && strings.HasSuffix(text, "Z"):
		b = append(b, '"')
		b = append(b, text[:len(text)-1]...)
		return append(b, `+0000"`...)
	default:
		return AppendString(b, text)
	}
}

// Double spells a canonical decimal as the platform does, which is the way of Java's Double: with at
// least one digit after the point, and with an exponent below 0.001 and from ten million on.
// Source: recorded describe and query replies ("350000000" is 3.5E8). Digits are never rounded.
func Double(text string) string {
	sign, digits := "", text
	if strings.HasPrefix(text, "-") {
		sign, digits = "-", text[1:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	switch {
	case whole == "0" && fraction == "":
		return sign + "0.0"
	case whole != "0" && len(whole) <= 7:
		if fraction != "" {
			return text
		}
		return text + ".0"
	case whole == "0" && !strings.HasPrefix(fraction, "000"):
		return text
	}
	exponent := len(whole) - 1
	significant := whole + fraction
	if whole == "0" {
		significant = strings.TrimLeft(fraction, "0")
		exponent = -(len(fraction) - len(significant) + 1)
	}
	rest := strings.TrimRight(significant[1:], "0")
	if rest == "" {
		rest = "0"
	}
	return sign + significant[:1] + "." + rest + "E" + strconv.Itoa(exponent)
}

const hexDigits = "0123456789abcdef"

// AppendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD, as in any JSON.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// AppendRecord appends a record as a query or retrieve shows it: attributes first, then the cells in
// the order of the select list. root is the path of the version.
func AppendRecord(b []byte, r org.Record, root string) []byte {
	b = append(b, '{')
	b = appendAttributes(b, r, root)
	for _, cell := range r.Cells {
		b = append(b, ',')
		b = AppendString(b, cell.Name)
		b = append(b, ':')
		if cell.Type == sf.TypeBase64 && cell.Text != "" && r.Object != nil {
			// The bytes have an address of their own.
			b = AppendString(b, root+"/sobjects/"+r.Object.Name+"/"+string(r.ID)+"/"+cell.Name)
			continue
		}
		b = appendCell(b, cell, root)
	}
	return append(b, '}')
}

func appendAttributes(b []byte, r org.Record, root string) []byte {
	if r.Object == nil {
		return append(b, `"attributes":{"type":"AggregateResult"}`...)
	}
	b = append(b, `"attributes":{"type":`...)
	b = AppendString(b, r.Object.Name)
	if r.ID != "" {
		b = append(b, `,"url":"`...)
		b = append(b, root...)
		b = append(b, "/sobjects/"...)
		b = append(b, r.Object.Name...)
		b = append(b, '/')
		b = append(b, r.ID...)
		b = append(b, '"')
	}
	return append(b, '}')
}

func appendCell(b []byte, c org.Cell, root string) []byte {
	switch {
	case c.IsParent && c.Parent == nil, c.IsChildren && c.Children == nil:
		return append(b, "null"...)
	case c.IsParent:
		return AppendRecord(b, *c.Parent, root)
	case c.IsChildren:
		return AppendAnswer(b, c.Children, 0, c.Children.Len(), root, "")
	case c.Parts != nil:
		b = append(b, '{')
		for i, part := range c.Parts {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendString(b, part.Name)
			b = append(b, ':')
			b = appendCell(b, part, root)
		}
		return append(b, '}')
	default:
		return AppendValue(b, c.Type, c.Text)
	}
}

// AppendAnswer appends one page of an answer, rows from to before to. next is nextRecordsUrl, empty
// on the last page.
func AppendAnswer(b []byte, a *org.Answer, from, to int, root, next string) []byte {
	b = appendAnswerHead(b, a.Total, next)
	for i := from; i < to; i++ {
		if i > from {
			b = append(b, ',')
		}
		b = AppendRecord(b, a.Record(i), root)
	}
	return append(b, "]}"...)
}

func appendAnswerHead(b []byte, total int, next string) []byte {
	b = append(b, `{"totalSize":`...)
	b = strconv.AppendInt(b, int64(total), 10)
	if next == "" {
		return append(b, `,"done":true,"records":[`...)
	}
	b = append(b, `,"done":false,"nextRecordsUrl":`...)
	b = AppendString(b, next)
	return append(b, `,"records":[`...)
}
