package wsdl_test

import (
	"testing"

	"holdfast/internal/testkit/wsdl"
)

// recorder is a test that a check is expected to fail.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

// What the WSDL does not allow is found: a value of the wrong type, an element too many, one too few,
// an element that is not declared.
func TestValidationFindsWhatIsWrong(t *testing.T) {
	s := wsdl.Open(t, wsdl.Partner)
	reply := func(inside string) map[string][]byte {
		return map[string][]byte{"reply": []byte(`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
			`xmlns="urn:partner.soap.sforce.com"><soapenv:Body>` + inside + `</soapenv:Body></soapenv:Envelope>`)}
	}
	const good = "<timestamp>2026-01-05T08:00:00.000Z</timestamp>"
	s.Validate(t, reply("<getServerTimestampResponse><result>"+good+"</result></getServerTimestampResponse>"))
	for _, bad := range []string{
		"<getServerTimestampResponse><result><timestamp>today</timestamp></result></getServerTimestampResponse>",
		"<getServerTimestampResponse><result>" + good + good + "</result></getServerTimestampResponse>",
		"<getServerTimestampResponse><result/></getServerTimestampResponse>",
		"<eatCakeResponse/>",
		"<getServerTimestampResponse xmlns=''><result>" + good + "</result></getServerTimestampResponse>",
	} {
		r := &recorder{TB: t}
		s.Validate(r, reply(bad))
		if !r.failed {
			t.Errorf("nothing is found wrong with %s", bad)
		}
	}
	if codes := s.Values(t, "StatusCode"); len(codes) < 600 || !codes["REQUIRED_FIELD_MISSING"] || codes["API_DISABLED_FOR_ORG"] {
		t.Errorf("%d status codes", len(codes))
	}
}
