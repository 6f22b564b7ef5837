package bulk

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// dataload is the namespace of the older Bulk API.
const dataload = "http://www.force.com/2009/06/asyncapi/dataload"

// mediaTypes are the media types of the contents of a job.
var mediaTypes = map[string]string{"CSV": "text/csv", "XML": "application/xml", "JSON": "application/json"}

// maxClassicJob bounds the body that describes a job.
const maxClassicJob = 1 << 20

// isJSON reports a request that speaks JSON: the older API answers in the form in which it is asked.
func isJSON(c *wire.Call) bool { return wantsJSON(c.Header) }

func wantsJSON(asked http.Header) bool {
	return strings.HasPrefix(asked.Get("Content-Type"), "application/json") || strings.HasPrefix(asked.Get("Accept"), "application/json")
}

func readClassic(c *wire.Call) (classicRequest, error) {
	var r classicRequest
	text, err := io.ReadAll(io.LimitReader(c.Body, maxClassicJob))
	if err != nil {
		return r, wire.BadRequest("InvalidJob", "The request ended early.")
	}
	if strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
		err = json.Unmarshal(text, &r)
	} else {
		err = xml.Unmarshal(text, &r)
	}
	if err != nil {
		return r, wire.BadRequest("InvalidJob", "Unable to parse Job")
	}
	return r, nil
}

// facts are the elements of a job or a batch in the order of the schema of the API.
type facts []fact

type fact struct {
	name  string
	value any // nil is left out of XML and null in JSON
}

func (b *classic) facts() facts {
	counts := map[string]int{}
	processed, failures := 0, 0
	for _, p := range b.batches {
		counts[p.state]++
		processed += p.work.processed
		failures += p.work.failures
	}
	var external any
	if b.external != "" {
		external = b.external
	}
	version, _ := strconv.ParseFloat(b.version, 64)
	return facts{
		{"id", b.id},
		{"operation", b.operation},
		{"object", b.object},
		{"createdById", string(b.caller.User)},
		{"createdDate", b.created.Format(classicStamp)},
		{"systemModstamp", b.modified.Format(classicStamp)},
		{"state", b.state},
		{"externalIdFieldName", external},
		{"concurrencyMode", b.concurrency},
		{"contentType", b.contentType},
		{"numberBatchesQueued", counts[queued]},
		{"numberBatchesInProgress", counts[inProgress]},
		{"numberBatchesCompleted", counts[completed]},
		{"numberBatchesFailed", counts[failed]},
		{"numberBatchesTotal", len(b.batches)},
		{"numberRecordsProcessed", processed},
		{"numberRetries", 0},
		{"apiVersion", version},
		{"numberRecordsFailed", failures},
		{"totalProcessingTime", 0},
		{"apiActiveProcessingTime", 0},
		{"apexProcessingTime", 0},
	}
}

func (p *classicBatch) facts(b *classic) facts {
	var message any
	if p.message != "" {
		message = p.message
	}
	return facts{
		{"id", p.id},
		{"jobId", b.id},
		{"state", p.state},
		{"stateMessage", message},
		{"createdDate", p.created.Format(classicStamp)},
		{"systemModstamp", p.ended.Format(classicStamp)},
		{"numberRecordsProcessed", p.work.processed},
		{"numberRecordsFailed", p.work.failures},
		{"totalProcessingTime", 0},
		{"apiActiveProcessingTime", 0},
		{"apexProcessingTime", 0},
	}
}

// classicStamp is how the older API spells a datetime.
const classicStamp = "2006-01-02T15:04:05.000Z"

func (j *Jobs) replyClassic(w http.ResponseWriter, c *wire.Call, status int, name string, of func() facts) error {
	j.mu.Lock()
	list := []facts{of()}
	j.mu.Unlock()
	return replyFacts(w, c, status, "", name, list)
}

// replyFacts spells facts, in a list element when that has a name.
func replyFacts(w http.ResponseWriter, c *wire.Call, status int, listName, name string, list []facts) error {
	if isJSON(c) {
		items := make([]map[string]any, 0, len(list))
		for _, f := range list {
			item := map[string]any{}
			for _, e := range f {
				item[e.name] = e.value
			}
			items = append(items, item)
		}
		if listName != "" {
			return wire.Reply(w, status, map[string]any{name: items})
		}
		return wire.Reply(w, status, items[0])
	}
	var b strings.Builder
	b.WriteString(xml.Header)
	space := ` xmlns="` + dataload + `"`
	if listName != "" {
		b.WriteString("<" + listName + space + ">")
		space = ""
	}
	for _, f := range list {
		b.WriteString("<" + name + space + ">")
		for _, e := range f {
			switch v := e.value.(type) {
			case nil:
			case float64:
				b.WriteString(element(e.name, strconv.FormatFloat(v, 'f', 1, 64)))
			default:
				b.WriteString(element(e.name, fmt.Sprint(v)))
			}
		}
		b.WriteString("</" + name + ">")
	}
	if listName != "" {
		b.WriteString("</" + listName + ">")
	}
	return replyText(w, status, "application/xml;charset=UTF-8", b.String())
}

