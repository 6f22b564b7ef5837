package soap

import (
	"fmt"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
)

// The bounds of a call. Source: SOAP API Developer Guide: create, update, upsert, delete, merge and
// emptyRecycleBin take 200, convertLead 100, retrieve 2,000; for undelete unverified.
const (
	maxRows     = 200
	maxConverts = 100
	maxRetrieve = 2000
	maxDescribe = 100
)

func create(a *API, c *call) (string, error) { return a.save(c, org.Insert) }
func update(a *API, c *call) (string, error) { return a.save(c, org.Update) }
func upsert(a *API, c *call) (string, error) { return a.save(c, org.Upsert) }

// save runs a call that carries records and answers one result for each, in order.
func (a *API) save(c *call, op org.Op) (string, error) {
	records := c.op.all("sObjects")
	if len(records) > maxRows {
		return "", tooMany(maxRows)
	}
	rows := make([]org.Row, len(records))
	for i, n := range records {
		rows[i] = rowOf(n)
		if rows[i].Object == "" {
			return "", wire.BadRequest("INVALID_TYPE", "sObject type '' is not supported.")
		}
	}
	opts := c.options()
	opts.ExternalID = c.op.value("externalIDFieldName")
	var b strings.Builder
	for _, r := range a.cfg.Org.Write(c.caller, op, rows, opts) {
		b.WriteString("<result>")
		if op == org.Upsert {
			b.WriteString(element("created", r.Created))
		}
		b.WriteString(outcome(r.ID, r.Success, r.Errors) + "</result>")
	}
	return b.String(), nil
}

func undelete(a *API, c *call) (string, error)        { return a.byIDs(c, org.Undelete) }
func emptyRecycleBin(a *API, c *call) (string, error) { return a.byIDs(c, org.EmptyBin) }
func remove(a *API, c *call) (string, error)          { return a.byIDs(c, org.Delete) }

// byIDs runs a call that names records by their Ids and answers one result for each, in order.
func (a *API) byIDs(c *call, op org.Op) (string, error) {
	ids := c.op.values("ids")
	if len(ids) > maxRows {
		return "", tooMany(maxRows)
	}
	rows := make([]org.Row, len(ids))
	for i, id := range ids {
		rows[i] = org.Row{ID: id}
	}
	var b strings.Builder
	for _, r := range a.cfg.Org.Write(c.caller, op, rows, c.options()) {
		b.WriteString("<result>" + outcome(r.ID, r.Success, r.Errors) + "</result>")
	}
	return b.String(), nil
}

func tooMany(limit int) error {
	return wire.BadRequest("EXCEEDED_ID_LIMIT", fmt.Sprintf("record limit reached. cannot submit more than %d records in this call", limit))
}

// options reads the headers that change a load. EmailHeader and DisableFeedTrackingHeader are taken and
// change nothing: the emulated org sends no mail.
func (c *call) options() org.Options {
	return org.Options{
		AllOrNone: c.header.child("AllOrNoneHeader").flag("allOrNone"),
		Truncate:  c.header.child("AllowFieldTruncationHeader").flag("allowFieldTruncation"),

		AllowDuplicates: c.header.child("DuplicateRuleHeader").flag("allowSave"),
		// An Id names a rule; the active one stands for it. Source: SOAP API Developer Guide, AssignmentRuleHeader.
		Assign: c.header.child("AssignmentRuleHeader").flag("useDefaultRule") ||
			c.header.child("AssignmentRuleHeader").value("assignmentRuleId") != "",
	}
}

// outcome spells what SaveResult, UpsertResult, DeleteResult, UndeleteResult and
// EmptyRecycleBinResult have in common, in the order of the WSDL.
func outcome[ID ~string](id ID, success bool, errors []org.Error) string {
	text := failures(errors)
	if success && id != "" {
		text += element("id", id)
	} else {
		text += null("id")
	}
	return text + element("success", success)
}

func failures(list []org.Error) string {
	var b strings.Builder
	for _, e := range list {
		b.WriteString("<errors>")
		for _, f := range e.Fields {
			b.WriteString(element("fields", f))
		}
		b.WriteString(element("message", e.Message) + element("statusCode", e.Code) + "</errors>")
	}
	return b.String()
}

