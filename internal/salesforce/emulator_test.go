package salesforce_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
)

// emulated starts an org and returns it with a Config that signs in by refresh token.
func emulated(t *testing.T, o emulator.Options) (*emulator.Server, salesforce.Config) {
	t.Helper()
	server, err := emulator.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server, salesforce.Config{
		InstanceURL: server.URL, Budget: salesforce.Budget{Share: 1},
		Credentials: salesforce.Credentials{
			AccessToken: salesforce.Secret(server.AccessToken), ClientID: server.ClientID,
			ClientSecret: salesforce.Secret(server.ClientSecret), RefreshToken: salesforce.Secret(server.RefreshToken),
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(d / 50):
				return nil
			}
		},
	}
}

func TestEmulatorSignsInEachWay(t *testing.T) {
	server, c := emulated(t, emulator.Options{Seed: 1})
	for name, cred := range map[string]salesforce.Credentials{
		"access token":  {AccessToken: c.Credentials.AccessToken},
		"refresh token": {ClientID: c.Credentials.ClientID, ClientSecret: c.Credentials.ClientSecret, RefreshToken: c.Credentials.RefreshToken},
		"JWT":           {ClientID: c.Credentials.ClientID, Username: server.Username, PrivateKeyPEM: salesforce.Secret(server.PrivateKeyPEM())},
	} {
		c.Credentials = cred
		org, err := salesforce.Connect(t.Context(), c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		id, err := org.Identity(t.Context())
		if err != nil || string(id.OrgID) != server.OrgID || id.Username != server.Username || id.InstanceURL != server.URL {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
		now, err := org.ServerTime(t.Context())
		if err != nil || now.Sub(server.Clock().Now()).Abs() > time.Minute {
			t.Errorf("%s: server time %v, clock %v, %v", name, now, server.Clock().Now(), err)
		}
	}
}

var emulatedFields = []string{"Description", "Name", "NumberOfEmployees", "AnnualRevenue", "ParentId"}

// load inserts accounts through a job and returns what each must now hold, by Id.
func load(t *testing.T, org *salesforce.Org, rows []sf.Write) map[sf.ID][]sf.Value {
	t.Helper()
	job, err := org.StartInsert(t.Context(), "Account", emulatedFields)
	if err != nil {
		t.Fatal(err)
	}
	if err := org.SendRows(t.Context(), job, emulatedFields, rows); err != nil {
		t.Fatal(err)
	}
	for state, n := sf.JobOpen, 0; state != sf.JobComplete; n++ {
		if state, err = org.JobState(t.Context(), job); err != nil || n > 2000 || state == sf.JobFailed {
			t.Fatal(state, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	byName := map[string][]sf.Value{}
	for _, r := range rows {
		byName[r.Values[1].Text()] = r.Values
	}
	held := map[sf.ID][]sf.Value{}
	for r, err := range org.JobResults(t.Context(), job, emulatedFields, len(rows)) {
		if err != nil {
			t.Fatal(err)
		}
		if !r.Outcome.Success {
			t.Fatalf("%+v", r)
		}
		held[r.Outcome.ID] = byName[r.Echo[1]]
	}
	if len(held) != len(rows) {
		t.Fatalf("%d results for %d rows", len(held), len(rows))
	}
	return held
}

// accounts are rows whose texts are the ones that other tools damage.
func accounts(n int) []sf.Write {
	texts := []string{"a\r\nb", "a\nb", "a\rb", "say \"hi\", \"\"", "\u2028x", "😀", "null", "N/A", "0", "x,y;z"}
	rows := make([]sf.Write, n)
	for i := range rows {
		rows[i].Values = []sf.Value{
			sf.Text(texts[i%len(texts)] + fmt.Sprint(i)), sf.Text(fmt.Sprintf("Account %d", i)),
			sf.Text(fmt.Sprint(i)), sf.Text(fmt.Sprintf("%d000", i+1)), sf.Null(),
		}
	}
	return rows
}

func checkHeld(t *testing.T, how string, org *salesforce.Org, x sf.Extract, want map[sf.ID][]sf.Value) {
	t.Helper()
	x.Fields = emulatedFields
	seen := 0
	for r, err := range org.Records(t.Context(), x) {
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		values, ok := want[r.ID]
		if !ok {
			continue // the org may hold accounts of its own
		}
		seen++
		for i, name := range emulatedFields {
			if got := r.Get(name); got != values[i] {
				t.Fatalf("%s: %s of %s is %v, want %v", how, name, r.ID, got, values[i])
			}
		}
	}
	if seen != len(want) {
		t.Fatalf("%s: %d of %d records", how, seen, len(want))
	}
}

// loaded starts an org with n accounts and returns them, with the object and the org's time before.
func loaded(t *testing.T, n int, o emulator.Options) (*emulator.Server, *salesforce.Org, *sf.Object, map[sf.ID][]sf.Value, time.Time) {
	t.Helper()
	server, c := emulated(t, o)
	org := mustConnect(t, c)
	schema, err := org.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	account := schema.Object("Account")
	if account == nil || account.Field("ParentId") == nil || account.KeyPrefix != "001" {
		t.Fatalf("account %+v", account)
	}
	began, err := org.ServerTime(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return server, org, account, load(t, org, accounts(n)), began
}

func TestEmulatorReadsTheSameInEachWay(t *testing.T) {
	server, org, account, held, began := loaded(t, 2500, emulator.Options{Seed: 2, BulkPageRows: 700})
	ids := slices.Sorted(maps.Keys(held))
	checkHeld(t, "REST", org, sf.Extract{Object: account, ExpectRows: 1}, held)
	checkHeld(t, "Bulk", org, sf.Extract{Object: account, ExpectRows: 5000}, held)
	checkHeld(t, "Ids", org, sf.Extract{Object: account, IDs: ids}, held)
	checkHeld(t, "stamp", org, sf.Extract{Object: account, StampField: "SystemModstamp", From: began.Add(-time.Second)}, held)
	server.Intercept(func(r emulator.Request) emulator.Fault {
		if r.Op == "GET query" {
			return emulator.Fault{Status: 414}
		}
		return emulator.Fault{}
	})
	checkHeld(t, "composite", org, sf.Extract{Object: account, IDs: ids}, held)
	server.Intercept(nil)
	for _, expect := range []int64{1, 5000} {
		census, err := collect(t, org, sf.Extract{Object: account, ExpectRows: expect})
		count, countErr := org.Count(t.Context(), "Account", false)
		if err != nil || countErr != nil || int64(len(census)) != count || count < 2500 {
			t.Errorf("%d Ids, %d accounts, %v, %v", len(census), count, err, countErr)
		}
	}
}

func TestEmulatorWritesLand(t *testing.T) {
	server, org, account, held, began := loaded(t, 20, emulator.Options{Seed: 5})
	ids := slices.Sorted(maps.Keys(held))
	out, err := org.Update(t.Context(), "Account", emulatedFields, []sf.Write{
		{ID: ids[0], Values: []sf.Value{sf.Null(), sf.Text("#N/A"), sf.Text("7"), {}, sf.Text(string(ids[1]))}},
	})
	if err != nil || !out[0].Success {
		t.Fatalf("%+v, %v", out, err)
	}
	held[ids[0]] = []sf.Value{sf.Null(), sf.Text("#N/A"), sf.Text("7"), held[ids[0]][3], sf.Text(string(ids[1]))}
	checkHeld(t, "updated", org, sf.Extract{Object: account}, held)
	checkHeld(t, "by reference", org, sf.Extract{Object: account, Field: "ParentId", IDs: ids[1:3]},
		map[sf.ID][]sf.Value{ids[0]: held[ids[0]]})

	server.Clock().Advance(time.Minute)
	for range 2 { // the second time they are gone already
		if out, err = org.Delete(t.Context(), ids[10:12]); err != nil || !out[0].Success || !out[1].Success {
			t.Fatalf("delete: %+v, %v", out, err)
		}
	}
	server.Clock().Advance(10 * time.Minute)
	now, err := org.ServerTime(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log, err := org.Deleted(t.Context(), "Account", began, now)
	if err != nil || len(log.Records) != 2 {
		t.Errorf("deleted: %+v, %v", log, err)
	}
	live, _ := org.Count(t.Context(), "Account", false)
	all, err := org.Count(t.Context(), "Account", true)
	if err != nil || all != live+2 {
		t.Errorf("%d live, %d in all, %v", live, all, err)
	}
	checkHeld(t, "with deleted", org, sf.Extract{Object: account, ExpectRows: 5000, IncludeDeleted: true}, held)
	for range 2 { // the second time they are live already
		if out, err = org.Undelete(t.Context(), ids[10:12]); err != nil || !out[0].Success || !out[1].Success {
			t.Fatalf("undelete: %+v, %v", out, err)
		}
	}
	checkHeld(t, "undeleted", org, sf.Extract{Object: account}, held)
}

// TestLaw13AnySingleFailureSameRows makes each call in turn go wrong, in each way, until a whole
// reading passes without the fault being met.
func TestLaw13AnySingleFailureSameRows(t *testing.T) {
	server, org, account, held, _ := loaded(t, 400, emulator.Options{Seed: 3, BulkPageRows: 150, DailyCalls: 1_000_000})
	ids := slices.Sorted(maps.Keys(held))
	faults := map[string]emulator.Fault{
		"503":           {Status: 503, Body: "<html>busy</html>"},
		"429":           {Status: 429},
		"cut":           {Cut: true},
		"reply dropped": {DropReply: true},
		"cut in reply":  {CutAfter: 300},
		"expired":       {ExpireToken: true},
		"no headers":    {StripHeaders: []string{"Sforce-*"}},
	}
	for name, fault := range faults {
		for how, x := range map[string]sf.Extract{
			"Bulk": {Object: account, ExpectRows: 10_000}, "REST": {Object: account}, "Ids": {Object: account, IDs: ids},
		} {
			for n := int64(1); ; n++ {
				var seen atomic.Int64
				server.Intercept(func(r emulator.Request) emulator.Fault {
					if !strings.HasPrefix(r.Op, "POST oauth2") && seen.Add(1) == n {
						return fault
					}
					return emulator.Fault{}
				})
				checkHeld(t, fmt.Sprintf("%s, call %d %s", how, n, name), org, x, held)
				if seen.Load() < n {
					break
				}
			}
			server.Intercept(nil)
		}
	}
}

// TestTrap25DroppedRepliesOfWrites loses the reply of each writing call after the org has committed.
func TestTrap25DroppedRepliesOfWrites(t *testing.T) {
	server, c := emulated(t, emulator.Options{Seed: 4})
	org := mustConnect(t, c)
	drop := func(op string) {
		var done atomic.Bool
		server.Intercept(func(r emulator.Request) emulator.Fault {
			if strings.HasPrefix(r.Op, op) && done.CompareAndSwap(false, true) {
				return emulator.Fault{DropReply: true}
			}
			return emulator.Fault{}
		})
		t.Cleanup(func() {
			if !done.Load() {
				t.Errorf("no call %s was met", op)
			}
		})
	}
	before, err := org.Count(t.Context(), "Account", false)
	if err != nil {
		t.Fatal(err)
	}
	job, err := org.StartInsert(t.Context(), "Account", emulatedFields)
	if err != nil {
		t.Fatal(err)
	}
	drop("PUT jobs/ingest")
	if err := org.SendRows(t.Context(), job, emulatedFields, accounts(3)); !errors.Is(err, salesforce.ErrOutcomeUnknown) {
		t.Errorf("upload: %v", err)
	}
	if s, err := org.JobState(t.Context(), job); s != sf.JobOpen || err != nil {
		t.Errorf("%s, %v", s, err)
	}
	for range 2 {
		if err := org.AbortJob(t.Context(), job); err != nil {
			t.Error(err)
		}
	}
	for r, err := range org.JobResults(t.Context(), job, emulatedFields, 3) {
		t.Errorf("a job aborted before its upload was done has a result: %+v, %v", r, err)
	}
	drop("PATCH jobs/ingest")
	ids := slices.Sorted(maps.Keys(load(t, org, accounts(3))))
	if n, err := org.Count(t.Context(), "Account", false); err != nil || n != before+3 {
		t.Errorf("%d accounts, %v", n, err)
	}
	succeeded := func(what string, out []sf.Outcome, err error) {
		t.Helper()
		for _, o := range out {
			if err != nil || !o.Success {
				t.Errorf("%s: %+v", what, o)
			}
		}
		if err != nil || len(out) == 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	drop("PATCH composite/sobjects")
	out, err := org.Update(t.Context(), "Account", []string{"Description"}, []sf.Write{{ID: ids[0], Values: []sf.Value{sf.Text("x")}}})
	succeeded("update", out, err)
	drop("DELETE composite/sobjects")
	out, err = org.Delete(t.Context(), ids)
	succeeded("delete", out, err)
	drop("SOAP undelete")
	out, err = org.Undelete(t.Context(), ids)
	succeeded("undelete", out, err)
	server.Intercept(nil)
	if n, err := org.Count(t.Context(), "Account", false); err != nil || n != before+3 {
		t.Errorf("%d accounts, %v", n, err)
	}
}

func TestEmulatorSignsInAsTheApp(t *testing.T) {
	server, c := emulated(t, emulator.Options{Seed: 1})
	c.Credentials = salesforce.Credentials{ClientID: server.ClientID, ClientSecret: salesforce.Secret(server.ClientSecret)}
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	server.ExpireSessions()
	if _, err := org.ServerTime(t.Context()); err != nil {
		t.Errorf("after the session ended: %v", err)
	}
}

func TestALoginThatOthersKeepIsAskedForWhenTheSessionEnds(t *testing.T) {
	server, c := emulated(t, emulator.Options{Seed: 1})
	asked := 0
	c.Credentials = salesforce.Credentials{}
	c.Obtain = func(context.Context) (salesforce.Secret, error) {
		asked++
		return salesforce.Secret(server.AccessToken), nil // a keeper that has no other
	}
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil || asked != 1 {
		t.Fatalf("asked %d times: %v", asked, err)
	}
	server.ExpireSessions()
	_, err = org.ServerTime(t.Context())
	if problem.KindOf(err) != problem.Unauthorized || asked != 2 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

// inBrowser is a user: it opens the address, allows access, and follows the redirect to this machine.
func inBrowser(t *testing.T, server *emulator.Server, decision string) func(string) {
	return func(address string) {
		u, err := url.Parse(address)
		if err != nil {
			t.Error(err)
			return
		}
		form := u.Query()
		form.Set("username", server.Username)
		form.Set("password", server.Password)
		form.Set("decision", decision)
		u.RawQuery = ""
		go func() {
			stranger, err := http.Get(form.Get("redirect_uri") + "?code=x&state=guessed")
			if err != nil || stranger.StatusCode != http.StatusBadRequest {
				t.Errorf("a page that guesses: %v %v", stranger, err)
			}
			reply, err := http.PostForm(u.String(), form)
			if err != nil || reply.StatusCode != http.StatusOK {
				t.Errorf("the user's browser: %v %v", reply, err)
			}
		}()
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestSignInByBrowser(t *testing.T) {
	server, c := emulated(t, emulator.Options{Seed: 1})
	b := salesforce.Browser{LoginURL: server.URL, ClientID: server.ClientID, Port: freePort(t), Show: inBrowser(t, server, "allow")}
	tokens, err := b.SignIn(t.Context())
	if err != nil || tokens.RefreshToken == "" || tokens.InstanceURL != server.URL {
		t.Fatalf("instance %s, %v", tokens.InstanceURL, err)
	}
	c.Credentials = salesforce.Credentials{ClientID: server.ClientID, RefreshToken: tokens.RefreshToken}
	if _, err := salesforce.Connect(t.Context(), c); err != nil {
		t.Errorf("with the refresh token: %v", err)
	}
	b.Show = inBrowser(t, server, "deny")
	if _, err := b.SignIn(t.Context()); problem.KindOf(err) != problem.Unauthorized || !strings.Contains(err.Error(), "denied") {
		t.Errorf("a user who does not allow it: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.Show = func(string) { cancel() }
	if _, err := b.SignIn(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a user who gives up: %v", err)
	}
}

func TestAuthorizationURLs(t *testing.T) {
	c, err := salesforce.ParseAuthURL("force://PlatformCLI::5Aep861_x.y==@example.my.salesforce.com")
	if err != nil || c.ClientID != "PlatformCLI" || c.ClientSecret != "" || string(c.RefreshToken) != "5Aep861_x.y==" ||
		c.LoginURL != "https://example.my.salesforce.com" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, text := range []string{"", "https://example.com", "force://a:b@c", "force://id:secret:hush token@host", "force://id:secret:hush@host/path"} {
		if _, err := salesforce.ParseAuthURL(salesforce.Secret(text)); problem.KindOf(err) != problem.Usage || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
