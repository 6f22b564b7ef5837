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
		has      []orgtest.Need
	}{
		{"usual", org.Features{}, nil},
		{"features", org.Features{PersonAccounts: true, MultiCurrency: true, ContactsToMultipleAccounts: true}, []orgtest.Need{orgtest.PersonAccounts, orgtest.MultiCurrency, orgtest.ManyAccounts}},
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
			s, err := emulator.Start(context.WithoutCancel(t.Context()), emulator.Options{Features: kind.features})
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
		case orgtest.Metadata, orgtest.Users, orgtest.PersonAccounts, orgtest.MultiCurrency, orgtest.ManyAccounts:
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
` + "`HOLDFAST_ORG_URL=https://….my.salesforce.com HOLDFAST_ORG_TOKEN_FILE=token go test -run RealOrg ./internal/salesforce/orgtest`" + `.
The tests write to the org: give them an empty one.

The source tells how far a rule can be trusted: *recorded* (an exchange with a real org), *describe* (a real describe),
*wsdl*, *document* (Salesforce's documentation or help), *client* (an official or widely used client depends on it),
*unverified* (nobody here has read or seen it; the harder reading is taken).
`

// TestReferenceOfFidelity keeps docs/reference/fidelity.md what the rules say.
func TestReferenceOfFidelity(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(head)
	area, kinds := "", map[orgtest.Kind]int{}
	for _, r := range orgtest.Rules() {
		if r.Area() != area {
			area = r.Area()
			fmt.Fprintf(&b, "\n## %s\n\n| Rule | What holds | Source |\n|---|---|---|\n", area)
		}
		source := string(r.Source.Kind)
		if r.Source.Where != "" {
			source += ": " + r.Source.Where
		}
		_, name, _ := strings.Cut(r.Name, "/")
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, cell(r.Says), cell(source))
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
