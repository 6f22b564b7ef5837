package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// The replies have the keys of the REST API Developer Guide, List Views, List View Describe and List View Results.
type (
	listView struct {
		DescribeURL   string `json:"describeUrl"`
		DeveloperName string `json:"developerName"`
		ID            sf.ID  `json:"id"`
		Label         string `json:"label"`
		ResultsURL    string `json:"resultsUrl"`
		Compatible    bool   `json:"soqlCompatible"`
		URL           string `json:"url"`
	}
	listColumn struct {
		Ascending  *string      `json:"ascendingLabel"`
		Descending *string      `json:"descendingLabel"`
		Path       string       `json:"fieldNameOrPath"`
		Hidden     bool         `json:"hidden"`
		Label      string       `json:"label"`
		SelectItem string       `json:"selectListItem"`
		Direction  *string      `json:"sortDirection"`
		SortIndex  *int         `json:"sortIndex"`
		Sortable   bool         `json:"sortable"`
		Type       sf.FieldType `json:"type"`
	}
	listOrder struct {
		Path      string `json:"fieldNameOrPath"`
		Nulls     string `json:"nullsPosition"`
		Direction string `json:"sortDirection"`
	}
	// listCondition is a comparison or a group of conditions.
	listCondition struct {
		Field       string           `json:"field,omitempty"`
		Operator    string           `json:"operator,omitempty"`
		Values      []string         `json:"values,omitempty"`
		Conditions  *[]listCondition `json:"conditions,omitempty"`
		Conjunction string           `json:"conjunction,omitempty"`
	}
	listDescription struct {
		Columns []listColumn  `json:"columns"`
		ID      string        `json:"id"`
		OrderBy []listOrder   `json:"orderBy"`
		Query   string        `json:"query"`
		Scope   *string       `json:"scope"`
		SObject string        `json:"sobjectType"`
		Where   listCondition `json:"whereCondition"`
	}
	listValue struct {
		Path  string  `json:"fieldNameOrPath"`
		Value *string `json:"value"`
	}
	listRecord struct {
		Columns []listValue `json:"columns"`
	}
)

// listable reports an object with list views. That custom ones without a tab have them is unverified.
func listable(o *org.Object) bool { return o.ListViews || o.Custom && o.Layoutable }

func (a *API) listViews(w http.ResponseWriter, c *wire.Call) error {
	o, err := a.laidOut(c, listable)
	if err != nil {
		return err
	}
	list := []listView{}
	for _, v := range a.cfg.Layouts.ListViews(o) {
		list = append(list, listViewOf(c, o, v))
	}
	return wire.Reply(w, http.StatusOK, struct {
		Done    bool       `json:"done"`
		List    []listView `json:"listviews"`
		Next    *string    `json:"nextRecordsUrl"`
		Size    int        `json:"size"`
		SObject string     `json:"sobjectType"`
	}{true, list, nil, len(list), o.Name})
}

func listViewOf(c *wire.Call, o *org.Object, v org.ListView) listView {
	url := c.Root() + "/sobjects/" + o.Name + "/listviews/" + string(v.ID)
	return listView{url + "/describe", v.Name, v.ID, v.Label, url + "/results", v.Compatible, url}
}

// viewOf finds the list view of the path.
func (a *API) viewOf(c *wire.Call) (*org.Object, org.ListView, error) {
	o, err := a.laidOut(c, listable)
	if err != nil {
		return nil, org.ListView{}, err
	}
	id, err := sf.ParseID(c.Path[3])
	views := a.cfg.Layouts.ListViews(o)
	i := slices.IndexFunc(views, func(v org.ListView) bool { return err == nil && v.ID == id })
	if i < 0 {
		return nil, org.ListView{}, wire.NotFound()
	}
	return o, views[i], nil
}

func (a *API) listView(w http.ResponseWriter, c *wire.Call) error {
	o, v, err := a.viewOf(c)
	if err != nil {
		return err
	}
	return wire.Reply(w, http.StatusOK, listViewOf(c, o, v))
}

func (a *API) describeListView(w http.ResponseWriter, c *wire.Call) error {
	_, d, err := a.describedView(c)
	if err != nil {
		return err
	}
	return wire.Reply(w, http.StatusOK, d)
}

