package metadata

import (
	"encoding/xml"
	"net/url"
	"strings"

	"holdfast/internal/emulator/org"
)

// Rules are the components that refuse or change records as they are saved.

type filterCriterion struct {
	Field      string `xml:"field"`
	Operation  string `xml:"operation"`
	Value      string `xml:"value"`
	ValueField string `xml:"valueField"`
	Table      string `xml:"table"` // of a duplicate rule
}

func criteria(items []filterCriterion, logic, formula string) org.Criteria {
	c := org.Criteria{Logic: logic, Formula: formula}
	for _, i := range items {
		field := i.Field
		if i.Table != "" && !strings.Contains(field, ".") {
			field = i.Table + "." + field
		}
		c.Items = append(c.Items, org.Criterion{Field: field, Operation: i.Operation, Value: i.Value, ValueField: i.ValueField})
	}
	return c
}

type validationRule struct {
	FullName string `xml:"fullName"`
	Active   bool   `xml:"active"`
	Formula  string `xml:"errorConditionFormula"`
	Field    string `xml:"errorDisplayField"`
	Message  string `xml:"errorMessage"`
}

func (d *deploy) validationRule(rn *renamer, f *objectFile, v validationRule) {
	d.attempt("ValidationRule", f.name+"."+rn.prefixed(v.FullName), f.path, func() (string, bool, *org.Error) {
		created := false
		for _, target := range targetsOf(f.name) {
			c, err := d.tx.PutValidationRule(org.ValidationRuleSpec{
				Object: target, Name: rn.prefixed(v.FullName), Active: v.Active, Formula: rn.formula(f.name, v.Formula), Message: v.Message,
				Field: rn.fieldName(f.name, v.Field),
			})
			if err != nil {
				return "", false, err
			}
			created = created || c
		}
		return "", created, nil
	})
}

type lookupFilter struct {
	Active   bool              `xml:"active"`
	Logic    string            `xml:"booleanFilter"`
	Message  string            `xml:"errorMessage"`
	Items    []filterCriterion `xml:"filterItems"`
	Optional bool              `xml:"isOptional"`
}

func (l *lookupFilter) spec() *org.LookupFilterSpec {
	if l == nil {
		return nil
	}
	return &org.LookupFilterSpec{Active: l.Active, Optional: l.Optional, Message: l.Message, Criteria: criteria(l.Items, l.Logic, "")}
}

// offers are the picklist values of a record type, whose names are written as in a URL.
type offers struct {
	Picklist string `xml:"picklist"`
	Values   []struct {
		FullName string `xml:"fullName"`
	} `xml:"values"`
}

func picklistOffers(list []offers) map[string][]string {
	if len(list) == 0 {
		return nil
	}
	out := map[string][]string{}
	for _, o := range list {
		for _, v := range o.Values {
			name, err := url.PathUnescape(v.FullName)
			if err != nil {
				name = v.FullName
			}
			out[o.Picklist] = append(out[o.Picklist], name)
		}
	}
	return out
}

// each decodes the files of a folder and deploys each as one component.
func each[T any](d *deploy, kind, folder, suffix string, put func(name string, def *T) *org.Error) {
	for _, entry := range d.archive.under(folder, suffix) {
		name, file := entry[0], entry[1]
		def := new(T)
		if err := xml.Unmarshal(d.archive.files[file], def); err != nil {
			d.fail(kind, name, file, "Error parsing file: "+err.Error())
			continue
		}
		d.attempt(kind, name, file, func() (string, bool, *org.Error) { return "", false, put(name, def) })
	}
}

type customLabels struct {
	Labels []struct {
		FullName string `xml:"fullName"`
		Value    string `xml:"value"`
	} `xml:"labels"`
}

// labels deploys custom labels, which formulas read as $Label.name.
func (d *deploy) labels() {
	each(d, "CustomLabels", "labels", "labels", func(_ string, def *customLabels) *org.Error {
		for _, l := range def.Labels {
			d.tx.PutLabel(l.FullName, l.Value)
		}
		return nil
	})
}

