package org

import "holdfast/internal/soql"

// Query runs a query for the caller. all also sees the records in the Recycle Bin, as queryAll does.
// An error is an *Error or a *soql.Error with the platform's code.
func (o *Org) Query(caller Caller, q *soql.Query, all bool) (*Answer, error) { return nil, nil }
