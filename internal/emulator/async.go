package emulator

import (
	"net/http"

	"holdfast/internal/emulator/bulk"
	"holdfast/internal/emulator/wire"
)

// async serves the older Bulk API below /services/async/XX.0.
func (s *Server) async(w http.ResponseWriter, r *http.Request, segments []string) {
	c := &wire.Call{Request: r, Version: segments[2], BaseURL: s.base(r), Path: segments[3:]}
	if err := s.asyncCall(w, c); err != nil {
		bulk.ReplyClassicError(w, c, err)
	}
}

func (s *Server) asyncCall(w http.ResponseWriter, c *wire.Call) (err error) {
	if checkVersion(c.Version) != nil {
		return wire.BadRequest("InvalidVersion", "Api version is not supported: "+c.Version)
	}
	if c.Caller, err = s.authenticate(c.Request); err != nil {
		return wire.BadRequest("InvalidSessionId", "Invalid session id")
	}
	if !s.org.May(c.Caller, apiEnabled) { // the code is unverified
		return wire.BadRequest("FeatureNotEnabled", "API is disabled for this User")
	}
	enough := s.org.Spend("DailyApiRequests", 1)
	s.limitInfo(w)
	if !enough {
		return wire.BadRequest("ExceededQuota", "TotalRequests Limit exceeded.")
	}
	return s.bulk.ServeClassic(w, c)
}