type matchingRules struct {
	Rules []struct {
		FullName string `xml:"fullName"`
		Logic    string `xml:"booleanFilter"`
		Status   string `xml:"ruleStatus"`
		Items    []struct {
			Field  string `xml:"fieldName"`
			Method string `xml:"matchingMethod"`
			Blanks string `xml:"blankValueBehavior"`
		} `xml:"matchingRuleItems"`
	} `xml:"matchingRules"`
}

type duplicateRule struct {
	Active         bool     `xml:"isActive"`
	ActionOnInsert string   `xml:"actionOnInsert"`
	ActionOnUpdate string   `xml:"actionOnUpdate"`
	OnInsert       []string `xml:"operationsOnInsert"`
	OnUpdate       []string `xml:"operationsOnUpdate"`
	AlertText      string   `xml:"alertText"`
	SortOrder      int      `xml:"sortOrder"`
	Filter         struct {
		Logic string            `xml:"booleanFilter"`
		Items []filterCriterion `xml:"duplicateRuleFilterItems"`
	} `xml:"duplicateRuleFilter"`
	Matches []struct {
		Object  string `xml:"matchRuleSObjectType"`
		Rule    string `xml:"matchingRule"`
		Mapping struct {
			Fields []struct {
				Input  string `xml:"inputField"`
				Output string `xml:"outputField"`
			} `xml:"mappingFields"`
		} `xml:"objectMapping"`
	} `xml:"duplicateRuleMatchRules"`
}

// duplicateRules deploys matching rules and the duplicate rules that use them.
func (d *deploy) duplicateRules() {
	each(d, "MatchingRules", "matchingRules", "matchingRule", func(object string, def *matchingRules) *org.Error {
		for _, r := range def.Rules {
			spec := org.MatchingRuleSpec{Object: object, Name: r.FullName, Active: r.Status == "Active", Logic: r.Logic}
			for _, i := range r.Items {
				spec.Items = append(spec.Items, org.MatchingItem{Field: i.Field, Method: i.Method, MatchBlanks: i.Blanks == "MatchBlanks"})
			}
			if _, err := d.tx.PutMatchingRule(spec); err != nil {
				return err
			}
		}
		return nil
	})
	each(d, "DuplicateRule", "duplicateRules", "duplicateRule", func(full string, def *duplicateRule) *org.Error {
		object, name, _ := strings.Cut(full, ".")
		spec := org.DuplicateRuleSpec{
			Object: object, Name: name, Active: def.Active, Order: def.SortOrder, AlertText: def.AlertText,
			BlockOnInsert: def.ActionOnInsert == "Block", BlockOnUpdate: def.ActionOnUpdate == "Block",
			AlertOnInsert: contains(def.OnInsert, "Alert"), AlertOnUpdate: contains(def.OnUpdate, "Alert"),
			Filter: criteria(def.Filter.Items, def.Filter.Logic, ""),
		}
		for _, m := range def.Matches {
			match := org.DuplicateMatch{Object: m.Object, Rule: m.Rule, Fields: map[string]string{}}
			for _, f := range m.Mapping.Fields {
				match.Fields[f.Input] = f.Output
			}
			spec.Matches = append(spec.Matches, match)
		}
		_, err := d.tx.PutDuplicateRule(spec)
		return err
	})
}

func contains(list []string, text string) bool {
	for _, s := range list {
		if strings.EqualFold(s, text) {
			return true
		}
	}
	return false
}

type assignmentRules struct {
	Rules []struct {
		FullName string `xml:"fullName"`
		Active   bool   `xml:"active"`
		Entries  []struct {
			AssignedTo string            `xml:"assignedTo"`
			Type       string            `xml:"assignedToType"`
			Logic      string            `xml:"booleanFilter"`
			Formula    string            `xml:"formula"`
			Items      []filterCriterion `xml:"criteriaItems"`
		} `xml:"ruleEntry"`
	} `xml:"assignmentRule"`
}

