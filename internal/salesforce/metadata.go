package salesforce

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

const (
	// MaxListQueries is how many queries one listMetadata call may hold.
	// Source: Metadata API Developer Guide, listMetadata.
	MaxListQueries = 3
	// maxMetadataReply bounds an answer of the Metadata API without its archive: 25,000 components of
	// some 700 bytes each.
	maxMetadataReply = 64 << 20
	// maxArchive bounds the archive of a retrieve: the platform gives 39 MB.
	// Source: Metadata API Developer Guide, "Deploying and Retrieving Metadata with the Zip File".
	maxArchive = 48 << 20
	// maxRetrieves is how often a retrieve is begun when its archive breaks off on the way: the org gives
	// it out once.
	maxRetrieves = 3
	// maxRetrievePolls bounds the waiting for a retrieve to about a day.
	maxRetrievePolls = 5_000
	// maxFlowPages bounds the pages of the versions of flows: an org has at most 4,000 flows of 50 versions,
	// of which a page has 2,000 or, in the worst case, 200 (unverified).
	maxFlowPages = 1_000
)

var metadataService = soapService{"/services/Soap/m/", "http://soap.sforce.com/2006/04/metadata"}

// metadata calls an operation of the metadata WSDL and reads its whole answer, which is no archive.
func (o *Org) metadata(ctx context.Context, what, operation, arguments string, out any) error {
	return o.do(ctx, o.soapCall(metadataService, what, operation, arguments), func(resp *http.Response) error {
		return decodeXML(resp.Body, out)
	})
}

// decodeXML reads an answer of at most maxMetadataReply bytes.
func decodeXML(body io.Reader, out any) error {
	bounded := &boundedReader{body, maxMetadataReply, maxMetadataReply}
	err := xml.NewDecoder(bounded).Decode(out)
	if _, ok := errors.AsType[*xml.SyntaxError](err); ok || errors.Is(err, io.EOF) {
		return damaged("broken SOAP: %w", err)
	}
	return err
}

// MetadataTypes returns every metadata type that the org describes, in its order, and the namespace of
// the org, which is empty for most.
func (o *Org) MetadataTypes(ctx context.Context) ([]sf.MetadataType, string, error) {
	var reply struct {
		Result *struct {
			Namespace string `xml:"organizationNamespace"`
			Objects   []struct {
				Name      string   `xml:"xmlName"`
				Directory string   `xml:"directoryName"`
				Suffix    string   `xml:"suffix"`
				InFolder  bool     `xml:"inFolder"`
				MetaFile  bool     `xml:"metaFile"`
				Children  []string `xml:"childXmlNames"`
			} `xml:"metadataObjects"`
		} `xml:"Body>describeMetadataResponse>result"`
	}
	const what = "describe the org's metadata"
	if err := o.metadata(ctx, what, "describeMetadata", "<asOfVersion>"+o.version+"</asOfVersion>", &reply); err != nil {
		return nil, "", err
	}
	if reply.Result == nil {
		return nil, "", fmt.Errorf("%s: %w: no result", what, errDamaged)
	}
	types := make([]sf.MetadataType, 0, len(reply.Result.Objects))
	for _, t := range reply.Result.Objects {
		if !isName(t.Name) {
			return nil, "", fmt.Errorf("%s: %w: type %q", what, errDamaged, oneLine(t.Name))
		}
		types = append(types, sf.MetadataType(t))
	}
	return types, reply.Result.Namespace, nil
}

// Components lists the components that up to MaxListQueries queries ask for, in the order of the org. When the
// org refuses one of the queries it refuses the call.
func (o *Org) Components(ctx context.Context, queries []sf.ComponentQuery) ([]sf.Component, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	what := "list " + queries[0].Type
	if len(queries) > 1 {
		what = fmt.Sprintf("list %s and %d other types", queries[0].Type, len(queries)-1)
	}
	if len(queries) > MaxListQueries {
		return nil, problem.Newf(problem.Usage, "%s: at most %d queries in a call", what, MaxListQueries)
	}
	var b strings.Builder
	for _, q := range queries {
		b.WriteString("<queries>")
		if q.Folder != "" {
			writeElement(&b, "folder", q.Folder)
		}
		writeElement(&b, "type", q.Type)
		b.WriteString("</queries>")
	}
	b.WriteString("<asOfVersion>" + o.version + "</asOfVersion>")
	var reply struct {
		Response *struct {
			Results []fileProperties `xml:"result"`
		} `xml:"Body>listMetadataResponse"`
	}
	if err := o.metadata(ctx, what, "listMetadata", b.String(), &reply); err != nil {
		return nil, err
	}
	if reply.Response == nil {
		return nil, fmt.Errorf("%s: %w: no response", what, errDamaged)
	}
	return componentsOf(what, reply.Response.Results)
}

