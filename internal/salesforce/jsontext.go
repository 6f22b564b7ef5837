package salesforce

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"holdfast/internal/sf"
)

// The reading of JSON values here differs from encoding/json in one point that a backup needs: an
// escaped lone surrogate and bytes that are not UTF-8 are kept instead of replaced by U+FFFD. A lone
// surrogate becomes the three bytes that its code point would have in UTF-8, and is written back as
// the escape. The text handed in has been checked by encoding/json, so only its outline matters.

// members calls fn with each member of the JSON object: the key as text, the value as JSON.
func members(object []byte, fn func(key string, value []byte) error) error {
	i := skipSpace(object, 0)
	if i >= len(object) || object[i] != '{' {
		return fmt.Errorf("want a JSON object, got %.40q", object)
	}
	i = skipSpace(object, i+1)
	for i < len(object) && object[i] == '"' {
		end := valueEnd(object, i)
		key, err := unquote(object[i:end])
		if err != nil {
			return err
		}
		i = skipSpace(object, skipSpace(object, end)+1) // past the colon
		end = valueEnd(object, i)
		if end > len(object) || end <= i {
			return fmt.Errorf("JSON object cut at %.40q", key)
		}
		if err := fn(key, object[i:end]); err != nil {
			return err
		}
		i = skipSpace(object, end)
		if i < len(object) && object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns where the value that begins at i ends.
func valueEnd(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// unquote returns the text of a JSON string.
func unquote(q []byte) (string, error) {
	if len(q) < 2 || q[0] != '"' || q[len(q)-1] != '"' {
		return "", fmt.Errorf("want a JSON string, got %.40q", q)
	}
	q = q[1 : len(q)-1]
	i := 0
	for i < len(q) && q[i] != '\\' {
		i++
	}
	if i == len(q) {
		return string(q), nil
	}
	out := append(make([]byte, 0, len(q)), q[:i]...)
	for i < len(q) {
		if q[i] != '\\' {
			out = append(out, q[i])
			i++
			continue
		}
		if i+1 >= len(q) {
			return "", fmt.Errorf("JSON string ends in a backslash")
		}
		if q[i+1] != 'u' {
			c, ok := escapes[q[i+1]]
			if !ok {
				return "", fmt.Errorf("JSON escape %.2q", q[i:])
			}
			out = append(out, c)
			i += 2
			continue
		}
		r, err := hex4(q, i)
		if err != nil {
			return "", err
		}
		i += 6
		if utf16.IsSurrogate(r) {
			if low, err := hex4(q, i); err == nil {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					out = utf8.AppendRune(out, pair)
					i += 6
					continue
				}
			}
			out = append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out), nil
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// hex4 reads the \uXXXX at i.
func hex4(q []byte, i int) (rune, error) {
	if i+6 > len(q) || q[i] != '\\' || q[i+1] != 'u' {
		return 0, fmt.Errorf("JSON escape cut short")
	}
	n, err := strconv.ParseUint(string(q[i+2:i+6]), 16, 16)
	if err != nil {
		return 0, fmt.Errorf("JSON escape %q", q[i:i+6])
	}
	return rune(n), nil
}

// fieldValue reads the value of a field from its JSON.
func fieldValue(t sf.FieldType, raw []byte) (sf.Value, error) {
	switch raw[0] {
	case 'n':
		return sf.Null(), nil
	case '"':
		text, err := unquote(raw)
		if err != nil {
			return sf.Value{}, err
		}
		return canonical(t, text)
	case '{', '[':
		// Only types whose value is itself JSON may come as JSON; it is kept as the org wrote it.
		if t == sf.TypeJSON || t == sf.TypeAnyType {
			return sf.Text(string(raw)), nil
		}
		return sf.Value{}, fmt.Errorf("%w: %s came as %.40q", sf.ErrValue, t, raw)
	default:
		return canonical(t, string(raw))
	}
}

// appendText appends the text as a JSON string, so that unquote gives the same text again. Bytes
// that are neither UTF-8 nor a lone surrogate cannot be said in JSON.
func appendText(dst []byte, text string) ([]byte, error) {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			_, size := utf8.DecodeRuneInString(text[i:])
			if size > 1 {
				dst = append(dst, text[i:i+size]...)
				i += size
				continue
			}
			if i+3 > len(text) || c != 0xED || text[i+1] < 0xA0 || text[i+1] > 0xBF || text[i+2]&0xC0 != 0x80 {
				return nil, fmt.Errorf("%w: text with the byte 0x%02x, which is not UTF-8", sf.ErrValue, c)
			}
			r := 0xD000 | int(text[i+1]&0x3F)<<6 | int(text[i+2]&0x3F)
			dst = append(dst, '\\', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
			i += 3
		}
	}
	return append(dst, '"'), nil
}

// appendValue appends the value as the JSON that its field's type takes.
func appendValue(dst []byte, t sf.FieldType, v sf.Value) ([]byte, error) {
	if v.IsNull() {
		return append(dst, "null"...), nil
	}
	switch t {
	case sf.TypeBoolean:
		if v.Text() == "true" || v.Text() == "false" {
			return append(dst, v.Text()...), nil
		}
		return nil, fmt.Errorf("%w: boolean %.40q", sf.ErrValue, v.Text())
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		n, err := sf.CanonicalNumber(v.Text())
		return append(dst, n...), err
	}
	return appendText(dst, v.Text())
}
