package org

import "holdfast/internal/sf"

// stageFields are those whose change leaves a row of OpportunityHistory. Sources: Object Reference, OpportunityHistory
// (Amount, Probability, Stage, Close Date; the row holds what all of them then are); that a new opportunity leaves one, too,
// is what makers of reports say.
var stageFields = []string{"StageName", "Amount", "Probability", "CloseDate"}

// stagesPassed writes the stage history of an opportunity that was made or changed; was is nil for a new one.
func (w *work) stagesPassed(t *table, was *row, id sf.ID) {
	now := t.find(id)
	changed := was == nil
	for _, name := range stageFields {
		changed = changed || t.text(was, name) != t.text(now, name)
	}
	if !changed {
		return
	}
	history, rows := w.o.childrenOf("opportunityhistory", "OpportunityId", id, nil)
	if len(rows) > 0 { // SystemModstamp tells when a row became history. Source: practitioners' reports.
		w.amend(place{history, rows[len(rows)-1].pos}, map[string]string{"SystemModstamp": w.stamp})
	}
	values := map[string]string{"OpportunityId": string(id)}
	for _, name := range append([]string{"ExpectedRevenue", "ForecastCategory", "CurrencyIsoCode"}, stageFields...) {
		if f := t.object.Field(name); f != nil {
			values[name] = w.o.value(t, now, f, 1)
		}
	}
	w.plant("OpportunityHistory", values)
}
