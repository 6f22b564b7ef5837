package emulator

import (
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/metadata"
	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// controlRoot is the first segment of the control endpoint's paths.
const controlRoot = "_holdfast"

// maxControl bounds the body of a control request: a script of faults is the longest.
const maxControl = 64 << 20

// firstYear and lastYear bound the org's clock: it is kept as the nanoseconds by which it differs from the
// machine's, which are 292 years at most.
const firstYear, lastYear = 1900, 2200

// A controller answers one method of one resource of the control endpoint. What it returns is sent as
// JSON; nil is an empty object.
type controller func(s *Server, r *http.Request) (any, error)

// controls are the resources of the control endpoint, by method and path. docs/reference/emulator.md
// describes each.
var controls = map[string]controller{
	"GET hardness":     func(s *Server, _ *http.Request) (any, error) { return s.Hardness(), nil },
	"PUT hardness":     putHardness,
	"GET faults":       func(s *Server, _ *http.Request) (any, error) { return append([]Injected{}, s.Injected()...), nil },
	"GET clock":        func(s *Server, _ *http.Request) (any, error) { return clockState{Now: s.Clock().Now()}, nil },
	"PUT clock":        putClock,
	"GET calls":        getCalls,
	"POST sessions":    expireSessions,
	"POST generate":    postGenerate,
	"POST files":       postFile,
	"POST images":      postImage,
	"PUT tests/*":      putTest,
	"PUT coverage/*":   putCoverage,
	"GET retrieves":    func(s *Server, _ *http.Request) (any, error) { return s.metadata.Ailing(), nil },
	"PUT retrieves":    putRetrieves,
	"PUT jobs":         putJobs,
	"POST save":        func(s *Server, _ *http.Request) (any, error) { return nil, s.Save() },
	"POST snapshots/*": func(s *Server, r *http.Request) (any, error) { s.Snapshot(last(r)); return nil, nil },
	"POST reset/*":     postReset,
	"POST sandboxes/*": postSandbox,
}

// isControl reports a request for the control endpoint.
func isControl(segments []string) bool { return len(segments) > 1 && segments[0] == controlRoot }

// last returns the last segment of the path.
func last(r *http.Request) string {
	segments := wire.Segments(r.URL.Path)
	return segments[len(segments)-1]
}

// control answers a request for the control endpoint: only when it is enabled, only to this machine,
// and only with its own token.
func (s *Server) control(w http.ResponseWriter, r *http.Request, segments []string) error {
	if s.options.ControlToken == "" {
		return wire.NotFound()
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return wire.NotFound()
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.options.ControlToken)) != 1 {
		return wire.BadRequest("INVALID_SESSION_ID", "the control endpoint has a token of its own")
	}
	path := slices.Clone(segments[1:])
	if len(path) == 2 {
		path[1] = "*"
	}
	do, ok := controls[r.Method+" "+strings.Join(path, "/")]
	if !ok {
		return wire.NotFound()
	}
	reply, err := do(s, r)
	if err != nil {
		return err
	}
	if reply == nil {
		reply = struct{}{}
	}
	return wire.Reply(w, http.StatusOK, reply)
}

func controlBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxControl))
	if err != nil {
		return nil, wire.BadRequest("INVALID_INPUT", "the body could not be read: "+err.Error())
	}
	return body, nil
}

// putHardness sets the hardness and returns it.
func putHardness(s *Server, r *http.Request) (any, error) {
	body, err := controlBody(r)
	if err != nil {
		return nil, err
	}
	h, err := hard.Parse(body)
	if err != nil {
		return nil, wire.BadRequest("INVALID_INPUT", err.Error())
	}
	if err := s.SetHardness(h); err != nil {
		return nil, wire.BadRequest("INVALID_INPUT", err.Error())
	}
	return h, nil
}

// clockState is the org's clock.
type clockState struct {
	Now time.Time `json:"now"`
}