// describedView says a list view in SOQL. The refusal of one that cannot be said is unverified.
func (a *API) describedView(c *wire.Call) (org.ListView, listDescription, error) {
	o, v, err := a.viewOf(c)
	if err != nil {
		return v, listDescription{}, err
	}
	if !v.Compatible {
		return v, listDescription{}, wire.BadRequest("INVALID_OPERATION", "List view "+v.Name+" is not compatible with SOQL.")
	}
	d := listDescription{ID: v.ID.Short(), SObject: o.Name, OrderBy: []listOrder{}}
	for _, column := range v.Columns {
		d.Columns = append(d.Columns, listColumnOf(column))
	}
	d.sort(v)
	for _, name := range []string{"Id", "CreatedDate", "LastModifiedDate", "SystemModstamp"} {
		if f := o.Field(name); f != nil {
			d.Columns = append(d.Columns, listColumn{Path: f.Name, Hidden: true, Label: f.Label, SelectItem: f.Name, Type: f.Type})
		}
	}
	where, text := conditions(v.Conditions)
	d.Where = where
	var selected []string
	for _, column := range d.Columns {
		if item := strings.ToLower(column.SelectItem); !slices.Contains(selected, item) { // a query selects a field once
			selected = append(selected, item)
		}
	}
	d.Query = "SELECT " + strings.Join(selected, ", ") + " FROM " + o.Name
	if v.Mine {
		mine := "mine"
		d.Scope = &mine
		d.Query += " USING SCOPE mine"
	}
	if text != "" {
		d.Query += " WHERE " + text
	}
	for i, order := range d.OrderBy {
		d.Query += []string{" ORDER BY ", ", "}[min(i, 1)] + order.Path + " ASC NULLS FIRST"
	}
	return v, d, nil
}

// sort orders by the first column that sorts, and by the Id. Source: the same guide, where that column is the name; the
// choice among others is unverified.
func (d *listDescription) sort(v org.ListView) {
	if i := slices.IndexFunc(d.Columns, func(c listColumn) bool { return c.Sortable }); i >= 0 {
		first, ascending := 0, "ascending"
		d.Columns[i].SortIndex, d.Columns[i].Direction = &first, &ascending
		d.OrderBy = append(d.OrderBy, listOrder{v.Columns[i].Path, "first", ascending})
	}
	d.OrderBy = append(d.OrderBy, listOrder{"Id", "first", "ascending"})
}

// listColumnOf tells of a column. The labels of the ways to sort are those of the guide; for types that it does not
// show, they are unverified.
func listColumnOf(column org.ListColumn) listColumn {
	out := listColumn{Path: column.Path, Label: column.Label, SelectItem: column.Path, Sortable: column.Field.Sortable, Type: column.Field.Type}
	up, down := "Z-A", "A-Z"
	switch {
	case strings.Contains(column.Path, "."):
		out.Type = sf.TypeString
	case out.Type == sf.TypePicklist:
		up, down = "Low to High", "High to Low"
		out.SelectItem = "toLabel(" + column.Path + ")"
	case out.Type == sf.TypeMultipicklist:
		out.SelectItem = "toLabel(" + column.Path + ")"
	case out.Type == sf.TypePhone, column.Field.SoapType == "xsd:double", column.Field.SoapType == "xsd:int":
		up, down = "9-0", "0-9"
	case out.Type == sf.TypeDate, out.Type == sf.TypeDatetime:
		up, down = "New to Old", "Old to New"
	}
	if out.Sortable {
		out.Ascending, out.Descending = &up, &down
	}
	return out
}

// The bounds of a page of results. Source: REST API Developer Guide, List View Results.
const (
	defaultResults = 25
	maxResults     = 2000
)

// listViewResults runs the query of a list view. Times are in the way of Java. Source: the same.
func (a *API) listViewResults(w http.ResponseWriter, c *wire.Call) error {
	v, d, err := a.describedView(c)
	if err != nil {
		return err
	}
	limit, offset := defaultResults, 0
	for _, p := range []struct {
		name       string
		into       *int
		least, top int
	}{{"limit", &limit, 1, maxResults}, {"offset", &offset, 0, maxResults}} {
		text := c.URL.Query().Get(p.name)
		if text == "" {
			continue
		}
		if *p.into, err = strconv.Atoi(text); err != nil || *p.into < p.least || *p.into > p.top { // wording unverified
			return wire.BadRequest("ILLEGAL_QUERY_PARAMETER_VALUE", "The value of the parameter "+p.name+" is not between "+
				strconv.Itoa(p.least)+" and "+strconv.Itoa(p.top)+": "+text)
		}
	}
	q, err := soql.Parse(d.Query + " LIMIT " + strconv.Itoa(limit) + " OFFSET " + strconv.Itoa(offset))
	if err != nil {
		return err
	}
	answer, err := a.org.Query(c.Caller, q, false)
	if err != nil {
		return err
	}
	at := map[string]int{} // where the query selects what a column shows: once, also when two do
	for _, column := range d.Columns {
		if _, ok := at[column.SelectItem]; !ok {
			at[column.SelectItem] = len(at)
		}
	}
	records := []listRecord{}
	for i := range answer.Len() {
		var r listRecord
		for _, column := range d.Columns {
			value := answer.Text(i, at[column.SelectItem])
			if at, err := sf.ParseDatetime(value); err == nil && column.Type == sf.TypeDatetime {
				value = at.UTC().Format("Mon Jan 02 15:04:05 ") + "GMT" + at.UTC().Format(" 2006")
			}
			r.Columns = append(r.Columns, listValue{column.Path, text(value)})
		}
		records = append(records, r)
	}
	return wire.Reply(w, http.StatusOK, struct {
		Columns []listColumn `json:"columns"`
		Name    string       `json:"developerName"`
		Done    bool         `json:"done"`
		ID      string       `json:"id"`
		Label   string       `json:"label"`
		Records []listRecord `json:"records"`
		Size    int          `json:"size"`
	}{d.Columns, v.Name, true, d.ID, v.Label, records, len(records)})
}