func (d *deploy) assignmentRules() {
	each(d, "AssignmentRules", "assignmentRules", "assignmentRules", func(object string, def *assignmentRules) *org.Error {
		var rules []org.AssignmentRuleSpec
		for _, r := range def.Rules {
			rule := org.AssignmentRuleSpec{Object: object, Name: r.FullName, Active: r.Active}
			for _, e := range r.Entries {
				rule.Entries = append(rule.Entries, org.AssignmentEntry{
					Criteria: criteria(e.Items, e.Logic, e.Formula), AssignedTo: e.AssignedTo, Queue: e.Type == "Queue",
				})
			}
			rules = append(rules, rule)
		}
		return d.tx.PutAssignmentRules(object, rules)
	})
}

type workflowFile struct {
	Updates []struct {
		FullName  string `xml:"fullName"`
		Field     string `xml:"field"`
		Operation string `xml:"operation"`
		Formula   string `xml:"formula"`
		Literal   string `xml:"literalValue"`
		Lookup    string `xml:"lookupValue"`
		LookupOf  string `xml:"lookupValueType"`
		Target    string `xml:"targetObject"`
	} `xml:"fieldUpdates"`
	Alerts []struct {
		FullName string `xml:"fullName"`
	} `xml:"alerts"`
	Rules []struct {
		FullName string            `xml:"fullName"`
		Active   bool              `xml:"active"`
		Trigger  string            `xml:"triggerType"`
		Logic    string            `xml:"booleanFilter"`
		Formula  string            `xml:"formula"`
		Items    []filterCriterion `xml:"criteriaItems"`
		Actions  []struct {
			Name string `xml:"name"`
			Type string `xml:"type"`
		} `xml:"actions"`
	} `xml:"rules"`
}

func (d *deploy) workflows() {
	each(d, "Workflow", "workflows", "workflow", func(object string, def *workflowFile) *org.Error {
		spec := org.WorkflowSpec{Object: object}
		for _, u := range def.Updates {
			value := u.Literal
			if u.Operation == "LookupValue" {
				value = u.Lookup
			}
			spec.Updates = append(spec.Updates, org.FieldUpdate{
				Name: u.FullName, Field: u.Field, Operation: u.Operation, Formula: u.Formula, Value: value, Queue: u.LookupOf == "Queue", Target: u.Target,
			})
		}
		for _, a := range def.Alerts {
			spec.Alerts = append(spec.Alerts, a.FullName)
		}
		for _, r := range def.Rules {
			rule := org.WorkflowRule{Name: r.FullName, Active: r.Active, Trigger: r.Trigger, Criteria: criteria(r.Items, r.Logic, r.Formula)}
			for _, a := range r.Actions {
				rule.Actions = append(rule.Actions, org.WorkflowAction{Name: a.Name, Type: a.Type})
			}
			spec.Rules = append(spec.Rules, rule)
		}
		return d.tx.PutWorkflow(spec)
	})
}

// dropRule takes a rule out of the engine; true when it was one that the engine knows.
func (d *deploy) dropRule(k key) bool {
	object, name, _ := strings.Cut(k.name, ".")
	var err *org.Error
	switch k.kind {
	case "ValidationRule":
		for _, target := range targetsOf(object) {
			err = d.tx.DropValidationRule(target, name)
		}
	case "DuplicateRule":
		err = d.tx.DropDuplicateRule(object, name)
	case "MatchingRule":
		err = d.tx.DropMatchingRule(object, name)
	case "WorkflowRule":
		err = d.tx.DropWorkflowRule(object, name)
	case "AssignmentRule":
		err = d.tx.DropAssignmentRule(object, name)
	case "ApexTrigger":
		d.tx.DropAutomation(k.kind, k.name)
		return false // it is there if it is stored
	default:
		return false
	}
	return err == nil
}