func replyText(w http.ResponseWriter, status int, kind, text string) error {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, err := io.WriteString(w, text)
	return err
}

func element(name, text string) string {
	var b strings.Builder
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	b.WriteString("</" + name + ">")
	return b.String()
}

// classicCodes spells codes of the other APIs as the older Bulk API does.
// Source: Bulk API Developer Guide, "Bulk API Errors".
var classicCodes = map[string]string{
	"INVALID_SESSION_ID": "InvalidSessionId", "REQUEST_LIMIT_EXCEEDED": "ExceededQuota", "UNSUPPORTED_API_VERSION": "InvalidVersion",
	"NOT_FOUND": "InvalidUrl", "UNKNOWN_EXCEPTION": "Unknown",
}

// ReplyClassicError answers an error as the older API does: always 400, in the form of the request.
func ReplyClassicError(w http.ResponseWriter, c *wire.Call, err error) {
	kind, body := ClassicError(c.Header, err)
	// A write error here means that the client is gone; there is nobody to tell.
	_ = replyText(w, http.StatusBadRequest, kind, string(body))
}

// ClassicError spells an error as the older API does, in JSON or XML as the headers of the request
// ask for, and returns the content type beside the body.
func ClassicError(asked http.Header, err error) (kind string, body []byte) {
	f := wire.ErrorOf(err)
	code, message := "Unknown", f.Error()
	if len(f.Errors) > 0 {
		code, message = f.Errors[0].Code, f.Errors[0].Message
	}
	if known, ok := classicCodes[code]; ok {
		code = known
	}
	if !wantsJSON(asked) {
		return "application/xml;charset=UTF-8", []byte(xml.Header + `<error xmlns="` + dataload + `">` +
			element("exceptionCode", code) + element("exceptionMessage", message) + "</error>")
	}
	body, err = json.Marshal(map[string]string{"exceptionCode": code, "exceptionMessage": message})
	if err != nil { // strings always marshal
		panic(err)
	}
	return "application/json;charset=UTF-8", body
}

// uploadOf turns the content of a batch into a file of comma-separated values.
func uploadOf(contentType, text string) (string, error) {
	switch contentType {
	case "XML":
		return uploadOfXML(text)
	case "JSON":
		return uploadOfJSON(text)
	}
	return text, nil
}

func uploadOfJSON(text string) (string, error) {
	var list []map[string]any
	if err := wire.DecodeJSON([]byte(text), &list); err != nil {
		return "", err
	}
	var t table
	for _, record := range list {
		cells := map[string]string{}
		for name, value := range record {
			switch v := value.(type) {
			case nil:
				cells[name] = nullMark
			case map[string]any:
				if name == "attributes" {
					continue
				}
				for key, inner := range v {
					if key != "attributes" {
						cells[name+"."+key] = fmt.Sprint(inner)
					}
				}
			default:
				cells[name] = fmt.Sprint(v)
			}
		}
		t.add(cells)
	}
	return t.text(), nil
}

// uploadOfXML reads <sObjects><sObject><Name>…. An element that is nil becomes null; one that holds an
// sObject names a parent by a key.
func uploadOfXML(text string) (string, error) {
	type value struct {
		XMLName xml.Name
		Nil     string `xml:"http://www.w3.org/2001/XMLSchema-instance nil,attr"`
		Text    string `xml:",chardata"`
		Parent  struct {
			Keys []struct {
				XMLName xml.Name
				Text    string `xml:",chardata"`
			} `xml:",any"`
		} `xml:"sObject"`
	}
	var document struct {
		Records []struct {
			Values []value `xml:",any"`
		} `xml:"sObject"`
	}
	if err := xml.Unmarshal([]byte(text), &document); err != nil {
		return "", fmt.Errorf("failed to parse XML: %w", err)
	}
	var t table
	for _, record := range document.Records {
		cells := map[string]string{}
		for _, v := range record.Values {
			name := v.XMLName.Local
			switch {
			case name == "type":
			case v.Nil == "true":
				cells[name] = nullMark
			case len(v.Parent.Keys) > 0:
				for _, key := range v.Parent.Keys {
					if key.XMLName.Local != "type" {
						cells[name+"."+key.XMLName.Local] = key.Text
					}
				}
			default:
				cells[name] = v.Text
			}
		}
		t.add(cells)
	}
	return t.text(), nil
}

// table gathers rows whose columns are not known before.
type table struct {
	header []string
	column map[string]int
	rows   []map[string]string
}

func (t *table) add(cells map[string]string) {
	if t.column == nil {
		t.column = map[string]int{}
	}
	for name := range cells {
		if _, ok := t.column[name]; !ok {
			t.column[name] = len(t.header)
			t.header = append(t.header, name)
		}
	}
	t.rows = append(t.rows, cells)
}

