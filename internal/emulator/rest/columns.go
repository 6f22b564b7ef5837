package rest

import (
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// columnMetadata is the answer to query?columns=true, which the official command line asks before it
// prints a table. The resource is undocumented; the shape is what that client reads.
type columnMetadata struct {
	ColumnMetadata []columnInfo `json:"columnMetadata"`
	EntityName     string       `json:"entityName"`
	GroupBy        bool         `json:"groupBy"`
	IDSelected     bool         `json:"idSelected"`
	KeyPrefix      *string      `json:"keyPrefix"`
}

type columnInfo struct {
	Aggregate      bool         `json:"aggregate"`
	ApexType       string       `json:"apexType"`
	BooleanType    bool         `json:"booleanType"`
	ColumnName     string       `json:"columnName"`
	Custom         bool         `json:"custom"`
	DisplayName    string       `json:"displayName"`
	ForeignKeyName *string      `json:"foreignKeyName"`
	Insertable     bool         `json:"insertable"`
	JoinColumns    []columnInfo `json:"joinColumns"`
	NumberType     bool         `json:"numberType"`
	TextType       bool         `json:"textType"`
	Updatable      bool         `json:"updatable"`
}

func columnsOf(q *soql.Query, a *org.Answer) columnMetadata {
	m := columnMetadata{ColumnMetadata: []columnInfo{}, EntityName: q.From.Name, GroupBy: q.GroupBy != nil}
	if a.Object != nil {
		m.EntityName = a.Object.Name
		if a.Object.KeyPrefix != "" {
			m.KeyPrefix = &a.Object.KeyPrefix
		}
	}
	m.ColumnMetadata = nestColumns(a.Columns, 0, &m.IDSelected)
	nameCalls(q, m.ColumnMetadata)
	return m
}

// nameCalls marks the aggregates and shows them as they were written, as count(Id): the client takes
// the name of the column for an alias unless it is one that the org made up, such as expr0.
func nameCalls(q *soql.Query, columns []columnInfo) {
	if !q.IsAggregate() || len(columns) != len(q.Select) {
		return
	}
	for i, item := range q.Select {
		if call, ok := item.(*soql.Call); ok {
			columns[i].Aggregate = call.IsAggregate()
			if call.Arg != nil {
				columns[i].DisplayName = strings.ToLower(call.Name) + "(" + call.Arg.String() + ")"
			}
		}
	}
}

// nestColumns groups neighbouring columns that go through the same relationship under one column
// with joinColumns, as the client walks them.
func nestColumns(columns []org.Column, depth int, idSelected *bool) []columnInfo {
	out := []columnInfo{}
	for i := 0; i < len(columns); {
		col := columns[i]
		name := col.Path[depth]
		if len(col.Path)-1 == depth && !col.Children {
			if depth == 0 && name == "Id" {
				*idSelected = true
			}
			out = append(out, leafColumn(name, col))
			i++
			continue
		}
		to := i + 1
		for to < len(columns) && !col.Children && len(columns[to].Path) > depth+1 && columns[to].Path[depth] == name {
			to++
		}
		parent := columnInfo{ColumnName: name, DisplayName: name, ApexType: "complexvalue", JoinColumns: []columnInfo{}}
		if col.Children {
			// What the client knows a sub-query by.
			parent.Aggregate, parent.JoinColumns = true, nestColumns(col.Below(), 0, new(bool))
		} else {
			parent.ForeignKeyName = &name
			parent.JoinColumns = nestColumns(columns[i:to], depth+1, idSelected)
		}
		out = append(out, parent)
		i = to
	}
	return out
}

func leafColumn(name string, col org.Column) columnInfo {
	info := columnInfo{
		ApexType: string(col.Type), ColumnName: name, DisplayName: name, JoinColumns: []columnInfo{},
	}
	switch col.Type {
	case sf.TypeBoolean:
		info.BooleanType = true
	case sf.TypeInt, sf.TypeLong, sf.TypeDouble, sf.TypeCurrency, sf.TypePercent:
		info.NumberType = true
	default:
		info.TextType = true
	}
	if f := col.Field; f != nil {
		info.Custom, info.Insertable, info.Updatable = f.Custom, f.Createable, f.Updateable
		if f.RelationshipName != "" && strings.EqualFold(f.Name, name) {
			info.ForeignKeyName = &f.RelationshipName
		}
	}
	return info
}
