package soap

import (
	"fmt"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

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
	if err := a.mayCall(org.Caller{User: user.ID}); err != nil {
		a.cfg.Logout(token)
		return "", err
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

// The figures of getUserInfo. Sources: SOAP API Developer Guide, GetUserInfoResult; 5 MB is the
// default limit of an attachment there; 2 hours is the default of a session.
const (
	attachmentLimit = 5 << 20
	sessionSeconds  = 2 * 60 * 60
)

func (a *API) userInfo(u org.User) string {
	own := map[string]string{}
	fields := []string{"ProfileId", "UserRoleId", "LanguageLocaleKey", "LocaleSidKey", "TimeZoneSidKey", "UserType"}
	if list, err := a.cfg.Org.Retrieve(a.cfg.Org.Admin(), "User", []string{string(u.ID)}, fields); err == nil && list[0] != nil {
		for _, cell := range list[0].Cells {
			own[cell.Name] = cell.Text
		}
	}
	seconds := sessionSeconds
	if a.cfg.SessionLife > 0 {
		seconds = int(a.cfg.SessionLife / time.Second)
	}
	features := a.cfg.Org.Features()
	currency := element("userDefaultCurrencyIsoCode", "USD")
	if !features.MultiCurrency {
		currency = null("userDefaultCurrencyIsoCode")
	}
	return element("accessibilityMode", false) + element("chatterExternal", false) + element("currencySymbol", "$") +
		element("orgAttachmentFileSizeLimit", attachmentLimit) + element("orgDefaultCurrencyIsoCode", "USD") +
		element("orgDefaultCurrencyLocale", "en_US") + element("orgDisallowHtmlAttachments", false) +
		element("orgHasPersonAccounts", features.PersonAccounts) +
		element("organizationId", a.cfg.Org.ID()) + element("organizationMultiCurrency", features.MultiCurrency) +
		element("organizationName", a.cfg.Org.Name()) + element("profileId", own["ProfileId"]) + optional("roleId", own["UserRoleId"]) +
		element("sessionSecondsValid", seconds) + currency +
		element("userEmail", u.Email) + element("userFullName", u.Name) + element("userId", u.ID) +
		element("userLanguage", own["LanguageLocaleKey"]) + element("userLocale", own["LocaleSidKey"]) + element("userName", u.Username) +
		element("userTimeZone", own["TimeZoneSidKey"]) + element("userType", own["UserType"]) + element("userUiSkin", "Theme3")
}

// setPassword gives a user a password, and resetPassword makes one up.
func setPassword(a *API, c *call) (string, error) {
	user, err := a.user(c)
	if err != nil {
		return "", err
	}
	password := c.op.value("password")
	if len(password) < minPassword {
		return "", wire.BadRequest("INVALID_NEW_PASSWORD", "Your password must be at least 8 characters long.")
	}
	a.cfg.SetPassword(user.ID, password)
	return "<result/>", nil
}

func resetPassword(a *API, c *call) (string, error) {
	user, err := a.user(c)
	if err != nil {
		return "", err
	}
	password := a.cfg.NewPassword()
	a.cfg.SetPassword(user.ID, password)
	return "<result>" + element("password", password) + "</result>", nil
}

// minPassword is the least length of a password. Source: Salesforce Help, "Set Password Policies".
const minPassword = 8

// user returns the user that a call names.
func (a *API) user(c *call) (org.User, error) {
	text := c.op.value("userId")
	id, err := sf.ParseID(text)
	if err != nil {
		return org.User{}, wire.BadRequest("INVALID_ID_FIELD", "invalid id: "+text)
	}
	user, ok := a.cfg.Org.UserByID(id)
	if !ok {
		return org.User{}, wire.BadRequest("INVALID_ID_FIELD", "invalid user id: "+text)
	}
	return user, nil
}

func getServerTimestamp(a *API, _ *call) (string, error) {
	return "<result>" + element("timestamp", a.cfg.Org.Clock().Now().Format(stampLayout)) + "</result>", nil
}