func (t *table) text() string {
	b := appendRow(nil, t.header, ',', "\n")
	cells := make([]string, len(t.header))
	for _, row := range t.rows {
		for i, name := range t.header {
			cells[i] = row[name]
		}
		b = appendRow(b, cells, ',', "\n")
	}
	return string(b)
}

// writeClassicResults answers the results of a batch, in the order in which its rows were sent.
func writeClassicResults(w http.ResponseWriter, b *classic, p *classicBatch) error {
	w.Header().Set("Content-Type", mediaTypes[b.contentType])
	w.WriteHeader(http.StatusOK)
	var out []byte
	switch b.contentType {
	case "CSV":
		out = appendRow(out, []string{"Id", "Success", "Created", "Error"}, ',', "\n")
	case "XML":
		out = append(out, xml.Header+`<results xmlns="`+dataload+`">`...)
	default:
		out = append(out, '[')
	}
	for i, r := range p.work.rows {
		switch b.contentType {
		case "CSV":
			out = appendRow(out, []string{string(r.id), fmt.Sprint(r.outcome == succeeded), fmt.Sprint(r.created), r.err}, ',', "\n")
		case "XML":
			out = append(out, "<result>"...)
			if r.id != "" {
				out = append(out, element("id", string(r.id))...)
			}
			out = append(out, element("success", fmt.Sprint(r.outcome == succeeded))+element("created", fmt.Sprint(r.created))+errorsXML(r.err)+"</result>"...)
		default:
			if i > 0 {
				out = append(out, ',')
			}
			text, err := json.Marshal(map[string]any{
				"success": r.outcome == succeeded, "created": r.created, "id": idOrNull(r), "errors": wire.WriteErrors(errorsOf(r.err)),
			})
			if err != nil {
				return err
			}
			out = append(out, text...)
		}
	}
	switch b.contentType {
	case "XML":
		out = append(out, "</results>"...)
	case "JSON":
		out = append(out, ']')
	}
	_, err := w.Write(out)
	return err
}

func idOrNull(r row) any {
	if r.id == "" {
		return nil
	}
	return r.id
}

// errorsOf takes the text of sf__Error apart again: CODE:message:FIELDS --.
func errorsOf(text string) []org.Error {
	if text == "" {
		return nil
	}
	code, rest, _ := strings.Cut(text, ":")
	rest = strings.TrimSuffix(rest, "--")
	message, fields := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		message, fields = rest[:i], strings.TrimSpace(rest[i+1:])
	}
	e := org.Error{Code: code, Message: message}
	if fields != "" {
		e.Fields = strings.Split(fields, ",")
	}
	return []org.Error{e}
}

func errorsXML(text string) string {
	out := ""
	for _, e := range errorsOf(text) {
		out += "<errors>"
		for _, f := range e.Fields {
			out += element("fields", f)
		}
		out += element("message", e.Message) + element("statusCode", e.Code) + "</errors>"
	}
	return out
}

// serveClassicQuery answers the list of the results of a query batch, which has one, and that result.
func serveClassicQuery(w http.ResponseWriter, c *wire.Call, b *classic, p *classicBatch) error {
	id := "752" + p.id[3:15]
	if len(c.Path) == 5 {
		if isJSON(c) || b.contentType == "JSON" {
			return wire.Reply(w, http.StatusOK, []string{id})
		}
		return replyText(w, http.StatusOK, "application/xml;charset=UTF-8", xml.Header+`<result-list xmlns="`+dataload+`">`+element("result", id)+"</result-list>")
	}
	if c.Path[5] != id {
		return wire.BadRequest("InvalidBatch", "Unable to find result for id: "+c.Path[5])
	}
	a := p.work.answer
	w.Header().Set("Content-Type", mediaTypes[b.contentType])
	w.WriteHeader(http.StatusOK)
	switch b.contentType {
	case "CSV":
		return writePage(w, a, page{from: p.from, to: p.to, row: p.from}, ',', "\n")
	case "JSON":
		out := []byte{'['}
		for i := p.from; i < p.to; i++ {
			if i > p.from {
				out = append(out, ',')
			}
			out = wire.AppendRecord(out, a.Record(i), "/services/data/v"+b.version)
		}
		_, err := w.Write(append(out, ']'))
		return err
	}
	var out strings.Builder
	out.WriteString(xml.Header + `<queryResult xmlns="` + dataload + `" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`)
	for i := p.from; i < p.to; i++ {
		out.WriteString(`<records xsi:type="sObject">` + element("type", a.Object.Name))
		for k, col := range a.Columns {
			name := strings.Join(col.Path, ".")
			if text := cellText(col.Type, a.Text(i, k)); text != "" {
				out.WriteString(element(name, text))
			} else {
				out.WriteString("<" + name + ` xsi:nil="true"/>`)
			}
		}
		out.WriteString("</records>")
	}
	_, err := io.WriteString(w, out.String()+"</queryResult>")
	return err
}
