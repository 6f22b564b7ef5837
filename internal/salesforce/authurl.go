package salesforce

import (
	"regexp"

	"holdfast/internal/problem"
)

// authURL is the form of an SFDX authorization URL: client id, client secret, which is mostly empty,
// refresh token, and host. Source: @salesforce/core 8, AuthInfo.parseSfdxAuthUrl.
var authURL = regexp.MustCompile(`^force://([A-Za-z0-9._-]+={0,2}):([A-Za-z0-9._-]*={0,2}):([A-Za-z0-9._-]+={0,2})@([A-Za-z0-9:._-]+)/?$`)

// ParseAuthURL reads an SFDX authorization URL, as `sf org auth show-sfdx-auth-url` prints it. The
// address is always https. The error never repeats what was read.
func ParseAuthURL(text Secret) (Credentials, error) {
	m := authURL.FindStringSubmatch(string(text))
	if m == nil {
		return Credentials{}, problem.New(problem.Usage, "not an SFDX authorization URL").
			Hint("it looks like force://CLIENT_ID:CLIENT_SECRET:REFRESH_TOKEN@HOST; `sf org auth show-sfdx-auth-url` prints it")
	}
	return Credentials{ClientID: m[1], ClientSecret: Secret(m[2]), RefreshToken: Secret(m[3]), LoginURL: "https://" + m[4]}, nil
}
