package salesforce_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
	"holdfast/internal/sf"
)

// TestSecretAtTheCutIsNotShown echoes the session where a long message is cut: half of it would not be
// recognised.
func TestSecretAtTheCutIsNotShown(t *testing.T) {
	token := "00D000000000001!" + strings.Repeat("s3cret", 16)
	for name, h := range map[string]func(text string) http.HandlerFunc{
		"message": func(text string) http.HandlerFunc { return answer(400, `[{"errorCode":"X","message":"`+text+`"}]`) },
		"code":    func(text string) http.HandlerFunc { return answer(400, `[{"errorCode":"`+text+`","message":"x"}]`) },
		"page": func(text string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>"+text) }
		},
		"composite": func(text string) http.HandlerFunc {
			return answer(200, `{"compositeResponse":[{"httpStatusCode":400,"body":[{"errorCode":"X","message":"`+text+`"}]}]}`)
		},
	} {
		for before := 280; before <= 420; before += 20 {
			f := newFake(t)
			f.valid[token] = true
			c := f.config()
			c.Credentials.AccessToken = salesforce.Secret(token)
			org, err := salesforce.Connect(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			f.on("GET "+v+"query", h(strings.Repeat("y", before)+token))
			f.on("POST "+v+"composite", h(strings.Repeat("y", before)+token))
			wide := &sf.Object{Name: "Account"}
			var fields []string
			for i := range 1000 {
				name := fmt.Sprintf("Field_number_%d__c", i)
				wide.Fields, fields = append(wide.Fields, &sf.Field{Name: name, Type: sf.TypeString}), append(fields, name)
			}
			if name != "composite" {
				wide, fields = account(), []string{"Name"}
			}
			_, err = collect(t, org, sf.Extract{Object: wide, Fields: fields})
			if err == nil || strings.Contains(err.Error(), "s3cret") || len(err.Error()) > 1000 {
				t.Errorf("%s behind %d bytes: %v", name, before, err)
			}
		}
	}
}

// endless writes the text again and again until the reader hangs up, or a gigabyte was taken.
func endless(w io.Writer, text string) (sent int64) {
	for sent < 1<<30 {
		n, err := io.WriteString(w, text)
		if sent += int64(n); err != nil {
			break
		}
	}
	return sent
}

func TestEndlessAnswersEnd(t *testing.T) {
	for name, head := range map[string]string{
		"value":   `{"totalSize":1,"done":true,"records":[{"Id":"`,
		"unknown": `{"totalSize":1,"done":true,"x":"`,
		"next":    `{"totalSize":1,"done":false,"nextRecordsUrl":"`,
	} {
		f := newFake(t)
		var sent int64
		f.on("GET "+v+"query", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, head)
			sent = endless(w, strings.Repeat("x", 1<<20))
		})
		_, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}})
		f.Close()
		if err == nil || !strings.Contains(err.Error(), "longer than") || sent > 512<<20 {
			t.Errorf("%s: %d MB were taken, then %v", name, sent>>20, err)
		}
	}
}