// fileProperties is FileProperties of the metadata WSDL.
type fileProperties struct {
	Type       string `xml:"type"`
	FullName   string `xml:"fullName"`
	FileName   string `xml:"fileName"`
	ID         string `xml:"id"`
	Namespace  string `xml:"namespacePrefix"`
	Manageable string `xml:"manageableState"`
	CreatedBy  string `xml:"createdByName"`
	Created    string `xml:"createdDate"`
	ModifiedBy string `xml:"lastModifiedByName"`
	Modified   string `xml:"lastModifiedDate"`
}

func componentsOf(what string, list []fileProperties) ([]sf.Component, error) {
	out := make([]sf.Component, 0, len(list))
	for _, f := range list {
		if f.Type == "" || f.FullName == "" {
			return nil, fmt.Errorf("%s: %w: a component without a type or name", what, errDamaged)
		}
		out = append(out, sf.Component{
			ComponentKey: sf.ComponentKey{Type: f.Type, Name: f.FullName}, FileName: f.FileName, ID: f.ID,
			Namespace: f.Namespace, Manageable: f.Manageable,
			CreatedBy: f.CreatedBy, Created: listedTime(f.Created), ModifiedBy: f.ModifiedBy, Modified: listedTime(f.Modified),
		})
	}
	return out, nil
}

// listedTime reads a date of a listing. Standard components have the epoch, which is no date.
func listedTime(s string) time.Time {
	t := lenientTime(s)
	if t.Unix() <= 0 {
		return time.Time{}
	}
	return t
}

func writeElement(b *strings.Builder, name, text string) {
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(b, []byte(text)) // a strings.Builder does not fail
	b.WriteString("</" + name + ">")
}

// Retrieve asks the org for the components that a manifest names and returns the archive. Components that the
// org does not have are among the messages. When the org cannot give them (too many files, too large, or
// one that breaks it) the error has the org's words, with its code in front.
func (o *Org) Retrieve(ctx context.Context, m sf.Manifest) (sf.Retrieved, error) {
	var b strings.Builder
	version := m.Version
	if version == "" {
		version = o.version
	}
	b.WriteString("<retrieveRequest>")
	writeElement(&b, "apiVersion", version)
	b.WriteString("<singlePackage>true</singlePackage><unpackaged>")
	for _, t := range m.Types {
		b.WriteString("<types>")
		for _, name := range t.Members {
			writeElement(&b, "members", name)
		}
		writeElement(&b, "name", t.Name)
		b.WriteString("</types>")
	}
	writeElement(&b, "version", version)
	b.WriteString("</unpackaged></retrieveRequest>")
	for n := 1; ; n++ {
		r, err := o.retrieveOnce(ctx, b.String())
		if err == nil || ctx.Err() != nil || n == maxRetrieves || !errors.Is(err, errTaken) {
			return r, err
		}
		o.notice(fmt.Sprintf("retrieve: attempt %d: %v", n, err))
	}
}

// errTaken marks an archive that was given out and did not arrive: only a new retrieve can bring it.
var errTaken = errors.New("the archive was cut off on the way")

// retrieveOnce begins one retrieve, waits for it and fetches its archive.
func (o *Org) retrieveOnce(ctx context.Context, request string) (sf.Retrieved, error) {
	const what = "retrieve metadata"
	var started struct {
		ID string `xml:"Body>retrieveResponse>result>id"`
	}
	if err := o.metadata(ctx, what, "retrieve", request, &started); err != nil {
		return sf.Retrieved{}, err
	}
	if !jobForm.MatchString(started.ID) {
		return sf.Retrieved{}, fmt.Errorf("%s: %w: Id %q", what, errDamaged, oneLine(started.ID))
	}
	if err := o.awaitRetrieve(ctx, started.ID); err != nil {
		return sf.Retrieved{}, err
	}
	return o.takeArchive(ctx, started.ID)
}

// retrieveReply is RetrieveResult of the metadata WSDL, without its archive.
type retrieveReply struct {
	Done     bool             `xml:"done"`
	Status   string           `xml:"status"`
	Success  bool             `xml:"success"`
	Code     string           `xml:"errorStatusCode"`
	Error    string           `xml:"errorMessage"`
	Files    []fileProperties `xml:"fileProperties"`
	Messages []struct {
		FileName string `xml:"fileName"`
		Problem  string `xml:"problem"`
	} `xml:"messages"`
}

type retrieveEnvelope struct {
	Result *retrieveReply `xml:"Body>checkRetrieveStatusResponse>result"`
}

