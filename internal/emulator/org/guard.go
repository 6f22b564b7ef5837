package org

import "holdfast/internal/sf"

// guard refuses writes that the object itself forbids, whatever the fields are, and derives what the
// rules of fields need. It runs before the rules of single objects.
func (d *draft) guard() *Error {
	if d.w.o.cfg.Features.MultiCurrency {
		if err := d.denominate(); err != nil {
			return err
		}
	}
	switch d.object.Name {
	case "Account":
		if d.w.o.cfg.Features.PersonAccounts {
			return d.personAccount()
		}
	case "Contact":
		if d.w.o.cfg.Features.PersonAccounts {
			return d.throughAccount()
		}
	case "Lead":
		if d.old != nil && d.was("IsConverted") == "true" {
			return convertedLead()
		}
	case "Task", "Event":
		return d.unconverted("WhoId")
	case "AccountContactRelation":
		return d.indirect()
	case "CurrencyType":
		return d.currencyType()
	case "DatedConversionRate":
		return d.datedRate()
	case "Order", "Contract":
		return d.binding()
	case "OrderItem":
		return d.boundLine()
	case "Asset", "Campaign":
		return d.inHierarchy()
	case "Opportunity":
		if err := d.synced(); err != nil {
			return err
		}
		return d.dealt()
	case "OpportunityLineItem":
		return d.lined()
	case "Group":
		return d.grouped()
	case "QueueSobject":
		return d.queueFor()
	case "TaskRelation":
		return d.relation(engagements["Task"])
	case "EventRelation":
		if err := d.relation(engagements["Event"]); err != nil {
			return err
		}
		return d.invited()
	case "EmailMessage":
		return d.email()
	case "FeedItem":
		return d.post()
	case "FeedComment":
		d.comment()
	case "ContentVersion":
		return d.version()
	case "ContentDocumentLink":
		return d.fileLink()
	}
	if d.object.AssociateEntityType == shareSatellite {
		return d.shared()
	}
	return nil
}

// unconverted refuses a reference to a converted lead.
func (d *draft) unconverted(lookup string) *Error {
	id := d.get(lookup)
	if id == "" || id == d.was(lookup) {
		return nil
	}
	p := d.w.o.record(sf.ID(id))
	if p.r != nil && p.t.object.Name == "Lead" && p.t.text(p.r, "IsConverted") == "true" {
		return convertedLead()
	}
	return nil
}

// consequences makes what follows from a record that has been written: other records, and changes
// of them.
func (d *draft) consequences() *Error {
	if s := d.t.beside; s != nil {
		d.trace(s)
	}
	switch d.object.Name {
	case "Account":
		if d.w.o.cfg.Features.PersonAccounts {
			return d.shadow()
		}
	case "FeedItem":
		d.mirror()
	case "Contact":
		if d.w.o.cfg.Features.ContactsToMultipleAccounts {
			d.related()
		}
	case "CurrencyType":
		d.offer()
	case "Opportunity":
		d.w.stagesPassed(d.t, d.old, d.id)
	case "OpportunityLineItem":
		d.w.total(d.get("OpportunityId"))
	case "Task", "Event":
		d.ripen()
		if err := d.engaged(); err != nil {
			return err
		}
		return d.series()
	case "TaskRelation":
		d.joined(engagements["Task"])
	case "EventRelation":
		d.joined(engagements["Event"])
	case "ContentVersion":
		return d.published()
	case "ContentDocument":
		d.renamed()
	}
	return nil
}

// mayDelete refuses the deletion of a record that its object keeps.
func (w *work) mayDelete(t *table, r *row) *Error {
	switch t.object.Name {
	case "Contact":
		if t.text(r, "IsPersonAccount") == "true" {
			return fault("DELETE_FAILED", "the contact of a person account is deleted with its account")
		}
	case "ContentDocumentLink":
		return w.keepsOwnerLink(t, r)
	case "AccountContactRelation":
		return w.keepsDirect(t, r)
	case "Order", "OrderItem":
		return w.kept(t, r)
	}
	if t.object.AssociateEntityType == shareSatellite && t.text(r, "RowCause") != "Manual" {
		return fault("UNAUTHORIZED_SHARE_ACTION", "only manual shares can be deleted", "Id")
	}
	return nil
}

// trace writes what a record leaves in the satellites of its object.
func (d *draft) trace(s *satellites) {
	if s.history != nil {
		d.remember(s)
	}
	if s.share != nil {
		d.own(s)
	}
	if len(s.posted) > 0 && d.old != nil {
		d.postChanges(s)
	}
}