func TestPageOfMoreRowsThanCountedEnds(t *testing.T) {
	b := newBulk(t, 10, 10)
	b.sabotage = func(_, _ int, w http.ResponseWriter, body string) bool {
		_, _ = io.WriteString(w, body)
		for i := range 5_000_000 {
			if _, err := fmt.Fprintf(w, "\"%s\",\"x\"\n", idOf("001", 10+i)); err != nil {
				return true
			}
		}
		t.Error("every row was taken")
		return true
	}
	got, err := b.read(t)
	if err == nil || len(got) > 10 {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

func TestMistypedPageIsDamage(t *testing.T) {
	f := newFake(t)
	asked := 0
	f.on("GET "+v+"query", func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			writeJSON(w, 200, `{"totalSize":1e99,"done":true,"records":[]}`)
			return
		}
		writeJSON(w, 200, `{"totalSize":0,"done":true,"records":[]}`)
	})
	if _, err := collect(t, f.connect(), sf.Extract{Object: account(), Fields: []string{"Name"}}); err != nil || asked != 2 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

func TestObjectListedTwiceIsDamage(t *testing.T) {
	f := newFake(t)
	f.on("GET "+v+"sobjects", answer(200, `{"sobjects":[{"name":"Account"},{"name":"ACCOUNT"}]}`))
	_, err := f.connect().Schema(t.Context())
	if err == nil || !strings.Contains(err.Error(), `"ACCOUNT" twice`) || problem.HintOf(err) == "" {
		t.Errorf("%v (%s)", err, problem.HintOf(err))
	}
}

func TestIdentityIsOfAnOrg(t *testing.T) {
	for _, id := range []string{userID, "", "x", strconv.Itoa(1 << 40)} {
		f := newFake(t)
		f.mux = http.NewServeMux()
		f.on("GET /services/oauth2/userinfo", answer(200, fmt.Sprintf(`{"user_id":%q,"organization_id":%q}`, userID, id)))
		_, err := salesforce.Connect(t.Context(), f.config())
		if err == nil || problem.HintOf(err) == "" {
			t.Errorf("org %q: %v (%s)", id, err, problem.HintOf(err))
		}
	}
}

// TestAssertionIsNotShown echoes the request for a token, which holds all that signs in.
func TestAssertionIsNotShown(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f := newFake(t)
	var assertion string
	f.on("POST /services/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		assertion = r.FormValue("assertion")
		writeJSON(w, 400, fmt.Sprintf(`{"error":"invalid_grant","error_description":%q}`, "got "+assertion))
	})
	c := f.config()
	c.Credentials = salesforce.Credentials{ClientID: "app", Username: "ada@example.com", PrivateKeyPEM: salesforce.Secret(
		pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))}
	_, err = salesforce.Connect(t.Context(), c)
	if err == nil || assertion == "" || strings.Contains(err.Error(), assertion[:40]) {
		t.Errorf("%v", err)
	}
}

// TestRefusalsOfRowsAreClean echoes the session in what the org says of single rows, which is shown
// and kept in journals.
func TestRefusalsOfRowsAreClean(t *testing.T) {
	const token = "00D000000000001!s3cret-s3cret"
	f := newFake(t)
	f.valid[token] = true
	c := f.config()
	c.Credentials.AccessToken = token
	org, err := salesforce.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Repeat("y", 380) + token + "\x1b[2J\nmore"
	list, _ := json.Marshal([]any{map[string]any{"id": accountID, "success": false, "errors": []any{
		map[string]any{"statusCode": "X\x1b" + token, "message": said, "fields": []string{token}},
	}}})
	f.on("GET "+v+"sobjects/Account/describe", answer(200, `{"name":"Account","fields":[{"name":"Name","type":"string"}]}`))
	f.on("PATCH "+v+"composite/sobjects", answer(200, string(list)))
	f.on("DELETE "+v+"composite/sobjects", answer(200, string(list)))
	f.on("POST /services/Soap/u/66.0", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<e:Envelope xmlns:e="x"><e:Body><undeleteResponse><result><id>%s</id><success>false</success><errors><statusCode>X</statusCode>`+
			`<message>%s</message></errors></result></undeleteResponse></e:Body></e:Envelope>`, accountID, strings.ReplaceAll(said, "\x1b", " "))
	})
	updated, errUpdate := org.Update(t.Context(), "Account", []string{"Name"}, []sf.Write{{ID: accountID, Values: []sf.Value{sf.Text("x")}}})
	deleted, errDelete := org.Delete(t.Context(), []sf.ID{accountID})
	undeleted, errUndelete := org.Undelete(t.Context(), []sf.ID{accountID})
	for what, got := range map[string][]sf.Outcome{"update": updated, "delete": deleted, "undelete": undeleted} {
		if len(got) != 1 || got[0].Success || strings.ContainsAny(fmt.Sprint(got), "\x1b\n") || strings.Contains(fmt.Sprint(got), "s3cret") {
			t.Errorf("%s: %+v (%v, %v, %v)", what, got, errUpdate, errDelete, errUndelete)
		}
	}
}
