package orgtest

import (
	"net/http"
	"net/url"
	"strings"
)

// escape is a query as it stands in an address.
func escape(soql string) string { return url.QueryEscape(soql) }

// many makes accounts, 200 at a time, and returns their name.
func (o *Org) many(n int) string {
	o.t.Helper()
	name := o.Name()
	for left := n; left > 0; left -= 200 {
		rows := make([]Values, min(left, 200))
		for i := range rows {
			rows[i] = account(Values{"Name": name})
		}
		for _, r := range o.collection("POST", "", rows) {
			o.t.Cleanup(func() { o.discard("Account", r.ID) })
		}
	}
	return name
}

// redirected posts a form and returns where the answer leads.
func (o *Org) redirected(path string, form url.Values) string {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.target.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	stay := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := stay.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.Header.Get("Location")
}
