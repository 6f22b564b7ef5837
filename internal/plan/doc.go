// Package plan turns a delta that is wanted on a live org into ordered steps that can be read,
// reviewed, approved over their exact bytes, and applied.
//
// It is pure. Order decides; Encode and Decode are the file that docs/format/plan.md specifies;
// Approve is the only way to an Approved plan, which is what apply demands. Sending anything,
// learning new Ids and noticing that the org moved on belong to apply.
package plan
