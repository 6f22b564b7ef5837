package s3

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/problem"
)

// Scheme begins a location that Parse understands.
const Scheme = "s3:"

// maxRetainDays bounds a retention: a lock in COMPLIANCE mode cannot be taken back, so a number with
// two digits too many costs that storage for ever. S3 itself allows a hundred years.
const maxRetainDays = 36500

// Parse reads a location:
//
//	s3://BUCKET[/PREFIX][?SETTING=VALUE[&...]]
//
// with the settings endpoint (a URL), region, path-style (true or false), credentials (a file),
// profile, retain-days (a number of days of 24 hours), and versions (latest or first; see Config.First). A location never holds credentials, and an
// error never repeats what is in the place of them. The error is a problem of kind Usage.
func Parse(location string) (Config, error) {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.Fragment != "" || u.Port() != "" {
		return Config{}, problem.New(problem.Usage, "the location of the object store is not s3://BUCKET/PREFIX?endpoint=URL").
			Hint("credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or from a file, never from a location")
	}
	c := Config{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	settings, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Config{}, problem.Newf(problem.Usage, "the settings of %s cannot be read", c.Bucket)
	}
	for name, values := range settings {
		if len(values) != 1 {
			return Config{}, problem.Newf(problem.Usage, "the setting %q of %s is given twice", name, c.Bucket)
		}
		if err := c.set(name, values[0]); err != nil {
			return Config{}, err
		}
	}
	return c, nil
}

func (c *Config) set(name, value string) error {
	switch name {
	case "endpoint":
		c.Endpoint = value
		_, err := parseEndpoint(value)
		return err
	case "region":
		c.Region = value
	case "credentials":
		c.CredentialsFile = value
	case "profile":
		c.Profile = value
	case "path-style":
		on, err := strconv.ParseBool(value)
		if err != nil {
			return problem.Newf(problem.Usage, "path-style=%s of %s: not true or false", value, c.Bucket)
		}
		c.PathStyle = on
	case "retain-days":
		days, err := strconv.Atoi(value)
		if err != nil || days < 1 || days > maxRetainDays {
			return problem.Newf(problem.Usage, "retain-days=%s of %s: not a number from 1 to %d", value, c.Bucket, maxRetainDays)
		}
		c.Retention = time.Duration(days) * 24 * time.Hour
	case "versions":
		if value != "first" && value != "latest" {
			return problem.Newf(problem.Usage, "versions=%s of %s: neither first nor latest", value, c.Bucket)
		}
		c.First = value == "first"
	default:
		return problem.Newf(problem.Usage, "%s has no setting %q", c.Bucket, name).
			Hint("there are endpoint, region, path-style, credentials, profile, retain-days and versions")
	}
	return nil
}