// putClock sets the clock, or moves it, and returns it.
func putClock(s *Server, r *http.Request) (any, error) {
	body, err := controlBody(r)
	if err != nil {
		return nil, err
	}
	var move struct {
		Set     *time.Time    `json:"set"`
		Advance hard.Duration `json:"advance"`
	}
	if err := wire.DecodeJSON(body, &move); err != nil {
		return nil, err
	}
	to := s.Clock().Now()
	if move.Set != nil {
		to = *move.Set
	}
	if to = to.Add(time.Duration(move.Advance)); to.Year() < firstYear || to.Year() > lastYear {
		return nil, wire.BadRequest("INVALID_INPUT", "the clock goes from "+strconv.Itoa(firstYear)+" to "+strconv.Itoa(lastYear)+": "+to.Format(time.RFC3339))
	}
	if move.Set != nil {
		s.Clock().Set(*move.Set)
	}
	s.Clock().Advance(time.Duration(move.Advance))
	return clockState{Now: s.Clock().Now()}, nil
}

// getCalls says how many requests arrived, in all and by operation.
func getCalls(s *Server, _ *http.Request) (any, error) {
	total, by := s.Calls()
	return struct {
		Total int64            `json:"total"`
		ByOp  map[string]int64 `json:"byOp"`
	}{total, by}, nil
}

// expireSessions ends every session; refresh tokens stay good.
func expireSessions(s *Server, _ *http.Request) (any, error) {
	s.ExpireSessions()
	return nil, nil
}

// postGenerate gives an object rows that are computed when they are read.
func postGenerate(s *Server, r *http.Request) (any, error) {
	body, err := controlBody(r)
	if err != nil {
		return nil, err
	}
	g := struct {
		Object string        `json:"object"`
		Rows   int           `json:"rows"`
		Seed   uint64        `json:"seed"`
		From   time.Time     `json:"from"`
		Step   hard.Duration `json:"step"`
	}{From: s.Clock().Now()}
	if err := wire.DecodeJSON(body, &g); err != nil {
		return nil, err
	}
	made := org.Generation{Object: g.Object, Rows: g.Rows, Seed: g.Seed, From: g.From, Step: time.Duration(g.Step)}
	if err := s.org.Generate(made); err != nil {
		return nil, err
	}
	return g, nil
}

// postFile makes a file of bytes that are computed from the seed when they are read, and returns the version that has them.
func postFile(s *Server, r *http.Request) (any, error) {
	body, err := controlBody(r)
	if err != nil {
		return nil, err
	}
	var file struct {
		Name  string `json:"name"`
		Bytes int64  `json:"bytes"`
		Seed  uint64 `json:"seed"`
	}
	if err := wire.DecodeJSON(body, &file); err != nil {
		return nil, err
	}
	if file.Bytes < 1 || file.Bytes > org.MaxContentVersion {
		return nil, wire.BadRequest("INVALID_INPUT", "bytes goes from 1 to "+strconv.Itoa(org.MaxContentVersion)+": "+strconv.FormatInt(file.Bytes, 10))
	}
	made := s.org.Write(s.org.Admin(), org.Insert, []org.Row{{Object: "ContentVersion", Fields: []org.Assignment{
		{Field: "Title", Text: file.Name},
		{Field: "PathOnClient", Text: file.Name},
		{Field: "VersionData", Body: s.org.GenerateBody(file.Seed, file.Bytes)},
	}}}, org.Options{})[0]
	if !made.Success {
		return nil, &wire.Error{Status: http.StatusBadRequest, Errors: made.Errors}
	}
	return struct {
		ID sf.ID `json:"id"`
	}{made.ID}, nil
}

// postImage keeps an image of rich text, and returns what the HTML of a field refers to it by.
func postImage(s *Server, r *http.Request) (any, error) {
	body, err := controlBody(r)
	if err != nil {
		return nil, err
	}
	var given struct {
		Content []byte `json:"content"` // base64
	}
	if err := wire.DecodeJSON(body, &given); err != nil {
		return nil, err
	}
	id, src, err := s.AddImage(given.Content)
	if err != nil {
		return nil, err
	}
	return struct {
		ID  sf.ID  `json:"id"`
		Src string `json:"src"`
	}{id, src}, nil
}

// putTest declares how a class of Apex tests, or one method of it, fails from now on: with the message
// of the body, or not at all when that is empty.
func putTest(s *Server, r *http.Request) (any, error) {
	body, err := controlBody(r)
	if err != nil {
		return nil, err
	}
	var outcome struct {
		Fail string `json:"fail"`
	}
	if err := wire.DecodeJSON(body, &outcome); err != nil {
		return nil, err
	}
	s.metadata.FailTest(last(r), outcome.Fail)
	return nil, nil
}

