package org

import "strings"

// acronyms are the words of API names that labels write otherwise.
var acronyms = map[string]string{
	"Id": "ID", "Url": "URL", "Sic": "SIC", "Naics": "NAICS", "Api": "API", "Cc": "CC", "Bcc": "BCC", "Html": "HTML",
	"Ip": "IP", "Sms": "SMS", "Desc": "Description",
}

// plainLabels are labels of fields that many objects have and that do not follow from the name.
// Source: describes of Account, Contact and Opportunity.
var plainLabels = map[string]string{
	"IsDeleted": "Deleted", "LastActivityDate": "Last Activity", "NumberOfEmployees": "Employees",
	"SystemModstamp": "System Modstamp", "Jigsaw": "Data.com Key", "OwnerId": "Owner ID",
}

// labelOf derives the label of a standard field from its name: "AccountId" is "Account ID", "IsClosed"
// is "Closed", and the Id is named after its object. Of 165 standard fields in the describes of four
// objects all but the ones that carry a label in the catalogue follow it.
func labelOf(o *Object, f *Field) string {
	if f.Name == "Id" {
		return o.Label + " ID"
	}
	if label := plainLabels[f.Name]; label != "" {
		return label
	}
	words := nameWords(f.Name)
	if len(words) > 1 && words[0] == "Is" {
		words = words[1:]
	}
	for i, word := range words {
		if spelled := acronyms[word]; spelled != "" {
			words[i] = spelled
		}
	}
	return strings.Join(words, " ")
}

// nameWords splits a name before each capital letter that follows a small one.
func nameWords(name string) []string {
	var words []string
	start := 0
	for i := 1; i < len(name); i++ {
		if capital(name[i]) && !capital(name[i-1]) {
			words = append(words, name[start:i])
			start = i
		}
	}
	return append(words, name[start:])
}

func capital(c byte) bool { return c >= 'A' && c <= 'Z' }
