package org

// Audit is one row of the setup audit trail. Source: Object Reference, SetupAuditTrail.
type Audit struct {
	Action, Section, Display string
	Namespace                string // ResponsibleNamespacePrefix
}

// Audit writes rows of the setup audit trail in the name of the caller. Texts longer than their fields are cut.
func (t *Tx) Audit(rows []Audit) {
	for _, r := range rows {
		t.work.plant("SetupAuditTrail", map[string]string{
			"Action": cut(r.Action, 120), "Section": cut(r.Section, 40), "Display": cut(r.Display, 1000), "ResponsibleNamespacePrefix": r.Namespace,
		})
	}
}

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}
