package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// Deleted returns the org's log of deletions of the object between the times. How far the log can be
// believed is part of the answer: Earliest may lie after from, and Covered before to. When the org
// cannot answer for that time at all (INVALID_REPLICATION_DATE: before its horizon of 15 days;
// EXCEEDED_ID_LIMIT: more than 600,000 deletions) or keeps no log of the object, the error is a
// problem of kind NotFound, and a census of Ids is the way to know.
func (o *Org) Deleted(ctx context.Context, object string, from, to time.Time) (sf.DeletedLog, error) {
	what := "deletions of " + object
	if !isName(object) {
		return sf.DeletedLog{}, unknownObject(what, object)
	}
	// The platform ignores seconds, and wants an end at least a minute after the start.
	start := from.UTC().Truncate(time.Minute)
	end := to.UTC().Add(time.Minute - time.Nanosecond).Truncate(time.Minute)
	if !end.After(start) {
		end = start.Add(time.Minute)
	}
	const layout = "2006-01-02T15:04:05+00:00"
	q := url.Values{"start": {start.Format(layout)}, "end": {end.Format(layout)}}
	var reply struct {
		Records []struct {
			ID string `json:"id"`
			At string `json:"deletedDate"`
		} `json:"deletedRecords"`
		Earliest string `json:"earliestDateAvailable"`
		Covered  string `json:"latestDateCovered"`
	}
	err := o.json(ctx, call{
		what: what, method: http.MethodGet, repeat: true,
		path: o.data("sobjects/" + object + "/deleted?" + q.Encode()),
	}, &reply)
	if err != nil {
		return sf.DeletedLog{}, noLog(what, err)
	}
	var log sf.DeletedLog
	if log.Earliest, err = sf.ParseDatetime(reply.Earliest); err != nil {
		return sf.DeletedLog{}, fmt.Errorf("%s: earliestDateAvailable: %w", what, err)
	}
	if log.Covered, err = sf.ParseDatetime(reply.Covered); err != nil {
		return sf.DeletedLog{}, fmt.Errorf("%s: latestDateCovered: %w", what, err)
	}
	for _, r := range reply.Records {
		d := sf.DeletedRecord{}
		if d.ID, err = sf.ParseID(r.ID); err == nil {
			d.At, err = sf.ParseDatetime(r.At)
		}
		if err != nil {
			return sf.DeletedLog{}, fmt.Errorf("%s: %w", what, err)
		}
		log.Records = append(log.Records, d)
	}
	return log, nil
}

// noLog marks the refusals that mean "there is no log for that time".
func noLog(what string, err error) error {
	f, ok := errors.AsType[*Fault](err)
	if !ok {
		return err
	}
	switch f.Code {
	case "INVALID_REPLICATION_DATE", "EXCEEDED_ID_LIMIT", "INVALID_TYPE_FOR_OPERATION", "OPERATION_NOT_SUPPORTED", "METHOD_NOT_ALLOWED":
		return problem.Wrap(problem.NotFound, f, what).Hint("compare the Ids that the org has now with those of the last snapshot")
	}
	return err
}