// comparisons are the operators of filters, as describe and SOQL say them. Source: FilterOperation of the metadata WSDL and
// soqlOperator of the partner WSDL.
var comparisons = map[string]struct{ word, sign string }{
	"equals": {"equals", "="}, "notEqual": {"notEquals", "!="}, "lessThan": {"lessThan", "<"}, "greaterThan": {"greaterThan", ">"},
	"lessOrEqual": {"lessThanOrEqualTo", "<="}, "greaterOrEqual": {"greaterThanOrEqualTo", ">="}, "contains": {"like", "LIKE"},
	"notContain": {"notLike", "LIKE"}, "startsWith": {"like", "LIKE"}, "includes": {"includes", "INCLUDES"}, "excludes": {"excludes", "EXCLUDES"},
}

// conditions says filters in the words of describe and in SOQL. How describe groups several is unverified.
func conditions(list []org.ListCondition) (listCondition, string) {
	var all []listCondition
	var texts []string
	for _, c := range list {
		one, text := condition(c)
		all, texts = append(all, one), append(texts, text)
	}
	if len(all) == 1 {
		return all[0], texts[0]
	}
	if all == nil {
		all = []listCondition{}
	}
	return listCondition{Conditions: &all, Conjunction: "and"}, strings.Join(texts, " AND ")
}

// condition says one filter. Several values of a comparison are alternatives.
func condition(c org.ListCondition) (listCondition, string) {
	sign := comparisons[c.Operator]
	var values []string
	for _, v := range c.Values {
		values = append(values, literal(c, v))
	}
	if c.Operator == "includes" || c.Operator == "excludes" {
		return listCondition{Field: c.Field.Name, Operator: sign.word, Values: values}, c.Field.Name + " " + sign.sign + " (" + strings.Join(values, ", ") + ")"
	}
	denied := c.Operator == "notEqual" || c.Operator == "notContain"
	var each []listCondition
	var texts []string
	for _, v := range values {
		each = append(each, listCondition{Field: c.Field.Name, Operator: sign.word, Values: []string{v}})
		text := c.Field.Name + " " + sign.sign + " " + v
		if c.Operator == "notContain" {
			text = "(NOT " + text + ")"
		}
		texts = append(texts, text)
	}
	out, text := each[0], texts[0]
	if len(each) > 1 {
		out, text = listCondition{Conditions: &each, Conjunction: "or"}, "("+strings.Join(texts, " OR ")+")"
		if denied {
			out.Conjunction, text = "and", "("+strings.Join(texts, " AND ")+")"
		}
	}
	return out, text
}

// literal spells a value of a filter in SOQL. Days are written month first.
func literal(c org.ListCondition, value string) string {
	f := c.Field
	switch {
	case value == "":
		return "null"
	case f.Type == sf.TypeBoolean:
		return strings.ToUpper(strconv.FormatBool(value == "1" || strings.EqualFold(value, "true")))
	case f.Type == sf.TypeDate || f.Type == sf.TypeDatetime:
		day, err := time.Parse("1/2/2006", value)
		switch {
		case err != nil:
			return value
		case f.Type == sf.TypeDatetime:
			return day.Format("2006-01-02T15:04:05Z")
		}
		return day.Format(time.DateOnly)
	case f.SoapType == "xsd:double" || f.SoapType == "xsd:int":
		return value
	}
	switch c.Operator {
	case "contains", "notContain":
		value = "%" + value + "%"
	case "startsWith":
		value += "%"
	}
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(value) + "'"
}
