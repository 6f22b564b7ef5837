// Command gosalesforce does with the go-salesforce module what its users do, and says which step held:
// "ok NAME", or "not ok NAME: why" and status 1. It reads INSTANCE_URL, SECURE_URL, ACCESS_TOKEN, CLIENT_ID,
// CLIENT_SECRET, LOGIN_USER, LOGIN_PASSWORD and PRIVATE_KEY from the environment; Account has an
// external key, Key__c.
package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/k-capehart/go-salesforce/v3"
)

type account struct {
	ID   string `json:"Id" csv:"Id"`
	Name string `json:"Name" csv:"Name"`
}

func main() {
	sf, err := salesforce.Init(salesforce.Creds{Domain: os.Getenv("INSTANCE_URL"), AccessToken: os.Getenv("ACCESS_TOKEN")})
	if err != nil {
		fmt.Println("not ok sign in by token:", err)
		os.Exit(1)
	}
	status := 0
	for _, s := range []struct {
		name string
		do   func(*salesforce.Salesforce) error
	}{
		{"sign in over https", secure}, {"sign in by client credentials", withCredentials}, {"sign in by password", withPassword}, {"sign in by JWT", withJWT},
		{"one record", one}, {"collections", collections}, {"composite", composite}, {"bulk", bulk},
		{"bulk files", bulkFiles}, {"export", export}, {"any request", request},
	} {
		if err := s.do(sf); err != nil {
			fmt.Printf("not ok %s: %v\n", s.name, err)
			status = 1
			continue
		}
		fmt.Println("ok", s.name)
	}
	os.Exit(status)
}

func signIn(c salesforce.Creds) error {
	c.Domain = os.Getenv("INSTANCE_URL")
	sf, err := salesforce.Init(c)
	if err != nil {
		return err
	}
	return count(sf, "SELECT Id FROM Organization", 1)
}

// secure finds the authority of the certificate by SSL_CERT_FILE.
func secure(*salesforce.Salesforce) error {
	sf, err := salesforce.Init(salesforce.Creds{Domain: os.Getenv("SECURE_URL"), AccessToken: os.Getenv("ACCESS_TOKEN")})
	if err != nil {
		return err
	}
	return count(sf, "SELECT Id FROM Organization", 1)
}

func withCredentials(*salesforce.Salesforce) error {
	return signIn(salesforce.Creds{ConsumerKey: os.Getenv("CLIENT_ID"), ConsumerSecret: os.Getenv("CLIENT_SECRET")})
}

func withPassword(*salesforce.Salesforce) error {
	return signIn(salesforce.Creds{
		ConsumerKey: os.Getenv("CLIENT_ID"), ConsumerSecret: os.Getenv("CLIENT_SECRET"),
		Username: os.Getenv("LOGIN_USER"), Password: os.Getenv("LOGIN_PASSWORD"),
	})
}

func withJWT(*salesforce.Salesforce) error {
	return signIn(salesforce.Creds{
		ConsumerKey: os.Getenv("CLIENT_ID"), Username: os.Getenv("LOGIN_USER"), ConsumerRSAPem: os.Getenv("PRIVATE_KEY"),
	})
}

// count fails unless the query has want rows.
func count(sf *salesforce.Salesforce, query string, want int) error {
	var rows []account
	if err := sf.Query(query, &rows); err != nil {
		return err
	}
	if len(rows) != want {
		return fmt.Errorf("%d rows of %s, want %d", len(rows), query, want)
	}
	return nil
}

func one(sf *salesforce.Salesforce) error {
	made, err := sf.InsertOne("Account", map[string]any{"Name": "One"})
	if err != nil || !made.Success {
		return fmt.Errorf("insert: %+v %w", made, err)
	}
	if err := sf.UpdateOne("Account", map[string]any{"Id": made.Id, "Name": "One more"}); err != nil {
		return err
	}
	for range 2 {
		if _, err := sf.UpsertOne("Account", "Key__c", map[string]any{"Key__c": "one", "Name": "Keyed one"}); err != nil {
			return err
		}
	}
	if err := count(sf, "SELECT Id, Name FROM Account WHERE Name IN ('One more', 'Keyed one')", 2); err != nil {
		return err
	}
	if _, err := sf.InsertOne("Account", map[string]any{"Industry": "Energy"}); err == nil || !strings.Contains(err.Error(), "REQUIRED_FIELD_MISSING") {
		return fmt.Errorf("an account without a name: %w", err)
	}
	return sf.DeleteOne("Account", map[string]any{"Id": made.Id})
}

// rows is n accounts with a name and a key.
func rows(prefix string, n int) []map[string]any {
	all := make([]map[string]any, n)
	for i := range all {
		all[i] = map[string]any{"Name": fmt.Sprintf("%s %d", prefix, i), "Key__c": fmt.Sprintf("%s-%d", prefix, i)}
	}
	return all
}

// ids puts the Ids of what was made into the rows and fails unless all were.
func ids(all []map[string]any, made salesforce.SalesforceResults, err error) error {
	if err != nil || made.HasSalesforceErrors || len(made.Results) != len(all) {
		return fmt.Errorf("%d of %d made: %w", len(made.Results), len(all), err)
	}
	for i, r := range made.Results {
		all[i]["Id"] = r.Id
	}
	return nil
}