// putCoverage declares how much of a class, a trigger or a flow tests cover; no percentage lets it be
// worked out again.
func putCoverage(s *Server, r *http.Request) (any, error) {
	body, err := controlBody(r)
	if err != nil {
		return nil, err
	}
	var cover struct {
		Percent *int `json:"percent"`
	}
	if err := wire.DecodeJSON(body, &cover); err != nil {
		return nil, err
	}
	percent := -1
	if cover.Percent != nil {
		if percent = *cover.Percent; percent < 0 || percent > 100 {
			return nil, wire.BadRequest("INVALID_INPUT", "percent goes from 0 to 100: "+strconv.Itoa(percent))
		}
	}
	s.metadata.SetCoverage(last(r), percent)
	return nil, nil
}

// putRetrieves lets retrieves fail, or components be missing from them, and returns what was set.
func putRetrieves(s *Server, r *http.Request) (any, error) {
	body, err := controlBody(r)
	if err != nil {
		return nil, err
	}
	var a metadata.Ailment
	if err := wire.DecodeJSON(body, &a); err != nil {
		return nil, err
	}
	for _, p := range a.Poison {
		if !metadata.Known(p.Type) || p.Member == "" {
			return nil, wire.BadRequest("INVALID_INPUT", "poison is a metadata type and a member: "+p.Type+" "+p.Member)
		}
	}
	for _, kind := range a.Lists {
		if !metadata.Known(kind) {
			return nil, wire.BadRequest("INVALID_INPUT", "lists are metadata types: "+kind)
		}
	}
	if a.Fail < 0 {
		return nil, wire.BadRequest("INVALID_INPUT", "fail is a number of retrieves: "+strconv.Itoa(a.Fail))
	}
	s.metadata.Ail(a)
	return s.metadata.Ailing(), nil
}

// putJobs keeps deployments and retrieves, or deployments only, in a state, Pending or InProgress, from now on, or lets
// them go on where none is named.
func putJobs(s *Server, r *http.Request) (any, error) {
	body, err := controlBody(r)
	if err != nil {
		return nil, err
	}
	var jobs struct {
		Hold string `json:"hold"`
		Only string `json:"only,omitempty"`
	}
	if err := wire.DecodeJSON(body, &jobs); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", metadata.Pending, metadata.InProgress}, jobs.Hold) {
		return nil, wire.BadRequest("INVALID_INPUT", "jobs are held in the state Pending or InProgress: "+jobs.Hold)
	}
	hold := s.metadata.Hold
	switch jobs.Only {
	case "":
	case "deployments":
		hold = s.metadata.HoldDeploys
	default:
		return nil, wire.BadRequest("INVALID_INPUT", "only deployments are held alone: "+jobs.Only)
	}
	s.holding.Lock()
	defer s.holding.Unlock()
	if s.release != nil {
		s.release()
		s.release = nil
	}
	if jobs.Hold != "" {
		s.release = hold(jobs.Hold)
	}
	return jobs, nil
}

func postReset(s *Server, r *http.Request) (any, error) {
	if !s.Reset(last(r)) {
		return nil, wire.BadRequest("NOT_FOUND", "there is no snapshot "+last(r))
	}
	return nil, nil
}

// signedIn is how to sign in to a sandbox.
type signedIn struct {
	InstanceURL  string `json:"instanceUrl"`
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	ClientID     string `json:"clientId"`
	Username     string `json:"username"`
	OrgID        string `json:"orgId"`
}

// postSandbox makes a sandbox and tells how to sign in to it.
func postSandbox(s *Server, r *http.Request) (any, error) {
	sandbox, err := s.Sandbox(r.Context(), last(r), "")
	if err != nil {
		return nil, err
	}
	return signedIn{
		InstanceURL: sandbox.URL, AccessToken: sandbox.AccessToken, RefreshToken: sandbox.RefreshToken,
		ClientID: sandbox.ClientID, Username: sandbox.Username, OrgID: sandbox.OrgID,
	}, nil
}
