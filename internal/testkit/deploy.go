package testkit

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// smallFile is the size below which a file is stored as it is: a packer clears large tables for each, which is most of the
// time of a zip of thousands of files, and minutes under the race detector.
const smallFile = 16 << 10

// Zip packs files by name into a zip archive, in the order of their names.
func Zip(files map[string]string) ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		method := zip.Deflate
		if len(files[name]) < smallFile {
			method = zip.Store
		}
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(f, files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// deployPoll is how long Deploy waits between two looks at a deployment.
const deployPoll = 50 * time.Millisecond

// Deploy deploys a zip in Metadata API format over SOAP and waits for its end. A component that
// fails is an error which names it.
func (l *Loader) Deploy(ctx context.Context, archive []byte) error {
	var started struct {
		ID string `xml:"Body>deployResponse>result>id"`
	}
	request := `<deploy xmlns="http://soap.sforce.com/2006/04/metadata"><ZipFile>` + base64.StdEncoding.EncodeToString(archive) +
		`</ZipFile><DeployOptions><rollbackOnError>true</rollbackOnError><singlePackage>true</singlePackage></DeployOptions></deploy>`
	if err := l.soap(ctx, request, &started); err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	for {
		var status struct {
			Result struct {
				Done    bool   `xml:"done"`
				Success bool   `xml:"success"`
				Status  string `xml:"status"`
				Message string `xml:"errorMessage"`
				Details struct {
					Failures []struct {
						FullName string `xml:"fullName"`
						Type     string `xml:"componentType"`
						Problem  string `xml:"problem"`
					} `xml:"componentFailures"`
				} `xml:"details"`
			} `xml:"Body>checkDeployStatusResponse>result"`
		}
		ask := `<checkDeployStatus xmlns="http://soap.sforce.com/2006/04/metadata"><asyncProcessId>` + started.ID +
			`</asyncProcessId><includeDetails>true</includeDetails></checkDeployStatus>`
		if err := l.soap(ctx, ask, &status); err != nil {
			return fmt.Errorf("deploy %s: %w", started.ID, err)
		}
		r := status.Result
		if r.Done && r.Success {
			return nil
		}
		if r.Done {
			var b strings.Builder
			for i, f := range r.Details.Failures {
				if i == 10 {
					fmt.Fprintf(&b, "; and %d more", len(r.Details.Failures)-i)
					break
				}
				fmt.Fprintf(&b, "; %s %s: %s", f.Type, f.FullName, f.Problem)
			}
			return fmt.Errorf("deploy %s: %s %s%s", started.ID, r.Status, r.Message, b.String())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(deployPoll):
		}
	}
}

// soap sends one Metadata API request and decodes the envelope of the answer.
func (l *Loader) soap(ctx context.Context, request string, out any) error {
	return l.soapAt(ctx, "m", "http://soap.sforce.com/2006/04/metadata", request, out)
}

// soapAt sends one request to the service of that letter (m metadata, u partner).
func (l *Loader) soapAt(ctx context.Context, service, namespace, request string, out any) error {
	envelope := `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">` +
		`<soapenv:Header><SessionHeader xmlns="` + namespace + `"><sessionId>` + l.AccessToken +
		`</sessionId></SessionHeader></soapenv:Header><soapenv:Body>` + request + `</soapenv:Body></soapenv:Envelope>`
	target := l.InstanceURL + "/services/Soap/" + service + "/" + strings.TrimPrefix(l.Version, "v")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(envelope))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	req.Header.Set("SOAPAction", `""`)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("HTTP %d: %s", resp.StatusCode, raw)
	}
	return xml.Unmarshal(raw, out)
}

// EmptyRecycleBin removes records from the Recycle Bin for good. An Id whose record went with its
// parent, or is not there, is not an error.
func (l *Loader) EmptyRecycleBin(ctx context.Context, ids []string) error {
	for start := 0; start < len(ids); start += collectionSize {
		var b strings.Builder
		b.WriteString(`<emptyRecycleBin xmlns="urn:partner.soap.sforce.com">`)
		for _, id := range ids[start:min(start+collectionSize, len(ids))] {
			b.WriteString("<ids>" + id + "</ids>")
		}
		b.WriteString("</emptyRecycleBin>")
		var reply struct {
			Results []struct {
				ID      string `xml:"id"`
				Success bool   `xml:"success"`
			} `xml:"Body>emptyRecycleBinResponse>result"`
		}
		if err := l.soapAt(ctx, "u", "urn:partner.soap.sforce.com", b.String(), &reply); err != nil {
			return fmt.Errorf("empty the recycle bin: %w", err)
		}
		if len(reply.Results) != min(collectionSize, len(ids)-start) {
			return fmt.Errorf("empty the recycle bin: %d results for %d Ids", len(reply.Results), len(ids)-start)
		}
	}
	return nil
}