func done(what string, results salesforce.SalesforceResults, err error) error {
	if err != nil || results.HasSalesforceErrors {
		return fmt.Errorf("%s: %+v %w", what, results, err)
	}
	return nil
}

func collections(sf *salesforce.Salesforce) error {
	all := rows("Collected", 250)
	made, err := sf.InsertCollection("Account", all, 200)
	if err := ids(all, made, err); err != nil {
		return err
	}
	changed, err := sf.UpdateCollection("Account", all, 200)
	if err := done("update", changed, err); err != nil {
		return err
	}
	merged, err := sf.UpsertCollection("Account", "Key__c", rows("Collected", 250), 100)
	if err := done("upsert", merged, err); err != nil {
		return err
	}
	if err := count(sf, "SELECT Id, Name FROM Account WHERE Name LIKE 'Collected%'", 250); err != nil {
		return err
	}
	gone, err := sf.DeleteCollection("Account", all, 200)
	return done("delete", gone, err)
}

func composite(sf *salesforce.Salesforce) error {
	all := rows("Composed", 40)
	made, err := sf.InsertComposite("Account", all, 20, true)
	if err := ids(all, made, err); err != nil {
		return err
	}
	changed, err := sf.UpdateComposite("Account", all, 20, true)
	if err := done("update", changed, err); err != nil {
		return err
	}
	merged, err := sf.UpsertComposite("Account", "Key__c", rows("Composed", 40), 20, true)
	if err := done("upsert", merged, err); err != nil {
		return err
	}
	gone, err := sf.DeleteComposite("Account", all, 20, true)
	if err := done("delete", gone, err); err != nil {
		return err
	}
	return count(sf, "SELECT Id FROM Account WHERE Name LIKE 'Composed%'", 0)
}

// complete fails unless every job did all its records.
func complete(sf *salesforce.Salesforce, jobs []string, want int) error {
	n := 0
	for _, id := range jobs {
		result, err := sf.GetJobResults(id)
		if err != nil {
			return err
		}
		if result.State != "JobComplete" || result.NumberRecordsFailed != 0 {
			return fmt.Errorf("job %s: %s, %d failed %v", id, result.State, result.NumberRecordsFailed, result.FailedRecords)
		}
		n += len(result.SuccessfulRecords)
	}
	if n != want {
		return fmt.Errorf("%d records done, want %d", n, want)
	}
	return nil
}

func bulk(sf *salesforce.Salesforce) error {
	jobs, err := sf.InsertBulk("Account", rows("Loaded", 1200), 500, true)
	if err == nil {
		err = complete(sf, jobs, 1200)
	}
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	if jobs, err = sf.UpsertBulk("Account", "Key__c", rows("Loaded", 1300), 1000, true); err == nil {
		err = complete(sf, jobs, 1300)
	}
	if err != nil {
		return fmt.Errorf("upsert: %w", err)
	}
	it, err := sf.QueryBulkIterator("SELECT Id, Name FROM Account WHERE Name LIKE 'Loaded%'")
	if err != nil {
		return err
	}
	var all []account
	for it.Next() {
		var page []account
		if err := it.Decode(&page); err != nil {
			return err
		}
		all = append(all, page...)
	}
	if err := it.Error(); err != nil || len(all) != 1300 {
		return fmt.Errorf("%d of 1300 came back: %w", len(all), err)
	}
	for i := range all {
		all[i].Name = fmt.Sprintf("Loaded again %d", i)
	}
	if jobs, err = sf.UpdateBulk("Account", all, 5000, true); err == nil {
		err = complete(sf, jobs, 1300)
	}
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	gone := make([]map[string]any, len(all))
	for i, a := range all {
		gone[i] = map[string]any{"Id": a.ID}
	}
	if jobs, err = sf.DeleteBulk("Account", gone, 5000, true); err == nil {
		err = complete(sf, jobs, 1300)
	}
	return err
}

func bulkFiles(sf *salesforce.Salesforce) error {
	dir, err := os.MkdirTemp("", "gosalesforce")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "accounts.csv")
	if err := os.WriteFile(path, []byte("Name,Description\nFiled 1,\"a, \"\"b\"\"\"\nFiled 2,c\n"), 0o600); err != nil {
		return err
	}
	jobs, err := sf.InsertBulkFile("Account", path, 1000, true)
	if err != nil {
		return err
	}
	return complete(sf, jobs, 2)
}

func export(sf *salesforce.Salesforce) error {
	dir, err := os.MkdirTemp("", "gosalesforce")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "out.csv")
	if err := sf.QueryBulkExport("SELECT Name FROM Account WHERE Name LIKE 'Filed%'", path); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), "Filed "); n != 2 {
		return fmt.Errorf("%d rows in %q, want 2", n, text)
	}
	return nil
}

func request(sf *salesforce.Salesforce) error {
	reply, err := sf.DoRequest(http.MethodGet, "/limits", nil)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return errors.New(reply.Status)
	}
	return nil
}
