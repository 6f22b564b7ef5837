package emulator

import (
	"net/http"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/emulator/wire"
	"holdfast/internal/sf"
)

// badToken is how the identity resources refuse a session: a bare text, and not 401.
func badToken(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	w.WriteHeader(http.StatusForbidden)
	_, err := w.Write([]byte("Bad_OAuth_Token"))
	return err
}

// tokenUser returns the user of the session of a request, which may also come as a parameter.
func (s *Server) tokenUser(r *http.Request) (org.User, bool) {
	token, err := bearer(r)
	if err != nil {
		return org.User{}, false
	}
	if token == "" {
		if r.ParseForm() != nil { // never a form in parts, whose files would be kept on disk
			return org.User{}, false
		}
		token = r.Form.Get("oauth_token")
	}
	caller, ok := s.sessions.caller(token)
	if !ok {
		return org.User{}, false
	}
	return s.org.UserByID(caller.User)
}

func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) error {
	user, ok := s.tokenUser(r)
	if !ok {
		return badToken(w)
	}
	given, family := splitName(user.Name)
	return wire.Reply(w, http.StatusOK, map[string]any{
		"sub": s.identityURL(r, user.ID), "user_id": user.ID, "organization_id": s.OrgID,
		"preferred_username": user.Username, "nickname": given, "name": user.Name, "given_name": given, "family_name": family,
		"email": user.Email, "email_verified": true, "zoneinfo": "GMT", "locale": "en_US", "language": "en_US",
		"user_type": "STANDARD", "active": user.Active, "utcOffset": 0, "profile": s.base(r) + "/" + string(user.ID),
		"updated_at": s.Clock().Now().Format("2006-01-02T15:04:05Z"), "urls": s.urls(r, user.ID),
	})
}

// identity serves /id/<org>/<user>.
func (s *Server) identity(w http.ResponseWriter, r *http.Request, orgID, userID string) error {
	if _, ok := s.tokenUser(r); !ok {
		return badToken(w)
	}
	id, err := sf.ParseID(userID)
	if err != nil {
		return wire.NotFound()
	}
	full, err := sf.ParseID(orgID)
	user, ok := s.org.UserByID(id)
	if err != nil || !ok || string(full) != s.OrgID {
		return wire.NotFound()
	}
	given, family := splitName(user.Name)
	return wire.Reply(w, http.StatusOK, map[string]any{
		"id": s.identityURL(r, user.ID), "asserted_user": true, "user_id": user.ID, "organization_id": s.OrgID,
		"username": user.Username, "nick_name": given, "display_name": user.Name, "first_name": given, "last_name": family,
		"email": user.Email, "email_verified": true, "timezone": "GMT", "user_type": "STANDARD", "active": user.Active,
		"language": "en_US", "locale": "en_US", "utcOffset": 0, "urls": s.urls(r, user.ID),
		"last_modified_date": s.Clock().Now().Format("2006-01-02T15:04:05Z"), "is_app_installed": true,
	})
}

// urls are the addresses of the APIs; {version} stands for itself.
func (s *Server) urls(r *http.Request, user sf.ID) map[string]string {
	base := s.base(r)
	data := base + "/services/data/v{version}/"
	return map[string]string{
		"enterprise": base + "/services/Soap/c/{version}/" + s.OrgID,
		"metadata":   base + "/services/Soap/m/{version}/" + s.OrgID,
		"partner":    base + "/services/Soap/u/{version}/" + s.OrgID,
		"rest":       data, "sobjects": data + "sobjects/", "query": data + "query/",
		"tooling_rest": data + "tooling/", "profile": base + "/" + string(user), "custom_domain": base,
	}
}

func splitName(name string) (given, family string) {
	if i := strings.LastIndexByte(name, ' '); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// introspect tells whether a token is good (RFC 7662). It is for the apps themselves, or for a
// session. Source: Salesforce Help, "OpenID Connect Token Introspection".
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	if _, refusal := s.client(r, never); refusal != nil {
		if _, err := s.authenticate(r); err != nil {
			return refuse(w, refusal)
		}
	}
	token := r.PostForm.Get("token")
	kind := "access_token"
	held, ok := s.sessions.held(token)
	if !ok {
		var refresh refreshToken
		if refresh, ok = s.sessions.refreshed(token); ok {
			kind, held = "refresh_token", session{user: refresh.user, app: refresh.app, scope: refresh.scope, opened: refresh.made}
		}
	}
	if !ok {
		return wire.Reply(w, http.StatusOK, map[string]any{"active": false})
	}
	user, _ := s.org.UserByID(held.user)
	reply := map[string]any{
		"active": true, "scope": held.scope, "client_id": held.app.ClientID, "username": user.Username,
		"sub": s.identityURL(r, user.ID), "token_type": kind, "iat": held.opened.Unix(), "nbf": held.opened.Unix(),
	}
	if kind == "access_token" && s.sessions.life > 0 {
		reply["exp"] = held.opened.Add(s.sessions.life).Unix()
	}
	return wire.Reply(w, http.StatusOK, reply)
}
