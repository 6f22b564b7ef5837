package rest

import (
	"net/http"
	"strings"
	"time"

	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
	"holdfast/internal/soql"
)

// stampLayout is how REST spells a datetime.
const stampLayout = "2006-01-02T15:04:05.000+0000"

func (a *API) limits(w http.ResponseWriter, _ *wire.Call) error {
	type limit struct {
		Max       int `json:"Max"`
		Remaining int `json:"Remaining"`
	}
	reply := map[string]limit{}
	for _, l := range a.org.Limits() {
		reply[l.Name] = limit{l.Max, l.Remaining}
	}
	return wire.Reply(w, http.StatusOK, reply)
}

// recordCount answers limits/recordCount. Objects without records are left out, as recorded; the
// platform's counts are approximate, these are exact.
func (a *API) recordCount(w http.ResponseWriter, c *wire.Call) error {
	type count struct {
		Count int    `json:"count"`
		Name  string `json:"name"`
	}
	reply := struct {
		SObjects []count `json:"sObjects"`
	}{SObjects: []count{}}
	names := strings.FieldsFunc(c.URL.Query().Get("sObjects"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(names) == 0 {
		for _, o := range a.org.Objects() {
			if o.Queryable {
				names = append(names, o.Name)
			}
		}
	}
	for _, name := range names {
		o, ok := a.org.Describe(name)
		if !ok || !o.Queryable {
			continue
		}
		q, err := soql.Parse("SELECT COUNT() FROM " + o.Name)
		if err != nil {
			return err
		}
		answer, err := a.org.Query(c.Caller, q, false)
		if err != nil {
			continue // the object cannot be counted
		}
		if answer.Total > 0 {
			reply.SObjects = append(reply.SObjects, count{answer.Total, o.Name})
		}
	}
	return wire.Reply(w, http.StatusOK, reply)
}

// window reads the start and end of a getUpdated or getDeleted call.
func window(c *wire.Call) (from, to time.Time, err error) {
	form := c.URL.Query()
	if from, err = stamp("start", form.Get("start")); err != nil {
		return from, to, err
	}
	to, err = stamp("end", form.Get("end"))
	return from, to, err
}

func stamp(name, text string) (time.Time, error) {
	// A plus sign that the client did not escape arrives as a blank.
	t, err := sf.ParseDatetime(strings.Replace(text, " ", "+", 1))
	if err != nil {
		return t, wire.BadRequest("INVALID_REPLICATION_DATE", name+" date is not valid: "+text)
	}
	return t, nil
}

func (a *API) updated(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	from, to, err := window(c)
	if err != nil {
		return err
	}
	ids, covered, err := a.org.Updated(c.Caller, object.Name, from, to)
	if err != nil {
		return err
	}
	if ids == nil {
		ids = []sf.ID{}
	}
	return wire.Reply(w, http.StatusOK, struct {
		IDs     []sf.ID `json:"ids"`
		Covered string  `json:"latestDateCovered"`
	}{ids, covered.Format(stampLayout)})
}

func (a *API) deleted(w http.ResponseWriter, c *wire.Call) error {
	object, err := a.object(c, c.Path[1])
	if err != nil {
		return err
	}
	from, to, err := window(c)
	if err != nil {
		return err
	}
	log, err := a.org.Deleted(c.Caller, object.Name, from, to)
	if err != nil {
		return err
	}
	type deletion struct {
		Date string `json:"deletedDate"`
		ID   sf.ID  `json:"id"`
	}
	reply := struct {
		Records  []deletion `json:"deletedRecords"`
		Earliest string     `json:"earliestDateAvailable"`
		Covered  string     `json:"latestDateCovered"`
	}{[]deletion{}, log.Earliest.Format(stampLayout), log.Covered.Format(stampLayout)}
	for _, d := range log.Records {
		reply.Records = append(reply.Records, deletion{d.At.Format(stampLayout), d.ID})
	}
	return wire.Reply(w, http.StatusOK, reply)
}
