package orgtest_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/emulator"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/salesforce/orgtest"
)

var update = flag.Bool("update", false, "write docs/reference/fidelity.md anew")

// version is the version of the API that the rules are tested with.
const version = "65.0"

// TestEmulatorKeepsTheRules asks the emulated org everything; rules about a feature ask an org that has it.
func TestEmulatorKeepsTheRules(t *testing.T) {
	usual := []orgtest.Need{orgtest.Metadata, orgtest.Users, orgtest.Clock, orgtest.Reactions, orgtest.ConnectedApp}
	left := orgtest.Rules()
	for _, kind := range []struct {
		name     string
		features org.Features
		kind     metadata.OrgKind
		has      []orgtest.Need
	}{
		{"usual", org.Features{}, metadata.Developer, nil},
		{"features", org.Features{PersonAccounts: true, MultiCurrency: true, ContactsToMultipleAccounts: true, SharedActivities: true}, metadata.SandboxOrg, []orgtest.Need{orgtest.PersonAccounts, orgtest.MultiCurrency, orgtest.ManyAccounts, orgtest.SharedActivities}},
		{"production", org.Features{}, metadata.Production, []orgtest.Need{orgtest.Production}},
	} {
		has := slices.Concat(usual, kind.has)
		var mine []orgtest.Rule
		left = slices.DeleteFunc(left, func(r orgtest.Rule) bool {
			for _, need := range r.Needs {
				if !slices.Contains(has, need) {
					return false
				}
			}
			mine = append(mine, r)
			return true
		})
		t.Run(kind.name, func(t *testing.T) {
			s, err := emulator.Start(context.WithoutCancel(t.Context()), emulator.Options{Features: kind.features, Kind: kind.kind})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			orgtest.Run(t, orgtest.Target{
				URL: s.URL, Token: s.AccessToken, Version: version, Has: has, Advance: s.Clock().Advance,
				App: orgtest.App{
					ClientID: s.ClientID, ClientSecret: s.ClientSecret, Username: s.Username, Password: s.Password,
					RefreshToken: s.RefreshToken, KeyPEM: s.PrivateKeyPEM(),
				},
			}, mine)
		})
	}
	for _, r := range left {
		t.Errorf("%s is asked of no org", r.Name)
	}
}

// TestRealOrgKeepsTheRules holds the rules against the world: those whose needs HOLDFAST_ORG_HAS names, with
// commas between them.
func TestRealOrgKeepsTheRules(t *testing.T) {
	url, file := os.Getenv("HOLDFAST_ORG_URL"), os.Getenv("HOLDFAST_ORG_TOKEN_FILE")
	if url == "" || file == "" {
		t.Skip("a real org is given with HOLDFAST_ORG_URL and HOLDFAST_ORG_TOKEN_FILE")
	}
	token, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	target := orgtest.Target{URL: strings.TrimRight(url, "/"), Token: strings.TrimSpace(string(token)), Version: version}
	for _, need := range strings.Split(os.Getenv("HOLDFAST_ORG_HAS"), ",") {
		switch need := orgtest.Need(strings.TrimSpace(need)); need {
		case "":
		case orgtest.Metadata, orgtest.Users, orgtest.PersonAccounts, orgtest.MultiCurrency, orgtest.ManyAccounts, orgtest.Production:
			target.Has = append(target.Has, need)
		default:
			t.Fatalf("HOLDFAST_ORG_HAS names %q, which is no need that a real org can meet here", need)
		}
	}
	orgtest.Run(t, target, orgtest.Rules())
}

func TestRulesHaveNamesAndSources(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range orgtest.Rules() {
		switch {
		case seen[r.Name]:
			t.Errorf("%s stands twice", r.Name)
		case strings.Count(r.Name, "/") != 1 || strings.Contains(r.Name, " "):
			t.Errorf("%q is not area/what-holds", r.Name)
		case r.Says == "" || strings.HasSuffix(r.Says, "."):
			t.Errorf("%s says %q", r.Name, r.Says)
		case (r.Source.Kind == orgtest.Unverified) != (r.Source.Where == ""):
			t.Errorf("%s: %+v", r.Name, r.Source)
		}
		seen[r.Name] = true
	}
}

