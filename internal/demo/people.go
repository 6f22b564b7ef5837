package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// people are those who work in the org, and the integration that wrecks it. They use the org's
// public APIs by themselves and not through the client of Holdfast, so that they can also bear
// witness to what it did.
type people struct {
	url, token string
	client     *http.Client
}

// apiVersion is the release of the platform's API that people speak.
const apiVersion = "66.0"

// collection is the most rows of one sObject Collections call.
// Source: REST API Developer Guide, "Create Multiple Records with Fewer Round-Trips".
const collection = 200

// maxAnswer bounds what people read of one answer; a page of 2,000 demo records is below 4 MiB.
const maxAnswer = 64 << 20

// row is one record to write, by field.
type row map[string]any

// insert creates records and returns their Ids in the order of the rows.
func (p people) insert(ctx context.Context, object string, rows []row) ([]string, error) {
	return p.write(ctx, http.MethodPost, object, rows)
}

// update writes rows, each with its Id under "Id".
func (p people) update(ctx context.Context, object string, rows []row) error {
	_, err := p.write(ctx, http.MethodPatch, object, rows)
	return err
}

// saved is what the org says of one row.
type saved struct {
	ID      string `json:"id"`
	Success bool   `json:"success"`
	Errors  []struct {
		StatusCode string `json:"statusCode"`
		Message    string `json:"message"`
	} `json:"errors"`
}

func (p people) write(ctx context.Context, method, object string, rows []row) ([]string, error) {
	ids := make([]string, 0, len(rows))
	for start := 0; start < len(rows); start += collection {
		batch := rows[start:min(start+collection, len(rows))]
		for _, r := range batch {
			r["attributes"] = map[string]string{"type": object}
		}
		body, err := json.Marshal(map[string]any{"allOrNone": true, "records": batch})
		if err != nil {
			return nil, err
		}
		var results []saved
		if err := p.rest(ctx, method, "composite/sobjects", body, &results); err != nil {
			return nil, fmt.Errorf("write %s: %w", object, err)
		}
		if len(results) != len(batch) {
			return nil, fmt.Errorf("write %s: %d results for %d rows", object, len(results), len(batch))
		}
		for i, r := range results {
			if !r.Success {
				return nil, fmt.Errorf("write %s, row %d: %v", object, start+i, r.Errors)
			}
			ids = append(ids, r.ID)
		}
	}
	return ids, nil
}

// delete moves records, and what hangs on them, to the Recycle Bin.
func (p people) delete(ctx context.Context, ids []string) error {
	for start := 0; start < len(ids); start += collection {
		batch := ids[start:min(start+collection, len(ids))]
		query := url.Values{"ids": {strings.Join(batch, ",")}, "allOrNone": {"true"}}
		var results []saved
		if err := p.rest(ctx, http.MethodDelete, "composite/sobjects?"+query.Encode(), nil, &results); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		for _, r := range results {
			if !r.Success {
				return fmt.Errorf("delete %s: %v", r.ID, r.Errors)
			}
		}
	}
	return nil
}

// purge takes deleted records out of the Recycle Bin, for good.
// Source: SOAP API Developer Guide, emptyRecycleBin: at most 200 Ids a call.
func (p people) purge(ctx context.Context, ids []string) error {
	for start := 0; start < len(ids); start += collection {
		var body strings.Builder
		body.WriteString(`<emptyRecycleBin xmlns="urn:partner.soap.sforce.com">`)
		for _, id := range ids[start:min(start+collection, len(ids))] {
			body.WriteString("<ids>" + id + "</ids>")
		}
		body.WriteString("</emptyRecycleBin>")
		var answer struct {
			Results []struct {
				Success bool   `xml:"success"`
				Message string `xml:"errors>message"`
			} `xml:"Body>emptyRecycleBinResponse>result"`
		}
		if err := p.soap(ctx, "u", "urn:partner.soap.sforce.com", body.String(), &answer); err != nil {
			return fmt.Errorf("purge: %w", err)
		}
		for _, r := range answer.Results {
			if !r.Success {
				return fmt.Errorf("purge: %s", r.Message)
			}
		}
	}
	return nil
}

