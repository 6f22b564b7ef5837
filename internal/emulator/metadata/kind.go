package metadata

import "holdfast/internal/soql"

// OrgKind is what an org is for. Deployments have stricter rules in production.
type OrgKind string

// The kinds of org.
const (
	Developer  OrgKind = "developer"  // a Developer Edition
	SandboxOrg OrgKind = "sandbox"    // a copy of a production org
	Production OrgKind = "production" // any other edition that is no sandbox
)

// Edition is the OrganizationType of a new org of the kind.
func (k OrgKind) Edition() string {
	if k == Production || k == SandboxOrg {
		return "Enterprise Edition"
	}
	return "Developer Edition"
}

// Kind tells what the org is from its Organization record, as clients do. Source: CumulusCI, which looks
// at IsSandbox and OrganizationType before it purges (pull request 1047).
func (s *Store) Kind() OrgKind {
	q, err := soql.Parse("SELECT IsSandbox, OrganizationType FROM Organization")
	if err != nil { // the text is part of the program
		panic(err)
	}
	answer, err := s.org.Query(s.org.Admin(), q, false)
	switch {
	case err != nil || answer.Len() == 0:
		return Production
	case answer.Text(0, 0) == "true":
		return SandboxOrg
	case answer.Text(0, 1) == "Developer Edition":
		return Developer
	}
	return Production
}
