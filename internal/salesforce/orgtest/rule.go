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
	Test   func(t *testing.T, o *Org)
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

// Rules are all rules, sorted by name.
func Rules() []Rule {
	all := slices.Concat(errorRules, describeRules, recordRules, queryRules, changeRules, deletionRules, collectionRules, ingestRules, exportRules, sessionRules)
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Run tests every rule on an org.
func Run(t *testing.T, target Target) {
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			rule.Test(t, &Org{t: t, target: target})
		})
	}
}
