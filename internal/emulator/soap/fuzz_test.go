package soap

import "testing"

// FuzzParse: whatever a client sends is read or refused, in bounded memory.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><a b="c">d<![CDATA[e]]></a></soapenv:Body></soapenv:Envelope>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := parse(text)
		if err == nil && n == nil {
			t.Fatalf("%q is read as nothing", text)
		}
	})
}
