package metadata

import (
	"slices"

	"holdfast/internal/emulator/wire"
)

// Poison is a component that a retrieve cannot give. Platforms have some: one that is broken fails the
// whole retrieve with UNKNOWN_EXCEPTION and does not say which it is, or is told in the messages and left out.
// Source: public retrieve results (IlluminatedCloud issues 2429 and 2450: "UNKNOWN_EXCEPTION: An unexpected
// error occurred. Please include this ErrorId if you contact support: …").
type Poison struct {
	Type    string `json:"type"`
	Member  string `json:"member"`  // its full name; * is every component of the type
	Fails   bool   `json:"fails"`   // the whole retrieve fails, and does not say why
	Problem string `json:"problem"` // of the message, where the retrieve does not fail; there is a default
}

// Ailment is what ails the retrieves of an org.
type Ailment struct {
	Poison []Poison `json:"poison"`
	Fail   int      `json:"fail"`  // so many retrieves fail, whatever they ask for
	Lists  []string `json:"lists"` // types whose list fails in the same way
}

// Ail lets retrieves ail from now on. A copy of the org does not have it.
func (s *Store) Ail(a Ailment) {
	s.ailing.Lock()
	defer s.ailing.Unlock()
	s.ailment = a
	s.ailment.Poison, s.ailment.Lists = slices.Clone(a.Poison), slices.Clone(a.Lists)
}

// Ailing returns what ails retrieves, with the number of those that are still to fail.
func (s *Store) Ailing() Ailment {
	s.ailing.Lock()
	defer s.ailing.Unlock()
	a := s.ailment
	a.Poison, a.Lists = append([]Poison{}, a.Poison...), append([]string{}, a.Lists...)
	return a
}

// ListFault is why a type cannot be listed; nil when it can.
func (s *Store) ListFault(kind string) error {
	s.ailing.Lock()
	defer s.ailing.Unlock()
	if !slices.Contains(s.ailment.Lists, kind) {
		return nil
	}
	r := unexpected()
	return wire.BadRequest(r.code, r.message)
}

// failsNow counts a retrieve that fails whatever it asks for.
func (s *Store) failsNow() bool {
	s.ailing.Lock()
	defer s.ailing.Unlock()
	if s.ailment.Fail <= 0 {
		return false
	}
	s.ailment.Fail--
	return true
}

// unexpected is how the platform says that it does not know what happened.
func unexpected() *refusal {
	return &refusal{"UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId if you contact support: 1346469402-20479 (-673032061)"}
}

// poisoned takes the poison out of what was resolved: it fails the retrieve, or leaves the component out
// with a message.
func (t *retrieve) poisoned() error {
	for _, p := range t.poison {
		hit := func(k key) bool { return k.kind == p.Type && (p.Member == "*" || p.Member == k.name) }
		var found []key
		for k := range t.whole {
			if hit(k) {
				found = append(found, k)
				delete(t.whole, k)
			}
		}
		for _, children := range t.single {
			for k := range children {
				if hit(k) {
					found = append(found, k)
					delete(children, k)
				}
			}
		}
		if len(found) > 0 && p.Fails {
			return unexpected()
		}
		slices.SortFunc(found, compareKeys)
		for _, k := range found {
			problem := p.Problem
			if problem == "" { // unverified
				problem = "You do not have the proper permissions to access " + k.kind + " " + k.name + "."
			}
			t.warn(problem)
		}
	}
	return nil
}