// rowOf reads an sObject. The partner API names the object in an element, the enterprise API by the
// type of the element. Elements that hold records are parents by external id; those of
// fieldsToNull become null, and so does an element that says it is nil.
func rowOf(n *node) org.Row {
	if n == nil { // a merge without a master
		return org.Row{}
	}
	r := org.Row{Object: n.value("type")}
	if r.Object == "" && n.kind != "sObject" {
		r.Object = n.kind
	}
	first := true
	for _, child := range n.children {
		switch {
		case child.name == "type" && first:
			first = false
		case strings.EqualFold(child.name, "Id"):
			if r.ID == "" {
				r.ID = strings.TrimSpace(child.text)
			}
		case child.name == "fieldsToNull":
			r.Fields = append(r.Fields, org.Assignment{Field: strings.TrimSpace(child.text)})
		case len(child.children) > 0:
			r.Fields = append(r.Fields, parentOf(child))
		case child.null:
			// Source: SOAP API Developer Guide, "fieldsToNull": only that sets a field to null; a nil or
			// empty element is ignored.
		case child.text != "":
			r.Fields = append(r.Fields, org.Assignment{Field: child.name, Text: child.text})
		}
	}
	return r
}

// parentOf reads a parent that is named by an external id, or a compound such as an address, whose
// parts no API takes: the engine refuses it by its name.
func parentOf(n *node) org.Assignment {
	key := &org.ParentKey{Object: n.value("type")}
	if key.Object == "" {
		key.Object = n.kind
	}
	for _, child := range n.children {
		if child.name != "type" && !child.null {
			key.Field, key.Text = child.name, strings.TrimSpace(child.text)
		}
	}
	return org.Assignment{Field: n.name, Text: key.Text, Parent: key}
}

// merge merges records into others, one result for each request.
func merge(a *API, c *call) (string, error) {
	list := c.op.all("request")
	if len(list) > maxRows {
		return "", tooMany(maxRows)
	}
	requests := make([]org.MergeRequest, len(list))
	for i, n := range list {
		requests[i] = org.MergeRequest{Master: rowOf(n.child("masterRecord")), IDs: n.values("recordToMergeIds")}
	}
	var b strings.Builder
	for _, r := range a.cfg.Org.Merge(c.caller, requests, c.options()) {
		b.WriteString("<result>" + failures(r.Errors))
		if r.Success {
			b.WriteString(element("id", r.ID))
		} else {
			b.WriteString(null("id"))
		}
		for _, id := range r.Merged {
			b.WriteString(element("mergedRecordIds", id))
		}
		b.WriteString(element("success", r.Success))
		for _, id := range r.Related {
			b.WriteString(element("updatedRelatedIds", id))
		}
		b.WriteString("</result>")
	}
	return b.String(), nil
}

// convertLead converts leads, one result for each.
func convertLead(a *API, c *call) (string, error) {
	list := c.op.all("leadConverts")
	if len(list) > maxConverts {
		return "", tooMany(maxConverts)
	}
	conversions := make([]org.LeadConversion, len(list))
	for i, n := range list {
		conversions[i] = org.LeadConversion{
			Lead: n.value("leadId"), Account: n.value("accountId"), Contact: n.value("contactId"), Opportunity: n.value("opportunityId"),
			Owner: n.value("ownerId"), Status: n.value("convertedStatus"), OpportunityName: n.value("opportunityName"),
			NoOpportunity: n.flag("doNotCreateOpportunity"), OverwriteSource: n.flag("overwriteLeadSource"),
			AccountValues: valuesOf(n.child("accountRecord")), ContactValues: valuesOf(n.child("contactRecord")),
			OpportunityValues: valuesOf(n.child("opportunityRecord")),
		}
	}
	var b strings.Builder
	for _, r := range a.cfg.Org.ConvertLeads(c.caller, conversions, c.options()) {
		b.WriteString("<result>" + optional("accountId", string(r.Account)) + optional("contactId", string(r.Contact)) + failures(r.Errors) +
			optional("leadId", string(r.Lead)) + optional("opportunityId", string(r.Opportunity)) + element("success", r.Success) + "</result>")
	}
	return b.String(), nil
}

func valuesOf(n *node) []org.Assignment {
	if n == nil {
		return nil
	}
	return rowOf(n).Fields
}

// null spells an element without a value.
func null(name string) string { return "<" + name + ` xsi:nil="true"/>` }

// optional spells a text, or nil when it is empty.
func optional(name, text string) string {
	if text == "" {
		return null(name)
	}
	return element(name, text)
}