// failed returns why a retrieve did not succeed, in the org's words.
func (o *Org) failed(r *retrieveReply) error {
	if r.Success || r.Code == "" && r.Error == "" && r.Status == "Succeeded" {
		return nil
	}
	f := &Fault{Status: http.StatusOK, Code: firstOf(r.Code, "UNKNOWN_EXCEPTION"), Message: strings.TrimPrefix(r.Error, r.Code+": ")}
	return fmt.Errorf("retrieve metadata: %w", o.scrubbed(f))
}

// awaitRetrieve waits for a retrieve to end without taking its archive, which is given out once.
func (o *Org) awaitRetrieve(ctx context.Context, id string) error {
	what := "ask for retrieve " + id
	wait := firstPoll
	for range maxRetrievePolls {
		var reply retrieveEnvelope
		if err := o.metadata(ctx, what, "checkRetrieveStatus",
			"<asyncProcessId>"+id+"</asyncProcessId><includeZip>false</includeZip>", &reply); err != nil {
			return err
		}
		switch r := reply.Result; {
		case r == nil:
			return fmt.Errorf("%s: %w: no result", what, errDamaged)
		case r.Done:
			return o.failed(r)
		}
		if err := o.pace.sleep(ctx, wait/2+time.Duration(o.pace.chance()*float64(wait/2))); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		wait = min(wait*2, maxPoll)
	}
	return problem.New(problem.Unreachable, what+": it does not end")
}

// takeArchive fetches the result of a retrieve that has ended. The org deletes the archive once it has
// been given out, so an answer that breaks off is not asked for again here.
func (o *Org) takeArchive(ctx context.Context, id string) (sf.Retrieved, error) {
	c := o.soapCall(metadataService, "fetch retrieve "+id, "checkRetrieveStatus",
		"<asyncProcessId>"+id+"</asyncProcessId><includeZip>true</includeZip>")
	c.attempts = 1
	var out sf.Retrieved
	var reply retrieveEnvelope
	err := o.do(ctx, c, func(resp *http.Response) error {
		var archive bytes.Buffer
		filter := &archiveFilter{src: resp.Body, to: &archive, room: maxArchive}
		reply = retrieveEnvelope{}
		if err := decodeXML(filter, &reply); err != nil {
			return err
		}
		if reply.Result == nil || !reply.Result.Done {
			return damaged("no result")
		}
		out.Zip = archive.Bytes()
		return nil
	})
	switch {
	case err != nil && (errors.Is(err, errDamaged) || problem.KindOf(err) == problem.Unreachable):
		return out, fmt.Errorf("%w: %w", errTaken, err)
	case err != nil:
		return out, err
	}
	if err := o.failed(reply.Result); err != nil {
		return out, err
	}
	if len(out.Zip) == 0 {
		return out, fmt.Errorf("%w: %s: %w: no archive", errTaken, c.what, errDamaged)
	}
	if out.Files, err = componentsOf(c.what, reply.Result.Files); err != nil {
		return out, err
	}
	for _, m := range reply.Result.Messages {
		out.Messages = append(out.Messages, sf.RetrieveProblem{FileName: m.FileName, Problem: o.line(m.Problem)})
	}
	return out, nil
}

// FlowVersions returns every version of every flow, which no listing of components shows.
// Source: Tooling API Developer Guide, Flow.
func (o *Org) FlowVersions(ctx context.Context) ([]sf.FlowVersion, error) {
	const what = "list the versions of flows"
	path := o.data("tooling/query") + "?q=" + url.QueryEscape(
		"SELECT Definition.DeveloperName, Definition.NamespacePrefix, VersionNumber, Status FROM Flow")
	var out []sf.FlowVersion
	for range maxFlowPages {
		var page struct {
			Total   int    `json:"totalSize"`
			Done    bool   `json:"done"`
			Next    string `json:"nextRecordsUrl"`
			Records []struct {
				Definition struct {
					Name      string `json:"DeveloperName"`
					Namespace string `json:"NamespacePrefix"`
				}
				Number int    `json:"VersionNumber"`
				Status string `json:"Status"`
			} `json:"records"`
		}
		if err := o.json(ctx, call{what: what, method: http.MethodGet, path: path, repeat: true}, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			v := sf.FlowVersion{Flow: r.Definition.Name, Namespace: r.Definition.Namespace, Number: r.Number, Status: r.Status}
			if v.Namespace != "" {
				v.Flow = v.Namespace + "__" + v.Flow
			}
			out = append(out, v)
		}
		if page.Done {
			if len(out) != page.Total {
				return nil, fmt.Errorf("%s: %w: the org counts %d and sent %d", what, errDamaged, page.Total, len(out))
			}
			return out, nil
		}
		var err error
		if path, err = o.nextPath(page.Next); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil, fmt.Errorf("%s: %w: more than %d pages", what, errDamaged, maxFlowPages)
}
