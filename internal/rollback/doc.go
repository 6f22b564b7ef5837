// Package rollback decides how the components of an org go back to what they were before a change.
//
// It promises that
//   - a component, or a part of one, that somebody has changed since stays as it is, and is named as a conflict;
//   - nothing is deleted that was there before the change, and nothing that the states do not hold in full;
//   - what one deployment cannot do is spread over several, in an order in which each can succeed;
//   - the same states give the same bytes.
//
// It deploys nothing, and knows neither repository nor org.
package rollback
