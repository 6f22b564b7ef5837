package org

// permits is what a user may do.
type permits struct {
	custom map[string]bool // custom permissions by folded name
}

func (o *Org) permits(caller Caller) *permits { return &permits{} }
