package orgtest

import (
	"slices"
	"strings"
	"testing"
)

// Rule is one thing that the platform does.
type Rule struct {
	Name   string // "deletion/children-of-a-master-go-with-it": area, and what holds
	Says   string // one sentence, without a full stop
	Source Source
	Needs  []Need // what the org must have or allow
	Test   func(t *testing.T, o *Org)

	fixture *fixture // deployed before the test; nil: none
}

// Need is something that not every org has, or that its owner must allow.
type Need string

// The needs of rules.
const (
	Metadata       Need = "metadata"        // components of the rules' own are deployed, and deleted at the end
	Users          Need = "users"           // a second user is made, and deactivated at the end
	Clock          Need = "clock"           // the org's clock can be moved
	Reactions      Need = "reactions"       // triggers and flows declare what they do: an emulated org
	ConnectedApp   Need = "connected app"   // Target.App is one that may use every flow
	PersonAccounts Need = "person accounts" // the feature
	MultiCurrency  Need = "currencies"      // the feature
	ManyAccounts   Need = "many accounts"   // the feature Contacts to Multiple Accounts
	Production     Need = "production"      // it is a production org; nothing in it is changed

	SharedActivities Need = "shared activities" // the feature
)

// law is a rule as the tables spell it.
type law struct {
	name, says string
	source     Source
	test       func(t *testing.T, o *Org)
}

// group is laws with the same needs.
type group struct {
	needs   []Need
	fixture *fixture
	laws    []law
}

// Area is the first part of the name.
func (r Rule) Area() string {
	area, _, _ := strings.Cut(r.Name, "/")
	return area
}

// Source is where a rule was read.
type Source struct {
	Kind  Kind
	Where string // title and part of the document, name of the file or of the client; empty when unverified
}

// Kind is how much a source can be trusted.
type Kind string

// The kinds of source, best first.
const (
	Recorded   Kind = "recorded"   // an exchange with a real org
	Describe   Kind = "describe"   // a real describe
	WSDL       Kind = "wsdl"       // the partner or metadata WSDL
	Document   Kind = "document"   // Salesforce's documentation or help
	Client     Kind = "client"     // an official or widely used client depends on it
	Unverified Kind = "unverified" // nobody here has read or seen it
)

func document(where string) Source { return Source{Document, where} }
func client(where string) Source   { return Source{Client, where} }
func recorded(where string) Source { return Source{Recorded, where} }
func described(where string) Source {
	return Source{Describe, where}
}

// unverified marks a rule that is taken in the harder reading until a real org tells.
var unverified = Source{Kind: Unverified}

func wsdl(where string) Source { return Source{WSDL, where} }

// Rules are all rules, sorted by name.
func Rules() []Rule {
	var all []Rule
	for _, g := range groups {
		for _, l := range g.laws {
			all = append(all, Rule{Name: l.name, Says: l.says, Source: l.source, Needs: g.needs, Test: l.test, fixture: g.fixture})
		}
	}
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Run tests rules on an org. A rule whose needs the org does not meet is skipped, by name.
func Run(t *testing.T, target Target, rules []Rule) {
	run := &run{target: target, deployed: map[*fixture]error{}}
	t.Cleanup(func() { run.clear(t) })
	for _, rule := range rules {
		t.Run(rule.Name, func(t *testing.T) {
			for _, need := range rule.Needs {
				if !slices.Contains(target.Has, need) {
					t.Skipf("needs %s", need)
				}
			}
			o := &Org{t: t, target: target, run: run}
			if rule.fixture != nil {
				o.fixture(rule.fixture)
			}
			rule.Test(t, o)
		})
	}
}
