package soap

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// The sizes of a page. Source: SOAP API Developer Guide, QueryOptions.
const (
	defaultBatch = 500
	minBatch     = 200
	maxBatch     = 2000
)

func query(a *API, c *call) (string, error)    { return a.query(c, false) }
func queryAll(a *API, c *call) (string, error) { return a.query(c, true) }

func (a *API) query(c *call, all bool) (string, error) {
	q, err := soql.Parse(c.op.value("queryString"))
	if err != nil {
		return "", err
	}
	answer, err := a.cfg.Org.Query(c.caller, q, all)
	if err != nil {
		return "", err
	}
	if answer.CountOnly {
		return "<result>" + element("done", true) + null("queryLocator") + element("size", answer.Total) + "</result>", nil
	}
	batch := defaultBatch
	if text := c.header.child("QueryOptions").value("batchSize"); text != "" {
		if batch, err = strconv.Atoi(text); err != nil {
			return "", wire.BadRequest("INVALID_BATCH_SIZE", "batchSize is not a number: "+text)
		}
		batch = min(max(batch, minBatch), maxBatch)
	}
	return a.page(c, &wire.Cursor{Answer: answer, Caller: c.caller, Batch: batch}, "", 0), nil
}

func queryMore(a *API, c *call) (string, error) {
	cur, id, from, err := a.cfg.Cursors.Find(c.caller, c.op.value("queryLocator"))
	if err != nil {
		return "", err
	}
	return a.page(c, cur, id, from), nil
}

// page spells the rows from one on, and remembers the cursor when there are more.
func (a *API) page(c *call, cur *wire.Cursor, id string, from int) string {
	to := min(from+cur.Batch, cur.Answer.Len())
	var b strings.Builder
	b.WriteString("<result>" + element("done", to == cur.Answer.Len()))
	if to < cur.Answer.Len() {
		b.WriteString(element("queryLocator", a.cfg.Cursors.Locator(cur, id, to)))
	} else {
		b.WriteString(null("queryLocator"))
	}
	s := speller{b: &b, org: a.cfg.Org, enterprise: c.kind == "c"}
	for i := from; i < to; i++ {
		s.record("records", cur.Answer.Record(i))
	}
	b.WriteString(element("size", cur.Answer.Total) + "</result>")
	return b.String()
}

// speller spells records: in the partner API all are sObjects that name their type, in the enterprise
// API each is of the type of its object.
type speller struct {
	b          *strings.Builder
	org        *org.Org
	enterprise bool
}

// record spells a record. In the partner API the Id stands by itself before the fields, and once more
// among them when it was selected; it is nil when it was not.
func (s speller) record(name string, r org.Record) {
	object := "AggregateResult"
	if r.Object != nil {
		object = r.Object.Name
	}
	if s.enterprise {
		s.b.WriteString("<" + name + ` xsi:type="sf:` + object + `">`)
	} else {
		s.b.WriteString("<" + name + ` xsi:type="sf:sObject">` + element("sf:type", object))
		selected := ""
		for _, cell := range r.Cells {
			if cell.Type == sf.TypeID && cell.Name == "Id" {
				selected = cell.Text
			}
		}
		s.b.WriteString(optional("sf:Id", selected))
	}
	for _, cell := range r.Cells {
		s.cell(cell, r.Object == nil)
	}
	s.b.WriteString("</" + name + ">")
}

func (s speller) cell(c org.Cell, aggregate bool) {
	name := "sf:" + c.Name
	switch {
	case c.IsParent && c.Parent == nil, c.IsChildren && c.Children == nil,
		c.Type.IsCompound() && c.Parts == nil, !c.IsParent && !c.IsChildren && c.Parts == nil && c.Text == "":
		s.b.WriteString(null(name))
	case c.IsParent:
		s.record(name, *c.Parent)
	case c.IsChildren:
		s.b.WriteString("<" + name + ` xsi:type="QueryResult">` + element("done", true) + null("queryLocator"))
		for i := range c.Children.Len() {
			s.record("records", c.Children.Record(i))
		}
		s.b.WriteString(element("size", c.Children.Total) + "</" + name + ">")
	case c.Parts != nil:
		s.compound(name, c)
	case aggregate:
		s.b.WriteString("<" + name + ` xsi:type="` + xsdType(c.Type) + `">` + escape(valueText(c.Type, c.Text)) + "</" + name + ">")
	case c.Type == sf.TypeBase64:
		s.b.WriteString(element(name, s.org.Base64(c.Text)))
	default:
		s.b.WriteString(element(name, valueText(c.Type, c.Text)))
	}
}

