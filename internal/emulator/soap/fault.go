package soap

import (
	"errors"
	"slices"

	"holdfast/internal/emulator/wire"
)

// Fault spells an error as the body of a reply of status 500.
func Fault(err error) []byte { return faultEnvelope("u", err) }

// unreadable is a request that is no envelope with a call. Its faultcode has no prefix.
// Source: forcedotcom/postman-salesforce-apis, issue 26 (a recorded reply).
type unreadable string

func (u unreadable) Error() string { return string(u) }

// noOperationError is a call that the API does not have. It is the fault of the client, in the words of
// SOAP, and carries no code. Source: replies recorded by clients of generated services.
type noOperationError struct{ namespace, name string }

func (n noOperationError) Error() string {
	return "No operation available for request {" + n.namespace + "}" + n.name + ", please check the WSDL for the service."
}

// faultKinds are the types of fault by exception code; every other code is an UnexpectedErrorFault.
// Source: partner WSDL, the types of faults and the operations that raise them.
var faultKinds = map[string]string{
	"INVALID_LOGIN": "LoginFault", "PASSWORD_LOCKOUT": "LoginFault", "LOGIN_CHALLENGE_ISSUED": "LoginFault",
	"INVALID_QUERY_LOCATOR": "InvalidQueryLocatorFault",
	"INVALID_NEW_PASSWORD":  "InvalidNewPasswordFault", "INVALID_OLD_PASSWORD": "InvalidOldPasswordFault",
	"INVALID_ID_FIELD": "InvalidIdFault", "MALFORMED_ID": "InvalidIdFault",
	"INVALID_FIELD": "InvalidFieldFault", "INVALID_TYPE": "InvalidSObjectFault",
	"MALFORMED_QUERY": "MalformedQueryFault", "MALFORMED_SEARCH": "MalformedSearchFault",
}

// placed are the faults that carry a row and a column, which are -1 where they say nothing.
var placed = []string{"InvalidFieldFault", "InvalidSObjectFault", "MalformedQueryFault", "MalformedSearchFault"}

// faultEnvelope spells an error: HTTP 500, faultcode sf:CODE, faultstring "CODE: text". The Metadata
// API says no more than that.
func faultEnvelope(kind string, err error) []byte {
	namespace := "urn:fault.partner.soap.sforce.com"
	switch kind {
	case "c":
		namespace = "urn:fault.enterprise.soap.sforce.com"
	case "m":
		namespace = "http://soap.sforce.com/2006/04/metadata"
	}
	faultcode, text, detail := "soapenv:Client", err.Error(), ""
	if _, ok := errors.AsType[noOperationError](err); !ok {
		code, message := "UNKNOWN_EXCEPTION", text
		faultcode = code
		if _, ok := errors.AsType[unreadable](err); !ok {
			f := wire.ErrorOf(err)
			if message = f.Error(); len(f.Errors) > 0 {
				code, message = f.Errors[0].Code, f.Errors[0].Message
			}
			faultcode = "sf:" + code
		}
		if text = code + ": " + message; kind != "m" {
			detail = faultDetail(code, message)
		}
	}
	return []byte(`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:sf="` + namespace + `" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>` +
		"<faultcode>" + escape(faultcode) + "</faultcode><faultstring>" + escape(text) + "</faultstring>" + detail +
		"</soapenv:Fault></soapenv:Body></soapenv:Envelope>")
}

func faultDetail(code, message string) string {
	name := faultKinds[code]
	if name == "" {
		name = "UnexpectedErrorFault"
	}
	place := ""
	if slices.Contains(placed, name) {
		place = "<sf:row>-1</sf:row><sf:column>-1</sf:column>"
	}
	return "<detail><sf:" + name + ` xsi:type="sf:` + name + `"><sf:exceptionCode>` + escape(code) + "</sf:exceptionCode><sf:exceptionMessage>" +
		escape(message) + "</sf:exceptionMessage>" + place + "</sf:" + name + "></detail>"
}