// query returns every record of a query, by field. The resource is "query", or "queryAll" to see the
// Recycle Bin, too.
func (p people) query(ctx context.Context, resource, soql string) ([]row, error) {
	var all []row
	next := resource + "?" + url.Values{"q": {soql}}.Encode()
	for next != "" {
		var page struct {
			Records []row  `json:"records"`
			Done    bool   `json:"done"`
			Next    string `json:"nextRecordsUrl"`
		}
		if err := p.rest(ctx, http.MethodGet, next, nil, &page); err != nil {
			return nil, fmt.Errorf("query: %w", err)
		}
		all = append(all, page.Records...)
		if page.Done {
			break
		}
		_, next, _ = strings.Cut(page.Next, "/v"+apiVersion+"/")
	}
	return all, nil
}

// deployPoll is how long people wait between two looks at a deployment.
const deployPoll = 20 * time.Millisecond

// deploy deploys the demo's metadata and waits for its end.
func (p people) deploy(ctx context.Context) error {
	zipped, err := archive()
	if err != nil {
		return err
	}
	const ns = "http://soap.sforce.com/2006/04/metadata"
	var started struct {
		ID string `xml:"Body>deployResponse>result>id"`
	}
	err = p.soap(ctx, "m", ns, `<deploy xmlns="`+ns+`"><ZipFile>`+base64.StdEncoding.EncodeToString(zipped)+
		`</ZipFile><DeployOptions><rollbackOnError>true</rollbackOnError><singlePackage>true</singlePackage></DeployOptions></deploy>`, &started)
	if err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	for {
		var status struct {
			Done     bool   `xml:"Body>checkDeployStatusResponse>result>done"`
			Success  bool   `xml:"Body>checkDeployStatusResponse>result>success"`
			Problems string `xml:"Body>checkDeployStatusResponse>result>details>componentFailures>problem"`
		}
		err := p.soap(ctx, "m", ns, `<checkDeployStatus xmlns="`+ns+`"><asyncProcessId>`+started.ID+
			`</asyncProcessId><includeDetails>true</includeDetails></checkDeployStatus>`, &status)
		switch {
		case err != nil:
			return fmt.Errorf("deploy: %w", err)
		case status.Done && status.Success:
			return nil
		case status.Done:
			return fmt.Errorf("deploy: %s", status.Problems)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(deployPoll):
		}
	}
}

func (p people) rest(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, p.url+"/services/data/v"+apiVersion+"/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.token)
	answer, err := p.do(req)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber() // a number is compared by its digits
	return d.Decode(out)
}

// soap sends a SOAP call to one of the org's two SOAP endpoints: "u" for data, "m" for metadata.
func (p people) soap(ctx context.Context, endpoint, ns, body string, out any) error {
	var session strings.Builder
	if err := xml.EscapeText(&session, []byte(p.token)); err != nil {
		return err
	}
	envelope := `<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header>` +
		`<SessionHeader xmlns="` + ns + `"><sessionId>` + session.String() + `</sessionId></SessionHeader></e:Header><e:Body>` + body + `</e:Body></e:Envelope>`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/services/Soap/"+endpoint+"/"+apiVersion, strings.NewReader(envelope))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	req.Header.Set("SOAPAction", `""`)
	answer, err := p.do(req)
	if err != nil {
		return err
	}
	return xml.Unmarshal(answer, out)
}

func (p people) do(req *http.Request) ([]byte, error) {
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s: %s: %.200s", req.Method, req.URL.Path, resp.Status, complaint(body))
	}
	return body, nil
}

// complaint returns what an error says: the words of a SOAP fault, or the body as it is.
func complaint(body []byte) string {
	var fault struct {
		Text string `xml:"Body>Fault>faultstring"`
	}
	if err := xml.Unmarshal(body, &fault); err == nil && fault.Text != "" {
		return fault.Text
	}
	return string(body)
}
