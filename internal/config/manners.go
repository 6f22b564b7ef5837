package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"holdfast/internal/problem"
)

// Manners are how an org is read: what of it is held, and how much of its limits, of the network and of
// the day that may take. The zero value holds everything, at any time, within the default share.
type Manners struct {
	Only          []string `yaml:"only,omitempty"`           // patterns of objects; others are not held
	Exclude       []string `yaml:"exclude,omitempty"`        // patterns of objects that are not held
	ExcludeFields []string `yaml:"exclude_fields,omitempty"` // patterns OBJECT.FIELD of fields that are not held

	Bypass []string `yaml:"bypass,omitempty"` // what the org's automation looks at to let a user's records pass; see ParseBypass

	APIShare        int      `yaml:"api_share,omitempty"`        // percent of the org's daily limits
	Bandwidth       int64    `yaml:"bandwidth,omitempty"`        // bytes a second
	Windows         []string `yaml:"windows,omitempty"`          // such as 22:00-06:00, by this machine's clock
	RefreshFormulas string   `yaml:"refresh_formulas,omitempty"` // how old formulas may become, such as 168h
}

// Validate says what is wrong, as problem.Usage, or nil.
func (m Manners) Validate() error {
	if m.APIShare < 0 || m.APIShare > 100 {
		return problem.Newf(problem.Usage, "an API share of %d per cent", m.APIShare).Hint("give 1 to 100")
	}
	if m.Bandwidth < 0 {
		return problem.Newf(problem.Usage, "a bandwidth of %d bytes a second", m.Bandwidth).Hint("give bytes a second")
	}
	for _, w := range m.Windows {
		if _, err := ParseWindow(w); err != nil {
			return err
		}
	}
	for _, b := range m.Bypass {
		if _, _, _, err := ParseBypass(b); err != nil {
			return err
		}
	}
	_, err := m.FormulaAge()
	return err
}

// apiName is the name of an object, a field, a permission or a permission set.
var apiName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,254}$`)

// ParseBypass reads what lets the records of a user pass the org's own automation: setting:OBJECT.FIELD, a checkbox of
// a hierarchy custom setting, or permission:NAME, a custom permission, with @SET where one permission set of several is to
// give it. The kind is "setting" or "permission".
func ParseBypass(text string) (kind, name, set string, err error) {
	kind, name, _ = strings.Cut(text, ":")
	parts := []string{name}
	switch kind {
	case "setting":
		object, field, _ := strings.Cut(name, ".")
		parts = []string{object, field}
	case "permission":
		var found bool
		if name, set, found = strings.Cut(name, "@"); found {
			parts = []string{name, set}
		}
	default:
		parts = nil
	}
	if len(parts) == 0 || slices.ContainsFunc(parts, func(p string) bool { return !apiName.MatchString(p) }) {
		return "", "", "", problem.Newf(problem.Usage, "%q is no bypass", text).
			Hint("give setting:OBJECT.FIELD, a checkbox of a hierarchy custom setting, or permission:NAME, a custom permission")
	}
	return kind, name, set, nil
}

// FormulaAge is how old formulas may become; 0 is any age.
func (m Manners) FormulaAge() (time.Duration, error) {
	if m.RefreshFormulas == "" {
		return 0, nil
	}
	age, err := time.ParseDuration(m.RefreshFormulas)
	if err != nil || age <= 0 {
		return 0, problem.Newf(problem.Usage, "%q is no age of formulas", m.RefreshFormulas).Hint("give hours, such as 168h for a week")
	}
	return age, nil
}

// Open reports whether the time is in one of the windows, and when the next one begins if it is not.
// Without windows it is always.
func (m Manners) Open(now time.Time) (open bool, next time.Time) {
	for _, text := range m.Windows {
		w, err := ParseWindow(text)
		if err != nil {
			continue // Validate has said so
		}
		if w.Contains(now) {
			return true, time.Time{}
		}
		if begins := w.next(now); next.IsZero() || begins.Before(next) {
			next = begins
		}
	}
	return len(m.Windows) == 0, next
}

// Window is a time of the day, by the clock on the wall. One whose end is before its beginning goes past
// midnight.
type Window struct{ From, To time.Duration }

// ParseWindow reads HH:MM-HH:MM.
func ParseWindow(text string) (Window, error) {
	bad := problem.Newf(problem.Usage, "%q is no time window", text).Hint("write it like 22:00-06:00")
	from, to, found := strings.Cut(text, "-")
	if !found {
		return Window{}, bad
	}
	a, errA := time.Parse("15:04", strings.TrimSpace(from))
	b, errB := time.Parse("15:04", strings.TrimSpace(to))
	if errA != nil || errB != nil || a.Equal(b) {
		return Window{}, bad
	}
	return Window{sinceMidnight(a), sinceMidnight(b)}, nil
}

func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
}

// Contains reports whether the window is open at the time, in the time's own zone.
func (w Window) Contains(t time.Time) bool {
	at := sinceMidnight(t)
	if w.From < w.To {
		return w.From <= at && at < w.To
	}
	return at >= w.From || at < w.To
}

// next returns when the window begins after t, in the zone of t.
func (w Window) next(t time.Time) time.Time {
	day := t.Day()
	if sinceMidnight(t) >= w.From {
		day++
	}
	return time.Date(t.Year(), t.Month(), day, int(w.From/time.Hour), int(w.From%time.Hour/time.Minute), 0, 0, t.Location())
}

// With returns the manners with what other says besides: lists are joined, other settings replaced.
func (m Manners) With(other Manners) Manners {
	m.Only = append(slices.Clip(m.Only), other.Only...)
	m.Exclude = append(slices.Clip(m.Exclude), other.Exclude...)
	m.ExcludeFields = append(slices.Clip(m.ExcludeFields), other.ExcludeFields...)
	if other.APIShare != 0 {
		m.APIShare = other.APIShare
	}
	if other.Bandwidth != 0 {
		m.Bandwidth = other.Bandwidth
	}
	if len(other.Windows) > 0 {
		m.Windows = other.Windows
	}
	if other.RefreshFormulas != "" {
		m.RefreshFormulas = other.RefreshFormulas
	}
	return m
}

// ChangeManners changes how a known org is read and returns how it is read then. The file is replaced whole.
func (s Orgs) ChangeManners(name string, change func(*Manners)) (Manners, error) {
	o, err := s.Get(name)
	if err != nil {
		return Manners{}, err
	}
	before := o.Manners
	change(&o.Manners)
	if err := o.Manners.Validate(); err != nil || reflect.DeepEqual(before, o.Manners) {
		return before, err
	}
	return o.Manners, s.replace(o)
}

// replace writes the file of an org that is known.
func (s Orgs) replace(o Org) error {
	name := o.Name
	body, err := yaml.Marshal(orgFile{Version: orgVersion, Org: o})
	if err != nil {
		return fmt.Errorf("write org %s: %w", name, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(s.path(name)), ".new-*")
	if err != nil {
		return fmt.Errorf("write org %s: %w", name, err)
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.Write(body); err == nil {
		err = tmp.Sync()
	}
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(tmp.Name(), s.path(name))
	}
	if err != nil {
		return fmt.Errorf("write org %s: %w", name, err)
	}
	return nil
}