// compoundParts are the parts of the types of the WSDL, in its order.
var compoundParts = map[string][]string{
	"location": {"latitude", "longitude"},
	"address": {
		"latitude", "longitude", "city", "country", "countryCode", "geocodeAccuracy", "postalCode", "state", "stateCode", "street",
	},
}

func (s speller) compound(name string, c org.Cell) {
	kind := "address"
	if c.Type == sf.TypeLocation {
		kind = "location"
	}
	parts := map[string]org.Cell{}
	for _, p := range c.Parts {
		parts[p.Name] = p
	}
	s.b.WriteString("<" + name + ` xsi:type="` + kind + `">`)
	for _, part := range compoundParts[kind] {
		s.b.WriteString(optional(part, valueText(parts[part].Type, parts[part].Text)))
	}
	s.b.WriteString("</" + name + ">")
}

// valueText spells canonical text: numbers in the way of Java's Double, everything else as it is.
func valueText(t sf.FieldType, text string) string {
	switch t {
	case sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		if text != "" {
			return wire.Double(text)
		}
	}
	return text
}

func xsdType(t sf.FieldType) string {
	switch t {
	case sf.TypeInt:
		return "xsd:int"
	case sf.TypeLong:
		return "xsd:long"
	case sf.TypeBoolean:
		return "xsd:boolean"
	case sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		return "xsd:double"
	case sf.TypeDate:
		return "xsd:date"
	case sf.TypeDatetime:
		return "xsd:dateTime"
	}
	return "xsd:string"
}

// retrieve returns records by their Ids, one for each and nil where there is none.
func retrieve(a *API, c *call) (string, error) {
	ids := c.op.values("ids")
	if len(ids) > maxRetrieve {
		return "", tooMany(maxRetrieve)
	}
	var fields []string
	for f := range strings.SplitSeq(c.op.value("fieldList"), ",") {
		if f = strings.TrimSpace(f); f != "" {
			fields = append(fields, f)
		}
	}
	records, err := a.cfg.Org.Retrieve(c.caller, c.op.value("sObjectType"), ids, fields)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	s := speller{b: &b, org: a.cfg.Org, enterprise: c.kind == "c"}
	for _, r := range records {
		if r == nil {
			b.WriteString(null("result"))
			continue
		}
		s.record("result", *r)
	}
	return b.String(), nil
}

func getUpdated(a *API, c *call) (string, error) {
	from, to, err := c.window()
	if err != nil {
		return "", err
	}
	ids, covered, err := a.cfg.Org.Updated(c.caller, c.op.value("sObjectType"), from, to)
	if err != nil {
		return "", invalidObject(err)
	}
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(element("ids", id))
	}
	return "<result>" + b.String() + element("latestDateCovered", covered.Format(stampLayout)) + "</result>", nil
}

func getDeleted(a *API, c *call) (string, error) {
	from, to, err := c.window()
	if err != nil {
		return "", err
	}
	log, err := a.cfg.Org.Deleted(c.caller, c.op.value("sObjectType"), from, to)
	if err != nil {
		return "", invalidObject(err)
	}
	var b strings.Builder
	for _, d := range log.Records {
		b.WriteString("<deletedRecords>" + element("deletedDate", d.At.Format(stampLayout)) + element("id", d.ID) + "</deletedRecords>")
	}
	return "<result>" + b.String() + element("earliestDateAvailable", log.Earliest.Format(stampLayout)) +
		element("latestDateCovered", log.Covered.Format(stampLayout)) + "</result>", nil
}

// window reads the start and end of a getUpdated or getDeleted call.
func (c *call) window() (from, to time.Time, err error) {
	if from, err = sf.ParseDatetime(c.op.value("startDate")); err == nil {
		to, err = sf.ParseDatetime(c.op.value("endDate"))
	}
	if err != nil {
		return from, to, wire.BadRequest("INVALID_REPLICATION_DATE", "startDate or endDate is not a date and time")
	}
	return from, to, nil
}

// invalidObject says of an object that is not there what SOAP says; REST has a status of its own for
// that.
func invalidObject(err error) error {
	if e, ok := errors.AsType[*org.Error](err); ok && e.Code == "NOT_FOUND" {
		return wire.BadRequest("INVALID_TYPE", "sObject type is not supported.")
	}
	return err
}

// search runs a SOSL text and answers the records that it finds.
func search(a *API, c *call) (string, error) {
	s, err := org.ParseSearch(c.op.value("searchString"))
	if err != nil {
		return "", err
	}
	found, err := a.cfg.Org.Search(c.caller, s)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("<result>" + element("queryId", ""))
	sp := speller{b: &b, org: a.cfg.Org, enterprise: c.kind == "c"}
	for _, r := range found {
		b.WriteString("<searchRecords>")
		sp.record("record", r)
		b.WriteString("</searchRecords>")
	}
	return b.String() + "</result>", nil
}
