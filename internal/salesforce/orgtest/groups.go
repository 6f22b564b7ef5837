package orgtest

// groups are the tables of rules by what they need.
var groups = []group{
	{laws: errorRules},
	{laws: describeRules},
	{laws: recordRules},
	{laws: queryRules},
	{laws: changeRules},
	{laws: deletionRules},
	{laws: collectionRules},
	{laws: ingestRules},
	{laws: exportRules},
	{laws: sessionRules},
	{needs: []Need{Metadata}, fixture: things, laws: fieldRules},
	{needs: []Need{Metadata}, fixture: things, laws: hardRules},
	{needs: []Need{Metadata}, fixture: things, laws: pickRules},
	{needs: []Need{Metadata}, fixture: things, laws: relationRules},
}
