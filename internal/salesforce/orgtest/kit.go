package orgtest

import "net/url"

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