const head = `# What the emulator does as the platform does

Every rule here is tested on the emulator in each run of the tests. The same tests run on a real org when one is given:
` + "`HOLDFAST_ORG_URL=https://….my.salesforce.com HOLDFAST_ORG_TOKEN_FILE=token HOLDFAST_ORG_HAS=metadata,users go test -run RealOrg ./internal/salesforce/orgtest`" + `.
The tests write to the org, under names of their own, and take away what they made; the org need not be empty, but its automation
must let accounts, contacts and opportunities through. A rule that needs something is skipped, by name, unless HOLDFAST_ORG_HAS
names it: *metadata* (components are deployed, and deleted at the end), *users* (a second user is made, and deactivated), the features
*person accounts*, *currencies*, *many accounts* and *shared activities*, and *production* (it is a production org, and nothing in it is changed). Rules that need a *clock* that can be moved, declared *reactions*, or a *connected
app* with all flows run on the emulator alone.

The source tells how far a rule can be trusted: *recorded* (an exchange with a real org), *describe* (a real describe),
*wsdl*, *document* (Salesforce's documentation or help, or replies of orgs that the public shows), *client* (an official or widely used
client depends on it), *unverified* (nobody here has read or seen it; the harder reading is taken).

No rule has been held against a real org yet: that takes credentials. A rule with a source says what the source says, as far as the
emulator and its authors read it.

## What the emulator does not do

- It executes no Apex, no flow and no process. What a trigger or a flow does is declared in it
  ([reactions](../adr/0015-declared-reactions.md)); what is not declared does not happen. Apex tests pass unless told otherwise.
- A field that is deployed is open to the system administrator, as one is that is made in Setup, and the administrator's profile says so;
  with ` + "`StrictFieldAccess`" + ` it is seen by nobody until it is granted, as on the platform.
- Approval processes, entitlements, escalation and auto-response rules, path, reports and dashboards are stored as metadata and do nothing.
- Sharing knows the default of an object, the owner, roles, shares and the permissions that see everything; sharing rules, teams,
  territories and implicit shares give nothing.
- Text is kept with the blanks around it. The platform keeps none (Apex Developer Guide, Primitive Data Types).
- The later of two rows of an update with the same Id is refused; the platform may let a few of them through (Help 000386990).
- An e-mail message makes no EmailMessageRelation by itself.
- A search looks for words in names, addresses and texts; it knows no synonyms, no stems and no ranking.
- A layout is described with its sections, items, custom related lists and record types; buttons, actions, the highlights panel, related
  content, related lists of standard relationships, quick actions, approval layouts and named layouts are not. The platform's own layouts,
  compact layouts and list views of standard objects are not those of the emulator.
- A list view is said in SOQL unless it has a filter logic, a filter or scope by something other than a field of the object, or a distance; of
  its columns, those are left out whose names are in no document.
- Metadata of types that change nothing in data are stored and returned, and not checked for more than their form and references.
- There is no streaming, no Connect or UI API, no Analytics, no Data Cloud, and no mail server: mail is counted.
- Limits are those that clients meet (requests a day, rows and bytes of a call, jobs, files); CPU time and heap are not measured.
- Wordings of refusals that no public reply shows are the emulator's own. The word *unverified* stands beside them, and beside every
  other claim without a source, in the packages ` + "`emulator`, `bulk`, `formula`, `hard`, `metadata`, `org`, `rest`, `soap` and `wire`" + `.
`

// TestReferenceOfFidelity keeps docs/reference/fidelity.md what the rules say.
func TestReferenceOfFidelity(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(head)
	area, kinds := "", map[orgtest.Kind]int{}
	for _, r := range orgtest.Rules() {
		if r.Area() != area {
			area = r.Area()
			fmt.Fprintf(&b, "\n## %s\n\n| Rule | What holds | Needs | Source |\n|---|---|---|---|\n", area)
		}
		source := string(r.Source.Kind)
		if r.Source.Where != "" {
			source += ": " + r.Source.Where
		}
		_, name, _ := strings.Cut(r.Name, "/")
		needs := make([]string, len(r.Needs))
		for i, need := range r.Needs {
			needs[i] = string(need)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, cell(r.Says), strings.Join(needs, ", "), cell(source))
		kinds[r.Source.Kind]++
	}
	fmt.Fprintf(&b, "\n%d rules: %d recorded, %d of describes, %d of the WSDLs, %d of documents, %d of clients, %d unverified.\n", len(orgtest.Rules()),
		kinds[orgtest.Recorded], kinds[orgtest.Describe], kinds[orgtest.WSDL], kinds[orgtest.Document], kinds[orgtest.Client], kinds[orgtest.Unverified])
	path := filepath.Join("..", "..", "..", "docs", "reference", "fidelity.md")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is not what the rules say (%v): go test ./internal/salesforce/orgtest -run Reference -update", path, err)
	}
}

// cell is text that may stand in a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

// TestUnverifiedClaimsAreOwned: a package of the emulator that claims something without a source is named in the
// reference.
func TestUnverifiedClaimsAreOwned(t *testing.T) {
	root := filepath.Join("..", "..", "emulator")
	owned := head[strings.LastIndex(head, "- Wordings of refusals"):]
	files, err := filepath.Glob(filepath.Join(root, "*", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	top, err := filepath.Glob(filepath.Join(root, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, file := range slices.Concat(files, top) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(file))
		if bytes.Contains(text, []byte("unverified")) && !strings.Contains(owned, "`"+name+"`") {
			missing[name] = true
		}
	}
	for name := range missing {
		t.Errorf("package %s makes unverified claims and the reference does not say so", name)
	}
}

// TestEveryAreaHasRules: what the emulated org models is held by rules.
func TestEveryAreaHasRules(t *testing.T) {
	have := map[string]int{}
	for _, r := range orgtest.Rules() {
		have[r.Area()]++
	}
	for _, area := range strings.Fields(`access activities assignment-rules attachments batch big-objects bin bulk-1 bulk-ingest bulk-query campaigns changes
		collections composite conversion currencies custom-metadata deletion deploys describe destructive duplicates errors feed fields files formulas graph
		history limits lookups many-accounts master-detail merge metadata notes oauth orders owners person-accounts picklists query queues reactions
		record-types records roll-ups sales search session settings share sharing soap tree validation workflow`) {
		if have[area] == 0 {
			t.Errorf("no rule about %s", area)
		}
	}
	if n := len(orgtest.Rules()); n < 220 {
		t.Errorf("%d rules", n)
	}
}
