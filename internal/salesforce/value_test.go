package salesforce

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"holdfast/internal/sf"
)

func TestShortWayToCanonicalIsTheLongWay(t *testing.T) {
	types := []sf.FieldType{
		sf.TypeBoolean, sf.TypeInt, sf.TypeDouble, sf.TypeCurrency, sf.TypeDate, sf.TypeDatetime,
		sf.TypeTime, sf.TypeReference, sf.TypeString, sf.TypeTextarea,
	}
	raw := rapid.OneOf(
		rapid.StringMatching(`-?[0-9]{0,4}\.?[0-9]{0,3}`),
		rapid.StringMatching(`20[0-9]{2}-[0-3][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\.[0-9]{3}(Z|\+0000|\+00:00)?`),
		rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9]`),
		rapid.SampledFrom([]string{"true", "false", "0", "1", "", "-0", "0.0", "00", "1.", ".5", "-", "1e3", "001000000000001AAA"}),
		rapid.StringMatching(`[0-9A-Za-z]{15}`),
		rapid.Map(rapid.StringMatching(`[0-9A-Za-z]{15}`), func(s string) string {
			id, _ := sf.ParseID(s)
			return string(id)
		}),
		rapid.StringMatching(`[0-9A-Za-z]{15}[A-Z0-5]{3}`),
		rapid.String(),
	)
	rapid.Check(t, func(t *rapid.T) {
		typ, text := rapid.SampledFrom(types).Draw(t, "type"), raw.Draw(t, "raw")
		got, gotErr := canonical(typ, text)
		want, wantErr := sf.Canonical(typ, text)
		if got != want || (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%s %q: %v %v, want %v %v", typ, text, got, gotErr, want, wantErr)
		}
	})
}

func TestLaw07JSONTextComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"\xed\xa0\x80", "\xed\xbf\xbf", "\x00", "\"", "\\", "\u2028", "😀", "\r\n",
		})), 0, 5).Draw(t, "parts")
		text := strings.Join(parts, "|") // a pair of lone surrogates side by side would be a pair
		quoted, err := appendText(nil, text)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(quoted) || !utf8.Valid(quoted) {
			t.Fatalf("%q is not JSON", quoted)
		}
		if got, err := unquote(quoted); err != nil || got != text {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
		if utf8.ValidString(text) {
			var std string
			if err := json.Unmarshal(quoted, &std); err != nil || std != text {
				t.Fatalf("encoding/json reads %q as %q, %v", quoted, std, err)
			}
		}
	})
}

func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, ` { "a" : "b\"\\" , "c":[1,{"d":"}"}] } `, `{"\u0041":null,"b":-1.5e3}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := map[string]string{}
		err := members(raw, func(key string, value []byte) error {
			got[key] = string(value)
			_, err := fieldValue(sf.TypeJSON, value)
			return err
		})
		var want map[string]json.RawMessage
		if json.Unmarshal(raw, &want) != nil || want == nil || !utf8.Valid(raw) || strings.Contains(string(raw), `\ud`) || strings.Contains(string(raw), `\uD`) {
			return // only that it neither hangs nor panics
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: %v, %v", raw, got, err)
		}
		for key, value := range want {
			if strings.TrimSpace(string(value)) != got[key] {
				t.Fatalf("%q: member %q is %q, want %q", raw, key, got[key], value)
			}
		}
	})
}

func TestFaultBodies(t *testing.T) {
	for body, want := range map[string]string{
		`[{"message":"a\nb","errorCode":"MALFORMED_QUERY","fields":["X"]}]`: "MALFORMED_QUERY: a\nb",
		`{"error":"invalid_grant","error_description":"expired"}`:           "invalid_grant: expired",
		`{"exceptionCode":"InvalidVersion","exceptionMessage":"old"}`:       "InvalidVersion: old",
		`<html><head><TITLE>Down for maintenance</TITLE></head>`:            "HTTP 0: an HTML page: Down for maintenance",
		`<html>`:          "HTTP 0: an HTML page",
		`Bad_OAuth_Token`: "HTTP 0: Bad_OAuth_Token",
		``:                "HTTP 0",
		`[]`:              "HTTP 0: []",
		`{"broken`:        `HTTP 0: {"broken`,
		`<e:Envelope xmlns:e="x"><e:Body><e:Fault><faultcode>sf:A_B</faultcode><faultstring>A_B: text &amp; more</faultstring></e:Fault></e:Body></e:Envelope>`: "A_B: text & more",
		`<error xmlns="x"><exceptionCode>ClientInputError</exceptionCode><exceptionMessage>m</exceptionMessage></error>`:                                        "ClientInputError: m",
	} {
		if got := parseFault([]byte(body)).Error(); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func FuzzFault(f *testing.F) {
	f.Add([]byte(`[{"message":"a","errorCode":"B"}]`))
	f.Add([]byte(`<a><faultcode>x</faultcode>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if text := oneLine(parseFault(raw).Message); strings.ContainsAny(text, "\r\n") || len(text) > maxFaultText+len("…") {
			t.Fatalf("%q", text)
		}
	})
}

func TestLimitInfo(t *testing.T) {
	for info, want := range map[string][2]int64{
		"api-usage=18/15000": {18, 15000},
		"api-usage=25/5000; per-app-api-usage=17/250(appName=sample)": {25, 5000},
		"per-app-api-usage=17/250, api-usage=1/2":                     {1, 2},
	} {
		if used, limit, ok := parseLimitInfo(info); !ok || used != want[0] || limit != want[1] {
			t.Errorf("%s: %d/%d %v", info, used, limit, ok)
		}
	}
	for _, info := range []string{"", "api-usage=", "api-usage=x/y", "api-usage=1/0", "api-usage=-1/5"} {
		if _, _, ok := parseLimitInfo(info); ok {
			t.Errorf("%q was understood", info)
		}
	}
}
