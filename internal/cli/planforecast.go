package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"holdfast/internal/run"
)

// shownJournals is how many journals of earlier applications are read for a forecast, the newest: an org changes.
const shownJournals = 20

// journalsBeside returns the journals in the folder of a plan, the newest first, without its own.
func journalsBeside(planFile string) []string {
	if planFile == "" {
		return nil
	}
	paths, err := filepath.Glob(filepath.Join(globbed(filepath.Dir(planFile)), "*.journal"))
	if err != nil {
		return nil
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return p == filepath.Clean(planFile)+".journal" })
	age := map[string]time.Time{}
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil {
			age[p] = info.ModTime()
		}
	}
	slices.SortStableFunc(paths, func(a, b string) int { return age[b].Compare(age[a]) })
	return paths[:min(len(paths), shownJournals)]
}

// globbed writes a folder's name so that a pattern takes it as it is.
func globbed(dir string) string {
	out := make([]rune, 0, len(dir))
	for _, r := range dir {
		if r == '*' || r == '?' || r == '[' || r == '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

// writeForecastOf writes what applying a plan will probably take.
func writeForecastOf(w io.Writer, f *run.PlanForecast) {
	if f == nil {
		return
	}
	rows := make([][]string, 0, len(f.Kinds)+1)
	for _, k := range f.Kinds {
		rows = append(rows, []string{k.Kind, count(k.Rows), ranged(k.Calls, count[int64]), ranged(k.Bytes, size), ranged(k.Millis, spell)})
	}
	rows = append(rows, []string{"all", "", ranged(f.Calls, count[int64]), ranged(f.Bytes, size), ranged(f.Millis, spell)})
	writeTable(w, []string{"FORECAST", "ROWS", "CALLS", "BYTES", "TIME"}, rows)
	if f.Measured > 0 {
		fmt.Fprintf(w, "times as measured by %s to this org, whose journals are beside the plan\n", plural(f.Measured, "earlier application"))
	} else {
		fmt.Fprintln(w, "times by stated defaults: no journal beside the plan has measured this org")
	}
}

func ranged(r run.RangeRow, form func(int64) string) string {
	if r.High == 0 {
		return form(0)
	}
	return fmt.Sprintf("%s (%s to %s)", form(r.Likely), form(r.Low), form(r.High))
}

// spell writes milliseconds as a time that people read.
func spell(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// takenRow is a figure of the forecast beside what it was.
type takenRow struct{ Name, Low, Likely, High, Was string }

func takenRows(r run.ApplyResult) []takenRow {
	var calls, bytes, millis int64
	for _, s := range r.Spent {
		calls, bytes, millis = calls+s.Calls, bytes+s.Bytes, millis+s.Millis
	}
	row := func(name string, f run.RangeRow, was int64, form func(int64) string) takenRow {
		if r.Forecast == nil {
			return takenRow{Name: name, Was: form(was)}
		}
		return takenRow{name, form(f.Low), form(f.Likely), form(f.High), form(was)}
	}
	var f run.PlanForecast
	if r.Forecast != nil {
		f = *r.Forecast
	}
	return []takenRow{row("calls", f.Calls, calls, count[int64]), row("bytes of values", f.Bytes, bytes, size), row("time", f.Millis, millis, spell)}
}

// writeSpent writes what an application took beside what was forecast.
func writeSpent(w io.Writer, r run.ApplyResult) {
	if len(r.Spent) == 0 {
		return
	}
	t := takenRows(r)
	fmt.Fprintf(w, "took %s calls, %s of values and %s", t[0].Was, t[1].Was, t[2].Was)
	if r.Forecast != nil {
		fmt.Fprintf(w, "; forecast were %s calls, %s and %s", t[0].Likely, t[1].Likely, t[2].Likely)
	}
	fmt.Fprintln(w)
}
