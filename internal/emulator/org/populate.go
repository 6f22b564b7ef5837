package org

import (
	"cmp"

	"holdfast/internal/sf"
)

// populate makes the records that a new org has.
func (o *Org) populate() {
	now := o.clock.Now()
	o.logFrom = now
	w := o.begin(Caller{}, now, Options{})
	// The organization and the first user refer to each other, so the Id of the user comes first.
	users := o.tables["user"]
	o.admin = o.newID(users)
	w.caller = Caller{User: o.admin}
	o.id = w.plant("Organization", map[string]string{
		"Name": o.cfg.Name, "OrganizationType": cmp.Or(o.cfg.Edition, "Developer Edition"), "IsSandbox": boolText(o.cfg.Sandbox), "InstanceName": "EMU1", "Country": "US",
		"DefaultLocaleSidKey": "en_US", "LanguageLocaleKey": "en_US", "TimeZoneSidKey": "America/Los_Angeles",
		"FiscalYearStartMonth": "1", "DefaultAccountAccess": "Edit", "DefaultContactAccess": "ControlledByParent",
		"DefaultOpportunityAccess": "Edit", "DefaultLeadAccess": "ReadEditTransfer",
		"DefaultCaseAccess": "ReadEditTransfer", "PrimaryContact": "Ada Admin",
	})
	profiles := map[string]sf.ID{}
	for _, name := range []string{"System Administrator", "Standard User", "Minimum Access - Salesforce"} {
		admin := boolText(name == "System Administrator")
		profiles[name] = w.plant("Profile", map[string]string{
			"Name": name, "UserType": "Standard", "PermissionsApiEnabled": boolText(name != "Minimum Access - Salesforce"),
			"PermissionsModifyAllData": admin, "PermissionsViewAllData": admin,
			// Salesforce Help, "Standard Profiles": both "view the organization's setup".
			"PermissionsViewSetup": boolText(name != "Minimum Access - Salesforce"),
		})
	}
	w.person(o.admin, o.cfg.Username, "Ada", "Admin", profiles["System Administrator"], true)
	w.person(o.newID(users), "standard."+o.cfg.Username, "Sam", "Standard", profiles["Standard User"], true)
	w.person(o.newID(users), "former."+o.cfg.Username, "Frida", "Former", profiles["Standard User"], false)
	if len(o.cfg.Permissions) > 0 {
		w.plantGrant(o.admin, o.cfg.Permissions)
	}
	w.plant("UserRole", map[string]string{
		"Name": "CEO", "DeveloperName": "CEO", "OpportunityAccessForAccountOwner": "Edit",
	})
	w.plant("Pricebook2", map[string]string{"Name": "Standard Price Book", "IsStandard": "true", "IsActive": "true"})
	if o.cfg.Features.MultiCurrency {
		w.plantCurrency()
	}
	o.plantStatuses(w)
	w.commit()
}

// plant makes a record as the platform does, past all rules.
func (w *work) plant(object string, values map[string]string) sf.ID {
	t := w.o.tables[fold(object)]
	id := w.o.newID(t)
	w.plantAt(t, id, values)
	return id
}

func (w *work) plantAt(t *table, id sf.ID, values map[string]string) {
	d := &draft{w: w, t: t, object: t.object, id: id, vals: make([]string, t.columns), given: map[int]bool{}}
	for name, text := range values {
		if text != "false" {
			d.put(name, text)
		}
	}
	d.audit()
	w.set(t, t.pack(id, d.vals, live, int32(len(t.rows))))
}

func (w *work) person(id sf.ID, username, first, last string, profile sf.ID, active bool) {
	w.plantAt(w.o.tables["user"], id, map[string]string{
		"Username": username, "FirstName": first, "LastName": last, "Name": first + " " + last,
		"Email": username, "Alias": fold(first), "CommunityNickname": fold(first + "." + last),
		"IsActive": boolText(active), "TimeZoneSidKey": "America/Los_Angeles", "LocaleSidKey": "en_US",
		"EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US", "ProfileId": string(profile),
		"UserType": "Standard", "DigestFrequency": "D", "DefaultGroupNotificationFrequency": "N",
	})
}

// plantGrant gives a user permissions through a permission set. A name that is no permission gives nothing.
func (w *work) plantGrant(user sf.ID, permissions []string) {
	set := map[string]string{"Name": "Granted", "Label": "Granted", "IsCustom": "true"}
	for _, name := range permissions {
		if f := w.o.tables["permissionset"].object.Field("Permissions" + name); f != nil {
			set[f.Name] = "true"
		}
	}
	w.plant("PermissionSetAssignment", map[string]string{"PermissionSetId": string(w.plant("PermissionSet", set)), "AssigneeId": string(user)})
}

// stage is one row of OpportunityStage: the values of a new org. Probabilities and categories beyond
// the closed ones are unverified.
type stage struct {
	name, probability, category string
	closed, won                 bool
}

var firstStages = []stage{
	{"Prospecting", "10", "Pipeline", false, false},
	{"Qualification", "10", "Pipeline", false, false},
	{"Needs Analysis", "20", "Pipeline", false, false},
	{"Value Proposition", "50", "Pipeline", false, false},
	{"Id. Decision Makers", "60", "Pipeline", false, false},
	{"Perception Analysis", "70", "Pipeline", false, false},
	{"Proposal/Price Quote", "75", "Pipeline", false, false},
	{"Negotiation/Review", "90", "Pipeline", false, false},
	{"Closed Won", "100", "Closed", true, true},
	{"Closed Lost", "0", "Omitted", true, false},
}

// categoryNames are the labels of the forecast categories.
// Source: describe of Opportunity, ForecastCategory and ForecastCategoryName.
var categoryNames = map[string]string{
	"Omitted": "Omitted", "Pipeline": "Pipeline", "BestCase": "Best Case", "Forecast": "Commit", "Closed": "Closed",
}

func (o *Org) plantStatuses(w *work) {
	for i, s := range firstStages {
		w.plantStage(i+1, s)
	}
	closed := map[string]string{
		"CaseStatus:Closed": "IsClosed", "TaskStatus:Completed": "IsClosed", "LeadStatus:Closed - Converted": "IsConverted",
	}
	for _, object := range []string{"CaseStatus", "TaskStatus", "LeadStatus"} {
		for i, v := range o.schema.sets[object] {
			values := map[string]string{
				"MasterLabel": v.Label, "ApiName": v.Value, "SortOrder": itoa(i + 1), "IsDefault": boolText(v.Default),
			}
			if flag := closed[object+":"+v.Value]; flag != "" {
				values[flag] = "true"
			}
			w.plant(object, values)
		}
	}
}

func (w *work) plantStage(order int, s stage) {
	w.plant("OpportunityStage", map[string]string{
		"MasterLabel": s.name, "ApiName": s.name, "IsActive": "true", "SortOrder": itoa(order),
		"IsClosed": boolText(s.closed), "IsWon": boolText(s.won), "ForecastCategory": s.category,
		"ForecastCategoryName": orElse(categoryNames[s.category], "Pipeline"), "DefaultProbability": s.probability,
	})
}
