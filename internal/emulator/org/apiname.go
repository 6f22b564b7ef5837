package org

import (
	"regexp"
	"strings"
)

// maxAPIName is the longest name of a custom object or field, without its namespace and suffix.
// Source: Metadata API Developer Guide, CustomObject and CustomField, fullName; Salesforce Help, "Create
// Custom Objects" (40 characters).
const maxAPIName = 40

// apiName is a name without namespace and suffix: letters, digits and single underscores, a letter first
// and no underscore last. A namespace has at most 15 characters.
var (
	apiName   = regexp.MustCompile(`^[A-Za-z](?:_?[A-Za-z0-9])*$`)
	namespace = regexp.MustCompile(`^[A-Za-z](?:_?[A-Za-z0-9]){0,14}$`)
)

// checkAPIName refuses a name that the platform refuses; what is "object" or "field", of is the object.
// Source of the words: public deploy results about fields; for objects they are unverified. Results show no code: this one is unverified.
func checkAPIName(what, name, of string) *Error {
	bare := name
	if i := strings.LastIndex(name, "__"); i >= 0 {
		bare = name[:i]
	}
	if space, rest, found := strings.Cut(bare, "__"); found && namespace.MatchString(space) {
		bare = rest
	}
	switch {
	case !apiName.MatchString(bare):
		return fault("FIELD_INTEGRITY_EXCEPTION", "The "+what+" name you provided "+name+" on object "+of+
			" can only contain alphanumeric characters, must begin with a letter, cannot end with an underscore"+
			" or contain two consecutive underscore characters, and must be unique across all "+of+" "+what+"s")
	case len(bare) > maxAPIName:
		return fault("STRING_TOO_LONG", "The "+what+" name "+name+" is too long: the maximum is 40 characters") // words unverified
	}
	return nil
}
