package emulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"holdfast/internal/emulator/hard"
)

// idsAlone matches a query for Ids and nothing else.
var idsAlone = regexp.MustCompile(`(?i)^\s*SELECT\s+Id\s+FROM\s`)

// censusPercent is how much of a census is left of it.
const censusPercent = 60

// shortening returns what takes rows out of a page, or nil. Whether a page of Bulk results is a
// census shows only in its header row, so that is decided when the reply is there.
func (s *storm) shortening(h Hardness, r Request, key string) func(int, http.Header, []byte) (int, []byte) {
	if h.CensusShort == 0 && h.PageShort == 0 && len(h.Script) == 0 {
		return nil
	}
	return func(status int, header http.Header, body []byte) (int, []byte) {
		if status != http.StatusOK {
			return status, body
		}
		if isResults(r) {
			return status, s.shortCSV(key, header, body)
		}
		return status, s.shortJSON(r, key, body)
	}
}

// shortJSON shortens a page of a query.
func (s *storm) shortJSON(r Request, key string, body []byte) []byte {
	var page struct {
		TotalSize int               `json:"totalSize"`
		Done      bool              `json:"done"`
		Next      string            `json:"nextRecordsUrl,omitempty"`
		Records   []json.RawMessage `json:"records"`
	}
	if json.Unmarshal(body, &page) != nil || len(page.Records) == 0 {
		return body
	}
	form, _ := url.ParseQuery(r.Query)
	census := false
	if idsAlone.MatchString(form.Get("q")) {
		census, _ = s.weather.Draw(hard.CensusShort, key)
	}
	if census {
		page.Records = page.Records[:len(page.Records)*censusPercent/100]
		page.TotalSize, page.Done, page.Next = len(page.Records), true, ""
	} else if yes, _ := s.weather.Draw(hard.PageShort, key); yes {
		page.Records = page.Records[:len(page.Records)-1]
	} else {
		return body
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(page) != nil {
		return body
	}
	return out.Bytes()
}

// shortCSV shortens a page of Bulk results.
func (s *storm) shortCSV(key string, header http.Header, body []byte) []byte {
	ends := recordEnds(body)
	rows := len(ends) - 1 // the first record is the header row
	if rows < 1 {
		return body
	}
	census := false
	if string(bytes.TrimRight(body[:ends[0]], "\r\n")) == `"Id"` {
		census, _ = s.weather.Draw(hard.CensusShort, key)
	}
	if census {
		rows = rows * censusPercent / 100
		header.Set("Sforce-NumberOfRecords", strconv.Itoa(rows))
		header.Set("Sforce-Locator", "null")
		return body[:ends[rows]]
	}
	if yes, _ := s.weather.Draw(hard.PageShort, key); yes {
		return body[:ends[rows-1]]
	}
	return body
}

// recordEnds returns where each record of a CSV file ends, its line ending included.
func recordEnds(body []byte) []int {
	var ends []int
	quoted := false
	for i, c := range body {
		switch c {
		case '"':
			quoted = !quoted
		case '\n':
			if !quoted {
				ends = append(ends, i+1)
			}
		}
	}
	return ends
}
