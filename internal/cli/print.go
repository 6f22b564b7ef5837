package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
)

// writeTable writes rows under headers, columns aligned, numbers to the right. Control characters are
// taken out of the cells first, so that they cannot break a row.
func writeTable(w io.Writer, headers []string, rows [][]string) {
	right := make([]bool, len(headers))
	for col := range headers {
		right[col] = len(rows) > 0
		for _, row := range rows {
			right[col] = right[col] && isNumber(row[col])
		}
	}
	t := table.New().Border(lipgloss.HiddenBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderColumn(false).BorderHeader(false).BorderRow(false).
		StyleFunc(func(row, col int) lipgloss.Style {
			style := lipgloss.NewStyle()
			if col < len(headers)-1 {
				style = style.PaddingRight(2)
			}
			if right[col] {
				style = style.Align(lipgloss.Right)
			}
			return style
		})
	t.Headers(headers...)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = plain(cell)
		}
		t.Row(cells...)
	}
	for line := range strings.Lines(t.Render() + "\n") {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

func isNumber(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && !strings.ContainsRune(".,%+- ", r)
	}) < 0
}

// plain takes the control characters out of a text that comes from elsewhere: what a record holds
// must not steer the operator's terminal. Characters that turn the direction of writing are shown by
// their numbers: they can make a plan look other than it is, and names in any script do without them.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsControl(r):
			b.WriteByte(' ')
		case unicode.Is(unicode.Bidi_Control, r) && r >= '\u202a':
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// count writes a number with thousands apart: 12,345.
func count[N ~int | ~int64 | ~uint64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// size writes a number of bytes for a person, in powers of 1024.
func size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		value /= 1 << 10
		if value < 1<<10 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// stamp writes a moment for a person, in UTC; a zero one as a dash.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// plural writes a count with its word: 1 record, 2 records.
func plural[N ~int | ~int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if stem, is := strings.CutSuffix(one, "y"); is && !strings.HasSuffix(stem, "a") && !strings.HasSuffix(stem, "e") {
		return count(n) + " " + stem + "ies" // entries, and keys
	}
	if strings.HasSuffix(one, "s") {
		return count(n) + " " + one + "es"
	}
	return count(n) + " " + one + "s"
}
