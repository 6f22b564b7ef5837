package salesforce

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"holdfast/internal/sf"
)

// maxSOAPReply bounds the answer of a SOAP call: 200 results take a few hundred KB.
const maxSOAPReply = 8 << 20

// soapService is a WSDL of the platform: where it is spoken, and the namespace of its words.
type soapService struct{ path, namespace string }

var partnerService = soapService{"/services/Soap/u/", "urn:partner.soap.sforce.com"}

// soapCall returns the call of an operation, which may be repeated. The session travels in the body, so
// that is written anew for each attempt.
func (o *Org) soapCall(s soapService, what, operation, arguments string) call {
	body := func(token string) (io.Reader, int64, error) {
		var b bytes.Buffer
		b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` +
			`<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns="` + s.namespace + `">` +
			`<env:Header><SessionHeader><sessionId>`)
		if err := xml.EscapeText(&b, []byte(token)); err != nil {
			return nil, 0, err
		}
		b.WriteString(`</sessionId></SessionHeader></env:Header><env:Body><` + operation + `>` + arguments +
			`</` + operation + `></env:Body></env:Envelope>`)
		return &b, int64(b.Len()), nil
	}
	return call{
		what: what, method: http.MethodPost, path: s.path + o.version, accept: mediaXML, repeat: true, whole: true,
		header: map[string]string{"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": `"` + operation + `"`}, body: body,
	}
}

// soap calls an operation of the partner WSDL.
func (o *Org) soap(ctx context.Context, what, operation, arguments string, out any) error {
	return o.do(ctx, o.soapCall(partnerService, what, operation, arguments), func(resp *http.Response) error {
		raw, err := io.ReadAll(io.LimitReader(resp.Body, maxSOAPReply+1))
		switch {
		case err != nil:
			return err
		case len(raw) > maxSOAPReply:
			return fmt.Errorf("the answer is longer than %d bytes", maxSOAPReply)
		}
		if err := xml.Unmarshal(raw, out); err != nil {
			return damaged("broken SOAP: %w", err)
		}
		return nil
	})
}

// undeleteReply is undeleteResponse of the partner WSDL, by local names.
type undeleteReply struct {
	Results []struct {
		ID      string `xml:"id"`
		Success bool   `xml:"success"`
		Errors  []struct {
			Code    string   `xml:"statusCode"`
			Message string   `xml:"message"`
			Fields  []string `xml:"fields"`
		} `xml:"errors"`
	} `xml:"Body>undeleteResponse>result"`
}

// Undelete brings up to 200 records back from the Recycle Bin, with what was deleted along with
// them, and returns one outcome for each Id, in their order. A record that is not deleted is a
// success: what the org says of it (UNDELETE_FAILED) is looked into.
func (o *Org) Undelete(ctx context.Context, ids []sf.ID) ([]sf.Outcome, error) {
	const what = "undelete records"
	if err := checkRows(what, len(ids)); err != nil || len(ids) == 0 {
		return nil, err
	}
	var arguments strings.Builder
	for _, id := range ids {
		arguments.WriteString("<ids>")
		if err := xml.EscapeText(&arguments, []byte(id)); err != nil {
			return nil, err
		}
		arguments.WriteString("</ids>")
	}
	var reply undeleteReply
	if err := o.soap(ctx, what, "undelete", arguments.String(), &reply); err != nil {
		return nil, err
	}
	answer := make([]saved, len(reply.Results))
	for i, r := range reply.Results {
		answer[i] = saved{ID: r.ID, Success: r.Success}
		for _, e := range r.Errors {
			answer[i].Errors = append(answer[i].Errors, struct {
				Code    string   `json:"statusCode"`
				Message string   `json:"message"`
				Fields  []string `json:"fields"`
			}{e.Code, e.Message, e.Fields})
		}
	}
	out, err := o.outcomes(what, answer, len(ids), func(i int) sf.ID { return ids[i] })
	if err != nil {
		return nil, err
	}
	return out, o.forgiveLive(ctx, out)
}

// forgiveLive turns the outcome of each record that could not be undeleted, because it is not
// deleted, into a success. That is also what a repeated call meets.
func (o *Org) forgiveLive(ctx context.Context, out []sf.Outcome) error {
	failed := map[string][]sf.ID{}
	for i := range out {
		if out[i].Code != "UNDELETE_FAILED" {
			continue
		}
		object, err := o.objectOf(ctx, out[i].ID)
		if err != nil {
			return err
		}
		if object != "" {
			failed[object] = append(failed[object], out[i].ID)
		}
	}
	live := map[sf.ID]bool{}
	for object, ids := range failed {
		for r, err := range o.Records(ctx, sf.Extract{Object: &sf.Object{Name: object}, IDs: ids}) {
			if err != nil {
				return err
			}
			live[r.ID] = true
		}
	}
	for i := range out {
		if live[out[i].ID] {
			out[i] = sf.Outcome{ID: out[i].ID, Success: true}
		}
	}
	return nil
}

// ServerTime returns the org's own clock (getServerTimestamp), to the millisecond.
func (o *Org) ServerTime(ctx context.Context) (time.Time, error) {
	const what = "read the org's clock"
	var reply struct {
		Timestamp string `xml:"Body>getServerTimestampResponse>result>timestamp"`
	}
	if err := o.soap(ctx, what, "getServerTimestamp", "", &reply); err != nil {
		return time.Time{}, err
	}
	t, err := sf.ParseDatetime(reply.Timestamp)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", what, err)
	}
	return t, nil
}
