package soap

import (
	"fmt"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// maxRows is how many records a call may name.
// Source: SOAP API Developer Guide, emptyRecycleBin and delete; for undelete unverified.
const maxRows = 200

// stampLayout is how SOAP spells a datetime.
const stampLayout = "2006-01-02T15:04:05.000Z"

func login(a *API, c *call) (string, error) {
	if c.version > lastLogin {
		return "", wire.BadRequest("INVALID_OPERATION", "SOAP API login() is disabled by default in this org.")
	}
	token, user, ok := a.cfg.Login(c.op.value("username"), c.op.value("password"))
	if !ok {
		return "", wire.BadRequest("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
	}
	endpoint := func(kind string) string {
		return fmt.Sprintf("%s/services/Soap/%s/%d.0/%s", c.baseURL, kind, c.version, a.cfg.Org.ID().Short())
	}
	return "<result>" + element("metadataServerUrl", endpoint("m")) + element("passwordExpired", false) +
		element("sandbox", false) + element("serverUrl", endpoint(c.kind)) + element("sessionId", token) +
		element("userId", user.ID) + "<userInfo>" + a.userInfo(user) + "</userInfo></result>", nil
}

func logout(a *API, c *call) (string, error) {
	a.cfg.Logout(c.token)
	return "", nil
}

func getUserInfo(a *API, c *call) (string, error) {
	user, _ := a.cfg.Org.UserByID(c.caller.User)
	return "<result>" + a.userInfo(user) + "</result>", nil
}

func (a *API) userInfo(u org.User) string {
	return element("organizationId", a.cfg.Org.ID()) + element("organizationName", a.cfg.Org.Name()) +
		element("userEmail", u.Email) + element("userFullName", u.Name) + element("userId", u.ID) +
		element("userLanguage", "en_US") + element("userLocale", "en_US") + element("userName", u.Username) +
		element("userTimeZone", "GMT") + element("userType", "Standard")
}

func getServerTimestamp(a *API, _ *call) (string, error) {
	return "<result>" + element("timestamp", a.cfg.Org.Clock().Now().Format(stampLayout)) + "</result>", nil
}

func undelete(a *API, c *call) (string, error)        { return a.byIDs(c, org.Undelete) }
func emptyRecycleBin(a *API, c *call) (string, error) { return a.byIDs(c, org.EmptyBin) }
func remove(a *API, c *call) (string, error)          { return a.byIDs(c, org.Delete) }

// byIDs runs a call that names records by their Ids and answers one result for each, in order.
func (a *API) byIDs(c *call, op org.Op) (string, error) {
	ids := c.op.values("ids")
	if len(ids) > maxRows {
		return "", wire.BadRequest("EXCEEDED_ID_LIMIT", fmt.Sprintf("record limit reached. cannot submit more than %d records in this call", maxRows))
	}
	rows := make([]org.Row, len(ids))
	for i, id := range ids {
		rows[i] = org.Row{ID: id}
	}
	opts := org.Options{AllOrNone: c.header.child("AllOrNoneHeader").flag("allOrNone")}
	var b strings.Builder
	for _, r := range a.cfg.Org.Write(c.caller, op, rows, opts) {
		b.WriteString("<result>")
		for _, e := range r.Errors {
			b.WriteString("<errors>")
			for _, f := range e.Fields {
				b.WriteString(element("fields", f))
			}
			b.WriteString(element("message", e.Message) + element("statusCode", e.Code) + "</errors>")
		}
		if r.Success {
			b.WriteString(element("id", r.ID))
		} else {
			b.WriteString(`<id xsi:nil="true"/>`)
		}
		b.WriteString(element("success", r.Success) + "</result>")
	}
	return b.String(), nil
}
