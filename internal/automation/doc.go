// Package automation knows which components of an org act when records are written (triggers,
// record-triggered flows and processes, validation rules, workflow rules, duplicate rules), on which
// object, and how each is switched off and on again by changing nothing but its status.
//
// It is pure: it reads and writes the files of archives. Retrieving, deploying and writing down what was
// there before belong to package apply. What is switched off is put back from the very bytes that were
// there; States tells whether two archives hold the same.
package automation
