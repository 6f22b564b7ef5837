package org

import (
	"strings"
	"time"
)

// autoNumber is the display format of an auto-number: text around {0000}, and {YYYY}, {YY}, {MM},
// {DD} for the day. Source: Salesforce Help, "Custom Field Types", Auto Number.
type autoNumber struct {
	format string
	start  int
}

func (a *autoNumber) text(n int, at time.Time) string {
	var b strings.Builder
	rest := a.format
	for {
		open := strings.IndexByte(rest, '{')
		end := strings.IndexByte(rest, '}')
		if open < 0 || end < open {
			b.WriteString(rest)
			return b.String()
		}
		b.WriteString(rest[:open])
		switch word := rest[open+1 : end]; word {
		case "YYYY":
			b.WriteString(at.Format("2006"))
		case "YY":
			b.WriteString(at.Format("06"))
		case "MM":
			b.WriteString(at.Format("01"))
		case "DD":
			b.WriteString(at.Format("02"))
		default:
			digits := itoa(n)
			b.WriteString(strings.Repeat("0", max(0, len(word)-len(digits))) + digits)
		}
		rest = rest[end+1:]
	}
}
